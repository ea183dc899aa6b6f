#!/usr/bin/env python3
"""Live tests of the cache: real programs load what mlx-cache exposed, and no byte is there twice.

    python=$(tests/live/env.sh) && "$python" tests/live/run_cache.py .build/asan/bin

mlx_lm.load by name (offline, from the refs alone) and by path; llama-server with the GGUF as the layouts
of the hub, LM Studio and a plain folder give it; the hub's own `hf cache` over it; and, where there is
an `ollama` program, `ollama serve` over a store of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import load
import servers
import tiny_model

HERE = Path(__file__).resolve().parent
MLX, GGUF = "org/tiny", "org/smol-GGUF"
TOKENS = 8

GENERATE = """
import sys
from mlx_lm import load, stream_generate
model, tokenizer = load(sys.argv[1])
count = sum(1 for _ in stream_generate(model, tokenizer, prompt=[5, 6, 7], max_tokens=8))
print(count)
"""


class World:
    """A home, a hub's double that serves the two models, and mlx-cache over both."""

    def __init__(self, folder, binaries):
        self.folder = Path(folder)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.program = str(Path(binaries).resolve() / "mlx-cache")
        self.hub = self.folder / "hub"
        tiny_model.make(self.hub / MLX)
        (self.hub / GGUF).mkdir(parents=True)
        shutil.copy(servers.smollm2(), self.hub / GGUF / "smol-Q4_1.gguf")
        double = HERE.parent / "cache" / "hub_double.py"
        self.double = subprocess.Popen(
            [sys.executable, str(double), str(self.hub)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port = self.double.stdout.readline().strip()
        drop = ("HF_", "MLX_", "XDG_", "OLLAMA_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        self.env.update(
            HOME=str(self.home),
            HF_ENDPOINT=f"http://127.0.0.1:{port}",
            HF_HUB_CACHE=str(self.folder / "store"),
            HF_HUB_DISABLE_XET="1",
            HF_HUB_DISABLE_TELEMETRY="1",
            OLLAMA_HOST="127.0.0.1:1",
            MLX_CACHE_DIRS=str(self.folder / "dir"),
            TMPDIR=str(self.folder),  # MLX keeps the kernels that it compiles in $TMPDIR/mlx
        )
        (self.folder / "store").mkdir()

    def end(self):
        self.double.stdin.close()
        self.double.wait()

    def run(self, argv, **env):
        done = subprocess.run(
            argv, env=dict(self.env, **env), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{argv[:6]}: status {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def mlx(self, *args, **env):
        return json.loads(self.run([self.program, "--json", *args], **env))

    def blob(self, sha256):
        return self.home / ".mlx-cache" / "blobs" / "sha256" / sha256[:2] / sha256


def same_file(name, path, blob):
    there, here = os.stat(path), os.stat(blob)
    if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
        raise RuntimeError(f"{name}: {path} is a second copy of the bytes")


def weights(added):
    return next(f for f in added["files"] if f["path"].endswith((".gguf", ".safetensors")))


def mlx_lm(world):
    added = world.mlx("add", MLX)["results"][0]
    world.mlx("link", "huggingface", MLX)
    file = weights(added)
    snapshot = world.folder / "store/models--org--tiny/snapshots" / added["revision"]
    same_file("huggingface", snapshot / file["path"], world.blob(file["sha256"]))
    view = world.home / ".mlx-cache" / "models" / added["view"]
    for name in (MLX, str(view)):
        offline = {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:1"}
        count = world.run([sys.executable, "-c", GENERATE, name], **offline).split()[-1]
        if int(count) != TOKENS:
            raise RuntimeError(f"mlx_lm.load({name}) generated {count} tokens")
    print(f"mlx_lm.load    by name, offline from the refs, and by path: {TOKENS} tokens each")


def from_ollama(world):
    """The GGUF comes into an Ollama store by one cache; another adds it from the hub with no byte."""
    other = ["--dir", str(world.folder / "other")]
    world.mlx(*other, "add", str(world.hub / GGUF / "smol-Q4_1.gguf"), "--as", "org/smol", "--copy")
    (world.home / ".ollama/models/manifests").mkdir(parents=True)
    world.mlx(*other, "link", "ollama", "org/smol", "--as", "smol:135m")
    added = world.mlx("add", GGUF)["results"][0]
    if added["downloaded"] or added["adopted"] != added["size"]:
        raise RuntimeError(f"{GGUF} was fetched though Ollama has it: {added}")
    file = weights(added)
    same_file(
        "ollama",
        world.home / ".ollama/models/blobs" / ("sha256-" + file["sha256"]),
        world.blob(file["sha256"]),
    )
    print(f"ollama         {added['size']} bytes of its store serve the hub's model: 0 fetched")
    return added


def llama_server(world, added):
    file = weights(added)
    places = {
        "llamacpp": f"store/models--org--smol-GGUF/snapshots/{added['revision']}/{file['path']}",
        "lmstudio": f"home/.lmstudio/models/{GGUF}/{file['path']}",
        "dir": f"dir/{added['view']}/{file['path']}",
    }
    (world.folder / "dir").mkdir()
    for app, place in places.items():
        path = world.folder / place
        world.mlx("link", app, GGUF, LLAMA_CACHE=str(world.folder / "store"))
        same_file(app, path, world.blob(file["sha256"]))
        with servers.llama_server(world.folder, path) as server:
            result = load.openai(server.port, server.model, TOKENS)
        if not result.pieces:
            raise RuntimeError(f"llama-server said nothing with the model of {app}")
        print(f"llama-server   loads it as {app} has it: {result.pieces} pieces, same inode")


def hf_client(world):
    hf = str(Path(sys.executable).parent / "hf")
    listed = world.run([hf, "cache", "ls"])
    for repo in (MLX, GGUF):
        if repo not in listed:
            raise RuntimeError(f"hf cache ls does not list {repo}: {listed}")
        world.run([hf, "cache", "verify", repo, "--fail-on-missing-files", "--fail-on-extra-files"])
    print("hf             cache ls lists, cache verify finds nothing wrong with both models")


def ollama(world, added):
    program = shutil.which("ollama")
    if not program:
        print("ollama serve   skipped: there is no ollama program here")
        return
    file = weights(added)
    port = servers.free_port()
    host = f"127.0.0.1:{port}"
    store = world.folder / "ollama"
    (store / "manifests").mkdir(parents=True)
    env = dict(world.env, OLLAMA_HOST=host, OLLAMA_MODELS=str(store))
    with servers.running([program, "serve"], world.folder / "serve.log", env=env) as process:
        servers.wait_until_answers(process, port, "/api/version")
        world.mlx("link", "ollama", GGUF, "--as", "smol:live", OLLAMA_HOST=host, OLLAMA_MODELS=str(store))
        blob = store / "blobs" / ("sha256-" + file["sha256"])
        same_file("ollama", blob, world.blob(file["sha256"]))
        names = [m["name"] for m in json.loads(servers.get(port, "/api/tags"))["models"]]
        if "smol:live" not in names:
            raise RuntimeError(f"/api/tags lists {names}")
        body = {"model": "smol:live", "prompt": "Hello", "stream": False,
                "options": {"num_predict": TOKENS}}
        url = f"http://{host}/api/generate"
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=120) as reply:
            count = json.load(reply)["eval_count"]
        same_file("ollama", blob, world.blob(file["sha256"]))
    print(f"ollama serve   lists and runs it: {count} tokens, same inode")


def main():
    with tempfile.TemporaryDirectory(prefix="mlx-live-cache-") as folder:
        world = World(folder, sys.argv[1])
        try:
            mlx_lm(world)
            added = from_ollama(world)
            llama_server(world, added)
            world.mlx("link", "huggingface", GGUF)
            hf_client(world)
            ollama(world, added)
        except (RuntimeError, OSError, TimeoutError) as error:
            print(f"cache: FAILED: {error}")
            return 1
        finally:
            world.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

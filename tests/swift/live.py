#!/usr/bin/env python3
"""Runs the Swift live tests and the demos against real servers.

    python=$(tests/live/env.sh) && "$python" tests/swift/live.py

llama-server and mlx_lm.server are started for it (tests/live); an Ollama named by OLLAMA_HOST is used
as it is. The package's tests and the demos must have been built: tests/swift/run.sh does that.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/live"))

import servers  # noqa: E402  (found through the path above)

SWIFT = os.environ.get("SWIFT", "swift")


def run(words, **environment):
    print("+", " ".join(str(word) for word in words), flush=True)
    return subprocess.run(words, cwd=ROOT, env=dict(os.environ, **environment), check=True,
                          capture_output=True, text=True, timeout=300)


def check(name, url, model):
    tests = run([SWIFT, "test", "--skip-build", "--scratch-path", ".build/swift",
                 "--filter", "LiveTests"], MLX_SERVER=url, MLX_TEST_MODEL=model)
    summary = [line for line in tests.stdout.splitlines() if "Test run with" in line]
    print(f"{name}: {summary[-1] if summary else 'no summary'}")
    demo = run([ROOT / ".build/examples/debug/chat-demo", "--server", url, "--model", model,
                "--max-tokens", "24", "Say hello."])
    if not demo.stdout.strip():
        raise RuntimeError(f"{name}: the chat demo got no answer")
    print(f"{name}: chat-demo: {demo.stdout.strip()[:60]!r} {demo.stderr.strip().splitlines()[-1]}")


def busy(port):
    return any(slot["is_processing"] for slot in json.loads(servers.get(port, "/slots")))


def check_interrupt(port, url, model):
    """Ctrl-C in the demo stops the server's work, long before its answer would have ended."""
    words = [ROOT / ".build/examples/debug/chat-demo", "--server", url, "--model", model,
             "--max-tokens", "1800", "Count from one to one thousand, in words."]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as demo:
        demo.stdout.read(20)
        if not busy(port):
            raise RuntimeError("llama-server: the answer was over too soon to interrupt it")
        demo.send_signal(signal.SIGINT)
        start = time.monotonic()
        while busy(port):
            if time.monotonic() - start > 5:
                raise RuntimeError("llama-server: it goes on after the client was interrupted")
            time.sleep(0.005)
        print(f"llama-server: idle {(time.monotonic() - start) * 1000:.0f} ms after the interrupt")
        if demo.wait(10) != 130:
            raise RuntimeError(f"chat-demo ended with {demo.returncode}, not 130")


def main():
    with tempfile.TemporaryDirectory() as folder:
        with servers.llama_server(folder) as server:
            url = f"http://127.0.0.1:{server.port}/v1"
            model = json.loads(servers.get(server.port, "/v1/models"))["data"][0]["id"]
            check("llama-server", url, model)
            check_interrupt(server.port, url, model)
        with servers.mlx_lm_server(folder) as server:
            check("mlx_lm.server", f"http://127.0.0.1:{server.port}/v1", server.model)


main()

"""Start the suite's own daemons in a private place, watching one runtime."""

import contextlib
import json
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import bus
import servers


@dataclass
class Suite:
    run_dir: Path
    tap_port: int
    log: Path

    def subscriber(self, prefix="runtime."):
        return bus.Subscriber(self.run_dir, prefix)


def wait_for_file(path, process):
    deadline = time.monotonic() + 20
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"no {path}: the process ended with {process.returncode}")
        time.sleep(0.02)


def wait_for_tap(port, processes):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and all(process.poll() is None for process in processes):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the tap does not listen on port {port}")


def config(server, tap_port, extra):
    # YAML takes JSON.
    return json.dumps(
        {
            "watcher": {
                "discover": False,
                "runtimes": [
                    {"kind": server.kind, "url": f"http://127.0.0.1:{server.port}", **extra}
                ],
                "tap_listen": f"127.0.0.1:{tap_port}",
                "tap_upstream": f"127.0.0.1:{server.port}",
                "poll_busy_ms": 250,
                "poll_idle_ms": 250,
            }
        }
    )


@contextlib.contextmanager
def watching(binaries, folder, server, daemons=("mlx-bus", "mlx-watcher"), extra=None):
    """BINARIES is the folder of the daemons; the bus must be the first of them. EXTRA: more of the
    runtime's entry in the settings."""
    folder = Path(folder)
    run_dir = folder / "run"
    run_dir.mkdir(mode=0o700)
    suite = Suite(run_dir, servers.free_port(), folder / "suite.log")
    (folder / "config.yaml").write_text(config(server, suite.tap_port, extra or {}))
    environment = dict(
        os.environ,
        MLX_RUNTIME_DIR=str(run_dir),
        MLX_CONFIG=str(folder / "config.yaml"),
        HOME=str(folder),
    )
    environment.pop("OLLAMA_HOST", None)
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(suite.log, "wb"))
        processes = []
        for name in daemons:
            process = subprocess.Popen(
                [str(Path(binaries) / name)], env=environment, stdout=out, stderr=out
            )
            processes.append(process)
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            wait_for_file(run_dir / "subscribe.sock", process)
        try:
            wait_for_tap(suite.tap_port, processes)
            yield suite
        except Exception:
            print(f"--- the suite's log\n{suite.log.read_text(errors='replace')[-3000:]}")
            raise

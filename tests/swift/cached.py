#!/usr/bin/env python3
"""SwiftMLXBus against the real cache service: a download with progress, then the model in the cache.

    MLX_BIN=.build/asan/bin tests/tools/with_python.sh tests/swift/cached.py

The package's tests must have been built: tests/swift/run.sh does that. The hub is tests/cache's double,
slowed down so that there is progress to see.
"""
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/suite"))

from suite import BIN, Suite  # noqa: E402  (found through the path above)

MODEL = "acme/tiny"


def make_model(folder):
    folder.mkdir(parents=True)
    size = 4 << 20
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    (folder / "config.json").write_text('{"model_type": "llama"}')


def main():
    with Suite() as suite:
        hub = Path(suite.directory) / "hub"
        make_model(hub / MODEL)
        (hub / ".faults").write_text("pace 1 0.02\n")
        with subprocess.Popen([sys.executable, str(ROOT / "tests/cache/hub_double.py"), str(hub)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as double:
            suite.environment["HF_ENDPOINT"] = f"http://127.0.0.1:{double.stdout.readline().strip()}"
            suite.start("bus")
            suite.start("cached")
            suite.subscribe("service.cache").until(lambda _t, b: b["d"]["state"] == "up", 20)
            tests = subprocess.run(
                ["swift", "test", "--skip-build", "--scratch-path", ".build/swift", "--filter",
                 "CacheServiceTests"], cwd=ROOT, capture_output=True, text=True, timeout=200,
                env={**os.environ, "MLX_TEST_CACHED_MODEL": MODEL, "MLX_RUNTIME_DIR": suite.run_dir})
            double.stdin.close()
        if tests.returncode or "theRealServiceDownloadsWithProgress() passed" not in tests.stdout:
            sys.exit(tests.stdout + tests.stderr + suite.log("cached"))
        status = subprocess.run([os.path.join(BIN, "mlx-cache"), "status", "--json"],
                                env=suite.environment, capture_output=True, text=True, check=True)
        names = [model["name"] for model in json.loads(status.stdout)["models"]]
        assert names == [MODEL], names
    print("swift: the real cache service: downloaded with progress, and there afterwards")


main()

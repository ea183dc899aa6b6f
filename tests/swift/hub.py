#!/usr/bin/env python3
"""What HubDownloader brings is what the hub's own client and mlx-cache have: one store.

    MLX_BIN=.build/asan/bin tests/tools/with_python.sh tests/swift/hub.py [SCRATCH]

The package's tests must have been built in SCRATCH (.build/swift): one of them downloads. The hub is
tests/cache's double; the download is killed in its middle once, and then resumed.
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
sys.path.insert(0, str(ROOT / "tests/cache"))

from files import safetensors, write  # noqa: E402  (found through the path above)

SCRATCH = ROOT / (sys.argv[1] if len(sys.argv) > 1 else ".build/swift")
BIN = Path(os.environ.get("MLX_BIN", ROOT / ".build/asan/bin")).resolve()
MODEL = "org/mlx"
LARGE = 400000
CLIENT = """
from huggingface_hub import HfApi, scan_cache_dir, snapshot_download
found = scan_cache_dir()
assert not found.warnings and not found.incomplete_files, found
repo, = found.repos
revision, = repo.revisions
assert repo.repo_id == "org/mlx" and revision.refs == {"main"}, repo
checked = HfApi().verify_repo_checksums("org/mlx")
assert not checked.mismatches and not checked.missing_paths and not checked.extra_paths, checked
print(snapshot_download("org/mlx", local_files_only=True))
"""


def test_binary():
    found = sorted(SCRATCH.glob("debug/*PackageTests.xctest"))
    if not found:
        sys.exit(f"hub: {SCRATCH} has no tests; run tests/swift/run.sh")
    return found[0] / "Contents/MacOS" / found[0].stem if found[0].is_dir() else found[0]


class World:
    def __init__(self, folder):
        self.hub = Path(folder) / "hub"
        repo = self.hub / MODEL
        for name, data in [("config.json", b'{"model_type":"llama"}'), ("tokenizer.json", b"{}"),
                           ("sub/extra.json", b"[]"),
                           ("model-00001-of-00002.safetensors", safetensors(LARGE, str(LARGE))),
                           ("model-00002-of-00002.safetensors", safetensors(50000, "50000"))]:
            write(str(repo / name), data)
        self.faults("other-host\nleak\n")
        self.double = subprocess.Popen([sys.executable, str(ROOT / "tests/cache/hub_double.py"), str(self.hub)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        home = Path(folder) / "home"
        home.mkdir()
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MLX_", "XDG_"))}
        self.environment = {**keep, "HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_secret",
                            "HF_HUB_DISABLE_TELEMETRY": "1", "MLX_TEST_HUB_MODEL": MODEL,
                            "HF_ENDPOINT": f"http://127.0.0.1:{self.double.stdout.readline().strip()}"}
        self.blobs = home / ".cache/huggingface/hub/models--org--mlx/blobs"

    def faults(self, text):
        write(str(self.hub / ".faults"), text.encode())

    def run(self, *words, **more):
        done = subprocess.run(words, env={**self.environment, **more}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout

    def download(self):
        return subprocess.Popen([str(test_binary()), "--testing-library", "swift-testing", "--filter",
                                 "theRealEnvironmentsHub"], env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def kill_in_the_middle(world):
    world.faults("other-host\nleak\nstall 1\n")
    with world.download() as first:
        deadline = time.monotonic() + 120
        while not any(f.stat().st_size >= LARGE // 2 for f in world.blobs.glob("*.incomplete")):
            assert first.poll() is None and time.monotonic() < deadline, first.communicate()
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
    world.faults("other-host\nleak\n")


def main():
    with tempfile.TemporaryDirectory(prefix="mlx-swift-hub.") as folder:
        world = World(folder)
        try:
            kill_in_the_middle(world)
            with world.download() as again:
                output = again.communicate()[0]
                assert again.returncode == 0 and "passed" in output, output
            ranges = [line.split()[2] for line in (world.hub / ".log").read_text().splitlines() if "/cdn/" in line]
            assert any(r.startswith("bytes=") and not r.startswith("bytes=0") for r in ranges), ranges
            world.run(sys.executable, "-c", CLIENT)
            hf = Path(sys.executable).with_name("hf")
            assert MODEL in world.run(str(hf), "cache", "ls")
            world.run(str(hf), "cache", "verify", MODEL)
            if (BIN / "mlx-cache").exists():
                status = json.loads(world.run(str(BIN / "mlx-cache"), "--json", "status"))
                row, = [m for m in status["models"] if m["name"] == MODEL]
                assert not row.get("incomplete") and not row.get("missing"), row
                added = json.loads(world.run(str(BIN / "mlx-cache"), "--json", "add", MODEL))["results"][0]
                assert added["downloaded"] == 0, added
        finally:
            world.double.stdin.close()
            world.double.wait()
    print("swift: the hub in this process: killed, resumed; the hub's own client and mlx-cache take it")


main()

#!/usr/bin/env python3
"""The real hub client sees and uses what we exposed, and we take what it downloaded with no byte fetched.

usage: hf_client.py BIN_DIR        exits 77 where huggingface_hub is not installed
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import huggingface_hub
except ImportError:
    sys.exit(77)

from files import safetensors, write

BIN = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))


class World:
    def __init__(self, folder):
        self.folder = folder
        self.hub = os.path.join(folder, "hub")
        repo = os.path.join(self.hub, "org", "mlx")
        write(os.path.join(repo, "config.json"), b'{"model_type":"llama"}')
        write(os.path.join(repo, "tokenizer.json"), b"{}")
        write(os.path.join(repo, ".gitattributes"), b"*.safetensors filter=lfs")
        write(os.path.join(repo, "README.md"), b"# A model")
        write(os.path.join(repo, "sub", "extra.json"), b"[]")
        write(os.path.join(repo, "model-00001-of-00002.safetensors"), safetensors(70000, "70000"))
        write(os.path.join(repo, "model-00002-of-00002.safetensors"), safetensors(50000, "50000"))
        write(os.path.join(self.hub, ".faults"), b"other-host\nleak\n")
        self.double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), self.hub],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = "http://127.0.0.1:" + self.double.stdout.readline().strip()

    def env(self, name):
        home = os.path.join(self.folder, name)
        os.makedirs(home, exist_ok=True)
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MLX_", "XDG_"))}
        return {**keep, "HOME": home, "HF_ENDPOINT": self.endpoint, "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1"}

    def mlx(self, name, *args):
        run = subprocess.run([os.path.join(BIN, "mlx-cache"), "--json", *args], env=self.env(name),
                             capture_output=True, text=True, check=False)
        assert run.returncode == 0, (args, run.stderr)
        return json.loads(run.stdout)

    def python(self, name, code, **more):
        run = subprocess.run([sys.executable, "-c", code], env={**self.env(name), **more},
                             capture_output=True, text=True, check=False)
        assert run.returncode == 0, (code, run.stderr)
        return run.stdout.strip()

    def requests(self, part):
        with open(os.path.join(self.hub, ".log")) as f:
            return sum(part in line for line in f)

    def end(self):
        self.double.stdin.close()
        self.double.wait()


SCAN = """
from huggingface_hub import scan_cache_dir
r = scan_cache_dir()
assert not r.warnings, r.warnings
assert [x.repo_id for x in r.repos] == ["org/mlx"], r.repos
rev, = list(r.repos)[0].revisions
assert rev.refs == {"main"}, rev.refs
print(len(rev.files), rev.size_on_disk)
"""
LOAD = """
from huggingface_hub import snapshot_download
import os
p = snapshot_download("org/mlx", %s)
print(" ".join(sorted(os.path.relpath(os.path.join(d, f), p) for d, _, fs in os.walk(p) for f in fs)))
"""


VERIFY = """
from huggingface_hub import HfApi
r = HfApi().verify_repo_checksums("org/mlx")
assert not r.mismatches and not r.missing_paths and not r.extra_paths, r
print(r.checked_count)
"""


def exposed_is_used(w):
    added = w.mlx("ours", "add", "org/mlx")["results"][0]
    w.mlx("ours", "link", "huggingface", "org/mlx")
    assert w.python("ours", SCAN) == "7 %d" % added["size"]
    files = w.python("ours", LOAD % "local_files_only=True", HF_HUB_OFFLINE="1")
    assert files.split() == sorted(f["path"] for f in added["files"]), files
    before = w.requests("/resolve/")
    w.python("ours", LOAD % "")
    fetched = w.requests("/resolve/") - before
    assert w.requests("GET /cdn/") == 2, "the client fetched weights that were there"
    assert w.python("ours", VERIFY) == "7"
    print("ok: huggingface_hub", huggingface_hub.__version__,
          "scans, verifies, loads offline and online what was linked;", fetched, "small requests")


def downloaded_is_taken(w):
    w.python("theirs", LOAD % "")
    before = w.requests("/resolve/") + w.requests("/cdn/")
    added = w.mlx("theirs", "add", "org/mlx")["results"][0]
    assert added["downloaded"] == 0 and added["adopted"] == added["size"], added
    assert w.requests("/resolve/") + w.requests("/cdn/") == before
    status = w.mlx("theirs", "status")
    row, = [m for m in status["models"] if m["name"] == "org/mlx"]
    assert row["cached"] and row["used_by"][0]["app"] == "huggingface", row
    assert w.python("theirs", SCAN).split()[0] == "7"
    w.mlx("theirs", "remove", "org/mlx")
    assert w.python("theirs", LOAD % "local_files_only=True", HF_HUB_OFFLINE="1")
    print("ok: what huggingface_hub downloaded is taken with 0 bytes fetched and survives remove")


with tempfile.TemporaryDirectory(prefix="mlx-hf.") as folder:
    world = World(folder)
    try:
        exposed_is_used(world)
        downloaded_is_taken(world)
    finally:
        world.end()

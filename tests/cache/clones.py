#!/usr/bin/env python3
"""On file systems with clones (btrfs, XFS) every figure is the file system's own: total, saved, used by,
rows, what dedup promises and frees, what remove and clean free. Needs root for its mounts; exits 77 where
it cannot.

usage: clones.py BIN_DIR
"""
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from files import own_mounts, safetensors, write
from measure import extents, held

BIN = os.path.abspath(sys.argv[1])
MB = 1 << 20
SIZE = 8 * MB
FICLONE = 0x40049409


def clone(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(source, "rb") as a, open(target, "wb") as b:
        fcntl.ioctl(b, FICLONE, a.fileno())


def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)
        f.flush()
        os.fsync(f.fileno())


class World:
    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(dir=folder)
        self.home = os.path.join(self.folder, "home")
        self.cache = os.path.join(self.home, ".mlx-cache")
        self.studio = os.path.join(self.home, ".lmstudio", "models")
        self.dirs = os.path.join(self.folder, "dirs")
        os.makedirs(self.home)
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "LLAMA_"))}
        self.env = {**keep, "HOME": self.home, "MLX_CACHE_DIRS": self.dirs, "OLLAMA_HOST": "127.0.0.1:1",
                    "OLLAMA_MODELS": os.path.join(self.home, ".ollama", "models")}

    def mlx(self, *args):
        run = subprocess.run([os.path.join(BIN, "mlx-cache"), "--json", *args], env=self.env, text=True,
                             capture_output=True, check=False)
        assert run.returncode == 0, (args, run.stdout, run.stderr)
        return json.loads(run.stdout)

    def model(self, path, seed, size=SIZE):
        write(path, safetensors(size, seed))
        return path

    def add(self, name, seed, size=SIZE):
        source = self.model(os.path.join(self.folder, "in.safetensors"), seed, size)
        self.mlx("add", source, "--as", name)
        os.remove(source)

    def real(self):
        return held([os.path.join(self.cache, "blobs"), os.path.join(self.cache, "models"), self.studio,
                     self.dirs, os.path.join(self.home, ".ollama")])

    def check(self, when):
        """The report of status, if its figures are the file system's."""
        status = self.mlx("status")
        assert status["total"] == self.real(), (when, status["total"], self.real())
        return status

    def free(self):
        os.sync()
        subprocess.run(["sync", "-f", self.folder], check=True)
        fs = os.statvfs(self.folder)
        return fs.f_bfree * fs.f_frsize


def rows(status):
    return {m["name"]: sorted(u["app"] for u in m["used_by"]) for m in status["models"]}


def near(figure, wanted):
    return abs(figure - wanted) < 200_000


def one_copy(w):
    w.add("me/a", "a")
    w.mlx("link", "lmstudio", "me/a")
    status = w.check("one app")
    assert near(status["total"], SIZE) and status["saved"] == 0, status
    assert rows(status) == {"me/a": ["lmstudio"]}, status["models"]
    assert status["models"][0]["used_by"][0]["method"] == "clone", status
    assert status["duplicate_bytes"] == status["lookalike_bytes"] == status["duplicates_avoided"] == 0
    plan = w.mlx("clean", "--older-than", "0")
    assert not plan["models"] and plan["removed_bytes"] == 0, plan
    assert w.mlx("dedup")["would_free"] == 0
    w.mlx("link", "dir", "me/a")
    status = w.check("two apps")
    assert near(status["saved"], SIZE) and status["duplicates_avoided"] == 1, status
    clone(os.path.join(w.studio, "me", "a", "in.safetensors"),
          os.path.join(w.studio, "you", "b", "other.safetensors"))
    status = w.check("a clone that somebody else made")
    assert near(status["saved"], 2 * SIZE) and rows(status) == {"me/a": ["dir", "lmstudio"]}, status
    assert w.mlx("remove", "me/a", "--dry-run")["results"][0]["removed_bytes"] < 200_000
    print("ok: one copy, whoever has it under whatever name")


def adopted(w):
    path = w.model(os.path.join(w.studio, "pub", "m", "model.safetensors"), "m")
    w.mlx("adopt", "lmstudio", "pub/m")
    status = w.check("adopted")
    assert near(status["total"], SIZE) and status["saved"] == 0, status
    assert status["duplicate_bytes"] == 0 and w.mlx("dedup")["would_free"] == 0
    assert rows(status) == {"pub/m": ["lmstudio"]} and near(status["models"][0]["frees"], 0), status
    os.remove(path)
    status = w.check("the app's copy is gone")
    assert near(status["models"][0]["frees"], SIZE), status
    plan = w.mlx("remove", "pub/m", "--dry-run")["results"][0]
    before, free = w.real(), w.free()
    freed = w.mlx("remove", "pub/m")["results"][0]["removed_bytes"]
    assert near(freed, SIZE) and freed == plan["removed_bytes"] == before - w.real(), (freed, plan)
    assert abs(w.free() - free - SIZE) < 2 * MB, (w.free(), free)
    print("ok: what remove says it frees is what the disk gets back")


def partly_rewritten(w):
    w.add("me/p", "p")
    w.mlx("link", "lmstudio", "me/p")
    theirs = os.path.join(w.studio, "me", "p", "in.safetensors")
    w.check("before")
    overwrite(theirs, 4 * MB, os.urandom(MB))
    status = w.check("a megabyte rewritten")
    assert near(status["total"], SIZE + MB), status
    row = [m for m in status["models"] if m["cached"]][0]
    assert not row["used_by"] and near(row["frees"], MB), row
    plan = w.mlx("clean", "--older-than", "0")
    assert near(plan["removed_bytes"], MB) and plan["models"] == ["me/p"], plan
    before = w.real()
    done = w.mlx("clean", "--older-than", "0", "--yes")
    assert done["removed_bytes"] == before - w.real() and near(done["removed_bytes"], MB), done
    with open(theirs, "rb") as f:
        assert f.read(4 * MB) == safetensors(SIZE, "p")[:4 * MB]
    for name in ("q", "kept"):
        w.add("me/" + name, name)
        w.mlx("link", "lmstudio", "me/" + name)
    time.sleep(3)  # a status is kept when nothing has changed for a while
    w.check("kept")
    overwrite(os.path.join(w.studio, "me", "q", "in.safetensors"), MB, os.urandom(MB))
    w.check("rewritten while a status was kept")
    print("ok: of a clone that was partly rewritten only the rest counts twice")


def deduplicated(w):
    for name in ("x/one", "x/two", "y/three"):
        w.model(os.path.join(w.studio, name, "model.safetensors"), "d")
    w.model(os.path.join(w.dirs, "z", "model.safetensors"), "d")
    w.check("four copies")
    plan = w.mlx("dedup")
    assert near(plan["would_free"], 3 * SIZE), plan["would_free"]
    before = w.real()
    done = w.mlx("dedup", "--apply")
    assert done["freed"] == before - w.real() and near(done["freed"], plan["would_free"]), done
    status = w.check("deduplicated")
    assert near(status["total"], SIZE) and near(status["saved"], 3 * SIZE), status
    assert status["duplicates_avoided"] == 3 and status["duplicate_bytes"] == 0, status
    assert w.mlx("dedup")["would_free"] == 0
    w.mlx("undo")
    w.check("dedup taken back")
    w.add("me/d", "of its own")
    w.mlx("link", "lmstudio", "me/d")
    assert rows(w.check("linked"))["me/d"] == ["lmstudio"]
    w.mlx("undo")
    assert rows(w.check("link taken back"))["me/d"] == []
    print("ok: dedup frees what it promised; nothing is promised twice")


def existing_copy(w):
    w.add("me/e", "e")
    w.model(os.path.join(w.studio, "me", "e", "in.safetensors"), "e")
    before = w.check("a second copy")
    assert near(before["total"], 2 * SIZE), before
    linked = w.mlx("link", "lmstudio", "me/e")["results"][0]
    assert near(linked["freed"], SIZE) and linked["twice"] == 0, linked
    status = w.check("shared with what was there")
    assert near(status["total"], SIZE) and rows(status) == {"me/e": ["lmstudio"]}, status
    print("ok: a link over the same bytes shares them")


def main():
    if os.geteuid() != 0:
        return 77
    own_mounts()
    tried = 0
    with tempfile.TemporaryDirectory(prefix="mlx-clones.") as folder:
        for kind in ("btrfs", "xfs"):
            image, place = os.path.join(folder, kind + ".img"), os.path.join(folder, kind)
            if not shutil.which("mkfs." + kind):
                continue
            with open(image, "wb") as f:
                f.truncate(800 * MB)
            os.mkdir(place)
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
            if subprocess.run(["mkfs." + kind, "-q", image], **quiet).returncode or \
                    subprocess.run(["mount", "-o", "loop", image, place], **quiet).returncode:
                continue
            tried += 1
            print(kind)
            try:
                for test in (one_copy, adopted, partly_rewritten, deduplicated, existing_copy):
                    test(World(place))
            finally:
                subprocess.run(["umount", "-l", place], check=False)
    return 0 if tried else 77


sys.exit(main())

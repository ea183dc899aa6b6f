#!/usr/bin/env python3
"""dedup frees what it promises and promises what it frees: read-only files of the hub's shared store, files
with several names, third copies. The shared store is made and judged by the hub's own client.

usage: dedup.py BIN_DIR        exits 77 where huggingface_hub is not installed
"""
import os
import stat
import subprocess
import sys

try:
    from huggingface_hub.utils import _shared_blobs as shared
except ImportError:
    sys.exit(77)

from files import Box, gguf, play, read, sha256, write

BIN = sys.argv[1]
MB = 1 << 20
COMMIT = "%040x" % 11


def disk(*folders):
    inodes = {}
    for folder in folders:
        for base, _, names in os.walk(folder):
            for name in names:
                st = os.lstat(os.path.join(base, name))
                if stat.S_ISREG(st.st_mode):
                    inodes[st.st_ino] = st.st_blocks * 512
    return sum(inodes.values())


def kept_promise(box):
    """What stats and dedup promise is what the disk has more afterwards; a second time there is nothing."""
    promised = box.json("dedup")["would_free"]
    status = box.json("status")
    assert status["duplicate_bytes"] == promised, (status, promised)
    before = disk(box.home)
    done = box.json("dedup", "--apply")
    assert done["freed"] == promised, (done, promised)
    assert abs(before - disk(box.home) - promised) < MB // 2, (before, disk(box.home), promised)
    assert box.json("dedup")["would_free"] == box.json("status")["duplicate_bytes"] == 0
    run = box.run("dedup")
    assert "nothing to do" in run.stdout and "--yes" not in run.stderr, run
    return promised


def share(box, repo, data, name="m.gguf"):
    """A repository whose blob is in the shared store, as hub 2.x leaves a download."""
    hub = box.path(".cache/huggingface/hub")
    top = box.hub(repo, COMMIT, {"config.json": b"{}", name: data})
    blob = os.path.join(top, "blobs", sha256(data))
    assert shared.publish_blob_to_shared_store(blob_path=blob, xet_hash=sha256(b"xet" + data), cache_dir=hub,
                                               expected_size=len(data))
    return os.path.realpath(blob)


def scan(box):
    code = ("from huggingface_hub import scan_cache_dir as s\nr = s()\nassert not r.warnings, r.warnings\n"
            "print(sorted(x.repo_id for x in r.repos), r.size_on_disk)")
    run = subprocess.run([sys.executable, "-c", code], env=box.env, text=True, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def read_only():
    """read-only files of the shared store are shared with, never replaced or made writable"""
    data = gguf("shared", 3 * MB)
    for adopt in (False, True):
        with Box(BIN) as box:
            payload = share(box, "org/one", data)
            assert share(box, "org/two", data) == payload
            box.studio("pub/m", {"m.gguf": data})
            if adopt:
                box.good("adopt", "lmstudio")
            seen, inode = scan(box), os.stat(payload).st_ino
            total = box.json("status")["total"]
            promised = kept_promise(box)
            assert adopt or promised >= 3 * MB, promised
            assert box.json("status")["total"] <= total
            st = os.stat(payload)
            assert st.st_ino == inode and not st.st_mode & 0o222 and read(payload) == data
            assert shared.unreferenced_shared_blobs(box.path(".cache/huggingface/hub")) == {}
            assert scan(box) == seen
            theirs = box.path(".lmstudio/models/pub/m/m.gguf")
            assert read(theirs) == data
            if promised:
                box.good("undo")
                assert stat.S_IMODE(os.stat(theirs).st_mode) == 0o644 and read(theirs) == data
            rows = [r["name"] for r in box.json("status")["models"]]
            assert len(rows) == len(set(rows)), rows


def names():
    """third copies of what has two names already, and files with several names on both sides"""
    data = gguf("names", 3 * MB)
    for pairs in (1, 2, 3):
        with Box(BIN) as box:
            for i in range(pairs):
                box.studio("pub/m%d" % i, {"m.gguf": data})
                os.makedirs(box.path(".lmstudio/models/pub/n%d" % i))
                os.link(box.path(".lmstudio/models/pub/m%d/m.gguf" % i), box.path(".lmstudio/models/pub/n%d/m.gguf" % i))
            if pairs == 1:
                box.studio("pub/third", {"m.gguf": data})
            promised = kept_promise(box)
            assert promised >= 3 * MB * max(1, pairs - 1), (pairs, promised)
            inodes = {os.stat(os.path.join(d, f)).st_ino for d, _, fs in os.walk(box.path(".lmstudio")) for f in fs}
            assert len(inodes) == 1, inodes
    with Box(BIN) as box:  # a name that nobody knows: replacing the others would free nothing
        box.studio("pub/a", {"m.gguf": data})
        box.studio("pub/b", {"m.gguf": data})
        for name in "ab":
            os.link(box.path(".lmstudio/models/pub/%s/m.gguf" % name), os.path.join(box.folder, name))
        assert kept_promise(box) == 0
    with Box(BIN) as box:  # linked and then removed: one name left
        box.studio("pub/a", {"m.gguf": data})
        box.good("adopt")
        os.remove(box.path(".lmstudio/models/pub/a/m.gguf"))
        write(box.path(".lmstudio/models/pub/a/m.gguf"), data)
        write(box.path(".cache/llama.cpp/m.gguf"), data)
        assert kept_promise(box) >= 6 * MB


play([read_only, names])

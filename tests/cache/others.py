#!/usr/bin/env python3
"""What takes space besides models is counted, and offered by clean according to its age; never removed.

usage: others.py BIN_DIR
"""
import os
import sys
import time

from files import Box, gguf, play, safetensors, sha256, tree, write

BIN = sys.argv[1]
KIND_FILES = {
    "datasets": ".cache/huggingface/hub/datasets--org--d/blobs/aa",
    "spaces": ".cache/huggingface/hub/spaces--org--s/blobs/bb",
    "kernels": ".cache/huggingface/hub/kernels--org--k/blobs/cc",
    "incomplete": ".cache/huggingface/hub/models--org--m/blobs/ee.0a1b2c3d.incomplete",
    "xet": ".cache/huggingface/xet/host-1/chunk-cache/ab/chunk",
    "partial": ".ollama/models/blobs/sha256-%s-partial" % ("a" * 64),
}


def others():
    """datasets, spaces, kernels, partial files, Xet chunks, old revisions and Ollama's partial pulls"""
    with Box(BIN) as box:
        os.makedirs(box.path(".ollama/models/manifests"))
        sizes = {}
        for n, (kind, path) in enumerate(KIND_FILES.items()):
            sizes[kind] = (n + 1) * 40960
            write(box.path(path), b"x" * sizes[kind])
        for n, seed in enumerate(("new", "old")):
            box.hub("org/m", "%040x" % n, {"config.json": b"{}", "model.safetensors": safetensors(70000, seed)}, n == 0)
        status = box.json("status")
        found = {o["kind"]: o["bytes"] for o in status["others"]}
        for kind, size in sizes.items():
            assert found[kind] == size, (kind, found)
        assert found["revisions"] == 73728, found
        assert status["other_bytes"] == sum(found.values())
        before = tree(box.path(".cache"))
        assert box.json("clean")["others"] == []
        for path in KIND_FILES.values():
            os.utime(box.path(path), (time.time() - 40 * 86400,) * 2)
        assert sorted(o["kind"] for o in box.json("clean")["others"]) in (sorted(sizes), sorted([*sizes, "revisions"]))
        out = box.good("clean", "--older-than", "0", "--yes")
        assert "datasets" in out and "hf cache rm" in out, out
        assert tree(box.path(".cache")) == before


def own():
    """the cache's own partial downloads and damaged files, also while they grow and go, and blobs of no model"""
    with Box(BIN) as box:
        write(os.path.join(box.folder, "m.gguf"), gguf("own"))
        box.good("add", "--copy", os.path.join(box.folder, "m.gguf"))
        total = box.json("status")["total"]

        def counted():
            return {o["kind"]: o["bytes"] for o in box.json("status")["others"] if o["app"] == "mlx-cache"}

        def settle():
            for folder in ("partial", "quarantine", "tmp"):
                os.utime(box.path(".mlx-cache", folder), (time.time() - 100,) * 2)

        data = safetensors(90000, "left")
        files = {"incomplete": box.path(".mlx-cache/partial/abc.part"), "damaged": box.path(".mlx-cache/quarantine", "e" * 64)}
        for path in files.values():
            write(path, data)
            os.utime(path, (time.time() - 100,) * 2)
        sizes = {kind: os.stat(path).st_blocks * 512 for kind, path in files.items()}
        settle()
        assert counted() == sizes, (counted(), sizes)
        assert counted() == sizes  # as kept
        with open(files["incomplete"], "ab") as file:
            file.write(b"x" * 40960)
        assert counted()["incomplete"] >= sizes["incomplete"] + 40960
        os.utime(files["incomplete"], (time.time() - 100,) * 2)
        settle()
        assert box.json("status")["total"] == total
        # An add that was killed when its file was whole has told nobody.
        blob = box.path(".mlx-cache/blobs/sha256", sha256(data)[:2], sha256(data))
        write(blob, b"")
        os.rename(files.pop("damaged"), blob)
        assert box.json("status")["total"] == total + os.stat(blob).st_blocks * 512
        box.good("clean", "--older-than", "0", "--yes")
        assert counted() == {} and box.json("status")["total"] == 0


play([others, own])

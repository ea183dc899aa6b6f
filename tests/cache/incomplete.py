#!/usr/bin/env python3
"""A model that lacks files which it names itself is shown as incomplete, never taken or handed out, and
finished by add; what only looks like it is whole.

usage: incomplete.py BIN_DIR
"""
import json
import os
import subprocess
import sys

from files import Box, gguf, git_sha1, play, safetensors, sha256, write

BIN = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
COMMIT = "%040x" % 5
SHARD = "model-%05d-of-00002.safetensors"
INDEX = json.dumps({"metadata": {"total_size": 600000},
                    "weight_map": {"w0": SHARD % 1, "w1": SHARD % 2}}).encode()


def listing(files):
    return json.dumps({"format_version": 1, "files": {
        path: {"size": len(data), "blob_id": git_sha1(data),
               **({"lfs_sha256": sha256(data), "lfs_size": len(data)} if "safetensors" in path else {})}
        for path, data in files.items()}}).encode()


def shards(*which):
    return {SHARD % n: safetensors(3000, "shard%d" % n) for n in which}


BASE = {"config.json": b"{}", "model.safetensors.index.json": INDEX}
PIPE = {"model_index.json": b"{}", "unet/config.json": b"{}", "unet/model.safetensors.index.json": INDEX}
# name: files, what the hub's listing has beside them
LACKING = {
    "index": ({**BASE, **shards(1)}, None),
    "index-alone": (BASE | {"other/model.safetensors": safetensors(10, "o")}, None),
    "of-n": ({"config.json": b"{}", **shards(2)}, None),
    "folder": (PIPE | {"unet/" + k: v for k, v in shards(1).items()}, None),
    "listing": ({"config.json": b"{}", "model.safetensors": safetensors(9, "m")},
                {"adapter.safetensors": safetensors(9, "a")}),
}
WHOLE = {
    "both": ({**BASE, **shards(1, 2)}, {}),
    "one-file": (BASE | {"model.safetensors": safetensors(99, "one")}, None),
    "other-form": ({"config.json": b"{}", "pytorch_model.bin.index.json": INDEX.replace(b"safetensors", b"bin"),
                    "model.safetensors": safetensors(98, "st")}, None),
    "papers": ({"config.json": b"{}", "model.safetensors": safetensors(97, "p")},
               {"README.md": b"r", "original/consolidated.00.pth": b"x", "model.fp16.safetensors": b"v",
                "flax_model.msgpack": b"f", "onnx/model.onnx": b"o"}),
    "one-quant": ({"a-Q4_K_M.gguf": gguf("q4")}, {"a-Q8_0.gguf": gguf("q8"), "b-00001-of-00002.gguf": gguf("b")}),
    "odd-index": (BASE | {"model.safetensors.index.json": b"no json", "model.safetensors": safetensors(9, "j")}, None),
}


def put(box, app, name, files, more):
    if app == "lmstudio":
        box.studio("org/" + name, files)
    else:
        top = box.hub("org/" + name, COMMIT, files)
        if more is not None:
            write(os.path.join(top, "trees", COMMIT + ".json"), listing({**files, **more}))


def lacking():
    """incomplete models are named by status and doctor, and adopt and link refuse them"""
    with Box(BIN) as box:
        for name, (files, more) in LACKING.items():
            for app in ("huggingface",) if more is not None else ("huggingface", "lmstudio"):
                put(box, app, name, files, more)
        wrong = box.wrong()
        for name, row in box.rows().items():
            assert row.get("complete") is False, row
            assert name + ": is incomplete" in wrong, (name, wrong)
            assert box.run("adopt", "huggingface", name).returncode == 1
        assert len(box.rows()) == len(LACKING), box.rows().keys()
        run = box.run("adopt")
        assert run.returncode == 1 and not [r for r in box.rows().values() if r["cached"]], run
        write(box.path("x-00001-of-00002.gguf"), gguf("half"))
        assert "x-00002-of-00002.gguf is missing" in box.run("add", box.path("x-00001-of-00002.gguf")).stderr


def whole():
    """what is whole is not called incomplete: other forms of the weights, papers, one of many quantisations"""
    with Box(BIN) as box:
        for name, (files, more) in WHOLE.items():
            put(box, "huggingface", name, files, more)
        assert "incomplete" not in box.wrong()
        assert all("complete" not in r for r in box.rows().values()), box.rows()
        box.good("adopt")
        for name, (files, _) in WHOLE.items():
            assert box.model("org/" + name) == files, name
            box.good("link", "lmstudio", "org/" + name)


def finished():
    """add gets what is missing, and no more, and link gives it back to the hub's cache"""
    with Box(BIN) as box:
        hub = os.path.join(box.folder, "hub")
        for path, data in {**BASE, **shards(1, 2)}.items():
            write(os.path.join(hub, "org/index", path), data)
        write(os.path.join(hub, ".faults"), b"")
        double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), hub],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            box.env["HF_ENDPOINT"] = "http://127.0.0.1:" + double.stdout.readline().strip()
            box.hub("org/index", COMMIT, {**BASE, **shards(1)})
            added = box.json("add", "org/index")["results"][0]
            assert added["downloaded"] == len(shards(2)[SHARD % 2]), added
            row = box.rows()["org/index"]
            assert "complete" not in row and row["cached"], row
            box.good("link", "lmstudio", "org/index")
            box.good("link", "huggingface", "org/index")
            # What the hub itself has only a part of: refused by the names, said by the index.
            for name in (1, 3):
                write(os.path.join(hub, "org/part/Q4/x-%05d-of-00003.gguf" % name), gguf("part%d" % name))
            run = box.run("add", "org/part")
            assert run.returncode == 3 and "x-00002-of-00003.gguf is missing" in run.stderr, run
            assert "org/part" not in box.rows()
            box.run("add", "org/part", "--include", "*x-00003*")
            write(os.path.join(hub, "org/half/model.safetensors.index.json"), INDEX.replace(b"-of-00002", b""))
            write(os.path.join(hub, "org/half/model-00001.safetensors"), safetensors(50, "h"))
            run = box.run("add", "org/half")
            assert run.returncode == 1 and "org/half is incomplete: model-00002.safetensors" in run.stdout, run
        finally:
            double.stdin.close()
            double.wait()


play([lacking, whole, finished])

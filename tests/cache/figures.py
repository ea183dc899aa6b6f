#!/usr/bin/env python3
"""One row a model with all its users, sizes that do not double, and savings that are the file system's.

usage: figures.py BIN_DIR
"""
import os
import sys

from files import Box, gguf, play, safetensors, sha256, write

BIN = sys.argv[1]
MB = 1 << 20
COMMIT = "%040x" % 7


def users(row):
    return sorted(u["app"] for u in row["used_by"])


def near(figure, wanted):
    return abs(figure - wanted) < 100_000


def rows():
    """one row a model: of two apps with a copy each, with one folder, under two names, with old revisions"""
    data = gguf("figures", 3 * MB)
    with Box(BIN) as box:
        box.studio("org/m", {"m.gguf": data})
        box.hub("org/m", COMMIT, {"m.gguf": data})
        row, = box.rows().values()
        assert users(row) == ["huggingface", "lmstudio"] and row["size"] == len(data), row
        assert near(row["disk"], 2 * len(data))
        box.good("add", box.path(".lmstudio/models/org/m/m.gguf"), "--as", "org/m")
        row, = box.rows().values()
        assert users(row) == ["huggingface", "lmstudio"] and row["size"] == len(data), row
    with Box(BIN) as box:  # one model under two names, known to be the same bytes
        box.studio("pub/m", {"m.gguf": data})
        write(box.path(".cache/llama.cpp/other.gguf"), data)
        assert len(box.rows()) == 2
        box.good("dedup", "--apply")
        row, = box.rows().values()
        assert users(row) == ["llamacpp", "lmstudio"] and near(row["disk"], len(data)), row
        assert row["names"] == ["other.gguf", "pub/m"], row
    with Box(BIN) as box:  # two folders of one app, and a revision that is old
        box.env["LLAMA_CACHE"] = box.path("one")
        for place in ("one", ".cache/llama.cpp"):
            write(box.path(place, "m.gguf"), data)
        for n, seed in enumerate(("new", "old")):
            box.hub("org/r", "%040x" % n, {"config.json": b"{}", "model.safetensors": safetensors(MB, seed)}, n == 0)
        found = box.rows()
        assert found["m.gguf"]["size"] == len(data) and near(found["m.gguf"]["disk"], 2 * len(data)), found
        assert found["org/r"]["size"] == len(safetensors(MB, "new")) + 2, found
    with Box(BIN) as box:  # a copy that is not the same is not a use of it
        write(os.path.join(box.folder, "m.gguf"), data)
        box.good("add", os.path.join(box.folder, "m.gguf"), "--as", "pub/m")
        box.studio("pub/m", {"m.gguf": data + b"more"})
        row, = box.rows().values()
        assert users(row) == [] and row["differs_in"] == [{"app": "lmstudio"}], row


def saved():
    """saved is what the disk would need more: inside one app too, and nothing for one folder of two apps"""
    data = gguf("saved", 3 * MB)
    with Box(BIN) as box:
        box.studio("pub/one", {"m.gguf": data})
        box.studio("pub/two", {"m.gguf": data})
        box.studio("me/three", {"x.gguf": data})
        promised = box.json("dedup")["would_free"]
        assert box.json("dedup", "--apply")["freed"] == promised and near(promised, 2 * len(data)), promised
        status = box.json("status")
        assert near(status["saved"], 2 * len(data)) and near(status["total"], len(data)), status
        assert status["duplicates_avoided"] == 2 and status["duplicate_bytes"] == 0, status
    with Box(BIN) as box:
        write(box.path(".lmstudio/settings.json"), b'{"downloadsFolder":"%s"}' % box.path("shared").encode())
        box.env["LLAMA_CACHE"] = box.path("shared")
        write(box.path("shared/pub/m/m.gguf"), data)
        status = box.json("status")
        assert status["saved"] == status["duplicate_bytes"] == status["duplicates_avoided"] == 0, status
        assert near(status["total"], len(data)) and len(status["models"]) == 1, status
        assert users(status["models"][0]) == ["llamacpp", "lmstudio"], status
        box.good("adopt")
        status = box.json("status")
        assert status["saved"] == 0 and near(status["total"], len(data)), status
        assert len(status["models"]) == 1, status["models"]
        assert sha256(data) in [sha256(b) for b in box.model("pub/m").values()]
    with Box(BIN) as box:  # an app's own symbolic link into another app
        box.studio("pub/m", {"m.gguf": data})
        os.makedirs(box.path(".cache/llama.cpp"))
        os.symlink(box.path(".lmstudio/models/pub/m/m.gguf"), box.path(".cache/llama.cpp/m.gguf"))
        status = box.json("status")
        assert near(status["saved"], len(data)) and near(status["total"], len(data)), status
        assert len(status["models"]) == 1 and len(status["models"][0]["used_by"]) == 2, status


play([rows, saved])

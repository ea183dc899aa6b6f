#!/usr/bin/env python3
"""Where the apps keep their models, as the apps themselves find it: folders reached by links, variables in
paths, folders that a group shares, and a cache on a volume that is not mounted.

usage: stores.py BIN_DIR
"""
import os
import shutil
import stat
import subprocess
import sys

from files import Box, gguf, play, read, safetensors, tree, write

BIN = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
COMMIT = "%040x" % 3
DATA = gguf("stores", 2 << 20)


def linked():
    """folders that an app has by links are seen, counted once and taken; the links stay"""
    with Box(BIN) as box:
        write(box.path("disk/m/m.gguf"), DATA)
        write(box.path("disk/pub2/n/n.gguf"), gguf("n", 2 << 20))
        os.makedirs(box.path(".lmstudio/models/pub"))
        os.symlink(box.path("disk/m"), box.path(".lmstudio/models/pub/m"))
        os.symlink("../../disk/pub2", box.path(".lmstudio/models/pub2"))
        os.symlink("..", box.path(".lmstudio/models/pub/loop"))
        os.symlink("/", box.path(".lmstudio/models/everything"))
        rows = box.rows()
        assert sorted(rows) == ["pub/m", "pub2/n"] and rows["pub/m"]["size"] == len(DATA), rows
        total = box.json("status")["total"]
        box.good("adopt", "lmstudio")
        assert box.model("pub/m")["m.gguf"] == DATA and box.json("status")["total"] < total + 100_000
        assert os.path.islink(box.path(".lmstudio/models/pub/m"))
        assert box.rows()["pub/m"]["used_by"] == [{"app": "lmstudio", "method": "symlink"}], box.rows()
        assert not box.json("clean", "--older-than", "0")["models"]


def into_the_cache():
    """a link into the cache's own folders keeps what it leads to"""
    with Box(BIN) as box:
        write(os.path.join(box.folder, "m.gguf"), DATA)
        box.good("add", os.path.join(box.folder, "m.gguf"), "--as", "me/m")
        os.remove(os.path.join(box.folder, "m.gguf"))
        os.makedirs(box.path(".lmstudio/models/pub"))
        os.symlink(box.path(".mlx-cache/models/me--m"), box.path(".lmstudio/models/pub/m"))
        box.good("clean", "--older-than", "0", "--yes")
        box.run("remove", "me/m")
        box.good("clean", "--older-than", "0", "--yes")
        assert read(box.path(".lmstudio/models/pub/m/m.gguf")) == DATA


def dangling():
    """links that lead nowhere are named, and hide nothing else"""
    with Box(BIN) as box:
        box.studio("pub/good", {"m.gguf": DATA})
        os.symlink("/nowhere/at/all", box.path(".lmstudio/models/pub/gone"))
        os.symlink("/nowhere/file", box.path(".lmstudio/models/pub/good/b.gguf"))
        wrong = box.wrong()
        assert wrong.count("leads nowhere") == 2 and "pub/gone" in wrong and "good/b.gguf" in wrong, wrong
        assert list(box.rows()) == ["pub/good"]


def places():
    """paths of the hub's cache are expanded as its client does; llama.cpp's follow XDG"""
    values = {"$HOME/hubx": "hubx", "${HOME}/a$B/hub": "aXY/hub", "~/til": "til", "rel/hub": "rel/hub",
              "$HOME/$UNSET_ONE/hub": "$UNSET_ONE/hub"}
    for value, place in values.items():
        with Box(BIN, B="XY", HF_HUB_CACHE=value) as box:
            box.hub("org/m", COMMIT, {"m.gguf": DATA}, hub=box.path(place))
            rows = box.rows(cwd=box.home)
            assert "org/m" in rows, (value, rows)
            code = "from huggingface_hub.constants import HF_HUB_CACHE as c; import os; print(os.path.abspath(c))"
            run = subprocess.run([sys.executable, "-c", code], env=box.env, cwd=box.home, text=True,
                                 capture_output=True, check=False)
            assert run.returncode or run.stdout.strip() == box.path(place), (run.stdout, place)
    with Box(BIN) as box:
        box.env["HF_HOME"] = "$HOME/hfhome"
        box.hub("org/m", COMMIT, {"m.gguf": DATA}, hub=box.path("hfhome/hub"))
        assert list(box.rows()) == ["org/m"]
    with Box(BIN) as box:
        box.env["XDG_CACHE_HOME"] = box.path("xdg")
        write(box.path("xdg/llama.cpp/m.gguf"), DATA)
        assert [u["app"] for u in box.rows()["m.gguf"]["used_by"]] == ["llamacpp"]


def group():
    """in a folder that a group shares everything we make is the group's"""
    with Box(BIN) as box:
        hub = os.path.join(box.folder, "hub")
        write(os.path.join(hub, "org/m/config.json"), b'{"model_type":"llama"}')
        write(os.path.join(hub, "org/m/sub/more.json"), b"{}")
        write(os.path.join(hub, "org/m/model.safetensors"), safetensors(3000, "g"))
        write(os.path.join(hub, ".faults"), b"")
        double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), hub],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            box.env["HF_ENDPOINT"] = "http://127.0.0.1:" + double.stdout.readline().strip()
            box.env["HF_HUB_CACHE"] = box.path("shared")
            os.makedirs(box.path("shared"))
            os.chmod(box.path("shared"), 0o2775)
            box.good("add", "org/m", umask=0o002)
            box.good("link", "huggingface", "org/m", umask=0o002)
        finally:
            double.stdin.close()
            double.wait()
        for base, folders, names in os.walk(box.path("shared")):
            for name in folders:
                mode = os.lstat(os.path.join(base, name)).st_mode
                assert mode & 0o2070 == 0o2070, (base, name, oct(mode))
            for name in names:
                st = os.lstat(os.path.join(base, name))
                if stat.S_ISREG(st.st_mode) and st.st_size < 1000:
                    assert st.st_mode & 0o060 == 0o060, (base, name, oct(st.st_mode))
        assert stat.S_IMODE(os.stat(box.path(".mlx-cache")).st_mode) == 0o700


def volume():
    """a cache whose volume is not mounted is refused, and nothing is made in its place"""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        return
    with Box(BIN) as box:
        image, place = os.path.join(box.folder, "v.img"), box.path("vol")
        with open(image, "wb") as f:
            f.truncate(24 << 20)
        os.mkdir(place)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        if subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, check=False).returncode:
            return
        for cache in (os.path.join(place, "cache"), place):
            box.env["MLX_CACHE_DIR"] = cache
            if cache == place:
                os.chmod(place, 0o700)
            write(os.path.join(box.folder, "m.gguf"), gguf("v"))
            box.good("add", "--copy", os.path.join(box.folder, "m.gguf"))
            box.good("status")
            subprocess.run(["umount", place], check=True)
            os.chmod(place, 0o700)
            try:
                for args in (("status",), ("add", "--copy", os.path.join(box.folder, "m.gguf")),
                             ("clean", "--yes"), ("doctor",)):
                    run = box.run(*args)
                    assert run.returncode != 0 and cache in run.stderr and "mounted" in run.stderr, (args, run)
                    assert not tree(place) and not os.listdir(place), os.listdir(place)
            finally:
                subprocess.run(["mount", "-o", "loop", image, place], check=True)
            box.good("status")
        subprocess.run(["umount", place], check=True)


play([linked, into_the_cache, dangling, places, group, volume])

#!/usr/bin/env python3
"""Where the apps keep their models, as the apps themselves find it: folders reached by links, variables in
paths, folders that a group shares, and a cache on a volume that is not mounted.

usage: stores.py BIN_DIR
"""
import json
import os
import shutil
import stat
import subprocess
import sys

from files import Box, gguf, own_mounts, play, read, safetensors, sha256, tree, write

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


def home_by_link():
    """a home that is reached by a link is the same home, also for an app's folder that is not there yet"""
    with Box(BIN) as box:
        write(os.path.join(box.folder, "here/m.gguf"), DATA)
        box.good("add", ".", "--as", "me/m", cwd=os.path.join(box.folder, "here"))
        assert "local/here" in box.good("add", "../here/.", cwd=os.path.join(box.folder, "here"))
        os.symlink(box.home, os.path.join(box.folder, "by-link"))
        there = {**box.env, "HOME": os.path.join(box.folder, "by-link")}
        box.good("link", "lmstudio", "me/m", env=there)
        assert read(box.path(".lmstudio/models/me/m/m.gguf")) == DATA
        box.good("unlink", "lmstudio", "me/m")
        assert not os.path.exists(box.path(".lmstudio/models/me/m"))


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
        assert wrong.count("is a broken link") == 2 and "pub/gone" in wrong and "good/b.gguf" in wrong, wrong
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


def kernels():
    """/proc as a folder of models, or behind a link in one: other processes' folders are nobody's models"""
    for name, target in (("/proc", None), (None, "/proc/%d" % os.getpid()), (None, "/sys")):
        with Box(BIN) as box:
            box.studio("pub/m", {"m.gguf": DATA})
            write(box.path("weights.gguf"), gguf("cwd"))
            if name:
                write(box.path(".lmstudio/settings.json"), json.dumps({"downloadsFolder": name}).encode())
            else:
                os.symlink(target, box.path(".lmstudio/models/pub/linked"))
            problems = box.json("status")["problems"]
            assert any("kernel" in p["text"] for p in problems), problems
            box.run("adopt", cwd=box.home)
            assert set(box.rows()) <= {"pub/m", "local/m"}, box.rows()


def docker_store(top, models):
    """A Docker Model Runner's store: {tag: {name: data}}."""
    entries = []
    for tag, files in models.items():
        layers = []
        for data in files.values():
            write(os.path.join(top, "blobs/sha256", sha256(data)), data)
            layers.append({"mediaType": "application/vnd.docker.ai.gguf.v3", "digest": "sha256:" + sha256(data),
                           "size": len(data)})
        config = b"{}"
        write(os.path.join(top, "blobs/sha256", sha256(config)), config)
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": layers,
            "config": {"mediaType": "application/vnd.docker.ai.model.config.v0.1+json",
                       "digest": "sha256:" + sha256(config), "size": len(config)}}).encode()
        write(os.path.join(top, "manifests/sha256", sha256(manifest)), manifest)
        entries.append({"id": "sha256:" + sha256(manifest), "tags": [tag],
                        "files": [layer["digest"] for layer in layers]})
    entries.append({"id": "sha256:../../x", "tags": ["index.docker.io/ai/evil:latest"], "files": []})
    entries.append({"id": "sha256:" + "0" * 64, "tags": ["index.docker.io/ai/lost:latest"], "files": []})
    write(os.path.join(top, "models.json"), json.dumps({"models": entries}).encode())
    write(os.path.join(top, "layout.json"), b'{"version":"1.0.0"}')


def ramalama_store(top, folder, tag, files, old=False):
    base = os.path.join(top, folder)
    for name, data in files.items():
        blob = os.path.join(base, "blobs", "sha256-" + sha256(data))
        write(blob, data)
        os.makedirs(os.path.join(base, "snapshots/sha256-snap"), exist_ok=True)
        (os.symlink if old else os.link)(blob, os.path.join(base, "snapshots/sha256-snap", name))
    if old:
        ref = "sha256-snap\n" + "".join(name + "---model\n" for name in files)
        write(os.path.join(base, "refs", tag), ref.encode())
    else:
        write(os.path.join(base, "refs", tag + ".json"), json.dumps({
            "hash": "sha256-snap", "version": "v1.0.1", "files": [
                {"hash": "sha256:" + sha256(d), "name": n, "type": "gguf"} for n, d in files.items()]
            + [{"hash": "x", "name": "../../../../secret", "type": "other"}]}).encode())


def others():
    """Docker's, RamaLama's, Jan's, KoboldCpp's, LocalAI's and swift-transformers' stores are read and adopted"""
    with Box(BIN) as box:
        data = {name: gguf(name, 2 << 20) for name in ("docker", "rama", "old", "jan", "kobold", "local", "swift")}
        docker_store(box.path(".docker/models"), {"index.docker.io/ai/smol:latest": {"model.gguf": data["docker"]}})
        rama = box.path(".local/share/ramalama/store")
        ramalama_store(rama, "ollama/library/tiny", "1b", {"tiny.gguf": data["rama"]})
        ramalama_store(rama, "huggingface/org/old", "latest", {"old.gguf": data["old"]}, old=True)
        jan = box.path(".local/share/Jan/data")
        write(os.path.join(jan, "llamacpp/models/org/jan/model.gguf"), data["jan"])
        write(os.path.join(jan, "llamacpp/models/org/jan/model.yml"), b"model_path: llamacpp/models/org/jan/model.gguf\n")
        write(os.path.join(jan, "llamacpp/backends/x/engine.bin"), b"not a model" * 100)
        write(box.path("koboldcpp/models/kobold.gguf"), data["kobold"])
        write(box.path("localai/models/local.gguf"), data["local"])
        write(box.path("localai/models/local.yaml"), b"name: local\nparameters:\n  model: local.gguf\n")
        write(box.path("Documents/huggingface/models/org/swift/m.gguf"), data["swift"])
        want = {"ai/smol": "dockermodel", "tiny:1b": "ramalama", "org/old": "ramalama", "org/jan": "jan",
                "kobold.gguf": "koboldcpp", "local.gguf": "localai", "org/swift": "hubapi"}
        rows = box.rows()
        assert {n: r["used_by"][0]["app"] for n, r in rows.items()} == want, rows
        said = " | ".join(p["text"] for p in box.json("status")["problems"])
        assert "digest" in said and "manifest" in said and "secret is missing" in said, said
        before = tree(box.home)
        box.good("adopt")
        after = tree(box.home)
        assert all(after[p] == before[p] for p in before if ".mlx-cache" not in p), "a store was changed"
        rows = box.rows()
        assert all(r["cached"] for r in rows.values()) and len(rows) == len(want), rows
        # Files that apps look at are linked; the stores with books of their own are left alone.
        for app, path in (("jan", ".local/share/Jan/data/llamacpp/models/ai/smol/model.gguf"),
                          ("koboldcpp", "koboldcpp/models/ai/smol/model.gguf"),
                          ("localai", "localai/models/model.gguf"),
                          ("hubapi", "Documents/huggingface/models/ai/smol/model.gguf")):
            box.good("link", app, "ai/smol")
            assert read(box.path(path)) == data["docker"], app
            assert app in [u["app"] for u in box.rows()["ai/smol"]["used_by"]]
        assert b"llamacpp/models/ai/smol/model.gguf" in read(os.path.join(jan, "llamacpp/models/ai/smol/model.yml"))
        for app in ("dockermodel", "ramalama"):
            run = box.run("link", app, "ai/smol")
            assert run.returncode != 0 and "link" in run.stderr, run
        for _ in range(4):
            box.good("undo")
        now = tree(box.home)
        assert all(now[p] == before[p] for p in before if ".mlx-cache" not in p)
        assert not os.path.exists(os.path.join(jan, "llamacpp/models/ai"))


def kept():
    """a status is kept while nothing it was made from changed: folders, variables, settings, the current folder;
    the program that answers it alone needs no other, nor SHA-256, HTTP or the bus"""
    with Box(BIN) as box:
        alone = os.path.join(box.folder, "alone/bin")
        os.makedirs(alone)
        shutil.copy2(os.path.join(BIN, "mlx-cache"), alone)

        def kept_one(**more):
            run = subprocess.run([os.path.join(alone, "mlx-cache"), "--json", "status"], check=False, text=True,
                                 capture_output=True, **{"env": box.env, **more})
            assert run.returncode == 0 or "cannot start" in run.stderr, run
            return json.loads(run.stdout) if run.returncode == 0 else None

        def settle():
            for top, _, _ in os.walk(box.home):
                os.utime(top, (1, 1))
            box.good("status")

        box.studio("pub/m", {"m.gguf": DATA})
        os.makedirs(box.path(".local/share/Jan/data"))  # Jan was started, and has no models yet
        settle()  # makes the cache's own folders
        settle()
        assert kept_one() == box.json("status") and "pub/m" in box.rows()
        for change in ({"HF_HUB_CACHE": box.path("hub")}, {"HF_XET_CACHE": box.path("xet")},
                       {"HOME": box.folder, "MLX_CACHE_DIR": box.path(".mlx-cache")}):
            assert kept_one(env={**box.env, **change}) is None, change
        assert kept_one() is not None
        write(box.path(".lmstudio/settings.json"), json.dumps({"downloadsFolder": box.path("else")}).encode())
        assert kept_one() is None and not box.rows()
        settle()
        assert kept_one() is not None
        write(box.path(".local/share/Jan/data/llamacpp/models/j/j.gguf"), gguf("jan"))
        assert kept_one() is None and list(box.rows()) == ["j"]
        shutil.rmtree(box.path(".local/share/Jan/data/llamacpp"))
        settle()
        assert kept_one() is not None
        write(box.path("else/pub/n/n.gguf"), DATA)
        assert kept_one() is None and list(box.rows()) == ["pub/n"]
        settle()
        write(box.path("else/pub/n/second.gguf"), gguf("second"))
        assert kept_one() is None
        box.env["HF_HUB_CACHE"] = "relative"
        settle()
        box.good("status", cwd=box.home)
        assert kept_one(cwd=box.home) is not None and kept_one(cwd=box.folder) is None
        libraries = subprocess.run(["ldd", os.path.join(BIN, "mlx-cache")], check=False, capture_output=True, text=True)
        assert "libcrypto" not in libraries.stdout and "libcurl" not in libraries.stdout, libraries.stdout


if os.geteuid() == 0:
    own_mounts()
play([kept, linked, kernels, home_by_link, into_the_cache, dangling, places, group, volume, others])

#!/usr/bin/env python3
"""undo takes back what was typed as a whole; a new revision takes the place of the old one in every app;
errors are JSON where JSON was asked for.

usage: commands.py BIN_DIR
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

from files import safetensors, write

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))
import tiny_gguf

BIN = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))


def gguf(seed):
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 100, 0, 0)
    return head + b"\0" * (-len(head) % 32) + (seed.encode() * 400)[:400]


class World:
    def __init__(self, folder):
        self.folder, self.hub = folder, os.path.join(folder, "hub")
        self.revision("first")
        write(os.path.join(self.hub, ".faults"), b"")
        self.double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), self.hub],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "OLLAMA_", "LLAMA_"))}
        self.home = os.path.join(folder, "home")
        self.env = {**keep, "HOME": self.home, "OLLAMA_HOST": "127.0.0.1:1",
                    "HF_ENDPOINT": "http://127.0.0.1:" + self.double.stdout.readline().strip()}
        os.makedirs(self.home)

    def revision(self, word):
        write(os.path.join(self.hub, "org/one/config.json"), b'{"model_type":"%s"}' % word.encode())
        write(os.path.join(self.hub, "org/one/model.safetensors"), safetensors(5000, word))

    def run(self, *args):
        return subprocess.run([os.path.join(BIN, "mlx-cache"), *args], env=self.env, text=True,
                              capture_output=True, check=False)

    def good(self, *args):
        run = self.run(*args)
        assert run.returncode == 0, (args, run.stdout, run.stderr)
        return run.stdout

    def files(self, *parts):
        top = os.path.join(self.home, *parts)
        return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, fs in os.walk(top) for f in fs)

    def text(self, *parts):
        with open(os.path.join(self.home, *parts), "rb") as file:
            return file.read().decode()


def undo_of_commands(w):
    for name in "abc":
        write(os.path.join(w.folder, name + ".gguf"), gguf(name))
        w.good("add", os.path.join(w.folder, name + ".gguf"), "--as", "me/" + name)
    w.good("link", "lmstudio")
    assert len(w.files(".lmstudio")) == 3, w.files(".lmstudio")
    w.good("undo")
    assert not w.files(".lmstudio"), w.files(".lmstudio")
    w.good("link", "lmstudio", "me/a")
    w.good("link", "lmstudio", "me/b", "me/c")
    w.good("link", "lmstudio", "me/b")  # has it already: nothing that undo could mean
    w.good("link", "lmstudio")
    w.good("undo")
    assert w.files(".lmstudio") == ["models/me/a/a.gguf"], w.files(".lmstudio")
    w.good("undo")
    assert not w.files(".lmstudio")
    w.good("remove", "me/a", "me/b")
    out = w.good("undo")
    assert out.count("is back") == 2, out
    out = w.good("status")
    assert "me/a" in out and "me/b" in out, out
    w.good("remove", "me/a", "me/b", "me/c")
    print("ok: undo takes back a command as a whole, and knows what changed nothing")


def refresh(w):
    """Each app has the newer files; what somebody changed is kept."""
    w.revision("first")
    w.good("add", "org/one")
    for app in ("lmstudio", "huggingface"):
        w.good("link", app, "org/one")
    first = w.text(".cache/huggingface/hub/models--org--one/refs/main")
    w.revision("second")
    w.good("add", "org/one")
    for app in ("lmstudio", "huggingface"):
        w.good("link", app, "org/one")
    assert "second" in w.text(".lmstudio/models/org/one/config.json")
    now = w.text(".cache/huggingface/hub/models--org--one/refs/main")
    assert now != first
    assert "second" in w.text(".cache/huggingface/hub/models--org--one/snapshots", now, "config.json")
    with open(os.path.join(w.home, ".lmstudio/models/org/one/config.json"), "w") as file:
        file.write("mine")
    w.revision("third")
    w.good("add", "org/one")
    before = w.files(".lmstudio")
    run = w.run("link", "lmstudio", "org/one")
    assert run.returncode == 5 and "config.json has changed since it was linked" in run.stderr, run
    assert w.text(".lmstudio/models/org/one/config.json") == "mine" and w.files(".lmstudio") == before
    w.good("unlink", "lmstudio", "org/one")
    assert w.text(".lmstudio/models/org/one/config.json") == "mine"
    shutil.rmtree(os.path.join(w.home, ".lmstudio"))
    print("ok: a new revision takes the place of what was linked, never of what somebody changed")


def refresh_everywhere(w):
    """In every app that can be linked to, one command brings the newer file; its old one is gone."""
    names = []
    for word in ("old", "new"):
        shutil.rmtree(os.path.join(w.hub, "org/quant"), ignore_errors=True)
        write(os.path.join(w.hub, "org/quant", word + "-Q4_0.gguf"), gguf(word))
        w.good("add", "org/quant")
        names = names or [a["name"] for a in json.loads(w.good("--json", "apps"))["apps"] if a["can_link"]]
        for app in names:
            store = ["--store", os.path.join(w.home, "dirs")] if app == "dir" else []
            w.good("link", *store, app, "org/quant")
    held = {}
    for path in w.files():
        if not path.startswith(".mlx-cache/") and os.path.getsize(os.path.join(w.home, path)) >= len(gguf("new")):
            with open(os.path.join(w.home, path), "rb") as file:
                held[path] = file.read()
    assert len(names) >= 9 and list(held.values()).count(gguf("new")) >= len(names), (names, list(held))
    assert gguf("old") not in held.values(), [p for p, data in held.items() if data == gguf("old")]
    for app in names:
        w.good("unlink", app, "org/quant")
    w.good("remove", "org/quant")
    print("ok: a new revision comes to each of", len(names), "apps by one command")


def errors(w):
    for args, status in ((["link", "lmstudio", "no/such"], 3), (["remove", "no/such"], 3), (["undo", "x"], 2),
                         (["add", "/no/such/file"], 3), (["adopt", "nosuch"], 3), (["nosuch"], 2), ([], 2),
                         (["status", "x"], 2), (["add"], 2), (["clean", "--nosuch"], 2), (["undo", "--dir"], 2)):
        run = w.run("--json", *args)
        assert run.returncode == status, (args, run)
        error = json.loads(run.stdout)["error"]
        assert error["code"] == status and error["text"], run.stdout
    print("ok: with --json errors are JSON")


def hub_snapshots(w):
    """Four revisions in the hub's cache, refs/main naming each of them in turn."""
    repo = os.path.join(w.home, ".cache/huggingface/hub/models--org--many")
    commits = [c * 40 for c in "0369"]
    for commit in commits:
        for name, data in (("config.json", b'{"at":"%s"}' % commit.encode()),
                           ("model.safetensors", safetensors(1000, commit))):
            write(os.path.join(repo, "snapshots", commit, name), data)
    for commit in commits:
        write(os.path.join(repo, "refs/main"), commit.encode())
        w.good("adopt", "huggingface", "org/many")
        with open(os.path.join(w.home, ".mlx-cache/models/org--many/config.json")) as file:
            assert json.load(file)["at"] == commit
    w.good("remove", "org/many")
    shutil.rmtree(repo)
    print("ok: adopt takes the revision that refs/main names")


def one_name_one_model(w):
    """Two models of one name: both are there, and nothing of them is called unneeded."""
    other = os.path.join(w.home, "other")
    w.env["MLX_CACHE_DIRS"] = other
    w.env["LLAMA_CACHE"] = os.path.join(w.home, "llama")
    w.good("clean", "--yes", "--older-than", "0")
    write(os.path.join(other, "m.gguf"), gguf("here"))
    write(os.path.join(w.env["LLAMA_CACHE"], "m.gguf"), gguf("there"))
    for _ in range(2):
        w.good("adopt")
    clean = json.loads(w.good("--json", "clean", "--older-than", "0"))
    names = sorted(m["model"] for m in json.loads(w.good("--json", "adopt"))["models"] if "m.gguf" in m["model"])
    assert len(set(names)) == 2, names
    assert not clean["models"] and not clean["steps"], clean
    shutil.rmtree(other)
    shutil.rmtree(w.env["LLAMA_CACHE"])
    w.good("remove", *names)
    w.revision("first")
    w.good("add", "org/one")
    write(os.path.join(w.home, ".lmstudio/models/org/one/model.safetensors"), safetensors(5000, "first"))
    w.good("adopt", "lmstudio")
    model = [m for m in json.loads(w.good("--json", "status"))["models"] if m["name"] == "org/one"]
    assert model[0]["source"] == "huggingface", model
    assert "config.json" in w.files(".mlx-cache/models/org--one")
    w.good("link", "huggingface", "org/one")
    print("ok: two models never get one name, and a part of one takes nothing from it")


def registry(w):
    """Doctor notices a registry that was lost, however; what it advises brings the models back."""
    w.good("add", "org/one")
    w.good("doctor")
    path = os.path.join(w.home, ".mlx-cache/registry.db")
    with open(path, "rb") as file:
        kept = file.read()
    assert len(kept) > 20000
    for name, data in (("emptied", b""), ("deleted", None), ("cut", kept[:len(kept) // 2]),
                       ("cut short", kept[:1000]), ("overwritten", b"x" * len(kept)),
                       ("zeroed inside", kept[:4096] + bytes(8192) + kept[12288:])):
        for tail in ("", "-wal", "-shm"):
            if os.path.exists(path + tail):
                os.unlink(path + tail)
        if data is not None:
            write(path, data)
        run = w.run("doctor")
        assert run.returncode != 0, (name, run.stdout, run.stderr)
        assert "registry" in run.stdout + run.stderr, (name, run)
    os.unlink(path)
    w.good("add", os.path.join(w.home, ".mlx-cache/models/org--one"), "--as", "org/one")
    w.good("doctor")
    print("ok: a lost registry is noticed")


def fits(w):
    """Before a download only the header is fetched; afterwards the answer is the same."""
    path = os.path.join(w.hub, "org/fit-GGUF/fit-Q4_0.gguf")
    os.makedirs(os.path.dirname(path))
    tiny_gguf.qwen3(path)
    log = os.path.join(w.hub, ".log")
    seen = len(open(log).read())
    remote = json.loads(w.good("--json", "fits", "org/fit-GGUF", "--context", "8192"))
    ranges = [line.split()[2] for line in open(log).read()[seen:].splitlines() if "/cdn/" in line]
    assert ranges == ["bytes=0-1048575"], ranges
    assert remote["cache"] == 8192 * 5 * 2 * 256 * 2 and remote["fits"] and remote["context_max"] == 32768, remote
    w.good("add", "org/fit-GGUF")
    local = json.loads(w.good("--json", "fits", "org/fit-GGUF", "--context", "8192"))
    assert [local[k] for k in ("weights", "total")] == [remote[k] for k in ("weights", "total")], (local, remote)
    half = json.loads(w.good("--json", "fits", "org/fit-GGUF", "--context", "8192", "--cache-type", "q8_0"))
    assert half["cache"] * 32 == remote["cache"] * 17, half
    run = w.run("fits", "org/fit-GGUF", "--context", "67000000", "--slots", "256")
    assert run.returncode == 1 and "does not fit" in run.stdout, run
    assert w.run("fits", "no/such").returncode == 3
    assert w.run("fits", "org/fit-GGUF", "--cache-type", "q9").returncode == 2
    w.good("remove", "org/fit-GGUF")
    print("ok: whether a model fits is known from its header")


def names(w):
    """A model is found under every name that people have for it, and its files keep theirs."""
    repo = os.path.join(w.hub, "unsloth/Some-GGUF")
    for name in ("some-Q4_K_M.gguf", "some-Q8_0.gguf", "BF16/some-BF16.gguf"):
        write(os.path.join(repo, name), gguf(name))
    page = w.env["HF_ENDPOINT"] + "/unsloth/Some-GGUF"
    for text, file, name in (("unsloth/Some-GGUF:q8_0", "some-Q8_0.gguf", "unsloth/Some-GGUF:Q8_0"),
                             ("hf://unsloth/Some-GGUF@main", "some-Q4_K_M.gguf", "unsloth/Some-GGUF"),
                             (page + "/blob/main/some-Q8_0.gguf", "some-Q8_0.gguf", "unsloth/Some-GGUF:Q8_0"),
                             ("hf://unsloth/Some-GGUF/some-Q8_0.gguf", "some-Q8_0.gguf", "unsloth/Some-GGUF:Q8_0"),
                             ("unsloth/Some-GGUF:BF16/some-BF16.gguf", "BF16/some-BF16.gguf", "unsloth/Some-GGUF:BF16"),
                             (page + "/tree/main/BF16", "BF16/some-BF16.gguf", "unsloth/Some-GGUF"),
                             ("unsloth/Some-GGUF:BF16", "BF16/some-BF16.gguf", "unsloth/Some-GGUF:BF16")):
        model = json.loads(w.good("--json", "add", text))["results"][0]
        assert model["model"] == name and [f["path"] for f in model["files"]] == [file], (text, model)
    w.good("link", "lmstudio", "unsloth/Some-GGUF:BF16")
    assert w.files(".lmstudio/models/unsloth") == ["Some-GGUF/some-BF16.gguf"], w.files(".lmstudio")
    run = w.run("add", "unsloth/Some-GGUF:Q2_K")
    assert run.returncode == 3 and "it has BF16, Q4_K_M, Q8_0" in run.stderr, run.stderr
    run = w.run("add", "unsloth/Some-GGUF:Q4_K")
    assert run.returncode == 3, run
    here = os.path.join(w.folder, "here")
    write(os.path.join(here, "org/one/model.safetensors"), safetensors(100, "mine"))
    for text, source in (("org/one", "huggingface"), ("./org/one", "path")):
        run = subprocess.run([os.path.join(BIN, "mlx-cache"), "--json", "add", text], env=w.env, text=True,
                             capture_output=True, cwd=here, check=True)
        assert json.loads(run.stdout)["results"][0]["source"] == source, run.stdout
    repo = os.path.join(w.hub, "org/letters")
    for name in ("\u00e9.json", "mode\u0301le.json", "\u043c\u043e\u0434\u0435\u043b\u044c.safetensors"):
        write(os.path.join(repo, name), safetensors(500, name) if name.endswith("s") else b"{}")
    w.good("add", "org/letters")
    w.good("link", "lmstudio", "org/letters")
    w.good("link", "huggingface", "org/letters")
    assert w.files(".lmstudio/models/org/letters") == sorted(os.listdir(repo))
    write(os.path.join(repo, "e\u0301.json"), b"{ }")
    run = w.run("add", "org/letters")
    assert run.returncode == 2 and "how its letters are encoded" in run.stderr, run
    print("ok: every form of a name, and files named in any script")


with tempfile.TemporaryDirectory(prefix="mlx-commands.") as folder:
    world = World(folder)
    try:
        registry(world)
        world.good("remove", "org/one")
        undo_of_commands(world)
        refresh(world)
        refresh_everywhere(world)
        errors(world)
        hub_snapshots(world)
        one_name_one_model(world)
        fits(world)
        names(world)
    finally:
        world.double.stdin.close()
        world.double.wait()

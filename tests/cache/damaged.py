#!/usr/bin/env python3
"""Bytes that changed after they were verified: found, named, never spread, kept in quarantine, and got again.

usage: damaged.py BIN_DIR
"""
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

from files import safetensors, write

BIN = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))


class World:
    def __init__(self, folder):
        self.folder = folder
        self.hub = os.path.join(folder, "hub")
        self.content = {"config.json": b'{"model_type":"llama"}', "model.safetensors": safetensors(40000, "one")}
        for name, data in self.content.items():
            write(os.path.join(self.hub, "org/one", name), data)
        write(os.path.join(self.hub, ".faults"), b"")
        self.double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), self.hub],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = "http://127.0.0.1:" + self.double.stdout.readline().strip()
        self.fresh()

    def fresh(self):
        self.home = os.path.join(self.folder, "home")
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(self.home)
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "OLLAMA_", "LLAMA_"))}
        self.env = {**keep, "HOME": self.home, "HF_ENDPOINT": self.endpoint, "OLLAMA_HOST": "127.0.0.1:1"}

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def run(self, *args):
        return subprocess.run([os.path.join(BIN, "mlx-cache"), *args], env=self.env, text=True,
                              capture_output=True, check=False)

    def good(self, *args):
        run = self.run(*args)
        assert run.returncode == 0, (args, run.stdout, run.stderr)
        return run

    def blob(self, name="model.safetensors"):
        digest = hashlib.sha256(self.content[name]).hexdigest()
        return self.path(".mlx-cache/blobs/sha256", digest[:2], digest)

    def is_right(self, path, name="model.safetensors"):
        with open(path, "rb") as file:
            return file.read() == self.content[name]

    def is_sound(self):
        self.good("verify", "--full")
        self.good("doctor")
        assert "damaged" not in self.good("status").stderr
        for name in self.content:
            assert self.is_right(self.blob(name), name)
            assert self.is_right(self.path(".mlx-cache/models/org--one", name), name)

    def no_app_is_given_it(self):
        """Whatever an app has of that name has the right bytes."""
        for app in ("lmstudio", "huggingface", "dir"):
            run = self.run("link", *(["--store", self.path("d")] if app == "dir" else []), app, "org/one")
            assert run.returncode == 5, run
            assert "model.safetensors of org/one is damaged" in run.stderr, run.stderr
            assert "verify --repair org/one" in run.stderr, run.stderr
        for top, _, files in os.walk(self.home):
            for name in files:
                if ".mlx-cache" not in top and "safetensors" in name:
                    assert self.is_right(os.path.join(top, name)), (top, name)


def flip(path, keep_times=True):
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)
        file.seek(before.st_size // 2)
        file.write(bytes([byte[0] ^ 1]))
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def found_and_named(w):
    w.good("add", "org/one")
    w.is_sound()
    flip(w.blob())
    run = w.run("verify", "--full")
    assert run.returncode == 1, run
    for word in ("org/one", "model.safetensors", w.blob(), "mlx-cache verify --repair org/one"):
        assert word in run.stdout, (word, run.stdout)
    bad = json.loads(w.run("--json", "verify").stdout)["bad"]
    assert [(b["model"], b["file"]) for b in bad] == [("org/one", "model.safetensors")], bad
    run = w.run("doctor")
    assert run.returncode == 1 and "org/one model.safetensors: damaged" in run.stdout, run.stdout
    assert "model.safetensors of org/one is damaged" in w.good("status").stderr
    print("ok: damage is found, and named with model, file and command")
    w.no_app_is_given_it()
    print("ok: no app is given damaged bytes")
    run = w.good("add", "org/one")
    assert "(downloaded)" in run.stderr and "model.safetensors" in run.stderr, run.stderr
    assert "model.safetensors  40.1 kB  verified  (present)" not in run.stderr, run.stderr
    w.is_sound()
    assert len(os.listdir(w.path(".mlx-cache/quarantine"))) == 1
    w.good("link", "lmstudio", "org/one")
    assert w.is_right(w.path(".lmstudio/models/org/one/model.safetensors"))
    print("ok: add gets the right bytes again, the bad ones are kept in quarantine")


def nobody_ran_verify(w):
    for keep_times in (True, False):
        for name in ("model.safetensors", "config.json"):
            w.fresh()
            w.good("add", "org/one")
            flip(w.blob(name), keep_times)
            if name == "model.safetensors" and not keep_times:
                w.no_app_is_given_it()
            w.good("add", "org/one")
            w.is_sound()
    w.fresh()
    w.good("add", "org/one")
    os.truncate(w.blob(), 1000)
    w.good("add", "org/one")
    w.is_sound()
    print("ok: add notices by itself what changed since it was verified")


def apps_are_mended(w):
    """The app's name is the same inode: it gets the right bytes with the cache, and can be taken back."""
    w.fresh()
    w.good("add", "org/one")
    w.good("link", "lmstudio", "org/one")
    w.good("link", "huggingface", "org/one")
    flip(w.blob())
    w.good("verify", "--repair", "--full", "org/one")
    w.is_sound()
    theirs = w.path(".lmstudio/models/org/one/model.safetensors")
    assert w.is_right(theirs)
    hub = w.path(".cache/huggingface/hub/models--org--one/snapshots")
    assert w.is_right(os.path.join(hub, os.listdir(hub)[0], "model.safetensors"))
    w.good("unlink", "lmstudio", "org/one")
    assert not os.path.exists(theirs)
    w.good("undo")
    # What somebody wrote there on purpose is theirs.
    w.good("link", "lmstudio", "org/one")
    flip(theirs, keep_times=False)
    w.good("verify", "--repair", "--full")
    w.is_sound()
    assert not w.is_right(theirs)
    print("ok: repair gives linked apps the right bytes, and leaves alone what somebody wrote")


def a_crash_of_repair(w):
    """Set aside, and then nothing more: the next command finds the way."""
    w.fresh()
    w.good("add", "org/one")
    w.good("link", "lmstudio", "org/one")
    flip(w.blob())
    os.makedirs(w.path(".mlx-cache/quarantine"))
    os.rename(w.blob(), w.path(".mlx-cache/quarantine", os.path.basename(w.blob())))
    assert w.run("doctor").returncode == 1
    w.good("verify", "--repair")
    w.is_sound()
    assert w.is_right(w.path(".lmstudio/models/org/one/model.safetensors"))
    print("ok: a repair that was cut off goes on")


def damaged_at_the_app(w):
    """adopt takes nothing whose bytes are not those of its name, and the exit status says so."""
    for name in ("model.safetensors", "config.json"):
        w.fresh()
        w.good("add", "org/one")
        w.good("link", "huggingface", "org/one")
        shutil.rmtree(w.path(".mlx-cache"))
        repo = w.path(".cache/huggingface/hub/models--org--one")
        snapshot = os.path.join(repo, "snapshots", os.listdir(os.path.join(repo, "snapshots"))[0])
        flip(os.path.realpath(os.path.join(snapshot, name)))
        for args in (["adopt", "huggingface"], ["adopt"], ["adopt", "huggingface", "org/one"]):
            run = w.run(*args)
            assert run.returncode != 0, (name, args, run.stdout, run.stderr)
            assert "org/one" not in w.run("stats").stdout
        w.good("add", "org/one")
        w.is_sound()
    w.fresh()
    gguf = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 100, 0, 0)
    write(w.path("t.gguf"), gguf + b"\0" * (-len(gguf) % 32) + b"x" * 400)
    for name in ("good", "bad"):
        write(w.path(name + ".gguf"), gguf + b"\0" * (-len(gguf) % 32) + (name.encode() * 400)[:400])
        w.good("add", w.path(name + ".gguf"), "--as", "me/" + name)
        w.good("link", "ollama", "me/" + name)
    shutil.rmtree(w.path(".mlx-cache"))
    with open(w.path("bad.gguf"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    flip(w.path(".ollama/models/blobs/sha256-" + digest))
    run = w.run("adopt")
    assert run.returncode == 1 and "bad" in run.stderr and "good" in run.stdout, run
    print("ok: adopt takes the sound ones, refuses the damaged, and says so by its exit status")


def no_longer_to_be_had(w):
    """A file that nobody has any more stays set aside; the command says so and the rest is sound."""
    w.fresh()
    write(w.path("m.safetensors"), safetensors(3000, "mine"))
    w.good("add", w.path("m.safetensors"))
    w.good("add", "org/one")
    with open(w.path("m.safetensors"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    os.remove(w.path("m.safetensors"))
    flip(w.path(".mlx-cache/blobs/sha256", digest[:2], digest))
    flip(w.blob())
    run = w.run("verify", "--repair", "--full")
    assert run.returncode == 1 and "local/m.safetensors cannot be restored" in run.stderr, run
    assert w.is_right(w.blob())
    assert os.path.exists(w.path(".mlx-cache/quarantine", digest))
    w.good("verify", "org/one")
    print("ok: what cannot be had again keeps nothing else from being mended")


with tempfile.TemporaryDirectory(prefix="mlx-damaged.") as folder:
    world = World(folder)
    try:
        found_and_named(world)
        nobody_ran_verify(world)
        apps_are_mended(world)
        a_crash_of_repair(world)
        damaged_at_the_app(world)
        no_longer_to_be_had(world)
    finally:
        world.double.stdin.close()
        world.double.wait()

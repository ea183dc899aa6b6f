#!/usr/bin/env python3
"""A store of an app that is gone, in whole or in part, or that something else stands in the place of: every
command goes on, what is missing counts as taken back, what cannot be ended is set aside and said, and the
doctor's advice works as it stands.

usage: gone.py BIN_DIR
"""
import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

from files import safetensors, write

BIN = os.path.abspath(sys.argv[1])
ALL = os.environ.get("MLX_GONE") == "all"
HERE = os.path.dirname(os.path.abspath(__file__))
STORES = {"lmstudio": ".lmstudio", "ollama": ".ollama", "huggingface": ".cache/huggingface",
          "llamacpp": ".cache/huggingface", "dir": "folder"}


def gguf(seed):
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 1000, 0, 0)
    return head + b"\0" * (-len(head) % 32) + (seed.encode() * 4000)[:4000]


class World:
    """A home of its own, with one model of the hub and two of files in the cache."""

    def __init__(self, endpoint):
        self.folder = tempfile.mkdtemp(prefix="mlx-gone.")
        self.home = os.path.join(self.folder, "home")
        os.makedirs(self.home)
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "OLLAMA_", "LLAMA_"))}
        self.env = {**keep, "HOME": self.home, "HF_ENDPOINT": endpoint, "OLLAMA_HOST": "127.0.0.1:1",
                    "MLX_CACHE_DIRS": self.path("folder")}
        for name in ("a", "b"):
            write(os.path.join(self.folder, name + ".gguf"), gguf(name))
            self.good("add", os.path.join(self.folder, name + ".gguf"), "--as", "me/" + name)
        self.good("add", "org/one")

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def run(self, *args, **more):
        return subprocess.run([os.path.join(BIN, "mlx-cache"), *args], env=self.env, text=True,
                              capture_output=True, check=False, **more)

    def good(self, *args):
        run = self.run(*args)
        assert run.returncode == 0, (args, run.stdout, run.stderr)
        return run.stdout

    def all_commands_work(self, briefly=False):
        """Everything else goes on as if nothing had been."""
        self.good("add", os.path.join(self.folder, "a.gguf"), "--as", "me/again")
        self.good("status")
        if briefly:
            self.good("link", "--store", self.path("elsewhere"), "dir", "me/a")
            self.good("remove", "me/b")
            return
        self.good("dedup")
        self.good("clean", "--older-than", "0")
        self.good("link", "--store", self.path("elsewhere"), "dir", "me/a")
        self.good("unlink", "dir", "me/a")
        self.good("adopt")
        self.good("remove", "me/b")
        self.good("undo")
        self.good("verify")

    def follow_the_doctor(self):
        """Run what it advises, word by word, until it has nothing to say of operations and links."""
        for _ in range(8):
            run = self.run("--json", "doctor")
            wrong = [c for c in json.loads(run.stdout)["checks"] if not c["ok"]]
            assert (run.returncode == 0) == (not wrong), run
            # A link of the app's own that leads nowhere is told; only the app can repair it.
            wrong = [c for c in wrong if c["text"] != "is a broken link"]
            if not wrong:
                return
            command = re.search(r"mlx-cache ((?:undo|unlink|link|clean|add|verify)[^;()]*)", wrong[0]["hint"])
            assert command, wrong
            run = self.run(*shlex.split(command.group(1)))
            assert run.returncode == 0, (wrong[0], run.stdout, run.stderr)
        raise AssertionError(wrong)

    def end(self):
        subprocess.run(["chattr", "-R", "-i", self.folder], capture_output=True, check=False)
        shutil.rmtree(self.folder)


def gone(path):
    shutil.rmtree(path)


def a_file(path):
    shutil.rmtree(path)
    write(path, b"in the way")


def a_link(path):
    os.rename(path, path + ".moved")
    os.symlink(path + ".moved", path)


def a_link_to_nothing(path):
    shutil.rmtree(path)
    os.symlink("/nowhere/at/all", path)


def another_folder(path):
    shutil.rmtree(path)
    write(os.path.join(path, "models", "x"), b"the app was installed again")


def first_folder(path):
    """A folder inside the store, not the store itself."""
    for top, folders, files in os.walk(path):
        if files:
            return top
    return path


HARM = (gone, a_file, a_link, a_link_to_nothing, another_folder)


def model_for(app):
    return "org/one" if app == "huggingface" else "me/a"


def harmed(endpoint, app, harm, inside, take_back):
    w = World(endpoint)
    model = model_for(app)
    try:
        w.good("link", app, model)
        store = w.path(STORES[app])
        harm(first_folder(store) if inside else store)
        # Whatever these say themselves: nothing else may suffer.
        w.run("undo") if take_back == "undo" else w.run("unlink", app, model)
        w.all_commands_work(briefly=app != "lmstudio")
        w.follow_the_doctor()
    finally:
        w.end()


def killed_then_gone(endpoint, app):
    """Killed at some moment of link or undo, then the store goes."""
    hits = 0
    for command in ("link", "undo"):
        for step in range(0, 20, 5):
            w = World(endpoint)
            try:
                if command == "undo":
                    w.good("link", app, model_for(app))
                args = ["link", app, model_for(app)] if command == "link" else ["undo"]
                run = subprocess.Popen(["strace", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
                                        "-e", "inject=fsync,fdatasync:signal=SIGKILL:when=%d" % (step + 1),
                                        os.path.join(BIN, "mlx-cache"), *args], env=w.env,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                hits += run.wait() in (-signal.SIGKILL, 137)
                store = w.path(STORES[app])
                if os.path.exists(store):
                    gone(store)
                w.all_commands_work(briefly=True)
                w.follow_the_doctor()
            finally:
                w.end()
    return hits


def read_only(endpoint):
    """An operation that cannot be ended is set aside and named, and ends when it can."""
    w = World(endpoint)
    try:
        w.good("link", "lmstudio", "me/a")
        store = w.path(".lmstudio", "models", "me", "a")
        if os.geteuid() == 0:
            if subprocess.run(["chattr", "+i", store], capture_output=True, check=False).returncode:
                print("skip: no immutable folders here")
                return
        else:
            os.chmod(store, 0o500)
        run = w.run("undo")
        assert run.returncode == 1 and "set aside" in run.stderr, run
        w.all_commands_work()
        said = json.loads(w.run("--json", "doctor").stdout)["checks"]
        aside = [c for c in said if "set aside" in c.get("text", "")]
        assert len(aside) == 1 and store in aside[0]["text"], said
        assert "set aside" in w.run("status").stderr
        number = re.search(r"undo --forget (\d+)", aside[0]["hint"]).group(1)
        assert w.run("undo", "--forget", "99999").returncode == 3
        assert w.run("undo", "--forget").returncode == 2
        subprocess.run(["chattr", "-i", store], capture_output=True, check=False)
        os.chmod(store, 0o755)
        w.good("add", os.path.join(w.folder, "b.gguf"), "--as", "me/more")
        assert not os.path.exists(os.path.join(store, "a.gguf")), "it was not ended when it could be"
        assert w.run("undo", "--forget", number).returncode == 3
        w.follow_the_doctor()
        print("ok: what cannot be ended is set aside, named, and ended later")
    finally:
        w.end()


def main():
    with tempfile.TemporaryDirectory(prefix="mlx-gone-hub.") as hub:
        write(os.path.join(hub, "org/one/config.json"), b'{"model_type":"llama"}')
        write(os.path.join(hub, "org/one/model.safetensors"), safetensors(20000, "one"))
        write(os.path.join(hub, ".faults"), b"")
        double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), hub],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        endpoint = "http://127.0.0.1:" + double.stdout.readline().strip()
        try:
            read_only(endpoint)
            for app in ("lmstudio", "huggingface", "ollama"):
                for number, harm in enumerate(HARM):
                    # All of it for one app, every second one for the others (MLX_GONE=all: of all).
                    for inside in (False, True) if app == "lmstudio" or ALL else (bool(number % 2),):
                        harmed(endpoint, app, harm, inside, ("undo", "unlink")[number % 2])
                print("ok: %s, gone and replaced" % app)
            if shutil.which("strace"):
                print("ok: killed in the middle, then gone (%d kills)" % killed_then_gone(endpoint, "lmstudio"))
        finally:
            double.stdin.close()
            double.wait()


main()

#!/usr/bin/env python3
"""A download that hangs ends at once when it is told to, and what came stays for the next one, also when
others are removed or cleaned in between.

usage: interrupted.py BIN_DIR
"""
import os
import signal
import subprocess
import sys
import tempfile
import time

from files import safetensors, write

BIN = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
SHARDS = ["model-%05d-of-00002.safetensors" % n for n in (1, 2)]


class World:
    def __init__(self, folder):
        self.folder, self.hub = folder, os.path.join(folder, "hub")
        self.faults("")
        write(os.path.join(self.hub, "org/one/config.json"), b"{}")
        write(os.path.join(self.hub, "org/one", SHARDS[0]), safetensors(1000, "first"))
        write(os.path.join(self.hub, "org/one", SHARDS[1]), safetensors(900000, "second"))
        write(os.path.join(folder, "other.safetensors"), safetensors(2000, "other"))
        self.double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), self.hub],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "OLLAMA_", "LLAMA_"))}
        self.env = {**keep, "HOME": os.path.join(folder, "home"), "OLLAMA_HOST": "127.0.0.1:1",
                    "HF_ENDPOINT": "http://127.0.0.1:" + self.double.stdout.readline().strip()}
        os.makedirs(self.env["HOME"])

    def faults(self, lines):
        write(os.path.join(self.hub, ".faults"), lines.encode())

    def start(self, *args):
        return subprocess.Popen([os.path.join(BIN, "mlx-cache"), *args], env=self.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def good(self, *args):
        run = self.start(*args)
        out, err = run.communicate()
        assert run.returncode == 0, (args, out, err)
        return err

    def blobs(self):
        top = os.path.join(self.env["HOME"], ".mlx-cache/blobs")
        return [name for _, _, files in os.walk(top) for name in files]


def until(seen, what, limit=60):
    end = time.monotonic() + limit
    while not seen():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def is_locked(path):
    """Without taking it, which would keep out who wants it."""
    if not os.path.exists(path):
        return False
    with open("/proc/locks") as f:
        return any(line.split()[5].endswith(":%d" % os.stat(path).st_ino) for line in f)


def end_at(w, number, there):
    """Start an add that hangs, wait until THERE, send the signal."""
    run = w.start("add", "org/one")
    until(there, "the download does not begin")
    started = time.monotonic()
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    took = time.monotonic() - started
    assert run.returncode == 130, (run.returncode, err)
    assert "interrupted" in err, err
    assert took < 5, took
    return took


def young(w):
    """The second shard hangs in its middle; the first is whole."""
    w.faults("stall 1\n")
    took = end_at(w, signal.SIGINT, lambda: len(w.blobs()) == 2)
    w.good("add", os.path.join(w.folder, "other.safetensors"))
    w.good("clean", "--yes")
    w.good("remove", "local/other.safetensors")
    assert len(w.blobs()) == 2, w.blobs()
    err = w.good("add", "org/one")
    assert SHARDS[0] + "  1.1 kB  verified  (present)" in err, err
    assert SHARDS[1] in err and "(downloaded)" in err, err
    w.good("remove", "org/one")
    assert not w.blobs()
    w.faults("stall 1\n")
    end_at(w, signal.SIGTERM, lambda: len(w.blobs()) == 2)
    w.good("clean", "--yes", "--older-than", "0")
    assert not w.blobs()
    print("ok: SIGINT ended a stalled add in %.1f s; finished shards stay as long as partial files" % took)


def api(w):
    """The hub does not even answer."""
    w.double.send_signal(signal.SIGSTOP)
    try:
        run = w.start("add", "org/one")
        lock = os.path.join(w.env["HOME"], ".mlx-cache/.lock")
        until(lambda: is_locked(lock), "no lock is taken")
        started = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
        assert run.returncode == 130 and time.monotonic() - started < 5, (run.returncode, err)
    finally:
        w.double.send_signal(signal.SIGCONT)
    w.good("add", "org/one")
    print("ok: a hub that does not answer is no reason to wait either")


def offline(w):
    """An outage in the middle is waited for, and said; a server that never answered is not, with a hint."""
    w.good("remove", "org/one")
    w.good("clean", "--yes", "--older-than", "0")
    w.faults("drop 9 100000\n")
    run = w.start("add", "org/one")
    said = ""
    while "; trying again in 1 s" not in said:
        line = run.stderr.readline()
        assert line, "nobody says why nothing comes: " + said
        said += line
    w.faults("")
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    w.good("remove", "org/one")
    w.double.stdin.close()
    w.double.wait()
    for args in (("undo",), ("add", "org/one")):
        run = w.start(*args)
        _, err = run.communicate(timeout=60)
        assert run.returncode == 4 and "is this machine online" in err and err.count("trying again") < 2, (args, err)
    print("ok: an outage is said and waited for, a server that is not there is not")


with tempfile.TemporaryDirectory(prefix="mlx-interrupted.") as folder:
    world = World(folder)
    try:
        young(world)
        api(world)
        offline(world)
    finally:
        world.double.stdin.close()
        world.double.wait()

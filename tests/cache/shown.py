#!/usr/bin/env python3
"""What commands show: a bar on a terminal, a line a file elsewhere, messages on a running bus, what cannot be.

usage: shown.py BIN_DIR
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

from files import safetensors, write

BIN = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE = 20


class World:
    def __init__(self, folder):
        self.folder = folder
        self.hub = os.path.join(folder, "hub")
        for repo in ("org/one", "org/two", "org/three"):
            write(os.path.join(self.hub, repo, "config.json"), b'{"model_type":"llama"}')
            write(os.path.join(self.hub, repo, "model.safetensors"), safetensors(2_000_000, repo))
        self.faults("")
        self.double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), self.hub],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        endpoint = "http://127.0.0.1:" + self.double.stdout.readline().strip()
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MLX_", "XDG_"))}
        self.env = {**keep, "HOME": os.path.join(folder, "home"), "HF_ENDPOINT": endpoint,
                    "MLX_RUNTIME_DIR": os.path.join(folder, "run"), "TERM": "xterm",
                    "OLLAMA_HOST": "127.0.0.1:1", "OLLAMA_MODELS": os.path.join(folder, "ollama")}
        os.makedirs(self.env["HOME"])
        os.makedirs(self.env["MLX_RUNTIME_DIR"], 0o700)

    def faults(self, lines):
        write(os.path.join(self.hub, ".faults"), lines.encode())

    def start(self, program, *args, **more):
        return subprocess.Popen([os.path.join(BIN, program), *args], env=self.env, text=True, **more)

    def plainly(self, *args):
        run = subprocess.run([os.path.join(BIN, "mlx-cache"), *args], env=self.env, text=True,
                             capture_output=True, check=False)
        assert run.returncode == 0, (args, run.stderr)
        return run.stdout, run.stderr

    def on_terminal(self, *args):
        """What a person sees on stderr; stdout is no terminal."""
        ours, theirs = pty.openpty()
        run = self.start("mlx-cache", *args, stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        os.close(ours)
        out = run.stdout.read()
        assert run.wait() == 0, seen
        return out, seen.decode()

    def end(self):
        self.double.stdin.close()
        self.double.wait()


def lines_elsewhere(w):
    out, err = w.plainly("--json", "add", "org/one")
    assert json.loads(out)["results"][0]["downloaded"] > 2_000_000
    assert re.search(r"^model.safetensors  2.0 MB  verified  \(downloaded\)$", err, re.M), err
    assert "\r" not in err and "%" not in err, err
    assert err.count("\n") == 2, err
    _, err = w.plainly("add", "org/one")
    assert err.count("(present)") == 2, err
    w.plainly("link", "ollama", "--help")
    w.plainly("link", "lmstudio", "org/one")
    w.plainly("remove", "org/one")
    _, err = w.plainly("adopt", "lmstudio")
    assert "model.safetensors  2.0 MB  verified  (shared with lmstudio)" in err, err
    assert "(copied from lmstudio)" in err, err
    out, err = w.plainly("verify", "--full")
    assert err.count("verified  (read)") == 2 and "all sound" in out, err
    print("ok: one line for each file, and JSON alone on stdout")


def link_of_all(w):
    """org/one is MLX, which Ollama cannot take; the GGUF it can."""
    run = lambda *args: subprocess.run([os.path.join(BIN, "mlx-cache"), *args], env=w.env, text=True,
                                       capture_output=True, check=False)
    w.plainly("add", "org/one")
    none = run("link", "ollama")
    assert none.returncode == 1 and "one blob per tensor" in none.stderr, none.stderr
    assert "none of the" in none.stderr, none.stderr
    gguf = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack(
        "<IQIQ", 1, 100, 0, 0)
    write(os.path.join(w.folder, "tiny.gguf"), gguf + b"\0" * (-len(gguf) % 32) + b"x" * 400)
    w.plainly("add", os.path.join(w.folder, "tiny.gguf"))
    some = run("link", "ollama", "--dry-run")
    assert some.returncode == 0 and "ollama: 1 model would be linked, " in some.stdout, some
    some = run("link", "ollama")
    assert some.returncode == 0 and "ollama: 1 model linked, " in some.stdout, some
    assert "org/one cannot be linked to Ollama" in some.stderr, some.stderr
    told = json.loads(run("--json", "link", "ollama").stdout)
    assert told["has"] == 1 and not told["results"] and told["refused"][0]["hint"], told
    assert run("link", "nosuch").returncode not in (0, 1)
    print("ok: a link of all models names what the app cannot take, and why")


def run_with(w, args, terminal_in, terminal_out):
    """The command with a terminal or none at each end; its exit status and stdout."""
    ours, theirs = pty.openpty()
    run = w.start("mlx-cache", *args, stdin=theirs if terminal_in else subprocess.DEVNULL,
                  stdout=theirs if terminal_out else subprocess.PIPE, stderr=subprocess.STDOUT)
    os.close(theirs)
    if terminal_out:
        status, seen = run.wait(), os.read(ours, 65536).decode()
    else:
        seen = run.communicate()[0]
        status = run.returncode
    os.close(ours)
    return status, seen


def what_the_program_chose_is_shown(w):
    """Whatever stdin and stdout are, clean and dedup only show their plan until --yes."""
    lonely = os.path.join(w.folder, "lonely.safetensors")
    write(lonely, safetensors(5000, "lonely"))
    w.plainly("add", lonely)
    for name in ("a", "b"):
        write(os.path.join(w.env["HOME"], ".lmstudio/models/pub", name, "m.safetensors"), safetensors(6000, "twin"))
    blobs = os.path.join(w.env["HOME"], ".mlx-cache/blobs")
    state = lambda: sorted((e.inode(), e.name) for d, _, _ in os.walk(w.env["HOME"]) if "registry" not in d
                           for e in os.scandir(d) if not e.name.startswith("registry.db"))
    before = state()
    for command in (["clean", "--older-than", "0"], ["dedup"], ["clean", "--older-than", "0", "--yes", "-n"],
                    ["dedup", "--apply", "--dry-run"]):
        for ends in ((False, False), (True, False), (False, True), (True, True)):
            status, seen = run_with(w, command, *ends)
            assert status == 0 and ("dry run" in seen or "would free" in seen), (command, ends, seen)
            assert ("--yes" in seen) == (len(command) < 4 and "--apply" not in command), (command, seen)
            assert state() == before, (command, ends)
    assert "local/lonely.safetensors" in w.plainly("status")[0]
    for agreed in ("--yes", "--apply"):
        out, _ = w.plainly("clean", "--older-than", "0", agreed)
        assert "local/lonely.safetensors" in out and "local/lonely.safetensors" not in w.plainly("status")[0], out
        out, _ = w.plainly("undo", "--dry-run")
        assert "local/lonely.safetensors would come back" in out, out
        out, _ = w.plainly("undo")
        assert "local/lonely.safetensors is back" in out, out
        out, _ = w.plainly("dedup", agreed)
        assert "freed" in out, out
        w.plainly("undo")
    status, _ = run_with(w, ["remove", "local/lonely.safetensors"], False, False)
    assert status == 0 and "local/lonely.safetensors" not in w.plainly("status")[0]
    w.plainly("undo")
    assert "local/lonely.safetensors" in w.plainly("status")[0] and os.path.isdir(blobs)
    out, _ = w.plainly("config")
    assert re.search(r"cache.dir +\S*/home/.mlx-cache", out), out
    print("ok: what the program chose is shown until --yes, what was named is done, undo brings it back")


def bar_on_a_terminal(w):
    w.faults("pace 1000 0.02\n")
    out, seen = w.on_terminal("--json", "add", "org/two")
    assert json.loads(out)["results"][0]["downloaded"] > 2_000_000
    assert re.search(r"\rorg/two +\d+%  .*\[=*>? *\]  .* of 2.0 MB  .*/s  .* left", seen), seen
    assert "verified" not in seen, seen
    assert re.search(r"org/two  2.0 MB in .*/s\r\n$", seen), seen
    big = os.path.join(w.folder, "big.safetensors")
    write(big, safetensors(150_000_000, "big"))
    _, seen = w.on_terminal("add", big)
    assert "local/big.safetensors  150.0 MB in" in seen, seen
    w.faults("")
    print("ok: a bar with bytes, speed and time left on a terminal")


def bus_hears(w):
    bus = w.start("mlx-bus")
    watch = None
    try:
        socket = os.path.join(w.env["MLX_RUNTIME_DIR"], "subscribe.sock")
        end = time.monotonic() + DEADLINE
        while not os.path.exists(socket) and time.monotonic() < end:
            time.sleep(0.02)
        watch = w.start("mlxctl", "watch", "-n", "2", "cache.progress", stdout=subprocess.PIPE)
        w.faults("pace 1000 0.1\n")
        w.plainly("add", "org/three")
        out, _ = watch.communicate(timeout=DEADLINE)
        heard = [json.loads(line) for line in out.splitlines()]
        assert len(heard) == 2, out
        for message in heard:
            assert message["src"] == "mlx-cache" and message["d"]["model"] == "org/three", message
            assert message["d"]["id"].startswith("mlx-cache-"), message
            assert 0 <= message["d"]["done"] <= message["d"]["total"], message
        # A broker that does not answer holds nothing up.
        w.plainly("remove", "org/three")
        w.faults("")
        bus.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        w.plainly("add", "org/three")
        assert time.monotonic() - started < 5
        print("ok: the bus hears cache.progress of mlx-cache, and is never waited for")
    finally:
        bus.send_signal(signal.SIGCONT)
        for process in filter(None, (watch, bus)):
            process.terminate()
            process.wait()


class Screen:
    """mlx-cache without a command, on a terminal of 90 columns and 14 rows."""

    def __init__(self, w):
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 14, 90, 0, 0))
        self.run = w.start("mlx-cache", stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.seen = b""

    def wait(self, words):
        """Until WORDS were drawn since the last key."""
        deadline = time.monotonic() + DEADLINE
        while words.encode() not in self.seen:
            assert time.monotonic() < deadline, (words, self.seen)
            ready, _, _ = select.select([self.ours], [], [], 1)
            self.seen += os.read(self.ours, 65536) if ready else b""

    def type(self, keys):
        self.seen = b""
        os.write(self.ours, keys.encode())

    def end(self):
        while True:
            try:
                if not os.read(self.ours, 65536):
                    break
            except OSError:
                break
        os.close(self.ours)
        return self.run.wait()


def list_on_a_terminal(w):
    names = {m["name"] for m in json.loads(w.plainly("--json", "status")[0])["models"]}
    assert "org/two" in names, names
    many = len(names)
    s = Screen(w)
    s.wait("q quit")
    s.type("/two\n")
    s.wait("space mark")  # only what changes is drawn
    s.type("d")
    s.wait("Remove 1 model, freeing")
    s.type("n")
    s.wait("space mark")
    s.type("q")
    assert s.end() == 0
    assert {m["name"] for m in json.loads(w.plainly("--json", "status")[0])["models"]} == names
    s = Screen(w)
    s.wait("q quit")
    s.type("/two\n")
    s.wait("space mark")  # only what changes is drawn
    s.type(" d")
    s.wait("y/n")
    s.type("y")
    s.wait("Press Enter")
    s.type("\n")
    s.wait(f"0 of {many - 1}")
    s.type("q")
    assert s.end() == 0
    left = {m["name"] for m in json.loads(w.plainly("--json", "status")[0])["models"]}
    assert left == names - {"org/two"}, left
    w.plainly("undo")
    assert len(json.loads(w.plainly("--json", "status")[0])["models"]) == many
    s = Screen(w)
    s.wait("q quit")
    s.run.send_signal(signal.SIGINT)
    assert s.end() == 130
    out, _ = w.plainly()
    assert "status" in out and "add" in out, out
    run = subprocess.run([os.path.join(BIN, "mlx-cache"), "pick"], env=w.env, capture_output=True, check=False)
    assert run.returncode == 2 and b"terminal" in run.stderr, run
    print("ok: without a command, a list on a terminal: marks, filter, question, removal, Ctrl-C; elsewhere the commands")


with tempfile.TemporaryDirectory(prefix="mlx-progress.") as folder:
    world = World(folder)
    try:
        lines_elsewhere(world)
        link_of_all(world)
        what_the_program_chose_is_shown(world)
        bar_on_a_terminal(world)
        bus_hears(world)
        list_on_a_terminal(world)
    finally:
        world.end()

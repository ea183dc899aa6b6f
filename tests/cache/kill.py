#!/usr/bin/env python3
"""kill -9 of real mlx-cache processes at random moments of add, link, dedup and clean.

usage: kill.py BIN_DIR [OPERATION...]

After each kill, before anything is repaired: every name in every store and in the cache has the bytes
that it had before or those that it has at the end, whole; every blob has the content that its name
says; no link is broken, no ref or manifest comes before what it names. Then the same command again
(one in four of them killed as well) must end where a run without kills ends, down to which names share
an inode.

MLX_KILLS: kills of each operation (6). MLX_TEST_SEED: the seed, which is printed.
"""
import hashlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from files import write

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.join(os.path.abspath(sys.argv[1]), "mlx-cache")
KILLS = int(os.environ.get("MLX_KILLS", "6"))
SEED = int(os.environ.get("MLX_TEST_SEED", str(int(time.time()))))
TEMPORARY = (".incomplete", ".lock")
LIMIT_S = 60


def noise(label, size):
    return hashlib.shake_128(label.encode()).digest(size)


def gguf(label, size):
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w"
    head += struct.pack("<IQIQ", 1, size // 4, 0, 0)
    return head + b"\0" * (-len(head) % 32) + noise(label, size // 4 * 4)


def safetensors(label, size):
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + noise(label, size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def read(path):
    with open(path, "rb") as f:
        return f.read()


class World:
    """<top>/world is what is worked on; <top>/<name> are copies of it, with their hard links."""

    def __init__(self, top):
        self.top = top
        self.dir = os.path.join(top, "world")
        self.hub = os.path.join(top, "hub")
        os.makedirs(self.hub)
        self.double = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "hub_double.py"), self.hub],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = self.double.stdout.readline().strip()
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "OLLAMA_"))}
        self.env = {**keep, "HOME": self.path("home"), "HF_ENDPOINT": "http://127.0.0.1:" + port,
                    "OLLAMA_HOST": "127.0.0.1:1"}

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def end(self):
        self.double.stdin.close()
        self.double.wait()

    def fresh(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.path("home"))

    def keep_as(self, name):
        shutil.rmtree(os.path.join(self.top, name), ignore_errors=True)
        subprocess.run(["cp", "-a", self.dir, os.path.join(self.top, name)], check=True)

    def back_to(self, name):
        shutil.rmtree(self.dir)
        subprocess.run(["cp", "-a", os.path.join(self.top, name), self.dir], check=True)

    def start(self, args):
        return subprocess.Popen([BIN, "--json", *args], env=self.env, cwd=self.top,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *args):
        process = self.start(args)
        out, said = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, (args, process.returncode, said.decode())
        return json.loads(out)


# ---- what a world is, as its apps see it ----


def entries(folder):
    for base, folders, names in os.walk(folder):
        for name in names + [f for f in folders if os.path.islink(os.path.join(base, f))]:
            yield os.path.relpath(os.path.join(base, name), folder)


def is_visible(path):
    """Not a temporary, a part of a download, a lock or the registry: nothing that an app opens."""
    parts = path.split("/")
    if parts[0] == ".mlx-cache" and parts[1] not in ("blobs", "models"):
        return False
    return not path.endswith(TEMPORARY) and ".locks" not in parts


def look(world):
    """{path: content's hash, or the link's target} and {path: inode}."""
    home = world.path("home")
    seen, inodes = {}, {}
    for path in entries(home):
        full = os.path.join(home, path)
        if not is_visible(path):
            continue
        if os.path.islink(full):
            seen[path] = "-> " + os.readlink(full)
            continue
        seen[path] = sha256(read(full))
        inodes[path] = os.stat(full).st_ino
    return seen, inodes


def sharing(inodes):
    groups = {}
    for path, inode in inodes.items():
        groups.setdefault(inode, []).append(path)
    return sorted(sorted(g) for g in groups.values())


def check_named(path, full, digest):
    """A name that is a digest says the truth."""
    name = os.path.basename(path).removeprefix("sha256-")
    if len(name) == 64 and all(c in "0123456789abcdef" for c in name):
        assert digest == name, "%s holds other bytes" % path
    elif "/blobs/" in path and len(name) == 40:
        data = read(full)
        assert hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == name, path


def check_manifest(home, full):
    manifest = json.loads(read(full))
    for layer in [manifest["config"], *manifest["layers"]]:
        blob = os.path.join(home, ".ollama/models/blobs", layer["digest"].replace(":", "-"))
        assert os.path.getsize(blob) == layer["size"], "%s needs %s" % (full, blob)


def check_order(home, path, full, end):
    """What is named by a ref or a manifest was there before it."""
    if "/refs/" in path:
        repo = path.split("/refs/")[0]
        snapshot = "%s/snapshots/%s/" % (repo, read(full).decode())
        for name in end:
            if name.startswith(snapshot):
                assert os.path.exists(os.path.join(home, name)), "%s before %s" % (path, name)
    if "/manifests/" in path:
        check_manifest(home, full)


def check_now(world, before, end, may_go):
    """Each name as it was or as it will be; MAY_GO: which of them the operation may remove."""
    home = world.path("home")
    now, _ = look(world)
    for path, what in now.items():
        full = os.path.join(home, path)
        assert what in (before.get(path), end.get(path)), "%s is neither old nor new" % path
        if what.startswith("-> "):
            assert os.path.exists(full), "%s is a broken link" % path
        else:
            check_named(path, full, what)
            check_order(home, path, full, end)
    for path in before:
        assert path in now or may_go(path), "%s is gone" % path
    return now


def check_converged(world, end, groups, status):
    now, inodes = look(world)
    for path in sorted(set(now) | set(end)):
        assert now.get(path) == end.get(path), "%s ends as %s instead of %s" % (
            path, now.get(path), end.get(path))
    assert sharing(inodes) == groups, "other names share their bytes"
    home = world.path("home")
    # The hub's own tools keep their lock files, too.
    left = [p for p in entries(home) if p.endswith(".incomplete") or "/tmp/" in p or "/partial/" in p]
    assert not left, left
    assert models_of(world) == status
    assert not world.run("verify", "--full")["bad"]


def models_of(world):
    """The parts of the status that do not depend on the time."""
    status = world.run("status")
    assert not status.get("problems"), status["problems"]
    return [(m["name"], m["size"], m["cached"], sorted(u["app"] for u in m["used_by"]))
            for m in status["models"]], status["total"], status["saved"]


# ---- the operations, each long enough to be hit in its middle ----

FILES = 240


def many_files(folder, label, count=FILES, size=3000):
    for i in range(count):
        write(os.path.join(folder, "part%d" % (i % 7), "c%d.json" % i),
              json.dumps({"of": label, "i": i, "pad": noise(label + str(i), size // 2).hex()}).encode())


def mlx_repo(folder, label):
    write(os.path.join(folder, "config.json"), b'{"model_type":"llama"}')
    many_files(folder, label)
    for i in range(4):
        write(os.path.join(folder, "model-%05d-of-00004.safetensors" % (i + 1)),
              safetensors(label + str(i), 700000))


def before_add(world):
    write(world.path("home/.lmstudio/models/pub/own/model.gguf"), gguf("own", 90000))


def before_link(world):
    before_add(world)
    world.run("add", "org/mlx")
    write(world.path("m.gguf"), gguf("linked", 400000))
    world.run("add", world.path("m.gguf"), "--as", "org/gguf")


def before_dedup(world):
    """The same weights in three stores, some of them adopted."""
    for i in range(150):
        data = gguf("same%d" % i, 60000 + 400 * i)
        write(world.path("home/.lmstudio/models/pub/m%d/model.gguf" % i), data)
        ollama_model(world, "m%d" % i, data)
    world.run("adopt", "ollama", "m1:1")
    world.run("adopt", "lmstudio", "pub/m2")


def ollama_model(world, name, data):
    store = world.path("home/.ollama/models")
    config = json.dumps({"model_format": "gguf", "name": name}).encode()
    layers = []
    for kind, blob in (("image.model", data), ("image.params", b'{"stop":["%s"]}' % name.encode())):
        write("%s/blobs/sha256-%s" % (store, sha256(blob)), blob)
        layers.append({"mediaType": "application/vnd.ollama." + kind, "size": len(blob),
                       "digest": "sha256:" + sha256(blob)})
    write("%s/blobs/sha256-%s" % (store, sha256(config)), config)
    write("%s/manifests/registry.ollama.ai/library/%s/1" % (store, name), json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config),
                   "digest": "sha256:" + sha256(config)}, "layers": layers}).encode())


def before_clean(world):
    """Models that nothing uses, and some that apps use: those stay."""
    for i in range(12):
        folder = world.path("unused%d" % i)
        many_files(folder, "unused%d" % i, 12)
        write(os.path.join(folder, "model.safetensors"), safetensors("unused%d" % i, 100000))
        world.run("add", folder)
        shutil.rmtree(folder)
    write(world.path("home/.lmstudio/models/pub/kept/model.gguf"), gguf("kept", 90000))
    world.run("adopt", "lmstudio", "pub/kept")
    write(world.path("m.gguf"), gguf("given", 100000))
    world.run("add", world.path("m.gguf"), "--as", "org/given")
    world.run("link", "lmstudio", "org/given")
    world.run("link", "ollama", "org/given", "--as", "given:1")


def stays(_):
    return False


def is_ours(path):
    return path.startswith(".mlx-cache/")


OPERATIONS = {
    "add": (before_add, [["add", "org/mlx"]], stays),
    "link": (before_link, [["link", "huggingface", "org/mlx"], ["link", "lmstudio", "org/mlx"],
                           ["link", "ollama", "org/gguf", "--as", "given:1"],
                           ["link", "llamacpp", "org/mlx"]], stays),
    "dedup": (before_dedup, [["dedup", "--apply"]], stays),
    "clean": (before_clean, [["clean", "--yes", "--older-than", "0"]], is_ours),
}


class Trial:
    """One command, from one state of the world to another."""

    def __init__(self, world, name, command, may_go):
        self.world, self.name, self.command, self.may_go = world, name, command, may_go
        world.back_to(name)
        self.before, inodes = look(world)
        self.shared = sharing(inodes)
        begin = time.monotonic()
        world.run(*command)
        self.length = time.monotonic() - begin
        self.end, inodes = look(world)
        self.groups = sharing(inodes)
        self.status = models_of(world)
        assert world.run(*command) is not None, "the command cannot be repeated"
        assert look(world)[0] == self.end, "the command again changes something"

    def hit(self, chance):
        """Start it, kill it: was it alive."""
        delay = chance.uniform(0, self.length)
        process = self.world.start(self.command)
        time.sleep(delay)
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not alive or process.returncode == -signal.SIGKILL or process.returncode == 0
        return process.returncode == -signal.SIGKILL

    def kill(self, chance, counts):
        self.world.back_to(self.name)
        alive = self.hit(chance)
        now = check_now(self.world, self.before, self.end, self.may_go)
        if not alive:
            counts["had ended"] += 1
        else:
            state = (now, sharing(look(self.world)[1]))
            counts["before its first name" if state == (self.before, self.shared) else
                   "after its last name" if state == (self.end, self.groups) else "between"] += 1
        while chance.random() < 0.25:
            self.hit(chance)
            check_now(self.world, self.before, self.end, self.may_go)
            counts["killed again"] += 1
        self.world.run(*self.command)
        check_converged(self.world, self.end, self.groups, self.status)


def run(world, operation, chance):
    prepare, commands, may_go = OPERATIONS[operation]
    world.fresh()
    prepare(world)
    world.keep_as(operation)
    trials = [Trial(world, operation, command, may_go) for command in commands]
    counts = dict.fromkeys(("before its first name", "between", "after its last name", "had ended",
                            "killed again"), 0)
    for i in range(KILLS):
        trial = trials[i % len(trials)]
        try:
            trial.kill(chance, counts)
        except AssertionError as error:
            sys.exit("FAILED: %s, kill %d, seed %d: %s\n(the world is kept in %s)" % (
                trial.command, i, SEED, error, keep(world)))
    print("%-6s %d kills within %s s: %s" % (
        operation, KILLS, "/".join("%.2f" % t.length for t in trials),
        ", ".join("%d %s" % (n, what) for what, n in counts.items())), flush=True)
    assert counts["had ended"] <= KILLS * 3 // 4, "most kills came too late to prove anything"
    return counts


def keep(world):
    kept = tempfile.mkdtemp(prefix="mlx-kill-failed.")
    subprocess.run(["cp", "-a", world.dir, kept], check=True)
    return kept


def main():
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    print("seed", SEED, flush=True)
    with tempfile.TemporaryDirectory(prefix="mlx-kill.", dir=memory) as top:
        world = World(top)
        try:
            mlx_repo(os.path.join(world.hub, "org", "mlx"), "mlx")
            for operation in sys.argv[2:] or OPERATIONS:
                run(world, operation, random.Random("%d %s" % (SEED, operation)))
        finally:
            world.end()


main()

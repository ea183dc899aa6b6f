#!/usr/bin/env python3
"""Random commands of real processes over all stores, some of them killed, against what each app must have.

usage: random_commands.py BIN_DIR [FOLDER]

Apps get, change and lose models, the hub's repositories get new commits, and the commands of mlx-cache run in
between, one in three killed at a random moment. After each step every file that an app had or was given is
there with its bytes, no store shows part of a file, and a command that was not killed ends with a known code;
every few steps the total and what is saved are the file system's. FOLDER lies on the file system to be tried.

MLX_TEST_STEPS: how many steps (10). MLX_TEST_SEED: the seed, which is printed. What fails leaves its folder.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from files import git_sha1, gguf, read, safetensors, sha256, write
from measure import extents, held

BIN = os.path.join(os.path.abspath(sys.argv[1]), "mlx-cache")
HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = int(os.environ.get("MLX_TEST_STEPS", "10"))
SEED = int(os.environ.get("MLX_TEST_SEED", str(int(time.time()))))
NEAR = 8192  # bytes of the disk, of which the compared figures may differ
CODES = (0, 1, 2, 3, 4, 5)  # done; not whole, or refused with its reason; nothing of that name; its source is away
PLAIN = {"lmstudio": ".lmstudio/models/pub/m{0}", "dir": "dirs/m{0}", "koboldcpp": "koboldcpp/models/m{0}",
         "localai": "localai/models/m{0}", "hubapi": "Documents/huggingface/models/pub/m{0}",
         "llamacpp": ".cache/llama.cpp/m{0}", "jan": ".local/share/Jan/data/llamacpp/models/pub/m{0}"}
HUB, OLLAMA = ".cache/huggingface/hub", ".ollama/models"
STORES = [path.rsplit("/m{0}", 1)[0].removesuffix("/pub").removesuffix("/llamacpp/models") for path in PLAIN.values()]
STORES += [HUB, OLLAMA]
LINKED = ("huggingface", "ollama", "lmstudio", "llamacpp", "hubapi", "jan", "koboldcpp", "localai", "dir")


class World:
    def __init__(self, folder, dice):
        self.dice = dice
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="mlx-random.", dir=folder))
        self.home = os.path.join(self.folder, "home")
        self.hub = os.path.join(self.folder, "hub")
        os.makedirs(self.home)
        for path in STORES:
            os.makedirs(self.path(path))
        os.makedirs(self.path(OLLAMA, "manifests"))
        for n in range(3):
            self.revision(n)
        write(os.path.join(self.hub, ".faults"), b"")
        self.double = subprocess.Popen([sys.executable, os.path.join(HERE, "hub_double.py"), self.hub],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "OLLAMA_", "LLAMA_"))}
        self.env = {**keep, "HOME": self.home, "OLLAMA_HOST": "127.0.0.1:1", "OLLAMA_MODELS": self.path(OLLAMA),
                    "MLX_CACHE_DIRS": self.path("dirs"),
                    "HF_ENDPOINT": "http://127.0.0.1:" + self.double.stdout.readline().strip()}
        self.must = {}  # path in an app's store: SHA-256 of its content
        self.given = {}  # the same, of what link put there
        self.known = set()  # contents that exist whole
        self.said = []

    def end(self):
        self.double.stdin.close()
        self.double.wait()
        shutil.rmtree(self.folder)

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    # ---- what apps and the hub do ----

    def content(self, n):
        """Of few kinds, so that there is something to share."""
        if n % 2:
            return {"m%d.gguf" % (n % 4): gguf("c%d" % (n % 4), 120000)}
        return {"config.json": b'{"model_type":"llama"}',
                "model.safetensors": safetensors(120000 + n, "s%d" % (n % 4))}

    def revision(self, n):
        base = os.path.join(self.hub, "org/r%d" % n)
        if n == 1:
            write(os.path.join(base, "r-Q4_0.gguf"), gguf("r%d" % self.dice.randrange(4), 120000))
            return
        write(os.path.join(base, "config.json"), b'{"model_type":"llama","n":%d}' % self.dice.randrange(4))
        write(os.path.join(base, "model.safetensors"), safetensors(120000 + n, "s%d" % self.dice.randrange(4)))

    def has(self, path, data):
        """An app's file is replaced, never written over in its place."""
        write(path + ".new", data)
        os.replace(path + ".new", path)
        self.must[path] = sha256(data)
        self.given.pop(path, None)
        self.known.add(sha256(data))

    def app_adds(self):
        n = self.dice.randrange(6)
        app = self.dice.choice([*PLAIN, "hub", "ollama"])
        files = self.content(n)
        if app in PLAIN:
            folder = self.path(PLAIN[app].format(n))
            if any(os.path.join(folder, f) in self.given for f in files):
                return "nothing"
            for name, data in files.items():
                self.has(os.path.join(folder, name), data)
        elif app == "hub":
            self.hub_client(n, files)
        elif n % 2:
            self.ollama_pull(n, next(iter(files.values())))
        return "%s adds %d" % (app, n)

    def hub_client(self, n, files):
        top = self.path(HUB, "models--pub--h%d" % n)
        commit = sha256(repr(sorted(files)).encode() + str(n).encode())[:40]
        for name, data in files.items():
            blob = os.path.join(top, "blobs", git_sha1(data) if name.endswith("json") else sha256(data))
            link = os.path.join(top, "snapshots", commit, name)
            if not os.path.exists(blob):
                self.has(blob, data)
            self.must[blob] = sha256(data)
            os.makedirs(os.path.dirname(link), exist_ok=True)
            if not os.path.lexists(link):
                os.symlink(os.path.relpath(blob, os.path.dirname(link)), link)
            self.must[link] = sha256(data)
        write(os.path.join(top, "refs/main"), commit.encode())

    def ollama_pull(self, n, data):
        blobs = self.path(OLLAMA, "blobs")
        config = json.dumps({"model_format": "gguf", "n": n}).encode()
        for one in (data, config):
            path = os.path.join(blobs, "sha256-" + sha256(one))
            if not os.path.exists(path):
                self.has(path, one)
            self.must[path] = sha256(one)
            self.known.add(sha256(one))
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "digest": "sha256:" + sha256(config), "size": len(config)},
            "layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + sha256(data),
                        "size": len(data)}]}).encode()
        self.has(self.path(OLLAMA, "manifests/registry.ollama.ai/library/o%d/latest" % n), manifest)

    def app_removes(self):
        """A whole model, as a person does; of Ollama the manifest, and blobs that nothing names then."""
        n = self.dice.randrange(6)
        folders = [self.path(p.format(n)) for p in PLAIN.values()] + [self.path(HUB, "models--pub--h%d" % n)]
        folder = self.dice.choice(folders)
        shutil.rmtree(folder, ignore_errors=True)
        for kept in (self.must, self.given):
            for path in [p for p in kept if p.startswith(folder + "/")]:
                del kept[path]
        return "removed " + os.path.relpath(folder, self.home)

    def touches(self):
        """Somebody's backup program, or a touch: times change, bytes do not."""
        if self.must:
            path = self.dice.choice(sorted(self.must))
            os.utime(path, (1, self.dice.randrange(1 << 30)))
        return "touches"

    # ---- what the cache does ----

    def names(self):
        run = self.run_now("status")
        return [m["name"] for m in json.loads(run.stdout)["models"]] if run.returncode == 0 else []

    def command(self):
        d = self.dice
        names = ["org/r0", "org/r1", "org/r2"]
        pick = d.randrange(14)
        if pick >= 5:
            names = self.names() or names
        name = d.choice(sorted(names))
        if pick < 3:
            return ["add", d.choice(("org/r0", "org/r1", "org/r2"))]
        if pick == 3 and self.must:
            return ["add", d.choice(sorted(self.must)), "--as", "me/m%d" % d.randrange(3)]
        if pick == 4:
            return ["adopt", *d.choice(([], [d.choice(LINKED)]))]
        if pick in (5, 6, 7):
            return ["link", d.choice(LINKED), *d.choice(([], [name], [name]))]
        if pick == 8:
            return ["unlink", d.choice(LINKED), name]
        if pick == 9:
            return ["dedup", "--yes"]
        if pick == 10:
            return ["undo"]
        if pick == 11:
            return ["remove", name]
        if pick == 12:
            return ["clean", "--yes", "--older-than", "0"]
        return ["verify", *d.choice(([], ["--full"], ["--repair"], ["--full", "--repair"]))]

    def start(self, *args):
        return subprocess.Popen([BIN, "--json", *args], env=self.env, cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                start_new_session=True)

    def run_now(self, *args):
        process = self.start(*args)
        out, said = process.communicate(timeout=120)
        return subprocess.CompletedProcess(args, process.returncode, out, said)

    def cache_works(self):
        args = self.command()
        before = self.listing()
        killed = self.dice.random() < 0.33
        if killed:
            process = self.start(*args)
            time.sleep(self.dice.random() ** 2 * 0.3)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            code = process.returncode
        else:
            run = self.run_now(*args)
            code = run.returncode
            assert code in CODES, (args, run)
            assert "Sanitizer" not in run.stderr, run
            if code:
                args = [*args, "(" + run.stderr.strip() + ")"]
            if code and args[0] not in ("verify",):
                assert "error" in run.stdout or "refused" in run.stdout or "failed" in run.stdout, (args, run)
        if args[0] in ("undo", "unlink", "link", "verify"):
            self.given = {p: h for p, h in self.given.items() if args[0] not in ("undo", "unlink")}
        if args[0] == "link" and code == 0:
            for path in self.listing() - before:
                self.given[path] = sha256(read(path))
        if args[0] == "link":  # a new revision takes the place of what was given
            self.given = {p: h for p, h in self.given.items() if os.path.exists(p) and sha256(read(p)) == h}
        return "%s: %s" % (" ".join(args), "killed" if killed and code < 0 else code)

    # ---- what must be ----

    def listing(self):
        found = set()
        for store in STORES:
            for base, _, names in os.walk(self.path(store)):
                found.update(os.path.join(base, n) for n in names)
        return found

    def check_files(self):
        hashes = {}

        def content(path):
            st = os.stat(path)
            if st.st_ino not in hashes:
                hashes[st.st_ino] = sha256(read(path))
            return hashes[st.st_ino]

        for path, want in {**self.given, **self.must}.items():
            assert os.path.exists(path), path + " is gone"
            assert content(path) == want, path + " is not what it was"
        for path in self.listing():
            if "/blobs/sha256-" in path and not path.endswith("incomplete"):
                assert content(path) == path.rpartition("-")[2], path + " is part of a file"
            if path.endswith((".gguf", ".safetensors")) and os.path.exists(path):
                assert content(path) in self.universe(), path + " is part of a file"

    def universe(self):
        return self.known | self.all_known

    most_saved = 0
    all_known = {sha256(gguf("r%d" % i, 120000)) for i in range(4)} | {
        sha256(safetensors(120000 + n, "s%d" % i)) for n in range(6) for i in range(4)}

    def check_figures(self):
        self.run_now("remove", "no/such")  # what was killed is undone or ended
        run = self.run_now("status")
        assert run.returncode == 0, run
        status = json.loads(run.stdout)
        mine = [self.path(".mlx-cache", part) for part in ("blobs", "models", "partial", "quarantine")]
        once = held([self.path(s) for s in STORES] + mine)
        assert abs(status["total"] + status.get("other_bytes", 0) - once) <= self.slack(), (status, once)
        saved = self.apart() - held([self.path(s) for s in STORES])
        self.most_saved = max(self.most_saved, saved)
        assert abs(status["saved"] - saved) <= NEAR, (status["saved"], saved, status, self.places())

    def places(self):
        """Every file of the apps, with what tells which of them share."""
        return [(os.path.relpath(p, self.home), os.lstat(p).st_ino, os.lstat(p).st_blocks * 512, extents(p)[:1])
                for p in sorted(self.listing()) if not os.path.islink(p)]

    def apart(self):
        """Bytes of the disk that the apps' files would take if each had its own."""
        return sum(os.lstat(p).st_blocks * 512 for p in self.listing() if not os.path.islink(p))

    def slack(self):
        """What is no model's: refs, notes, manifests, each a block or two, and what a kill left half done."""
        sizes = {p: os.path.getsize(p) for p in self.listing() if os.path.exists(p)}
        return 8192 + sum(8192 for size in sizes.values() if size < 5000) + sum(
            size + 8192 for p, size in sizes.items() if p.endswith(".incomplete"))

    def step(self):
        roll = self.dice.random()
        if roll < 0.15:
            said = self.app_adds()
        elif roll < 0.2:
            said = self.app_removes()
        elif roll < 0.25:
            n = self.dice.randrange(3)
            self.revision(n)
            said = "new commit of r%d" % n
        elif roll < 0.28:
            said = self.touches()
        else:
            said = self.cache_works()
        self.said.append(said)

    def sound(self):
        """With no more kills all is whole."""
        run = self.run_now("verify", "--full")
        assert run.returncode == 0, run
        run = self.run_now("doctor")
        bad = [c for c in json.loads(run.stdout)["checks"] if not c["ok"]]
        self.said.append("doctor: %s" % bad)


def main():
    print("seed", SEED, flush=True)
    world = World(sys.argv[2] if len(sys.argv) > 2 else None, random.Random(SEED))
    try:
        for n in range(STEPS):
            world.step()
            world.check_files()
            if n % 5 == 0:
                world.check_figures()
        world.sound()
    except BaseException:
        print("\n".join(world.said[-60:]), flush=True)
        print("kept:", world.folder, flush=True)
        world.double.stdin.close()
        raise
    world.end()
    print("ok: %d random commands of all kinds over all stores, at most %d bytes saved" % (STEPS, world.most_saved))


main()

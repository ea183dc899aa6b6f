#!/usr/bin/env python3
"""Hostile input of every kind, end to end through mlx-cache: nothing outside is touched.

usage: hostile.py BIN_DIR

Each generated case runs one or more commands over a fresh home: listings of a hub, manifests of OCI
and Ollama registries, weight headers, local folders, names given by a user, stores of apps, and the
cache's own files. What must be refused is, with one line and status 1, 2, 3 or 5 (4 where a registry has not what its manifest names); nothing that is
printed holds a control character; a tree of canaries around the home keeps every byte, time and inode;
no sanitizer has anything to say.

MLX_HOSTILE: number of cases (60). MLX_TEST_SEED: the seed, which is printed.
"""
import hashlib
import http.server
import json
import os
import random
import shutil
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata

from files import write

BIN = os.path.join(os.path.abspath(sys.argv[1]), "mlx-cache")
CASES = int(os.environ.get("MLX_HOSTILE", "60"))
SEED = int(os.environ.get("MLX_TEST_SEED", str(int(time.time()))))
LIMIT_S = 60
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFUSED = (1, 2, 3, 4, 5)
ANY = (0, *REFUSED)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def gguf(size=64, dims=None, offset=0, tensors=1, keys=0, magic=b"GGUF", version=3):
    head = magic + struct.pack("<IQQ", version, tensors, keys) + struct.pack("<Q", 1) + b"w"
    dims = dims or [size]
    head += struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in dims)
    head += struct.pack("<IQ", 0, offset)
    return head + b"\0" * (-len(head) % 32) + b"\x5a" * (4 * size)


def safetensors(header=None, length=None, data=b"\1" * 8):
    header = header or b'{"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}'
    return struct.pack("<Q", len(header) if length is None else length) + header + data


# ---- names that lead elsewhere, or are not names ----

OUT = ["../canary/keep", "../../canary/keep", "../../../../../../../../../tmp/x", "/etc/passwd",
       "a/../../canary/keep", "./x", "a/./b", "a//b", "", ".", "..", "~/x", "\\\\host\\share\\x",
       "C:\\x", "C:x", "..\\..\\canary\\keep", "a\\b", "//host/share", "con", "NUL.txt", "com1",
       "a:stream", "x\ny", "x\ry", "x\x1b[2Jy", "x\x1b]0;owned\x07", "x\x7fy", "x\u009b31my", "x\0y",
       " x", "x ", "x.", "a" * 256, "a/" * 20 + "x", "d/" * 1000 + "x", "x" * 5000, "a?b", "a*b",
       "a|b", "a<b", "\u202egnp.x", unicodedata.normalize("NFD", "\u00e9"), "\u00e9", "\ufeffx",
       "blobs/../../../canary", "%2e%2e%2fcanary", "..%2f..%2fcanary", "-rf", "$(touch canary)",
       "`id`", "'; DROP TABLE models; --", "snapshots/x", ".lock", "registry.db"]
# These are plain names where a file is named, hostile or not where something else is.
PLAIN = ("%2e%2e%2fcanary", "..%2f..%2fcanary", "-rf", "$(touch canary)", "`id`",
         "'; DROP TABLE models; --", "snapshots/x", ".lock", "registry.db", "~/x")
DIGESTS = ["", "x", "sha256:", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "sha256:" + "a" * 65,
           "sha256:../../../canary/keep", "sha256:" + "../" * 20 + "canary/keep",
           "sha256-" + "a" * 64, "sha512:" + "a" * 128, "sha256:" + "a" * 62 + "/.", "md5:" + "a" * 32,
           "sha256:" + "a" * 60 + "\n\x1b[m", "sha256:" + "g" * 64, "SHA256:" + "a" * 64,
           "sha256: " + "a" * 63, "a" * 64 + "\0", "/" * 71]
SIZES = [-1, 1 << 62, (1 << 63) - 1, 1 << 64, 1e300, "8", None, [], {}, True]


class Server(http.server.ThreadingHTTPServer):
    """Answers what PAGES has by the path: (status, body), or bytes."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages = {}
        self.host = "127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Clients may leave."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        page = self.server.pages.get(self.path.split("?")[0], (404, b""))
        status, body = page if isinstance(page, tuple) else (200, page)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET


class Box:
    """<top>/canary must stay; <top>/box/home is the home of a user."""

    def __init__(self, top, server):
        self.top, self.server = top, server
        self.home = os.path.join(top, "box", "home")
        self.canary = os.path.join(top, "canary")
        for name in ("keep", "sub/keep", "config.json", "x"):
            write(os.path.join(self.canary, name), b"canary " + name.encode())
        os.symlink("keep", os.path.join(self.canary, "link"))
        write(os.path.join(top, "box", "keep"), b"canary")

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def fresh(self):
        subprocess.run(["rm", "-rf", self.home], check=True)
        os.makedirs(self.home)
        self.server.pages = {}

    def around(self):
        """All that is in the top but not in the home."""
        found = {}
        for base, folders, names in os.walk(self.top):
            folders[:] = [f for f in folders if os.path.join(base, f) != self.home]
            # The folder that holds the home changes with it.
            for name in names + [f for f in folders if not self.home.startswith(os.path.join(base, f))]:
                st = os.lstat(os.path.join(base, name))
                data = open(os.path.join(base, name), "rb").read() if stat.S_ISREG(st.st_mode) else b""
                found[os.path.join(base, name)] = (st.st_ino, st.st_mtime_ns, st.st_mode, st.st_nlink,
                                                   data)
        return found

    def run(self, args):
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "MLX_", "XDG_", "OLLAMA_"))}
        env = {**keep, "HOME": self.home, "HF_ENDPOINT": "http://" + self.server.host,
               "OLLAMA_HOST": "127.0.0.1:1", "MLX_CACHE_DIRS": self.path("dir"),
               "XDG_CONFIG_HOME": self.path("config")}
        return subprocess.run([BIN, *args], env=env, cwd=self.home, capture_output=True,
                              timeout=LIMIT_S, stdin=subprocess.DEVNULL, check=False)


def controls(data):
    """Control characters in what is printed, among them those of the second half of Latin-1."""
    text = data.decode("utf-8", "replace").replace("\n", "")
    return sorted({hex(ord(c)) for c in text if unicodedata.category(c) == "Cc"})


def check(box, args, allowed):
    run = box.run(args)
    said = run.stderr.decode("utf-8", "replace")
    assert "Sanitizer" not in said and "runtime error" not in said, said[:3000]
    assert run.returncode in allowed, "status %d: %s" % (run.returncode, said[:500])
    assert not controls(run.stdout), ("on stdout", controls(run.stdout))
    assert not controls(run.stderr), ("on stderr", controls(run.stderr))
    lines = [l for l in said.splitlines() if l.startswith("mlx-cache: ")]
    if run.returncode and not run.stdout:
        others = [l for l in said.splitlines() if "  verified  (" not in l]
        assert len(lines) == 1 and len(others) == 1, "not one line: %r" % said[:500]


# ---- the kinds of cases: each prepares, and gives [(arguments, statuses)] ----


def hub_pages(box, repo, entries, commit=COMMIT, raw=None):
    base = "/api/models/%s/" % repo
    box.server.pages[base + "revision/main"] = json.dumps({"id": repo, "sha": commit}).encode()
    body = raw if raw is not None else json.dumps(entries).encode()
    for revision in ("main", COMMIT):
        box.server.pages[base + "tree/" + revision] = body


def hub_file(box, repo, path, data, lfs=False):
    box.server.pages["/%s/resolve/%s/%s" % (repo, COMMIT, path)] = data
    entry = {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data)}
    if lfs:
        entry["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
    return entry


def hub_case(box, chance):
    good = [hub_file(box, "org/m", "config.json", b"{}"),
            hub_file(box, "org/m", "model.safetensors", safetensors(), True)]
    bad = hub_file(box, "org/m", "extra.json", b"[]")
    how = chance.randrange(9)
    commit, raw, repeat = COMMIT, None, 1
    if how < 3:
        name = chance.choice([n for n in OUT if n not in PLAIN])
        bad["path"] = name + chance.choice([".json", "/x.json"]) if name not in ("", ".", "..") else (
            name + "/x.json")
        if bad["path"] in ("x .json", "x..json", ".json"):
            bad["path"] = "../x.json"
    elif how == 3:
        bad["path"] = chance.choice(["CONFIG.JSON".lower().replace("c", "C", 1), "config.json",
                                     "config.json/x.json", "Config.json"])
    elif how == 4:
        bad["oid"] = chance.choice([d for d in DIGESTS])
    elif how == 5:
        bad["size"] = chance.choice([s for s in SIZES if s is not True] + [chance.getrandbits(40)])
    elif how == 6:
        bad["lfs"] = {"oid": chance.choice(DIGESTS), "size": 2}
    elif how == 7:
        commit = chance.choice(["", "main", "../" * 10, COMMIT + "0", "g" * 40, COMMIT[:-2] + "/.",
                                "\x1b[2J" + COMMIT[4:]])
    else:
        raw = chance.choice([b"", b"{}", b"[[[[", b"[" * 100000, b"null", b"[1,2]", b"\xff\xfe", b"<html>",
                             b'[{"path":1}]', b'[{"type":"file","path":"a","size":1}]',
                             json.dumps(good)[:-5].encode(), b'[' + b'{},' * 300000 + b'{}]'])
    hub_pages(box, "org/m", good + [bad] * repeat, commit, raw)
    return [(["add", "org/m"], REFUSED), (["status"], (0,))]


def manifest(layers, **more):
    return json.dumps({"schemaVersion": 2,
                       "mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                                  "digest": "sha256:" + sha256(b"{}")}, "layers": layers,
                       **more}).encode()


def spoil_layer(layer, chance, titled):
    how = chance.randrange(4 if titled else 3)
    if how == 0:
        layer["digest"] = chance.choice(DIGESTS)
    elif how == 1:
        layer["size"] = chance.choice(SIZES)
    elif how == 2:
        layer["digest"] = "sha256:" + sha256(b"something else")  # not there, or other bytes
    else:
        layer["annotations"] = {"org.opencontainers.image.title":
                                chance.choice([n for n in OUT if n not in PLAIN])}


BROKEN = [b"", b"{}", b"[]", b"{" * 50000, b"null", b'{"layers":1}', b'{"layers":[1]}', b"\x00\x1b[2J",
          b'{"schemaVersion":1}', b'{"schemaVersion":2,"layers":[{}]}', b'{"config":"x","layers":[]}']


def oci_case(box, chance):
    data = safetensors()
    layer = {"mediaType": "application/octet-stream", "digest": "sha256:" + sha256(data),
             "size": len(data), "annotations": {"org.opencontainers.image.title": "model.safetensors"}}
    box.server.pages["/v2/x/m/blobs/sha256:" + sha256(data)] = data
    box.server.pages["/v2/x/m/blobs/sha256:" + sha256(b"something else")] = data
    bad = json.loads(json.dumps(layer))
    bad["annotations"]["org.opencontainers.image.title"] = "other.safetensors"
    spoil_layer(bad, chance, True)
    body = chance.choice(BROKEN) if chance.random() < 0.2 else manifest([layer, bad])
    box.server.pages["/v2/x/m/manifests/t"] = body
    return [(["add", "oci://%s/x/m:t" % box.server.host], REFUSED), (["status"], (0,))]


def ollama_case(box, chance):
    data, config = gguf(), b'{"model_format":"gguf"}'
    for blob in (data, config):
        box.server.pages["/v2/library/m/blobs/sha256:" + sha256(blob)] = blob
    box.server.pages["/v2/library/m/blobs/sha256:" + sha256(b"something else")] = data
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + sha256(data),
             "size": len(data)}
    bad = dict(layer, mediaType="application/vnd.ollama.image.params")
    spoil_layer(bad, chance, False)
    body = chance.choice(BROKEN) if chance.random() < 0.2 else manifest(
        [layer, bad], config={"mediaType": "application/vnd.docker.container.image.v1+json",
                              "digest": "sha256:" + sha256(config), "size": len(config)})
    box.server.pages["/v2/library/m/manifests/t"] = body
    return [(["add", box.server.host + "/library/m:t"], REFUSED), (["status"], (0,))]


def header_case(box, chance):
    huge = [1 << 63, (1 << 64) - 1, 1 << 40, 1 << 32]
    if chance.random() < 0.5:
        data = chance.choice([
            lambda: gguf()[:chance.randrange(1, 250)], lambda: gguf(magic=b"GGML"),
            lambda: gguf(version=chance.choice([0, 1, 0x3000000, 99])),
            lambda: gguf(tensors=chance.choice(huge)), lambda: gguf(keys=chance.choice(huge)),
            lambda: gguf(dims=[chance.choice(huge)]), lambda: gguf(dims=[1 << 32, 1 << 32, 16]),
            lambda: gguf(offset=chance.choice(huge)), lambda: gguf(offset=1),
            lambda: gguf(dims=[1] * 5), lambda: b"GGUF" + os.urandom(0),
            lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64])()
        name = "m.gguf"
    else:
        entry = b'"dtype":"U8","shape":[8],"data_offsets":'
        data = chance.choice([
            lambda: safetensors()[:chance.randrange(1, 60)],
            lambda: safetensors(length=chance.choice(huge + [0, 1, 9])),
            lambda: safetensors(b"[" * 50000), lambda: safetensors(b'{"w":1}'),
            lambda: safetensors(b'{"w":{' + entry + b'[0,9]}}'),
            lambda: safetensors(b'{"w":{' + entry + b'[1,8]}}'),
            lambda: safetensors(b'{"w":{' + entry + b'[8,0]}}'),
            lambda: safetensors(b'{"w":{' + entry + b'[-8,0]}}'),
            lambda: safetensors(b'{"w":{' + entry + b'[0,8]},"w":{' + entry + b'[0,8]}}'),
            lambda: safetensors(b'{"w":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],'
                                b'"data_offsets":[0,8]}}'),
            lambda: safetensors(data=b"\1" * 9), lambda: safetensors(data=b""),
            lambda: safetensors(b'{"\x1b[2J":{' + entry + b'[0,9]}}')])()
        name = "model.safetensors"
    write(box.path("in", name), data)
    return [(["add", box.path("in", name), "--as", "a/b"], REFUSED),
            (["add", box.path("in"), "--as", "a/c"], REFUSED), (["status"], (0,))]


def odd_entry(box, chance, folder):
    """One thing in FOLDER that is no plain file: must the whole folder be refused."""
    os.makedirs(folder, exist_ok=True)
    kind = chance.randrange(12)
    at = os.path.join(folder, "odd.json")
    if kind == 0:
        os.mkfifo(at)
    elif kind == 1:
        with socket.socket(socket.AF_UNIX) as s:
            here = os.getcwd()
            os.chdir(folder)
            s.bind("odd.json")
            os.chdir(here)
    elif kind == 2 and os.geteuid() == 0:
        os.mknod(at, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    elif kind == 3:
        write(at, b"#!")
        os.chmod(at, 0o6755)
    elif kind == 4:
        os.symlink(os.path.join(box.canary, "keep"), at)
    elif kind == 5:
        os.symlink(box.canary, os.path.join(folder, "sub"))
    elif kind == 6:
        os.symlink("odd.json", at)
    elif kind == 7:
        os.symlink("..", os.path.join(folder, "up"))
    elif kind == 8:
        fd = os.open(folder, os.O_RDONLY)
        for _ in range(300):
            os.mkdir("d", dir_fd=fd)
            inner = os.open("d", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = inner
        os.close(os.open("deep.json", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.close(fd)
    elif kind == 9:
        names = [n for n in OUT if n not in PLAIN and "/" not in n and "\0" not in n
                 and 0 < len(n.encode()) < 200 and not n.startswith(".")]  # hidden: not of the model
        write(os.path.join(folder, chance.choice(names)), b"{}")
        return True
    elif kind == 10:
        write(at, b"{}")
        write(os.path.join(folder, "ODD.json"), b"{}")
        return True
    else:
        for i in range(500):
            write(os.path.join(folder, "many", "f%d" % i), b"")
    return False


def folder_case(box, chance):
    folder = box.path("in")
    write(os.path.join(folder, "config.json"), b"{}")
    write(os.path.join(folder, "model.safetensors"), safetensors())
    must = odd_entry(box, chance, folder)
    given = folder
    if chance.random() < 0.2:
        os.symlink(folder, box.path("by-link"))
        given = box.path("by-link") + chance.choice(["", "/", "/."])
    return [(["add", given, "--as", "a/b"], REFUSED if must else ANY),
            (["link", "lmstudio", "a/b"], REFUSED if must else ANY), (["status"], ANY),
            (["clean", "--older-than", "0"], ANY)]


def operand_case(box, chance):
    write(box.path("m.gguf"), gguf())
    bad = chance.choice([n for n in OUT if "\0" not in n])
    up = chance.choice(["../" * chance.randrange(1, 9) + "canary/keep", bad, bad + ":" + bad])
    first = (["add", box.path("m.gguf"), "--as", "org/m"], (0,))
    commands = [
        ["add", "--", bad], ["add", "--revision", up, "--", "org/m"], ["add", "--as", up, box.path("m.gguf")],
        ["link", "ollama", "org/m", "--as", up], ["link", "dir", "org/m", "--as", up],
        ["link", "lmstudio", "org/m", "--as", up], ["remove", "--", up], ["unlink", "ollama", "--", up],
        ["link", "--", up, "org/m"], ["add", "oci://" + up], ["add", "oci://127.0.0.1:1/" + up],
        ["add", "hf.co/" + up], ["push", "org/m", "oci://127.0.0.1:1/" + up], ["adopt", "ollama", "--", up],
        ["verify", "--", up], ["undo", "--", up], ["clean", "--older-than", up]]
    command = chance.choice(commands)
    named = command[0] in ("add", "link") and "--as" in command
    return [first, (command, ANY if named or command[0] == "add" else REFUSED),
            (["status"], (0,))]


LOOK = [(["status"], ANY), (["adopt"], ANY), (["dedup", "--apply"], ANY), (["verify", "--full"], ANY),
        (["doctor"], ANY), (["clean", "--older-than", "0"], ANY), (["stats"], ANY), (["apps"], ANY)]


def store_case(box, chance):
    """Stores of apps that hold anything."""
    hub = box.path(".cache/huggingface/hub/models--org--m")
    ollama = box.path(".ollama/models")
    write(box.path(".lmstudio/models/pub/m/model.gguf"), gguf())
    how = chance.randrange(7)
    bad = chance.choice([n for n in OUT if "/" not in n and "\0" not in n and 0 < len(n.encode()) < 200
                         and n not in (".", "..")])
    if how == 0:
        name = chance.choice([bad, "m"])
        layer = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "a" * 64,
                 "size": 8}
        spoil_layer(layer, chance, False)
        write("%s/manifests/registry.ollama.ai/library/%s/t" % (ollama, name),
              chance.choice([manifest([layer]), *BROKEN]))
    elif how == 1:
        os.makedirs(hub + "/snapshots/" + COMMIT)
        os.makedirs(hub + "/blobs")
        write(hub + "/refs/main", chance.choice([COMMIT.encode(), b"../../x", b"\x1b[2J", b"x" * 9999]))
        loop = hub + "/snapshots/" + COMMIT + "/model.safetensors"
        os.symlink(chance.choice(["model.safetensors", "../../../../../../../../canary/keep", "/dev/zero",
                                  box.canary + "/keep", "../../blobs/" + "a" * 64, "../../blobs/../../.."
                                  "/canary/keep", "..", "x" * 4000]), loop)
        os.symlink(chance.choice(["a" * 64, box.canary + "/keep", "../../x", "/dev/zero"]),
                   hub + "/blobs/" + "a" * 64)
    elif how == 2:
        os.makedirs(os.path.dirname(hub), exist_ok=True)
        os.symlink(chance.choice([box.canary, "models--org--m", "..", "/proc/self"]), hub)
    elif how == 3:
        write(box.path(".lmstudio/settings.json"), json.dumps({"downloadsFolder": chance.choice(
            [box.canary, "../x", "/proc", bad, 7, "/" + "x" * 5000])}).encode())
    elif how == 4:
        write(box.path(".lmstudio-home-pointer"), chance.choice([b"\x1b[2J", b"../x", b"/\n", b"\0" * 9]))
    elif how == 5:
        odd_entry(box, chance, box.path(".lmstudio/models/pub/m"))
    else:
        write(box.path(".lmstudio/models", bad, "m", "model.gguf"), gguf())
        write(box.path(".lmstudio/models/pub", bad, "model.gguf"), gguf(65))
    return LOOK


def spoil_rows(box, chance):
    """One value of one row of the registry, or a row of the journal that leads elsewhere."""
    evil = chance.choice([*OUT, None, -1, 1 << 62, b"\xff\x00\x1b", "x" * 100000, "open", "undoing", "done",
                          box.canary, "staged", "remove", "replace", "place", "symlink", "write"])
    with sqlite3.connect(box.path(".mlx-cache/registry.db")) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        if chance.random() < 0.4:
            last = db.execute("SELECT max(id) FROM ops").fetchone()[0] or 0
            db.execute("INSERT INTO ops (id, kind, model, app, state, started_at, ended_at)"
                       " VALUES (?,?,'org/m','lmstudio',?,1,1)", (
                last + 1, chance.choice(["link", "add", "dedup", "clean", "remove"]),
                chance.choice(["open", "undoing", "done"])))
            root = chance.choice([box.canary, "/", box.home, "relative", box.path(".mlx-cache"), ""])
            path = chance.choice([*OUT, "keep", "sub/keep", box.canary[1:] + "/keep", "../canary/keep"])
            db.execute("INSERT INTO steps (op, seq, kind, root, path, stage, source_root, source, sha256, size,"
                       " method, made_dev, made_ino, old_dev, old_ino, old_size, old_mtime_ns, old_mode, state)"
                       " VALUES (?,0,?,?,?,?,?,?,?,8,'hardlink',?,?,?,?,8,1,420,?)", (
                last + 1, chance.choice(["place", "write", "symlink", "replace", "remove", "mkdir", "x"]),
                root, path.replace("\0", ""), chance.choice(["", "..", "sub", "../../canary"]),
                chance.choice([box.canary, "/", None]), "keep", "a" * 64,
                *[chance.choice([0, 1, -1, 1 << 40]) for _ in range(4)],
                chance.choice(["planned", "staged", "done", "undone", "skipped", "y"])))
        else:
            table = chance.choice(["models", "files", "hashes", "ops", "steps", "reports"])
            columns = [r[1] for r in db.execute("PRAGMA table_info(%s)" % table) if r[1] not in ("id", "op")]
            try:
                db.execute("UPDATE %s SET %s = ?" % (table, chance.choice(columns)), (evil,))
            except (sqlite3.Error, OverflowError):
                pass  # the table's own rules refuse it


def own_case(box, chance):
    write(box.path("m.gguf"), gguf())
    for command in (["add", box.path("m.gguf"), "--as", "org/m"], ["link", "lmstudio", "org/m"]):
        check(box, command, (0,))
    cache = box.path(".mlx-cache")
    how = chance.randrange(6)
    if how < 3:
        spoil_rows(box, chance)
    elif how == 3:
        write(box.path("config/mlx/config.yaml"), chance.choice([
            b"\xff\xfe", b"cache: [", b"&a [*a,*a]", b"cache:\n  dir: ../x\n", b"x" * 100000, b"\0" * 64,
            b"cache:\n  mirrors: [oci://../x]\n", b"\x1b[2J: 1\n", b"cache:\n  streams: -1\n",
            b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", b"[" * 10000]))
    elif how == 4:
        with open(cache + "/registry.db", "r+b") as f:
            for _ in range(chance.randrange(1, 40)):
                f.seek(chance.randrange(os.path.getsize(cache + "/registry.db")))
                f.write(bytes([chance.randrange(256)]))
    else:
        name = chance.choice(["blobs", "models", "tmp", "partial", "registry.db", ".lock"])
        subprocess.run(["rm", "-rf", os.path.join(cache, name)], check=True)
        os.symlink(chance.choice([box.canary, box.canary + "/keep", name, "/dev/null"]),
                   os.path.join(cache, name))
    return [*LOOK, (["unlink", "lmstudio", "org/m"], ANY), (["undo"], ANY), (["remove", "org/m"], ANY)]


KINDS = [hub_case, oci_case, ollama_case, header_case, folder_case, operand_case, store_case, own_case]
WEIGHTS = [25, 15, 12, 15, 10, 13, 5, 5]


def play(box, number):
    chance = random.Random("%d %d" % (SEED, number))
    kind = chance.choices(KINDS, WEIGHTS)[0]
    box.fresh()
    args = None
    try:
        for args, allowed in kind(box, chance):
            check(box, args, allowed)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return kind, "case %d (%s), %s: %s" % (number, kind.__name__, args, error)
    return kind, None


def main():
    print("seed", SEED, flush=True)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    counts, faults = {}, []
    only = [int(n) for n in sys.argv[2:]]
    with tempfile.TemporaryDirectory(prefix="mlx-hostile.", dir=memory) as top:
        box = Box(top, Server())
        was = box.around()
        for number in only or range(CASES):
            kind, fault = play(box, number)
            counts[kind.__name__] = counts.get(kind.__name__, 0) + 1
            if not fault and box.around() != was:
                fault = "case %d (%s) touched what is outside" % (number, kind.__name__)
                was = box.around()
            if fault:
                print("FAILED:", fault, flush=True)
                faults.append(fault)
        shutil.rmtree(box.home, ignore_errors=True)
        box.server.shutdown()
    print(", ".join("%d %s" % (n, k) for k, n in sorted(counts.items())))
    print("%d hostile inputs, %d failed" % (sum(counts.values()), len(faults)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""A double of the model hub and of an Ollama registry, with faults on demand.

usage: hub_double.py FOLDER

Serves FOLDER/<org>/<name>/<files> as repositories of the hub (commit: SHA-1 of the listing) and
FOLDER/.ollama/<namespace>/<model>/<tag>.json with FOLDER/.ollama/blobs/<hex> as an Ollama registry.
Prints the port on stdout; ends when stdin closes. Weights (*.safetensors, *.gguf, *.bin, ..) are LFS files:
resolve redirects to /cdn/, under another host name when FOLDER/.faults says "other-host".

FOLDER/.faults holds one fault a line, read anew at each request: NAME [COUNT [VALUE]]; a fault with a
count is used up. Names: drop (close after VALUE bytes of a body), wrong (flip a bit), expired (403 at
the CDN), slow429 (429 with Retry-After: VALUE), norange (200 for a range), badrange, gzip, gated,
error500, evil-redirect, leak (501 if Authorization reaches the CDN), longer, hang and trickle (slow loris), stall (a large body stops in its middle), badtotal (in
Content-Range), loop (the CDN redirects to itself), alone (answers VALUE to a second connection), together (a
body goes on when another request has come to the CDN).
FOLDER/.login, where it is there, makes the registry private: a line with the public key (as in
id_ed25519.pub) that may have a token, and in a second line, if any, another host for the realm.
FOLDER/.log receives one line a request: method, path, range, whether Authorization was there.
"""
import base64
import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

root = sys.argv[1]
lock = threading.Lock()
single = threading.Lock()
arrived = threading.Condition()  # a request at the CDN
PAGE = 3


def is_lfs(name):
    return name.endswith((".safetensors", ".gguf", ".bin", ".npz", ".onnx", ".onnx_data", ".pth", ".h5"))


def read(path):
    with open(path, "rb") as f:
        return f.read()


known = {}


def digests(path):
    """git's SHA-1 and the SHA-256 of a file, each computed once."""
    st = os.stat(path)
    key = (path, st.st_size, st.st_mtime_ns)
    if key not in known:
        data = read(path)
        known[key] = (hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
                      hashlib.sha256(data).hexdigest())
    return known[key]


def fault(name):
    """The value of an armed fault (a string, "1" if it has none), or None. Uses up one count."""
    path = os.path.join(root, ".faults")
    with lock:
        if not os.path.exists(path):
            return None
        lines = [l.split() for l in open(path).read().splitlines() if l.strip()]
        value = None
        for line in lines:
            if line[0] != name or (len(line) > 1 and int(line[1]) == 0):
                continue
            if len(line) > 1:
                line[1] = str(int(line[1]) - 1)
            value = line[2] if len(line) > 2 else "1"
            break
        if value is not None:
            with open(path + ".new", "w") as f:
                f.write("\n".join(" ".join(l) for l in lines) + "\n")
            os.replace(path + ".new", path)
        return value


def repo_files(repo):
    base = os.path.join(root, repo)
    out = []
    for folder, _, names in os.walk(base):
        out += [os.path.relpath(os.path.join(folder, n), base) for n in names]
    return sorted(out)


def commit_of(repo):
    listing = "".join(n + digests(os.path.join(root, repo, n))[0] for n in repo_files(repo))
    return hashlib.sha1(listing.encode()).hexdigest()


def verified(key, signature, text):
    """Is it the ed25519 SIGNATURE of TEXT by the public KEY, as ssh writes it."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"key": bytes.fromhex("302a300506032b6570032100") + base64.b64decode(key)[-32:],
                 "signature": base64.b64decode(signature), "text": text.encode()}
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key",
                               "-rawin", "-in", "text", "-sigfile", "signature"], cwd=folder,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value, headers=()):
        self.answer(200, json.dumps(value).encode(), [("Content-Type", "application/json"), *headers])

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        with lock, open(os.path.join(root, ".log"), "a") as f:
            f.write("%s %s %s %s\n" % (self.command, path, self.headers.get("Range", "-"),
                                       "auth" if "Authorization" in self.headers else "-"))
        try:
            self.route(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def route(self, path):
        if fault("error500") is not None:
            return self.answer(500, b"broken")
        wait = fault("slow429")
        if wait is not None:
            return self.answer(429, b"", [("Retry-After", wait)])
        if path.startswith("/api/models/"):
            return self.api(path[len("/api/models/"):])
        if path == "/api/tags":
            return self.tags()
        if path.startswith("/cdn/"):
            return self.cdn(path[len("/cdn/"):])
        if path == "/token":
            return self.token()
        if path.startswith("/v2/"):
            return self.registry(path[len("/v2/"):])
        if "/resolve/" in path:
            return self.resolve(*path[1:].split("/resolve/", 1))
        return self.answer(404)

    def tags(self):
        """What an Ollama over the store named in .store would list."""
        base = os.path.join(read(os.path.join(root, ".store")).decode(), "manifests")
        found = []
        for folder, _, tags in os.walk(base):
            parts = os.path.relpath(folder, base).split("/")
            found += ["%s/%s/%s:%s" % (*parts, tag) for tag in tags if len(parts) == 3]
        short = [n.replace("registry.ollama.ai/library/", "") for n in found]
        self.answer_json({"models": [{"name": n, "model": n} for n in short]})

    def refuse(self, repo):
        if fault("gated") is not None:
            self.answer(403, b"", [("X-Error-Code", "GatedRepo")])
            return True
        if not os.path.isdir(os.path.join(root, repo)) or repo.startswith("."):
            self.answer(401, b"", [("X-Error-Code", "RepoNotFound")])
            return True
        return False

    def api(self, rest):
        if "/revision/" in rest:
            repo, revision = rest.split("/revision/", 1)
            if repo == "old/name":
                self.send_response(307)
                self.send_header("Location", "/api/models/org/mlx/revision/" + revision)
                self.send_header("Content-Length", "0")
                return self.end_headers()
            if self.refuse(repo):
                return None
            if revision not in ("main", commit_of(repo)):
                return self.answer(404, b"", [("X-Error-Code", "RevisionNotFound")])
            return self.answer_json({"id": repo, "sha": commit_of(repo), "gated": False})
        repo, _ = rest.split("/tree/", 1)
        repo = "org/mlx" if repo == "old/name" else repo
        if self.refuse(repo):
            return None
        hostile = os.path.join(root, ".tree.json")
        if os.path.exists(hostile):
            return self.answer(200, read(hostile))
        return self.tree(repo)

    def tree(self, repo):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        start = int(query.get("cursor", ["0"])[0])
        entries = []
        names = repo_files(repo)
        for name in names[start:start + PAGE]:
            path = os.path.join(root, repo, name)
            size, (git, sha256) = os.path.getsize(path), digests(path)
            entry = {"type": "file", "path": name, "size": size, "oid": git}
            if is_lfs(name):
                entry["lfs"] = {"oid": sha256, "size": size, "pointerSize": 130}
            entries.append(entry)
        headers = []
        if start + PAGE < len(names):
            url = "http://%s%s?recursive=true&cursor=%d" % (
                self.headers["Host"], self.path.split("?")[0], start + PAGE)
            headers.append(("Link", '<%s>; rel="next"' % url))
        self.answer_json(entries, headers)

    def resolve(self, repo, rest):
        _, name = rest.split("/", 1)
        repo = "org/mlx" if repo == "old/name" else repo
        if self.refuse(repo):
            return None
        path = os.path.join(root, repo, name)
        if not os.path.exists(path):
            return self.answer(404, b"", [("X-Error-Code", "EntryNotFound")])
        if fault("evil-redirect") is not None:
            return self.answer(302, b"", [("Location", "http://evil.example/x")])
        if is_lfs(name):
            port = self.headers["Host"].rsplit(":", 1)[1]
            host = "localhost" if fault("other-host") is not None else "127.0.0.1"
            return self.answer(302, b"", [
                ("X-Repo-Commit", commit_of(repo)), ("X-Linked-Size", str(os.path.getsize(path))),
                ("X-Linked-Etag", '"%s"' % digests(path)[1]),
                ("Location", "http://%s:%s/cdn/%s/%s?Signature=secret" % (host, port, repo, urllib.parse.quote(name)))])
        return self.body(read(path), True, [("X-Repo-Commit", commit_of(repo)),
                                            ("ETag", '"%s"' % digests(path)[0])])

    def cdn(self, rest):
        with arrived:
            arrived.notify_all()
        if fault("leak") is not None and "Authorization" in self.headers:
            return self.answer(501, b"token leaked")
        if fault("expired") is not None:
            return self.answer(403, b"expired")
        if fault("loop") is not None:
            return self.answer(302, b"", [("Location", self.path)])
        refuse = fault("alone")
        if refuse is None:
            return self.body(read(os.path.join(root, rest)))
        if not single.acquire(blocking=False):
            return self.answer(int(refuse), b"", [("Retry-After", "0")])
        try:
            time.sleep(0.02)
            return self.body(read(os.path.join(root, rest)))
        finally:
            single.release()

    def token(self):
        """A token for who signs the request for it with the key: verified with openssl."""
        with open(os.path.join(root, ".login")) as f:
            known = f.readline().split()[1]
        key, _, signature = self.headers.get("Authorization", "").partition(":")
        url = "http://%s%s" % (self.headers["Host"], self.path)
        empty = base64.b64encode(hashlib.sha256(b"").hexdigest().encode()).decode()
        query = urllib.parse.parse_qs(self.path.split("?", 1)[1])
        good = key == known and query["service"] == ["double"] and len(query["scope"]) == 2 and (
            len(base64.urlsafe_b64decode(query["nonce"][0] + "==")) == 16) and int(query["ts"][0]) > 0
        if not good or not verified(key, signature, "GET,%s,%s" % (url, empty)):
            return self.answer(401, b"{}")
        return self.answer_json({"token": "for-the-bearer"})

    def is_private(self):
        path = os.path.join(root, ".login")
        if not os.path.exists(path) or self.headers.get("Authorization") == "Bearer for-the-bearer":
            return False
        with open(path) as f:
            realm = (f.read().split("\n") + [""])[1] or self.headers["Host"]
        self.answer(401, b"", [("WWW-Authenticate", 'Bearer realm="http://%s/token",service="double",'
                                'scope="repository:tiny:pull repository:tiny:read"' % realm)])
        return True

    def registry(self, rest):
        if self.is_private():
            return None
        if "/manifests/" in rest:
            name, tag = rest.split("/manifests/", 1)
            path = os.path.join(root, ".ollama", name, tag + ".json")
            return self.answer(200, read(path)) if os.path.exists(path) else self.answer(404)
        _, digest = rest.split("/blobs/sha256:", 1)
        path = os.path.join(root, ".ollama", "blobs", digest)
        return self.body(read(path)) if os.path.exists(path) else self.answer(404)

    def body(self, data, small=False, headers=()):
        if small and fault("gzip") is not None:
            return self.answer(200, gzip.compress(data), [("Content-Encoding", "gzip")])
        if fault("wrong") is not None:
            data = bytes([data[0] ^ 1]) + data[1:] if len(data) < 4096 else (
                data[:-1] + bytes([data[-1] ^ 1]))
        if fault("longer") is not None:
            data += b"more"
        status, start, stop, headers = 200, 0, len(data), list(headers)
        wanted = self.headers.get("Range")
        if wanted and fault("norange") is None:
            first, _, last = wanted[len("bytes="):].partition("-")
            start, stop = int(first), min(int(last) + 1 if last else len(data), len(data))
            if start >= len(data):
                return self.answer(416, b"", [("Content-Range", "bytes */%d" % len(data))])
            status = 206
            shift = 1 if fault("badrange") is not None else 0
            total = len(data) + (1 if fault("badtotal") is not None else 0)
            headers.append(("Content-Range", "bytes %d-%d/%d" % (start + shift, stop - 1, total)))
        part = memoryview(data)[start:stop]
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        drop = fault("drop")
        if drop is not None:
            self.wfile.write(part[:int(drop)])
            self.wfile.flush()
            self.close_connection = True
            return self.connection.shutdown(2)
        if fault("hang") is not None:
            self.wfile.write(part[:1000])
            self.wfile.flush()
            time.sleep(5)
            self.close_connection = True
            return None
        if len(part) > 100000 and fault("stall") is not None:
            self.wfile.write(part[:len(part) // 2])
            self.wfile.flush()
            time.sleep(60)
            self.close_connection = True
            return None
        if fault("trickle") is not None:
            for i in range(min(len(part), 200)):
                self.wfile.write(part[i:i + 1])
                time.sleep(0.05)
            self.close_connection = True
            return None
        if len(part) > 1 and fault("together") is not None:
            self.wfile.write(part[:1])
            self.wfile.flush()
            with arrived:
                if not arrived.wait(5):
                    self.close_connection = True
                    return None
            part = part[1:]
        pace = fault("pace")
        if pace is not None:
            for i in range(0, len(part), 65536):
                time.sleep(float(pace))
                self.wfile.write(part[i:i + 65536])
            return None
        self.wfile.write(part)
        return None


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that leave are what these tests are about."""


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()

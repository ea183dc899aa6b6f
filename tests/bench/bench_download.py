#!/usr/bin/env python3
"""Adding a model from loopback against curl, in alternating rounds: medians and their ratios.

usage: bench_download.py PROGRAM FOLDER [MIB [ROUNDS]]

PROGRAM is a release build's mlx-cache; FOLDER lies on the file system to be measured. An nginx
(nginx-light) serves the file from memory, by sendfile; a small Python server answers the hub's API and
redirects to nginx as the hub does to its CDN. mlx-cache verifies SHA-256 and syncs in that time.
"""
import hashlib
import http.server
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

program, folder = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
mib = int(sys.argv[3]) if len(sys.argv) > 3 else 1024
rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
NGINX = """
daemon off; worker_processes 2; pid {0}/pid; error_log /dev/null;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; sendfile_max_chunk 2m; tcp_nopush on; client_body_temp_path {0}/t;
  proxy_temp_path {0}/t; fastcgi_temp_path {0}/t; uwsgi_temp_path {0}/t; scgi_temp_path {0}/t;
  server {{ listen 127.0.0.1:{1}; root {0}/www; }} }}
"""


def gguf(size):
    """A GGUF of one tensor of SIZE bytes, whose bytes do not compress."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, 1, 1)
    key, name = b"general.architecture", b"llama"
    head += struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(name)) + name
    head += struct.pack("<Q", 1) + b"t" + struct.pack("<IQIQ", 1, size // 4, 0, 0)
    return head + b"\0" * (-len(head) % 32)


def make(path, size):
    digest = hashlib.sha256()
    with open(path, "wb") as f:
        for data in [gguf(size)] + [os.urandom(1 << 20) for _ in range(size >> 20)]:
            f.write(data)
            digest.update(data)
    return digest.hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files = {}
    cdn = 0

    def log_message(self, *args):
        pass

    def do_GET(self):
        body, status = b"", 200
        if "/revision/" in self.path:
            body = json.dumps({"id": "org/m", "sha": "a" * 40, "gated": False}).encode()
        elif "/tree/" in self.path:
            body = json.dumps([{"type": "file", "path": n, "size": s, "oid": "b" * 40,
                                "lfs": {"oid": h, "size": s, "pointerSize": 130}}
                               for n, (s, h) in self.files.items()]).encode()
        else:
            status = 302
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://localhost:%d/%s" % (self.cdn, self.path.rsplit("/", 1)[1]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def free_port():
    with http.server.HTTPServer(("127.0.0.1", 0), Hub) as s:
        return s.server_address[1]


def timed(command, env=None):
    begin = time.monotonic()
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begin


def measure(work, names, cdn, hub):
    urls = " ".join("-o %s/f%d http://127.0.0.1:%d/%s" % (work, i, cdn, n) for i, n in enumerate(names))
    made = " ".join("%s/f%d" % (work, i) for i in range(len(names)))
    pipe = " && ".join("curl -s http://127.0.0.1:%d/%s | openssl dgst -sha256" % (cdn, n) for n in names)
    env = dict(os.environ, HF_ENDPOINT="http://127.0.0.1:%d" % hub, MLX_CACHE_DIR=work + "/cache",
               HOME=work + "/home")
    ways = {
        "curl -o": ["sh", "-c", "curl -s " + urls],
        "curl -o && sync": ["sh", "-c", "curl -s %s && sync %s" % (urls, made)],
        "curl | sha256": ["sh", "-c", pipe],
        "mlx-cache add": [program, "add", "org/m", "--include", "*.gguf"],
    }
    times = {w: [] for w in ways}
    for _ in range(rounds):
        for way, command in ways.items():
            shutil.rmtree(work, ignore_errors=True)
            os.makedirs(work + "/home")
            os.sync()
            times[way].append(timed(command, env))
    shutil.rmtree(work, ignore_errors=True)
    return {w: statistics.median(t) for w, t in times.items()}


def run(server, count, size):
    www = os.path.join(server, "www")
    os.makedirs(www)
    Hub.files = {}
    for i in range(count):
        name = "m-Q4_K_M.gguf" if count == 1 else "m-Q4_K_M-%05d-of-%05d.gguf" % (i + 1, count)
        digest = make(os.path.join(www, name), size)
        Hub.files[name] = (os.path.getsize(os.path.join(www, name)), digest)
    Hub.cdn = free_port()
    with open(os.path.join(server, "conf"), "w") as f:
        f.write(NGINX.format(server, Hub.cdn))
    hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    nginx = subprocess.Popen(["nginx", "-c", os.path.join(server, "conf"), "-p", server],
                             stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        times = measure(tempfile.mkdtemp(dir=folder), list(Hub.files), Hub.cdn, hub.server_address[1])
    finally:
        nginx.terminate()
        nginx.wait()
        hub.shutdown()
        hub.server_close()
    shutil.rmtree(www)
    ours = times["mlx-cache add"]
    print("%d x %d MiB under %s" % (count, size >> 20, folder))
    for way, seconds in times.items():
        print("  %-16s %6.2f s  %6.0f MB/s  mlx-cache takes %.2f of it" % (
            way, seconds, count * size / seconds / 1e6, ours / seconds), flush=True)


with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
    os.chmod(memory, 0o755)
    run(memory, 1, mib << 20)
    run(memory, 4, (mib // 4) << 20)

#!/usr/bin/env python3
"""Push and add against the real docker-registry on loopback; exits 77 where it is not installed.

usage: oci.py BIN_DIR
"""
import base64
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from files import safetensors, write

if not shutil.which("docker-registry"):
    sys.exit(77)
BIN = os.path.join(os.path.abspath(sys.argv[1]), "mlx-cache")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Registry:
    def __init__(self, folder, htpasswd=None):
        self.port = free_port()
        auth = "auth:\n  htpasswd:\n    realm: test\n    path: %s\n" % htpasswd if htpasswd else ""
        config = os.path.join(folder, "registry-%d.yml" % self.port)
        with open(config, "w") as f:
            f.write("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\n"
                    "http:\n  addr: 127.0.0.1:%d\n%s" % (folder + "/registry", self.port, auth))
        self.process = subprocess.Popen(["docker-registry", "serve", config],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("docker-registry did not start")

    def end(self):
        self.process.terminate()
        self.process.wait()


class Proxy(http.server.BaseHTTPRequestHandler):
    """In front of the registry: slow or lying about blobs, on demand."""
    protocol_version = "HTTP/1.1"
    upstream, pace, wrong = 0, 0.0, False

    def log_message(self, *args):
        pass

    def do_GET(self):
        url = "http://127.0.0.1:%d%s" % (Proxy.upstream, self.path)
        request = urllib.request.Request(url, method=self.command)
        for name in ("Accept", "Range"):
            if name in self.headers:
                request.add_header(name, self.headers[name])
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as e:
            answer = e
        data = answer.read()
        if Proxy.wrong and "/blobs/" in self.path and len(data) > 1000:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.send_response(answer.status)
        for name in ("Content-Type", "Content-Range", "Docker-Content-Digest"):
            if answer.headers.get(name):
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            for i in range(0, len(data), 65536):
                self.wfile.write(data[i:i + 65536])
                time.sleep(Proxy.pace)
        except OSError:
            self.close_connection = True

    do_HEAD = do_GET


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that are killed are what this is about."""


def mlx(folder, cache, *args, status=0, **env):
    base = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MLX_", "XDG_", "DOCKER_"))}
    run = subprocess.run([BIN, "--json", "--dir", os.path.join(folder, cache), *args],
                         env={**base, "HOME": os.path.join(folder, "home"), **env},
                         capture_output=True, text=True, check=False)
    assert run.returncode == status, (args, run.returncode, run.stderr)
    return json.loads(run.stdout) if status == 0 else run.stderr


def test_share(folder, registry):
    reference = "oci://127.0.0.1:%d/models/org/name:main" % registry.port
    pushed = mlx(folder, "a", "push", "local/model", reference)
    assert pushed["pushed"] == pushed["size"] and pushed["present"] == 0, pushed
    again = mlx(folder, "a", "push", "local/model", reference)
    assert again["pushed"] == 0 and again["present"] == again["size"], again
    added = mlx(folder, "b", "add", reference)["results"][0]
    assert added["downloaded"] == added["size"] == pushed["size"], added
    assert [f["sha256"] for f in added["files"]] == [f["sha256"] for f in pushed["files"]]
    assert not mlx(folder, "b", "verify", "--full")["bad"]
    print("ok: pushed from one cache, added into another")
    assert "404" in mlx(folder, "b", "add", reference.replace(":main", ":nosuch"), status=3)


def test_killed_in_the_middle(folder, registry):
    Proxy.upstream, Proxy.pace = registry.port, 0.02
    server = Quiet(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    reference = "oci://127.0.0.1:%d/models/org/name:main" % server.server_address[1]
    parts = os.path.join(folder, "c", "partial")
    env = {**os.environ, "HOME": os.path.join(folder, "home")}
    child = subprocess.Popen([BIN, "--dir", os.path.join(folder, "c"), "add", reference], env=env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (os.path.isdir(parts) and any(
            os.path.getsize(os.path.join(parts, p)) > 200000 for p in os.listdir(parts))):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not mlx(folder, "c", "verify", "--full")["bad"]
    Proxy.pace = 0
    mlx(folder, "c", "add", reference)
    assert not mlx(folder, "c", "verify", "--full")["bad"]
    print("ok: killed in the middle, went on and ended right")
    Proxy.wrong = True
    said = mlx(folder, "d", "add", reference, status=5)
    assert "wrong bytes" in said, said
    assert not mlx(folder, "d", "status")["models"]
    print("ok: wrong bytes behind a digest are refused with status 5")
    server.shutdown()


def test_mirror(folder, registry):
    hub = os.path.join(folder, "hub")
    shutil.copytree(os.path.join(folder, "model"), os.path.join(hub, "Org", "Name"))
    double = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                            "hub_double.py"), hub],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    endpoint = "http://127.0.0.1:" + double.stdout.readline().strip()
    mirror = "oci://127.0.0.1:%d/models" % registry.port
    mlx(folder, "a", "push", "local/model", mirror + "/org/name:main")
    # A mirror that is away is passed over.
    mirrors = json.dumps(["oci://127.0.0.1:1/none", mirror])
    for name, value in (("with", mirrors), ("without", "[]")):
        before = open(os.path.join(hub, ".log")).read().count("/cdn/") if name == "without" else 0
        added = mlx(folder, name, "add", "Org/Name", HF_ENDPOINT=endpoint,
                    MLX_CACHE_MIRRORS=value)["results"][0]
        assert added["downloaded"] == added["size"], added
        fetched = open(os.path.join(hub, ".log")).read().count("/cdn/") - before
        assert fetched == (0 if name == "with" else 2), (name, fetched)
    double.stdin.close()
    double.wait()
    print("ok: weights come from the mirror by digest, the hub gives the list only")


def test_log_in(folder):
    htpasswd = os.path.join(folder, "htpasswd")
    hashed = subprocess.run(["htpasswd", "-nbB", "user", "secret"], capture_output=True, text=True,
                            check=False) if shutil.which("htpasswd") else None
    if hashed and hashed.returncode == 0:
        line = hashed.stdout
    else:
        try:
            import bcrypt
        except ImportError:
            print("no htpasswd and no bcrypt: log-in was not tried")
            return
        line = "user:%s\n" % bcrypt.hashpw(b"secret", bcrypt.gensalt(5)).decode()
    with open(htpasswd, "w") as f:
        f.write(line)
    registry = Registry(folder, htpasswd)
    try:
        host = "127.0.0.1:%d" % registry.port
        reference = "oci://%s/private/name:main" % host
        said = mlx(folder, "a", "push", "local/model", reference, status=1)
        assert "docker login" in said, said
        said = mlx(folder, "a", "push", "local/model", reference, status=1, MLX_OCI_REGISTRY=host,
                   MLX_OCI_USERNAME="user", MLX_OCI_PASSWORD="wrong")
        assert "secret" not in said and "wrong" not in said
        said = mlx(folder, "a", "push", "local/model", reference, status=1,
                   MLX_OCI_USERNAME="user", MLX_OCI_PASSWORD="secret")
        assert "MLX_OCI_REGISTRY=" + host in said, said
        mlx(folder, "a", "push", "local/model", reference, MLX_OCI_USERNAME="user",
            MLX_OCI_PASSWORD="secret", MLX_OCI_REGISTRY=host)
        docker = os.path.join(folder, "docker")
        os.makedirs(docker)
        with open(os.path.join(docker, "config.json"), "w") as f:
            json.dump({"auths": {host: {"auth": base64.b64encode(b"user:secret").decode()}}}, f)
        mlx(folder, "e", "add", reference, DOCKER_CONFIG=docker)
        print("ok: 401 says how to log in; environment and docker's file do")
    finally:
        registry.end()


with tempfile.TemporaryDirectory(prefix="mlx-oci.") as top:
    os.makedirs(os.path.join(top, "home"))
    write(os.path.join(top, "model", "model-1.safetensors"), safetensors(20000000, "a"))
    write(os.path.join(top, "model", "model-2.safetensors"), safetensors(3000000, "b"))
    with open(os.path.join(top, "model", "config.json"), "w") as out:
        out.write("{}")
    mlx(top, "a", "add", os.path.join(top, "model"))
    real = Registry(top)
    try:
        test_share(top, real)
        test_killed_in_the_middle(top, real)
        test_mirror(top, real)
        test_log_in(top)
    finally:
        real.end()

#!/usr/bin/env python3
"""Push and add against the real docker-registry on loopback; exits 77 where it is not installed.

usage: oci.py BIN_DIR
"""
import base64
import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import struct
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


def gguf(seed):
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 100, 0, 0)
    return head + b"\0" * (-len(head) % 32) + (seed.encode() * 400)[:400]


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


def request(registry, method, path, data=b"", kind="application/octet-stream"):
    url = path if path.startswith("http") else "http://127.0.0.1:%d/v2/%s" % (registry.port, path)
    return urllib.request.urlopen(urllib.request.Request(url, data=data if method != "GET" else None, method=method,
                                                         headers={"Content-Type": kind, "Accept": kind}))


def push_artifact(registry, name, config, layers):
    """What another program pushes: LAYERS of (type, bytes, annotations)."""
    def blob(kind, data, notes=None):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        place = request(registry, "POST", name + "/blobs/uploads/").headers["Location"]
        request(registry, "PUT", place + ("&" if "?" in place else "?") + "digest=" + digest, data)
        return {"mediaType": kind, "digest": digest, "size": len(data), **({"annotations": notes} if notes else {})}
    oci = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": oci, "config": blob(config, b'{"config":{}}'),
                "layers": [blob(*layer) for layer in layers]}
    request(registry, "PUT", name + "/manifests/latest", json.dumps(manifest).encode(), oci)
    return "oci://127.0.0.1:%d/%s" % (registry.port, name)


def test_open_forms(folder, registry):
    """What we push is a ModelPack; what Docker's model runner and modctl push is read."""
    oci = "application/vnd.oci.image.manifest.v1+json"
    for _ in range(2):
        mlx(folder, "a", "push", "local/model", "oci://127.0.0.1:%d/models/pack:v1" % registry.port)
        text = request(registry, "GET", "models/pack/manifests/v1", kind=oci).read()
    manifest = json.loads(text)
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json", manifest
    config = json.loads(request(registry, "GET", "models/pack/blobs/" + manifest["config"]["digest"]).read())
    assert config["modelfs"]["diffIds"] == [l["digest"] for l in manifest["layers"]], config
    kinds = {l["annotations"]["org.cncf.model.filepath"]: l["mediaType"] for l in manifest["layers"]}
    assert kinds["config.json"].endswith(".weight.config.v1.raw"), kinds
    assert kinds["model-1.safetensors"].endswith(".weight.v1.raw") and list(kinds) == sorted(kinds), kinds
    docker, cncf = "application/vnd.docker.ai.", "application/vnd.cncf.model."
    path = "org.cncf.model.filepath"
    for name, kind, layers, files in (
            ("ai/two", docker + "model.config.v0.1+json",
             [(docker + "gguf.v3", gguf("1")), (docker + "gguf.v3", gguf("2")), (docker + "license", b"MIT")],
             ["LICENSE", "model-00001-of-00002.gguf", "model-00002-of-00002.gguf"]),
            ("ai/folder", docker + "model.config.v0.2+json",
             [(docker + "safetensors", safetensors(90, "s"), {path: "model.safetensors"}),
              (docker + "model.file", b"{}", {path: "sub/config.json"})], ["model.safetensors", "sub/config.json"]),
            ("ai/pack", cncf + "config.v1+json",
             [(cncf + "weight.v1.raw", gguf("3"), {path: "w/x.gguf"})], ["w/x.gguf"])):
        added = mlx(folder, "o", "add", push_artifact(registry, name, kind, layers))["results"][0]
        assert sorted(f["path"] for f in added["files"]) == files, added
    bad = [(cncf + "weight.v1.raw", gguf("4"), {path: "../x.gguf"})]
    mlx(folder, "o", "add", push_artifact(registry, "ai/bad", cncf + "config.v1+json", bad), status=2)
    packed = [(cncf + "weight.v1.tar+gzip", b"x", {path: "x.gguf"})]
    said = mlx(folder, "o", "add", push_artifact(registry, "ai/tar", cncf + "config.v1+json", packed), status=1)
    assert "archives" in said, said
    print("ok: ModelPack and Docker's model artifacts, and no path out of the model")


def test_signed(folder, registry):
    """Signatures and whatever else lies in the repository stay as they are, and still fit what was pushed."""
    oci = "application/vnd.oci.image.manifest.v1+json"

    def manifest(name, tag):
        return request(registry, "GET", "%s/manifests/%s" % (name, tag), kind=oci).read()

    place = "oci://127.0.0.1:%d/signed/model" % registry.port
    mlx(folder, "a", "push", "local/model", place + ":v1")
    digest = hashlib.sha256(manifest("signed/model", "v1")).hexdigest()
    push_artifact(registry, "signed/model", "application/vnd.dev.cosign.artifact.sig.v1+json",
                  [("application/vnd.dev.cosign.simplesigning.v1+json", b'{"critical":{}}')])
    signature = json.loads(manifest("signed/model", "latest"))
    signature["subject"] = {"mediaType": oci, "digest": "sha256:" + digest, "size": 1}
    signature = json.dumps(signature).encode()
    others = ["sha256-" + digest + end for end in ("", ".sig", ".att", ".sbom")] + ["somebodys"]
    for tag in others:
        request(registry, "PUT", "signed/model/manifests/" + tag, signature, oci)
    for _ in range(2):
        mlx(folder, "a", "push", "local/model", place + ":v1")
    # Pulled and pushed elsewhere it has the same digest: a copied signature fits.
    pinned = place + "@sha256:" + digest
    mlx(folder, "signed", "add", place + ":v1")
    mlx(folder, "pinned", "add", pinned)
    mlx(folder, "pinned", "push", "local/model", place.replace("/model", "/copy") + ":v1")
    assert manifest("signed/copy", "v1") == manifest("signed/model", "v1"), manifest("signed/copy", "v1")
    # The next version takes its own tag's place, and nobody else's.
    write(os.path.join(folder, "next", "model.safetensors"), safetensors(3000, "next"))
    mlx(folder, "a", "add", os.path.join(folder, "next"))
    mlx(folder, "a", "push", "local/next", place + ":v1")
    assert "next" in manifest("signed/model", "v1").decode()
    for tag in others[:-1]:
        assert "signature" in mlx(folder, "a", "push", "local/next", place + ":" + tag, status=2)
    for tag in ("somebodys", "latest"):
        said = mlx(folder, "a", "push", "local/next", place + ":" + tag, status=5)
        assert "did not push" in said, said
    assert "digest" in mlx(folder, "a", "push", "local/next", pinned, status=2)
    for tag in others:
        assert manifest("signed/model", tag) == signature, tag
    added = mlx(folder, "old", "add", pinned)["results"][0]
    assert added["model"] == "local/model", added
    assert "404" in mlx(folder, "old", "add", pinned[:-1] + ("0" if pinned[-1] != "0" else "1"), status=3)
    tags = json.loads(request(registry, "GET", "signed/model/tags/list").read())["tags"]
    assert sorted(tags) == sorted(others + ["latest", "v1"]), tags
    print("ok: signatures, attestations and other tags stay; a model is pinned by its digest")


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
        test_open_forms(top, real)
        test_signed(top, real)
        test_log_in(top)
    finally:
        real.end()

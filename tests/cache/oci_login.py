#!/usr/bin/env python3
"""Where credentials for OCI registries go: registries that ask, lie and spy, on loopback.

usage: oci_login.py BIN_DIR
"""
import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading

BIN = os.path.join(os.path.abspath(sys.argv[1]), "mlx-cache")
FILE = (8).to_bytes(8, "little") + b"{}      "
BLOB = hashlib.sha256(FILE).hexdigest()
MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + BLOB, "size": 2},
            "layers": [{"mediaType": "application/octet-stream", "digest": "sha256:" + BLOB, "size": len(FILE),
                        "annotations": {"org.opencontainers.image.title": "model.safetensors"}}]}
BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


class Spy(http.server.BaseHTTPRequestHandler):
    """Notes every request with its Authorization; answers 401 with the server's challenge."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        auth = self.headers.get("Authorization")
        self.server.seen.append((self.command, self.path, auth))
        body, headers = b"", []
        target = next((to for path, to in self.server.redirects.items() if path in self.path), None)
        if target and not (self.server.challenge and not auth):
            status, headers = 307, [("Location", target)]
        elif self.path in ("/x", "/back"):
            status, body = 200, FILE
        elif self.path.startswith("/token"):
            status, body = 200, b'{"token": "tok"}'
        elif self.command == "POST" and self.server.upload:
            status, headers = 202, [("Location", self.server.upload)]
        elif self.server.redirects and self.path.endswith("/manifests/c") and auth:
            status, body = 200, json.dumps(MANIFEST).encode()
        elif self.server.challenge and not auth:
            status, headers = 401, [("WWW-Authenticate", self.server.challenge)]
        else:
            status = 404
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        first = sum(path == self.path for _, path, _ in self.server.seen) == 1
        if self.path == "/back" and first:  # a connection that breaks: the rest is asked for again
            body, self.close_connection = body[:5], True
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, challenge=None, upload=None, redirects=None):
        super().__init__(("127.0.0.1", 0), Spy)
        self.challenge, self.upload, self.redirects, self.seen = challenge, upload, redirects or {}, []
        self.name = "127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def told(self):
        return [auth for _, _, auth in self.seen if auth]


def mlx(folder, *args, **env):
    base = {k: v for k, v in os.environ.items()
            if not k.startswith(("HF_", "MLX_", "XDG_", "DOCKER_", "REGISTRY_"))}
    return subprocess.run([BIN, "--dir", os.path.join(folder, "cache"), *args],
                          env={**base, "HOME": os.path.join(folder, "home"), **env},
                          capture_output=True, text=True, check=False)


def given(registry):
    return {"MLX_OCI_USERNAME": "me", "MLX_OCI_PASSWORD": "secret", "MLX_OCI_REGISTRY": registry}


def docker(folder, name, host):
    path = os.path.join(folder, name)
    os.makedirs(path)
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump({"auths": {host: {"auth": BASIC[6:]}}}, f)
    return {"DOCKER_CONFIG": path}


def test_never_unasked(folder):
    for n, kind in enumerate(("environment", "file")):
        open_one = Server()
        env = given(open_one.name) if kind == "environment" else docker(folder, "u%d" % n, open_one.name)
        mlx(folder, "add", "oci://%s/a/b:c" % open_one.name, **env)
        assert open_one.seen and not open_one.told(), open_one.seen
        asking = Server('Basic realm="x"')
        env = given(asking.name) if kind == "environment" else docker(folder, "a%d" % n, asking.name)
        mlx(folder, "add", "oci://%s/a/b:c" % asking.name, **env)
        assert [a for _, _, a in asking.seen] == [None, BASIC], asking.seen
    print("ok: sent after a challenge only")


def test_never_elsewhere(folder):
    asking = Server('Basic realm="x"')
    for env in ({"MLX_OCI_USERNAME": "me", "MLX_OCI_PASSWORD": "secret"}, given("registry.example.com"),
                given("127.0.0.1"), docker(folder, "other", "registry.example.com")):
        run = mlx(folder, "add", "oci://%s/a/b:c" % asking.name, **env)
        assert run.returncode == 1 and not asking.told(), (env, asking.seen)
        assert "MLX_OCI_REGISTRY=" + asking.name in run.stderr, run.stderr
    print("ok: not sent to a registry that they were not given for")


def test_mirrors(folder):
    model = os.path.join(folder, "hub", "Org", "Name")
    os.makedirs(model)
    with open(os.path.join(model, "model.safetensors"), "wb") as f:
        f.write((8).to_bytes(8, "little") + b"{}      ")
    with open(os.path.join(model, "config.json"), "w") as f:
        f.write("{}")
    double = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                            "hub_double.py"), os.path.join(folder, "hub")],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    endpoint = "http://127.0.0.1:" + double.stdout.readline().strip()
    mirror = Server('Basic realm="x"')
    run = mlx(folder, "add", "Org/Name", HF_ENDPOINT=endpoint,
              MLX_CACHE_MIRRORS=json.dumps(["oci://%s/m" % mirror.name]), **given("registry.example.com"))
    double.stdin.close()
    double.wait()
    assert run.returncode == 0, run.stderr
    assert mirror.seen and not mirror.told(), mirror.seen
    print("ok: a mirror on another host is asked without them")


def test_realms(folder):
    victim = Server()
    for realm in ("http://%s/token" % victim.name, "https://%s/token" % victim.name,
                  "http://localhost:%d/token" % victim.server_address[1]):
        bearer = Server('Bearer realm="%s",service="s"' % realm)
        # Of http registries on this machine only the very origin is their own.
        run = mlx(folder, "add", "oci://%s/a/b:c" % bearer.name, **given(bearer.name))
        assert run.returncode == 1, run.stderr
        assert not victim.seen and not bearer.told(), (realm, victim.seen, bearer.seen)
    assert "MLX_OCI_REALM=http://localhost" in run.stderr, run.stderr
    bearer = Server('bearer Service="s, t", REALM="http://%s/token"' % victim.name)
    mlx(folder, "add", "oci://%s/a/b:c" % bearer.name, MLX_OCI_REALM="http://%s" % victim.name,
        **given(bearer.name))
    assert victim.told() == [BASIC], victim.seen
    assert "service=s%2C%20t" in victim.seen[-1][1], victim.seen
    assert bearer.told() == ["Bearer tok"], bearer.seen
    print("ok: a token is fetched where the registry is, or where the user allows it")


def test_uploads(folder):
    spy = Server()
    for location in ("http://%s/x" % spy.name, "https://%s/x" % spy.name):
        registry = Server('Basic realm="x"', location)
        run = mlx(folder, "push", "Org/Name", "oci://%s/a/b:c" % registry.name, **given(registry.name))
        assert run.returncode != 0 and registry.told(), registry.seen
        assert not spy.seen, (location, spy.seen)
    print("ok: an upload that continues elsewhere takes nothing there")


def places(server):
    """Where a registry may send one on to: another port, another name of this machine, with a user's name."""
    port = server.server_address[1]
    return ["http://%s/x" % server.name, "http://localhost:%d/x" % port, "http://me:hidden@%s/x" % server.name]


def test_redirects(folder):
    """Manifests, blobs, uploads and tokens that are elsewhere: whoever is there is told nothing."""
    for part in ("/manifests/", "/blobs/sha256", "/blobs/uploads/", "/token"):
        for n, kind in enumerate(('Basic realm="x"', 'Bearer realm="http://%s/token"')):
            spy = Server('Basic realm="mine too"' if part == "/manifests/" else None)
            for place in places(spy)[:1 if n else None]:
                registry = Server(redirects={part: place})
                registry.challenge = kind % registry.name if n else kind
                # What is there under the tag c is nobody's to replace.
                pushes = "uploads" in part
                verb, tag = (["push", "Org/Name"], "new") if pushes else (["add"], "c")
                cache = folder if pushes else os.path.join(folder, registry.name)
                run = mlx(cache, *verb, "oci://%s/a/b:%s" % (registry.name, tag), **given(registry.name))
                assert registry.told() and not spy.told(), (part, place, registry.seen, spy.seen)
                assert "hidden" not in run.stderr + run.stdout, run.stderr
            assert spy.seen or (part == "/token" and not n), (part, kind)
    print("ok: a redirect takes no credentials along")


def test_the_way_back(folder):
    """A blob that another host has sent back: what it names at the registry is not the registry's word."""
    spy = Server()
    registry = Server('Basic realm="x"')
    registry.redirects = {"/blobs/sha256": "http://%s/there" % spy.name}
    spy.redirects = {"/there": "http://%s/back" % registry.name}
    run = mlx(os.path.join(folder, "back"), "add", "oci://%s/a/b:c" % registry.name, **given(registry.name))
    assert run.returncode == 0, run.stderr
    back = [auth for _, path, auth in registry.seen if path == "/back"]
    assert len(back) > 1 and not any(back) and not spy.told(), (registry.seen, spy.seen)
    print("ok: nor does the way back")


def test_a_mirror_sends_on(folder):
    """A mirror that has the file, asks for a login, and keeps its blobs elsewhere."""
    spy = Server()
    mirror = Server('Basic realm="x"', redirects={"/blobs/": "http://%s/x" % spy.name})
    double = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                            "hub_double.py"), os.path.join(folder, "hub")],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    endpoint = "http://127.0.0.1:" + double.stdout.readline().strip()
    run = mlx(os.path.join(folder, "second"), "add", "Org/Name", HF_ENDPOINT=endpoint, HF_TOKEN="hf_mine",
              MLX_CACHE_MIRRORS=json.dumps(["oci://%s/m" % mirror.name]), **given(mirror.name))
    double.stdin.close()
    double.wait()
    assert run.returncode == 0, run.stderr
    assert spy.seen and not spy.told(), spy.seen
    assert set(mirror.told()) == {BASIC}, mirror.seen
    print("ok: nor a mirror's, which never sees the hub's token")


with tempfile.TemporaryDirectory(prefix="mlx-oci-login.") as top:
    os.makedirs(os.path.join(top, "home"))
    test_never_unasked(top)
    test_never_elsewhere(top)
    test_mirrors(top)
    test_realms(top)
    test_uploads(top)
    test_redirects(top)
    test_the_way_back(top)
    test_a_mirror_sends_on(top)

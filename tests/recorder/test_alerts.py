"""Alerts on their way to people: three shapes of webhook on a real HTTP server that fails at first,
a test, a silence, and no secret in any log."""
import http.server
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "suite"))
from suite import Suite, envelope, run  # noqa: E402 (the folder is known only now)

SECRET = "T0PSECRET"
PAUSE_S = 4  # longer than the 2 s that we would wait by ourselves


class Hook(http.server.ThreadingHTTPServer):
    """Collects what is posted, and when; its first answer is 503 with a Retry-After of PAUSE_S."""

    def __init__(self):
        self.posts, self.news, self.failed = [], threading.Condition(), []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                with hook.news:
                    refuse = not hook.failed
                    (hook.failed if refuse else hook.posts).append((self.path, dict(self.headers), body, time.monotonic()))
                    hook.news.notify_all()
                self.send_response(503 if refuse else 200)
                self.send_header("Content-Length", "0")
                if refuse:
                    self.send_header("Retry-After", str(PAUSE_S))
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait(self, wanted, timeout=30):
        with self.news:
            assert self.news.wait_for(lambda: wanted(self.posts), timeout), self.posts


def posts_of(hook, word):
    return [post for post in hook.posts if f"/{word}" in post[0]]


def config_for(hook):
    url = f"http://127.0.0.1:{hook.server_port}"
    routes = "\n".join(f"    - {{kind: {kind}, url: \"{url}/{kind}/{SECRET}\"}}" for kind in ("json", "ntfy", "slack"))
    return ("recorder:\n  flush_s: 0.1\nalert:\n  rules:\n    - {name: hot, topic: sensor.cpu, field: utilization, above: 0.9}\n"
            f"  routes:\n{routes}\n")


def test_routes_silence_and_test():
    hook = Hook()
    with Suite("bus", "recorder", config=config_for(hook)) as suite:
        reader = suite.subscribe("")
        suite.await_service("recorder")
        feed, number = suite.publisher(), 0

        def say(value):
            nonlocal number
            number += 1
            feed.send_multipart([b"sensor.cpu", envelope("feed", number, {"utilization": value})])

        assert "quiet" in suite.ctl("alerts").stdout
        assert suite.ctl("alerts", "--test", "cold", check=False).returncode == 3
        suite.ctl("alerts", "--test", "hot")
        hook.wait(lambda posts: len(posts) >= 3)  # one of them after a second try
        refused, = hook.failed
        again, = [post for post in hook.posts if post[0] == refused[0]]
        assert again[3] - refused[3] > PAUSE_S - 0.1, "tried again sooner than the server asked for"
        body = json.loads(posts_of(hook, "json")[0][2])
        assert body["rule"] == "hot" and body["state"] == "firing" and "test" in body["summary"], body
        assert json.loads(posts_of(hook, "slack")[0][2])["text"].startswith("Alert hot on "), hook.posts
        path, headers, text, _when = posts_of(hook, "ntfy")[0]
        assert headers["Title"] == "Alert: hot" and headers["Priority"] == "high" and "test" in text, headers
        hook.wait(lambda posts: len(posts) >= 6)  # the test is over after ten seconds
        assert any("Over" in str(post) for post in hook.posts)

        suite.ctl("alerts", "--silence", "hot", "2h")
        said = len(hook.posts)
        say(0.95)
        _topic, body = reader.until(lambda t, b: t == "alert.hot" and b["d"]["state"] == "firing" and "value" in b["d"], 20)
        assert body["d"]["silenced_until"] > body["t"], body
        assert "hot" not in [w.get("name") for w in json.loads(suite.ctl("status", "--json").stdout).get("warnings", [])]
        _topic, old = reader.until(lambda t, b: t == "history.status", 20)
        suite.kill("recorder")  # a silence outlives a restart
        suite.start("recorder")
        reader.until(lambda t, b: t == "history.status" and b["boot"] != old["boot"], 20)
        suite.await_service("recorder")
        assert json.loads(suite.ctl("alerts", "--json").stdout)[0]["silenced_until"] > 0
        assert len(hook.posts) == said, hook.posts[said:]
        suite.ctl("alerts", "--silence", "hot", "0")
        say(0.95)
        hook.wait(lambda posts: len(posts) >= said + 3)
        logs = "".join(open(os.path.join(root, name), errors="replace").read() for root, _dirs, names in os.walk(suite.directory)
                       for name in names if name.endswith((".log", ".err", ".out", ".txt")))
        assert SECRET not in logs and logs, "a secret is in a log"
        reader.close()
    hook.shutdown()
    hook.server_close()


def test_addresses_in_the_clear_are_refused():
    for url in ("http://example.com/x", "http://127.0.0.1.example.com/x", "http://127.0.0.1@example.com/", "ftp://127.0.0.1/", "file:///etc/passwd"):
        with Suite(config=f"alert:\n  routes:\n    - {{kind: json, url: \"{url}\"}}\n") as suite:
            ended = subprocess.run([os.path.join(os.environ["MLX_BIN"], "mlx-recorder")], env=suite.environment,
                                   capture_output=True, text=True, timeout=60)
            assert ended.returncode == 2 and "route 1" in ended.stderr and url not in ended.stderr, (url, ended)


run(test_routes_silence_and_test, test_addresses_in_the_clear_are_refused)

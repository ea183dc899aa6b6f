"""Requests from end to end: clients through the tap, the recorder, `mlxctl requests`."""
import csv
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from suite import BIN, Suite, run

KEY = "sk-never-to-be-seen"
PROMPT = "xyzzy-prompt"


class Double:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([os.path.join(BIN, "mlx-ollama-double"), *arguments],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path, body):
    """The objects of the reply, whatever their framing."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(),
        {"Content-Type": "application/json", "User-Agent": "suite-client/2.0",
         "Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    texts = [line.removeprefix("data:").strip() for line in lines]
    return [json.loads(text) for text in texts if text.startswith("{")]


def usage(objects):
    """Prompt and generated tokens by the server's own last word."""
    for last in reversed(objects):
        if last.get("usage"):
            return last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]
        if "eval_count" in last:
            return last["prompt_eval_count"], last["eval_count"]
    raise AssertionError(f"no usage in {objects[-1:]}")


def suite_with_tap(double, tap):
    return Suite("bus", "recorder", config=f"""
watcher: {{discover: false, runtimes: [{{kind: ollama, url: "http://127.0.0.1:{double.port}"}}],
  tap_listen: "127.0.0.1:{tap}", tap_upstream: "127.0.0.1:{double.port}"}}
recorder: {{flush_s: 0.5}}
""")


def requests(suite, *arguments):
    return json.loads(suite.ctl("requests", "--json", *arguments).stdout)["requests"]


def wait_for(suite, count):
    deadline = time.monotonic() + 15
    while len(found := requests(suite)) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count}: {found}"
        time.sleep(0.1)
    return found


def test_sums_clients_and_forms():
    tap = free_port()
    with Double("--rate", "300") as double, suite_with_tap(double, tap) as suite:
        suite.start("watcher")
        suite.subscribe("runtime.ollama.").until(lambda _t, b: b["d"].get("reachable"), 15)
        suite.await_service("recorder")
        message = {"role": "user", "content": PROMPT}
        replies = [
            ask(tap, "/api/generate", {"model": "tiny-random", "prompt": PROMPT,
                                       "options": {"num_predict": 90}}),
            ask(tap, "/api/chat", {"model": "tiny-random", "messages": [message], "stream": False,
                                   "options": {"num_predict": 80}}),
            ask(tap, "/v1/chat/completions",
                {"model": "tiny-random", "messages": [message], "stream": True, "max_tokens": 85,
                 "stream_options": {"include_usage": True}}),
        ]
        found = wait_for(suite, len(replies))
        wanted = [usage(reply) for reply in replies]
        assert sum(r["prompt_tokens"] for r in found) == sum(prompt for prompt, _ in wanted)
        assert sum(r["tokens"] for r in found) == sum(made for _, made in wanted)
        for request in found:
            assert request["client"] == os.path.basename(sys.argv[0]), request
            assert request["pid"] == os.getpid() and request["agent"] == "suite-client/2.0"
            assert request["source"] == "tap" and request["outcome"] == "ok" and request["exact"]
            assert len(request["key"]) == 8 and request["runtime"] == "ollama"
            assert "joules" not in request and "draft_tokens" not in request
        check_forms(suite, found)
        check_secrets(suite)
        return f"{len(found)} requests, {sum(made for _, made in wanted)} tokens"


def check_forms(suite, found):
    table = suite.ctl("requests").stdout
    assert "tiny-random" in table and "test_requests.py" in table, table
    rows = list(csv.DictReader(io.StringIO(suite.ctl("requests", "--csv").stdout)))
    assert [int(row["tokens"]) for row in rows] == [r["tokens"] for r in reversed(found)]
    assert all(row["joules"] == "" for row in rows)
    assert requests(suite, "--client", "SUITE-client") == found
    assert requests(suite, "--client", "nobody") == []
    assert requests(suite, "--model", "tiny", "--since", "1h", "-n", "1") == found[:1]
    assert suite.ctl("requests", "--since", "yesterday-ish", check=False).returncode == 2
    assert suite.ctl("requests", "-n", "0", check=False).returncode == 2


def check_secrets(suite):
    """Neither a key nor a prompt is in anything that was written."""
    suite.stop("watcher")
    suite.stop("recorder")
    for folder, _, names in os.walk(suite.directory):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                content = file.read()
            assert KEY.encode() not in content and PROMPT.encode() not in content, path


def test_follow():
    tap = free_port()
    with Double("--rate", "300") as double, suite_with_tap(double, tap) as suite:
        suite.start("watcher")
        suite.subscribe("runtime.ollama.").until(lambda _t, b: b["d"].get("reachable"), 15)
        suite.await_service("recorder")
        body = {"model": "tiny-random", "prompt": PROMPT, "options": {"num_predict": 5}}
        ask(tap, "/api/generate", body)
        wait_for(suite, 1)
        with subprocess.Popen([os.path.join(BIN, "mlxctl"), "requests", "--follow", "--json"],
                              env=suite.environment, stdout=subprocess.PIPE, text=True) as follower:
            first = json.loads(follower.stdout.readline())
            deadline = time.monotonic() + 10
            heard = False
            while not heard and time.monotonic() < deadline:
                ask(tap, "/api/generate", body)  # again until its subscription has reached the broker
                heard = bool(select.select([follower.stdout], [], [], 1)[0])
            assert heard and json.loads(follower.stdout.readline())["end"] > first["end"]
            follower.send_signal(signal.SIGTERM)
            assert follower.wait(10) == 0


def models(suite):
    return json.loads(suite.ctl("models", "--json").stdout)["models"]


def until_loaded(suite, wanted):
    deadline = time.monotonic() + 15
    while (any(m["state"] == "loaded" for m in models(suite))) != wanted:
        assert time.monotonic() < deadline, models(suite)
        time.sleep(0.1)


def test_load_unload_pin():
    tap = free_port()
    with Double("--rate", "40") as double, suite_with_tap(double, tap) as suite:
        suite.start("watcher")
        suite.subscribe("runtime.ollama.").until(lambda _t, b: b["d"].get("reachable"), 15)
        suite.await_service("recorder")
        suite.await_service("watcher")
        suite.subscribe("runtime.ollama.").until(lambda _t, b: b["d"].get("available"), 15)
        assert ("tiny-random:latest", "available") in [(m["model"], m["state"]) for m in models(suite)]
        assert suite.ctl("unload", "no-such-model", check=False).returncode == 3
        refused = suite.ctl("load", "x", "--runtime", "vllm", check=False)
        assert refused.returncode == 4, refused
        ask(tap, "/api/generate", {"model": "tiny-random", "prompt": "x", "options": {"num_predict": 3}})
        until_loaded(suite, True)
        wait_for(suite, 1)
        # Its process, or what it says of itself where that had ended before anybody looked.
        assert models(suite)[0]["last_client"] in ("test_requests.py", "suite-client/2.0"), models(suite)
        with subprocess.Popen([sys.executable, "-c", f'''
import json, urllib.request
urllib.request.urlopen("http://127.0.0.1:{tap}/api/generate", json.dumps({{"model": "tiny-random",
    "prompt": "x", "options": {{"num_predict": 150}}}}).encode()).read()''']) as client:
            suite.subscribe("runtime.ollama.").until(lambda _t, b: b["d"].get("busy"), 15)
            refused = suite.ctl("unload", "tiny-random", check=False)
            assert refused.returncode == 75 and "--force" in refused.stderr, refused
            assert client.wait(30) == 0
        suite.subscribe("runtime.ollama.").until(lambda _t, b: b["d"].get("busy") is False, 15)
        assert "is unloaded" in suite.ctl("unload", "tiny-random").stdout
        until_loaded(suite, False)
        assert "stays loaded" in suite.ctl("pin", "tiny-random:latest").stdout
        until_loaded(suite, True)


run(test_load_unload_pin, test_sums_clients_and_forms, test_follow)

#!/usr/bin/env python3
"""Live tests: real runtimes, their own figures against what the suite says of them.

    python=$(tests/live/env.sh) && "$python" tests/live/run_live.py .build/asan/bin

For each runtime and each way to measure it, a client generates and counts. Three figures must agree
within 5 %: what the server reports of the request itself (where it reports none: its token count over
the client's clock); each speed that the watcher published on the way, against what reached the client
in the same stretch of time, since speed varies with whatever else the machine does; and, for the tap,
its last word on the request.

Then a client that knows only the catalogue page reads everything that is on the bus.

With OLLAMA_HOST set and something answering there, that server is measured too, through the tap,
with its smallest model; its models stay loaded for as long as they would have.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import catalogue
import load
import servers
import short
import suite as suites

TOLERANCE = 0.05
WARM_UP_TOKENS = 24
GENERATE_S = 6.0  # the length of a reply is fitted to the speed
TOKENS_LIMITS = (120, 1500)

# The stretch of time that a published speed speaks of (services/watcher/rate.h).
WINDOW_S = 2.0
WINDOW_LIMIT_S = 10.0
WINDOW_TOKENS = 50

FOREVER_S = 10 * 365 * 86400


class Failure(Exception):
    pass


class Meter(threading.Thread):
    """Collects what the watcher publishes while a client generates."""

    def __init__(self, suite):
        super().__init__(daemon=True)
        self.subscriber = suite.subscriber()
        self.ended = threading.Event()
        self.seen = []  # (monotonic time, data)

    def run(self):
        while not self.ended.is_set():
            for topic, message in self.subscriber.messages(0.2):
                if topic.endswith(".activity"):
                    self.seen.append((time.monotonic(), message["d"]))
        self.subscriber.close()

    def stop(self):
        self.ended.set()
        self.join()

    def live_rates(self, times):
        """(published speed, the client's speed over the same window), once the window is full."""
        pairs = []
        for at, data in self.seen:
            if data.get("tokens_per_second") and times[0] + WINDOW_S < at < times[-1]:
                truth = client_rate(times, at)
                if truth:
                    pairs.append((data["tokens_per_second"], truth))
        return pairs

    def sources(self):
        return sorted({data["source"] for _, data in self.seen if data.get("source")})

    def last(self):
        """The newest request that the watcher says has ended."""
        return next((data["last"] for _, data in reversed(self.seen) if data.get("last")), None)


def client_rate(times, end):
    """Tokens per second that reached the client in the window before END; None: too few came."""
    seconds = WINDOW_S
    while seconds <= WINDOW_LIMIT_S:
        came = [at for at in times if end - seconds <= at <= end]
        if len(came) > WINDOW_TOKENS or (seconds == WINDOW_LIMIT_S and len(came) > 2):
            return (len(came) - 1) / (came[-1] - came[0])
        seconds += 0.25
    return None


def difference(value, truth):
    return (value - truth) / truth


def judge(name, way, meter, result):
    own = result.server_rate or result.client_rate
    pairs = meter.live_rates(result.times)
    if not pairs:
        raise Failure(f"{name} by {way}: the watcher published no speed; sources {meter.sources()}")
    off = statistics.median(difference(live, truth) for live, truth in pairs)
    mean = statistics.mean(live for live, _ in pairs)
    print(
        f"{name:14} {way:7} server {own:7.2f} tok/s, client {result.client_rate:7.2f} "
        f"({difference(result.client_rate, own):+.1%}), watcher {mean:7.2f} in the mean, "
        f"{off:+.1%} off moment by moment ({len(pairs)} readings); "
        f"{result.tokens} tokens in {result.pieces} pieces"
    )
    if abs(difference(result.client_rate, own)) > TOLERANCE:
        raise Failure(f"{name}: the client's clock and the server's do not agree")
    if abs(off) > TOLERANCE:
        raise Failure(f"{name} by {way}: the watcher is {off:+.1%} off")
    if way not in meter.sources():
        raise Failure(f"{name}: measured by {meter.sources()}, not by {way}")
    return own


def check_last(name, meter, result, own):
    """The tap knows a request's final count exactly, and its speed."""
    last = meter.last()
    if not last or last.get("tokens") != result.tokens:
        raise Failure(f"{name}: the server counted {result.tokens} tokens, the tap said {last}")
    if abs(difference(last.get("tokens_per_second", 0), own)) > TOLERANCE:
        raise Failure(f"{name}: the server says {own:.2f} tok/s, the tap's last word is {last}")


def fitting_tokens(warm_up):
    least, most = TOKENS_LIMITS
    return max(least, min(most, int(warm_up.client_rate * GENERATE_S)))


def measure(name, way, suite, generate):
    meter = Meter(suite)
    meter.start()
    try:
        result = generate(fitting_tokens(generate(WARM_UP_TOKENS)))
        time.sleep(0.7)  # the last word on the request is published
    finally:
        meter.stop()
    own = judge(name, way, meter, result)
    if way == "tap":
        check_last(name, meter, result, own)


def ways(server, suite):
    """(name of the way, port that the client uses)."""
    direct = {"ollama": "runner", "llamacpp": "slots"}.get(server.kind)
    if direct:
        yield direct, server.load_port
    if server.port == server.load_port:
        yield "tap", suite.tap_port


def run_one(name, start, binaries):
    model = {"mlx_lm.server": "default_model"}.get(name)
    with tempfile.TemporaryDirectory(prefix="mlx-live-") as folder, start(folder) as server:
        with suites.watching(binaries, folder, server) as suite:
            for way, port in ways(server, suite):
                measure(
                    name,
                    way,
                    suite,
                    lambda tokens, port=port: load.openai(port, model or server.model, tokens),
                )


SLEEP_IDLE_S = 4
SLEEP_WATCHED_S = 20


def resident_mb(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1e3


def asleep(server):
    return json.loads(servers.get(server.port, "/props"))["is_sleeping"]


def wait_asleep(server, seconds):
    """How long it took; another asker of /props would not keep it awake either."""
    start = time.monotonic()
    while not asleep(server):
        if time.monotonic() - start > seconds:
            raise Failure(f"llama-server is still awake after {seconds} s")
        time.sleep(0.1)
    return time.monotonic() - start


def client_of(server, tokens):
    """A client in a process of its own; as any client it may come and go at any time."""
    code = "import sys, load; print(load.openai(int(sys.argv[1]), 'smollm2', int(sys.argv[2])).tokens)"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(server.port), str(tokens)],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
    )


def sleeps_while_watched(server, suite):
    loaded = resident_mb(server.process)
    took = wait_asleep(server, SLEEP_IDLE_S * 3)
    end = time.monotonic() + SLEEP_WATCHED_S
    while time.monotonic() < end:
        if not asleep(server):
            raise Failure("llama-server woke up though nobody but the watcher asked it")
        time.sleep(0.25)
    resting = resident_mb(server.process)
    if resting > loaded * 0.7:
        raise Failure(f"asleep it has {resting:.0f} MB of {loaded:.0f}")
    subscriber = suite.subscriber()
    process = client_of(server, 300)
    busy = subscriber.wait(".activity", lambda data: data.get("tokens_per_second", 0) > 0, 20)["d"]
    tokens = int(process.communicate(timeout=120)[0])
    total = lambda data: data.get("tokens_total") == tokens  # noqa: E731
    subscriber.wait(".activity", total, 10)
    again = wait_asleep(server, SLEEP_IDLE_S * 3)
    subscriber.wait(".models", lambda data: data.get("sleeping"), 10)
    subscriber.close()
    print(
        f"llama-server   asleep after {took:.1f} s and for {SLEEP_WATCHED_S} s while watched, "
        f"{loaded:.0f} -> {resting:.0f} MB; {tokens} tokens seen at {busy['tokens_per_second']:.1f} "
        f"tok/s by {busy['source']}; asleep again after {again:.1f} s"
    )


def run_sleeping(binaries):
    with tempfile.TemporaryDirectory(prefix="mlx-live-") as folder:
        with servers.llama_server(folder, sleep_idle_s=SLEEP_IDLE_S) as server:
            with suites.watching(binaries, folder, server) as suite:
                sleeps_while_watched(server, suite)


KEY = "sk-live-0d6b1c52"
KEYED_TOKENS = 200


def keyed_client(server):
    """A client that has the key, in a process of its own; the key is not among its arguments."""
    code = (
        "import os, sys, urllib.request as r\n"
        f"q = r.Request('http://127.0.0.1:{server.port}/completion',\n"
        f"  b'{{\"prompt\": \"once\", \"n_predict\": {KEYED_TOKENS}, \"ignore_eos\": true}}',\n"
        "  {'Authorization': 'Bearer ' + os.environ['KEY'], 'Content-Type': 'application/json'})\n"
        "r.urlopen(q).read()"
    )
    return subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ, KEY=KEY))


def told_what_it_lacks(binaries, server, extra, words):
    with tempfile.TemporaryDirectory(prefix="mlx-live-") as folder:
        with suites.watching(binaries, folder, server, extra=extra) as suite:
            subscriber = suite.subscriber()
            lacks = lambda data: words in data.get("reason", "")  # noqa: E731
            subscriber.wait(".models", lacks, 20)
            subscriber.close()
            return suite.log.read_text(errors="replace")


def let_in(binaries, server, extra):
    with tempfile.TemporaryDirectory(prefix="mlx-live-") as folder:
        with suites.watching(binaries, folder, server, extra=extra) as suite:
            subscriber = suite.subscriber("")
            subscriber.wait(".models", lambda data: data.get("version"), 20)  # /props needs it
            process = keyed_client(server)
            busy = lambda data: data.get("tokens_per_second", 0) > 0  # noqa: E731
            speed = subscriber.wait(".activity", busy, 20)["d"]
            total = lambda data: data.get("tokens_total") == KEYED_TOKENS  # noqa: E731
            subscriber.wait(".activity", total, 20)
            process.wait(60)
            said = repr(list(subscriber.messages(2))) + suite.log.read_text(errors="replace")
            subscriber.close()
    if speed["source"] != "slots" or KEY in said:
        raise Failure(f"with its key: by {speed['source']}, key said: {KEY in said}")
    return speed["tokens_per_second"]


def run_key(binaries):
    with tempfile.TemporaryDirectory(prefix="mlx-live-") as folder:
        right, wrong, open_file = (Path(folder) / name for name in ("right", "wrong", "open"))
        for path, text, mode in (
            (right, KEY, 0o600),
            (wrong, f"{KEY}x", 0o600),
            (open_file, KEY, 0o644),
        ):
            path.write_text(f"{text}\n")
            path.chmod(mode)
        with servers.llama_server(folder, key=KEY) as server:
            said = told_what_it_lacks(binaries, server, {}, "needs a key: set key_file")
            said += told_what_it_lacks(binaries, server, {"key_file": str(wrong)}, "refused the one")
            said += told_what_it_lacks(binaries, server, {"key_file": str(open_file)}, "chmod 600")
            if KEY in said:
                raise Failure("the key stands in a log")
            speed = let_in(binaries, server, {"key_file": str(right)})
    print(f"llama-server   with --api-key: {speed:.1f} tok/s by its slots, three causes said without it")


DAEMONS = ("mlx-bus", "mlx-watcher", "mlx-sampler")
CATALOGUE_S = 8
EXPECTED_TOPICS = (
    "sensor.memory",
    "sensor.cpu",
    "service.bus.health",
    "service.watcher.health",
    "service.sampler.health",
    ".models",
    ".activity",
)


def run_catalogue(binaries):
    page = catalogue.Catalogue(binaries)
    with tempfile.TemporaryDirectory(prefix="mlx-live-") as folder:
        with servers.double(folder, binaries) as server:
            with suites.watching(binaries, folder, server, DAEMONS) as suite:
                subscriber = suite.subscriber("")
                seen = list(subscriber.messages(CATALOGUE_S))
                subscriber.close()
    problems = sorted({text for topic, message in seen for text in page.problems(topic, message)})
    topics = {topic for topic, _ in seen}
    problems += [
        f"nothing on …{name}" for name in EXPECTED_TOPICS if not any(t.endswith(name) for t in topics)
    ]
    if problems:
        raise Failure("; ".join(problems))
    print(f"catalogue      {len(seen)} messages on {len(topics)} topics are as its page says")


def ollama_address():
    text = os.environ["OLLAMA_HOST"]
    url = urllib.parse.urlsplit(text if "//" in text else f"//{text}")
    host = url.hostname or "127.0.0.1"
    return ("127.0.0.1" if host == "0.0.0.0" else host), url.port or 11434


def keep_alive_of(model, port):
    """What keeps MODEL loaded for as long as it would have been; 0 when it is not loaded now."""
    for loaded in json.loads(servers.get(port, "/api/ps"))["models"]:
        if loaded["name"] == model:
            text = loaded["expires_at"][:19]
            expires = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
            left = int((expires - datetime.now(timezone.utc)).total_seconds())
            return -1 if left > FOREVER_S else f"{left}s"
    return 0


def run_real_ollama(binaries):
    host, port = ollama_address()
    models = json.loads(servers.get(port, "/api/tags"))["models"]
    if not models:
        print("OLLAMA_HOST: skipped: that server has no model")
        return
    model = min(models, key=lambda entry: entry["size"])["name"]
    keep_alive = keep_alive_of(model, port)
    server = servers.Server("ollama", port, port, model, None)
    with tempfile.TemporaryDirectory(prefix="mlx-live-") as folder:
        with suites.watching(binaries, folder, server) as suite:
            measure(
                f"OLLAMA_HOST {host}",
                "tap",
                suite,
                lambda tokens: load.ollama(
                    "127.0.0.1", suite.tap_port, model, tokens, keep_alive
                ),
            )


def run_short(binaries):
    try:
        print(short.run(binaries))
    except ValueError as error:
        raise Failure(error) from error


RUNTIMES = {
    "mlx_lm.server": servers.mlx_lm_server,
    "llama-server": servers.llama_server,
    "ollama runner": servers.ollama_runner,
}


def attempt(name, run):
    try:
        run()
        return True
    except (Failure, RuntimeError, OSError, TimeoutError) as error:
        print(f"{name}: FAILED: {error}")
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", help="folder of the daemons, mlxctl and the double")
    parser.add_argument("--only", help=f"one of: {', '.join(RUNTIMES)}, sleeping, key, short, catalogue")
    arguments = parser.parse_args()
    binaries = arguments.binaries
    runs = {name: partial(run_one, name, start, binaries) for name, start in RUNTIMES.items()}
    runs["sleeping"] = partial(run_sleeping, binaries)
    runs["key"] = partial(run_key, binaries)
    runs["short"] = partial(run_short, binaries)
    runs["catalogue"] = partial(run_catalogue, binaries)
    if os.environ.get("OLLAMA_HOST"):
        runs["OLLAMA_HOST"] = partial(run_real_ollama, binaries)
    if arguments.only:
        runs = {arguments.only: runs[arguments.only]}
    passed = sum(attempt(name, run) for name, run in runs.items())
    print(f"{passed} passed, {len(runs) - passed} failed")
    return 0 if passed == len(runs) else 1


if __name__ == "__main__":
    sys.exit(main())

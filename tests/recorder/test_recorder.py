"""The recorder as a process: killed with -9 again and again, and with a disk that is full for a while.

    test_recorder.py [KILLS]     default 200
"""
import itertools
import json
import os
import random
import resource
import select
import socket
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "suite"))
from suite import BIN, Suite, envelope, run  # noqa: E402 (the folder is known only now)

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
FLUSH = 0.1
CONFIG = f"recorder:\n  flush_s: {FLUSH}\n"
SERIES = "test/sensor.cpu/utilization"


def database(suite):
    return os.path.join(suite.directory, "state", "history.db")


class Feed:
    """A source that counts up: each sample says which one it is."""

    def __init__(self, suite):
        self.socket = suite.publisher()
        self.number = 0

    def send(self):
        self.number += 1
        body = envelope("feed", self.number, {"utilization": self.number / 10000})
        self.socket.send_multipart([b"sensor.cpu", body])

    def run(self, seconds):
        """Send every 2 ms."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send()
            time.sleep(0.002)


def ready(suite, reader, boots):
    _topic, body = reader.until(lambda t, b: t == "history.status" and b["boot"] not in boots, 20)
    boots.add(body["boot"])
    suite.await_service("recorder")


def number_of(body):
    return round(body["d"]["utilization"] * 10000)


def flushed(reader):
    """The samples that must be on disk: the bus passed them on, and after that the recorder has said
    twice that it has flushed. (By its first word after a sample it need not have read it.)"""
    groups, seen = [[]], set()
    while message := reader.next(0):
        topic, body = message
        key = (body["src"], body["boot"], body["seq"])
        if key in seen:  # a last value is repeated whenever somebody subscribes
            continue
        seen.add(key)
        if topic == "sensor.cpu":
            groups[-1].append(number_of(body))
        elif topic == "history.status":
            groups.append([])
    return set(sum(groups[:-2], []))


def await_stored(reader, number):
    """Wait until the sample NUMBER was passed on and the recorder has flushed twice since."""
    _topic, body = reader.until(lambda t, b: t == "sensor.cpu" and number_of(b) == number, 20)
    for _ in range(2):
        _topic, body = reader.until(lambda t, b: t == "history.status" and b["t"] > body["t"], 20)


def exported(suite):
    lines = suite.ctl("history", "export", SERIES, "--json").stdout.splitlines()
    return [round(json.loads(line)["value"] * 10000) for line in lines]


def test_kills_lose_the_last_flush_at_most():
    choose = random.Random(1)
    with Suite("bus", "recorder", config=CONFIG) as suite:
        reader, boots = suite.subscribe(""), set()
        ready(suite, reader, boots)
        feed = Feed(suite)
        taken = set()
        for _ in range(KILLS):
            feed.run(choose.uniform(0.3, 0.6))
            taken |= flushed(reader)
            suite.kill("recorder")
            with sqlite3.connect(f"file:{database(suite)}?mode=ro", uri=True) as db:
                verdict = db.execute("PRAGMA integrity_check").fetchone()[0]
                assert verdict == "ok", verdict
            db.close()
            suite.start("recorder")
            ready(suite, reader, boots)
        feed.run(0.1)
        await_stored(reader, feed.number)
        found = exported(suite)
        assert len(found) == len(set(found)), "a sample is there twice"
        missing = taken - set(found)
        assert not missing, f"{len(missing)} of {len(taken)} samples that were flushed are gone"
        assert taken, "nothing was to be kept"
        assert not [n for n in os.listdir(suite.directory + "/state") if "damaged" in n]
        reader.close()
        return f"{KILLS} kills, {len(found)} samples kept, {len(taken)} had to be"


def limit_files(suite, size):
    pid = suite.processes["recorder"].pid
    _soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def test_a_full_disk_is_said_and_survived():
    with Suite("bus", "recorder", config=CONFIG) as suite:
        reader, boots = suite.subscribe(""), set()
        ready(suite, reader, boots)
        feed = Feed(suite)
        feed.run(0.5)
        limit_files(suite, 4096)
        feed.run(1)
        health = "service.recorder.health"
        _topic, body = reader.until(
            lambda t, b: t == health and b["d"]["state"] == "degraded", 10)
        assert "disk full" in body["d"]["reason"], body["d"]
        feed.run(0.5)
        limit_files(suite, resource.RLIM_INFINITY)
        reader.until(lambda t, b: t == health and b["d"]["state"] == "up", 10)
        feed.run(0.5)
        await_stored(reader, feed.number)
        lost = set(range(1, feed.number + 1)) - set(exported(suite))
        assert not lost, f"{len(lost)} samples were lost"
        reader.close()


def test_a_newer_database_is_refused():
    with Suite("bus", "recorder", config=CONFIG) as suite:
        reader, boots = suite.subscribe("history."), set()
        ready(suite, reader, boots)
        suite.stop("recorder")
        with sqlite3.connect(database(suite)) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        process = suite.start("recorder")
        assert process.wait(20) == 2, suite.log("recorder")
        del suite.processes["recorder"]
        assert "upgrade the program" in suite.log("recorder")
        reader.close()


def test_history_by_its_short_names():
    """Each short name is a series of this machine, in ranges from five minutes to all; with --follow
    what comes from then on is printed too."""
    topics = {"tok/s": ("runtime.ollama.127_0_0_1-11434.activity", "tokens_per_second", 42.5),
              "speed": ("runtime.ollama.127_0_0_1-11434.activity", "tokens_per_second", 42.5),
              "requests": ("runtime.ollama.127_0_0_1-11434.activity", "requests", 3),
              "gpu": ("sensor.gpu.0", "utilization", 0.5), "memory": ("sensor.memory", "used", 7000000000),
              "cpu": ("sensor.cpu", "utilization", 0.25),
              "temp": ("sensor.temperature", "cpu", 61), "power": ("sensor.power", "total", 90),
              "temperature": ("sensor.temperature", "cpu", 61),
              "watts": ("sensor.power", "total", 90), "energy": ("sensor.power", "energy", 1e5)}
    with Suite("bus", "recorder", config=CONFIG) as suite:
        reader, boots = suite.subscribe(""), set()
        ready(suite, reader, boots)
        host = socket.gethostname()
        feed, number, first = suite.publisher(), itertools.count(1), time.time()

        def send():
            for topic in sorted({topic for topic, _field, _value in topics.values()}):
                data = {field: value for t, field, value in topics.values() if t == topic}
                feed.send_multipart([topic.encode(),
                                     envelope("feed", next(number), data, host=host)])

        def rows(*arguments):
            lines = suite.ctl("history", *arguments, "--csv").stdout.splitlines()
            assert lines[0] == "time,min,max,mean,count", lines
            return [line.split(",") for line in lines[1:]]

        send()
        reader.until(lambda t, b: t == "history.status" and b["d"].get("samples", 0) >= 8, 20)
        for word, (_topic, _field, value) in topics.items():
            for since in ("5m", "1h", "1d", "90d", "365d", "all") if word == "gpu" else ("5m",):
                found = rows(word, "--since", since)
                assert found and float(found[-1][3]) == value, (word, since, found)
        info = json.loads(suite.ctl("history", "info", "--json").stdout)
        assert abs(info["oldest"] / 1e6 - first) < 2, "since is not the first sample"
        assert suite.ctl("history", "nothing", check=False).returncode == 3
        assert suite.ctl("history", "gpu", "--follow", "--until", "now",
                         check=False).returncode == 2
        with subprocess.Popen([os.path.join(BIN, "mlxctl"), "history", "gpu", "--follow", "--json"],
                              env=suite.environment, stdout=subprocess.PIPE, text=True) as follow:
            seen = []
            while len(seen) < 3:
                send()
                if select.select([follow.stdout], [], [], 0.2)[0]:
                    seen.append(json.loads(follow.stdout.readline()))
            follow.terminate()
        times = [row["t"] for row in seen]
        assert times == sorted(set(times)) and all(row["mean"] == 0.5 for row in seen), seen
        verb, body = suite.call("recorder", "requests.spread", {"measure": "ttft"})
        assert verb == b"error" and body["code"] == "not_found", body
        reader.close()


run(test_history_by_its_short_names, test_kills_lose_the_last_flush_at_most, test_a_full_disk_is_said_and_survived,
    test_a_newer_database_is_refused)

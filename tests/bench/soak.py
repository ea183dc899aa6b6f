"""A day in minutes: the suite's daemons under libfaketime, a fleet that publishes, floods, kills and restarts.

    MLX_BIN=.build/release/bin python tests/bench/soak.py [HOURS [SPEED]]        24 hours, 100 times as fast

The daemons' clocks and their waits run SPEED times as fast, so all that expires, flushes and rolls up does so as
often as in HOURS. 100 hosts publish four values each every 30 s; a reader of the page's events and one of the bus
keep up. Once an hour one daemon is killed and started again, 20,000 messages and 2,000 subscriptions come at once,
and 200 new names appear which nobody uses again. Shown are memory (PSS), descriptors and files, every two hours;
growth compares the last quarter of the day with the second. MLX_FAKETIME: the library, where it is elsewhere.
"""
import glob
import os
import statistics
import sys
import threading
import time
import urllib.request

import msgpack
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "suite"))
from suite import BIN, Suite  # noqa: E402,F401

HOURS = float(sys.argv[1]) if len(sys.argv) > 1 else 24
SPEED = float(sys.argv[2]) if len(sys.argv) > 2 else 100
LIBRARY = os.environ.get("MLX_FAKETIME") or next(
    iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None) or sys.exit("soak: libfaketime is not installed")
DAEMONS = ("bus", "recorder", "gateway", "sampler", "watcher", "cached")
HOSTS = [f"host-{i}" for i in range(100)]
CONFIG = "gateway: {{listen: '127.0.0.1:{port}'}}\nwatcher: {{discover: false}}\n"


class Day:
    def __init__(self, suite):
        self.suite, self.begin, self.number = suite, time.time(), 0
        self.over = threading.Event()

    def now(self):
        """The daemons' clock."""
        return self.begin + (time.time() - self.begin) * SPEED

    def hours(self):
        return (self.now() - self.begin) / 3600

    def start(self, name):
        """libfaketime runs faster from a process's start on, so that one begins where the others are."""
        ahead = self.now() - time.time()
        self.suite.environment.update(LD_PRELOAD=LIBRARY, FAKETIME=f"+{ahead:.3f} x{SPEED:g}")
        self.suite.start(name)

    def say(self, socket, topic, data, host, source="soak"):
        self.number += 1
        socket.send_multipart([topic.encode(), msgpack.packb(
            {"v": 1, "host": host, "src": source, "boot": "b", "seq": self.number, "t": int(self.now() * 1e6), "d": data})])


def fleet(day, context):
    """Four values of each host every 30 s, of what changes."""
    socket = context.socket(zmq.PUB)
    socket.connect(day.suite.endpoint("publish"))
    turn = 0
    while not day.over.wait(30 / SPEED / 10):
        turn += 1
        for host in HOSTS[turn % 10::10]:
            share = (turn % 97) / 97
            day.say(socket, "sensor.gpu.0", {"utilization": share, "memory_used": 10**10 + turn, "name": "GPU"}, host)
            day.say(socket, "sensor.memory", {"used": 10**10 + turn, "total": 3 * 10**10}, host)
            day.say(socket, "runtime.ollama.local.models", {"reachable": True, "models": [{"name": "m", "size": 10**9}]}, host)
            day.say(socket, "runtime.ollama.local.request", {
                "id": f"{host}-{turn}", "model": "m", "client": "soak", "start": int(day.now() * 1e6) - 2000000,
                "end": int(day.now() * 1e6), "tokens": 100, "duration": 2.0, "outcome": "ok"}, host)


def reader(day, context, counts):
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(day.suite.endpoint("subscribe"))
    while not day.over.is_set():
        if socket.poll(200):
            socket.recv_multipart()
            counts["bus"] += 1


def page(day, port, counts):
    """What a browser does: read the events, and come again when they end."""
    while not day.over.is_set():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/events", timeout=5) as stream:
                while not day.over.is_set() and stream.readline():
                    counts["page"] += 1
        except OSError:
            day.over.wait(0.2)


def flood(day, hour):
    """As much as a neighbour that has lost its mind sends at once; names that come once."""
    context = zmq.Context()
    socket, listener = context.socket(zmq.PUB), context.socket(zmq.SUB)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.connect(day.suite.endpoint("publish"))
    listener.connect(day.suite.endpoint("subscribe"))
    time.sleep(0.2)
    for i in range(20000):
        day.say(socket, "sensor.cpu", {"utilization": 0.5}, "host-0", "flood")
    for i in range(200):
        day.say(socket, f"sensor.gpu.h{hour}-{i}", {"utilization": 0.5}, f"once-{hour}-{i % 5}", f"once{hour}")
    for i in range(2000):
        listener.setsockopt(zmq.SUBSCRIBE, f"sensor.x{i}".encode())
    time.sleep(0.5)
    context.destroy(linger=500)


def files(suite):
    return sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(suite.directory) for name in names)


def look(day):
    suite, row = day.suite, {}
    for name in DAEMONS:
        assert suite.processes[name].poll() is None, f"{name} has ended:\n{suite.log(name)[-2000:]}"
        row[name] = suite.memory(name) / 1e6, suite.descriptors(name)
    row["files"] = files(suite) / 1e6, 0
    return row


def report(rows, counts):
    names = [*DAEMONS, "files"]
    print(f"{'hour':>5}" + "".join(f"{name:>16}" for name in names) + "   (MB, descriptors)")
    for hour, row in rows[::max(1, len(rows) // 12)]:
        print(f"{hour:5.1f}" + "".join(f"{row[n][0]:11.1f} {row[n][1]:4d}" for n in names))
    quarter = len(rows) // 4
    for name in names:
        early = statistics.median(row[name][0] for _, row in rows[quarter:2 * quarter])
        late = statistics.median(row[name][0] for _, row in rows[-quarter:])
        print(f"{name}: {early:.1f} MB in the second quarter, {late:.1f} in the last ({late - early:+.1f})")
    print(f"read beside: {counts['bus']} messages, {counts['page']} lines of the page's events")


def main():
    port = 20000 + os.getpid() % 20000
    counts, rows, killed = {"bus": 0, "page": 0}, [], 0
    with Suite(config=CONFIG.format(port=port)) as suite:
        day, context = Day(suite), zmq.Context()
        for name in DAEMONS:
            day.start(name)
        threads = [threading.Thread(target=fn, args=args, daemon=True) for fn, args in (
            (fleet, (day, context)), (reader, (day, context, counts)), (page, (day, port, counts)))]
        for thread in threads:
            thread.start()
        while day.hours() < HOURS:
            if day.hours() >= killed + 1:
                killed += 1
                victim = DAEMONS[killed % len(DAEMONS)]
                suite.kill(victim)
                day.start(victim)
                flood(day, killed)
            time.sleep(max(0.5, 900 / SPEED))
            rows.append((day.hours(), look(day)))
        day.over.set()
        for thread in threads:
            thread.join(10)
        context.destroy(linger=0)
        report(rows, counts)


main()

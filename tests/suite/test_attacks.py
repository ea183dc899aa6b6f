"""A hostile neighbour: every attack of attacks*.py on the whole suite, one after the other.

    test_attacks.py [NAME...]     only the attacks of these names

After each attack every daemon is the same process and answers, its memory is within its budget, and a reader beside
it has got every message of a publisher beside it. All attacks run once, small; with MLX_ATTACK_SECONDS=600 they run,
larger, in random order for so long. MLX_ATTACK_SEED gives a run again.
"""
import json
import os
import random
import re
import socket
import sys
import threading
import time
import urllib.request

import msgpack
import zmq

import attacks
import attacks_outside  # noqa: F401  (adds to the table)
from suite import Suite, answer, envelope, run

MB = 1 << 20
SECONDS = float(os.environ.get("MLX_ATTACK_SECONDS", 0))
PATIENCE = 60 if SECONDS else 20  # seconds for an answer on a machine that is busy with other work
SEED = int(os.environ.get("MLX_ATTACK_SEED", time.time_ns() % 10**9))
DAEMONS = {"bus": "bus", "sampler": "sampler", "watcher": "watcher", "recorder": "recorder", "gateway": "gateway",
           "cached": "cache", "bencher": "bencher"}  # program: service
# What each may take above its start: the budgets below, and as much again for what a sanitizer adds.
GROWTH = {"bus": 200 * MB, "gateway": 200 * MB, "recorder": 160 * MB}
CONFIG = """
bus: {{retain_gone_s: 5, retain_mb: 32, retain_source_mb: 8, queue_mb: 32, tcp: ['tcp://127.0.0.1:{port}']}}
gateway: {{listen: '127.0.0.1:{http}', mcp: changes}}
otlp: {{endpoint: 'http://127.0.0.1:{server}', interval_s: 1}}
watcher: {{tap_listen: '127.0.0.1:{tap}', tap_upstream: '127.0.0.1:{server}', discover: false, poll_idle_ms: 1000,
           runtimes: [{{kind: ollama, url: 'http://127.0.0.1:{server}'}}]}}
"""


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Beside(threading.Thread):
    """A publisher and a reader who behave: 100 messages a second, none of which may be lost."""

    def __init__(self, suite):
        super().__init__(daemon=True)
        self.context = zmq.Context()
        self.publisher = self.context.socket(zmq.XPUB)
        self.publisher.connect(suite.endpoint("publish"))
        self.reader = self.context.socket(zmq.SUB)
        self.reader.setsockopt(zmq.RCVHWM, 0)
        self.reader.setsockopt(zmq.SUBSCRIBE, b"sensor.gpu.99")
        self.reader.connect(suite.endpoint("subscribe"))
        assert self.publisher.poll(10000)
        self.sent, self.got, self.lost, self.ending = 0, 0, 0, threading.Event()

    def run(self):
        while not self.ending.wait(0.01):
            self.sent += 1
            self.publisher.send_multipart([b"sensor.gpu.99", envelope("beside", self.sent, {"utilization": 0.5})])
            while self.reader.poll(0):
                body = msgpack.unpackb(self.reader.recv_multipart()[1])
                if body["src"] == "beside" and body["seq"] > self.got:
                    # What came before the subscription was there is not lost.
                    self.lost += body["seq"] - self.got - 1 if self.got else 0
                    self.got = body["seq"]

    def check(self):
        target, deadline = self.sent, time.monotonic() + PATIENCE
        while self.got < target:
            assert time.monotonic() < deadline, f"the reader beside is at {self.got} of {target}"
            time.sleep(0.005)
        assert not self.lost, f"the reader beside has lost {self.lost} messages"

    def close(self):
        self.ending.set()
        self.join()
        self.context.destroy(linger=0)


class World:
    """What an attack may use; all of it is gone after the attack."""

    def __init__(self, suite, ports):
        self.suite, self.catalogue = suite, suite.catalogue()
        self.port, self.http_port, self.tap_port, _ = ports
        self.rng, self.reply, self.clients, self.mark = random.Random(SEED), b"", [], 0
        self.boots = {m["src"]: m.get("boot", "b") for m in suite.last_values("service.")}
        self.server_key = suite.ctl("keys", "show").stdout.split()[-1].encode()
        self.token = re.search(r"Bearer ([^\s\"]+)", suite.ctl("mcp", "--url").stdout).group(1)

    def begin(self):
        self.context, self.clients = zmq.Context(), []
        self.context.set(zmq.MAX_SOCKETS, 4096)

    def end(self):
        self.context.destroy(linger=200)
        for client in self.clients:
            client.close()

    def many(self, count):
        return count * 20 if SECONDS else count

    def some(self, values, few=8):
        """VALUES, in a short run a few of them."""
        return values if SECONDS else self.rng.sample(values, min(few, len(values)))

    def pause(self, seconds):
        time.sleep(seconds if SECONDS else seconds / 4)

    def socket(self, kind, name, hwm=0, identity=None):
        made = self.context.socket(kind)
        made.setsockopt(zmq.SNDHWM, 0)
        made.setsockopt(zmq.RCVHWM, hwm)
        if identity:
            made.setsockopt(zmq.IDENTITY, identity)
        made.connect(self.suite.endpoint(name))
        return made

    def dealer(self, **options):
        return self.socket(zmq.DEALER, "command", **options)

    def publisher(self):
        made = self.socket(zmq.XPUB, "publish")
        assert made.poll(10000), "the broker does not subscribe"
        return made

    def settle(self, publisher):
        """Wait until the broker has seen what PUBLISHER sent."""
        self.mark += 1
        reader = self.socket(zmq.SUB, "subscribe")
        topic = b"alert.mark%d" % self.mark
        reader.setsockopt(zmq.SUBSCRIBE, topic)
        deadline = time.monotonic() + 30
        while not reader.poll(30):
            assert time.monotonic() < deadline, "the broker forwards nothing from a stranger"
            publisher.send_multipart([topic, envelope("mark", self.mark, {})])
        reader.close(linger=0)

    def frames(self, dealer, timeout=3):
        return answer(dealer, timeout)

    def call_on(self, dealer, service, cmd, args, timeout=8):
        dealer.send_multipart([b"call", service.encode(), b"1", msgpack.packb({"cmd": cmd, "args": args})])
        deadline = time.monotonic() + timeout
        while frames := answer(dealer, deadline - time.monotonic()):
            if frames[0] in (b"done", b"error"):
                # Strictly: strangers' texts need be no UTF-8, what the suite answers is.
                return frames[0], msgpack.unpackb(frames[2])
        return None

    def call(self, service, cmd, args):
        ended = self.call_on(self.dealer(), service, cmd, args)
        assert ended, f"{service} {cmd} never ends"
        return ended

    def connect(self, name):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(2)
        self.clients.append(client)
        try:
            client.connect(f"{self.suite.run_dir}/{name}.sock")
        except OSError:
            pass  # refused: as good
        return client

    def tcp(self, port):
        client = socket.socket()
        client.settimeout(2)
        self.clients.append(client)
        try:
            client.connect(("127.0.0.1", port))
        except OSError:
            pass
        return client

    def send(self, client, text):
        try:
            client.sendall(text)
        except OSError:
            pass

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=20) as reply:
            return reply.read()


def serve(world, port):
    """The server that is asked by the daemons; it answers everything with world.reply."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)

    def loop():
        while True:
            client, _ = listener.accept()
            client.settimeout(0.2)
            try:
                client.recv(65536)
                client.sendall(world.reply)
            except OSError:
                pass
            client.close()
    threading.Thread(target=loop, daemon=True).start()


class Guard:
    """Looks after the daemons: the same processes, alive, answering, within their memory."""

    def __init__(self, suite):
        self.suite, self.start, self.most = suite, {}, {}
        self.dealer = suite.context.socket(zmq.DEALER)
        self.dealer.connect(suite.endpoint("command"))
        self.number = 0

    def memory(self, name):
        with open(f"/proc/{self.suite.processes[name].pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def call(self, service):
        """A call ends with the error of the service itself: it is there."""
        self.number += 1
        number = str(self.number).encode()
        self.dealer.send_multipart([b"call", service.encode(), number, msgpack.packb({"cmd": "no.such"})])
        deadline = time.monotonic() + PATIENCE
        while frames := answer(self.dealer, deadline - time.monotonic()):
            if frames[1] == number:
                return msgpack.unpackb(frames[2])["code"]
        raise AssertionError(f"{service} does not answer")

    def await_answer(self, service):
        deadline = time.monotonic() + PATIENCE
        # Its name was taken from it for a moment; or the calls of this process, attacks and all, are too many.
        while (code := self.call(service)) in ("unavailable", "busy"):
            assert time.monotonic() < deadline, f"{service} is {code}"
            time.sleep(0.02)

    def check(self):
        for name, service in DAEMONS.items():
            status = self.suite.processes[name].poll()
            assert status is None, f"{name} ended with {status}:\n{self.suite.log(name)[-3000:]}"
            self.await_answer(service)
            memory = self.memory(name)
            self.start.setdefault(name, memory)
            grown = memory - self.start[name]
            self.most[name] = max(self.most.get(name, 0), grown)
            assert grown < GROWTH.get(name, 80 * MB), f"{name} grew by {grown / MB:.0f} MB"


def attack_all(world, guard, beside, wanted):
    chosen = [a for a in attacks.ATTACKS if not wanted or a.__name__ in wanted]
    begin, rounds = time.monotonic(), 0
    while True:
        for one in chosen:
            world.begin()
            try:
                one(world)
                world.end()
                guard.check()
                beside.check()
            except Exception as problem:
                raise AssertionError(f"{one.__name__} (seed {SEED}, attack {rounds}): {problem}") from problem
            rounds += 1
            if SECONDS and time.monotonic() - begin > SECONDS:
                return rounds
        if time.monotonic() - begin >= SECONDS:
            return rounds
        world.rng.shuffle(chosen)


def test_a_hostile_neighbour_harms_nobody():
    assert len(attacks.ATTACKS) >= 60, len(attacks.ATTACKS)
    ports = free_ports(4)
    with Suite(config=CONFIG.format(port=ports[0], http=ports[1], tap=ports[2], server=ports[3])) as suite:
        suite.ctl("keys", "init")
        os.makedirs(f"{suite.directory}/.config/mlx/keys/allowed", exist_ok=True)
        for name in DAEMONS:
            suite.start(name)
        for service in DAEMONS.values():
            suite.await_service(service)
        world = World(suite, ports)
        serve(world, ports[3])
        guard, beside = Guard(suite), Beside(suite)
        guard.check()
        beside.start()
        try:
            rounds = attack_all(world, guard, beside, sys.argv[1:])
        finally:
            beside.close()
        most = ", ".join(f"{name} +{grown / MB:.0f} MB" for name, grown in guard.most.items())
        return f"{rounds} attacks of {len(attacks.ATTACKS)} kinds, {beside.got} messages beside, seed {SEED}, {most}"


run(test_a_hostile_neighbour_harms_nobody)

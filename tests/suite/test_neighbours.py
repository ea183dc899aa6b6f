"""Hostile and unlucky neighbours of the broker: whoever speaks to it, the same process answers on.

    test_neighbours.py [NAME...]     only the tests of these names
"""
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time

import msgpack
import zmq

from suite import BIN, Suite, envelope, run

SOON = "bus: {retain_gone_s: 1}\n"

# What visitors call themselves, and what they register as.
SOURCES = ["MyApp", "my.app", "A" * 128, "A" * 129, "A" * 300, "", "bus", "App 1", "org/tool:7b",
           "Überwacher", "%s%n%d", "a\nb", "\x1b[2J", "\u202egpj", "..", "a" * 65]
SERVICES = ["a.b", "a.b.c.d.e", "A", "", "a" * 65, "x-1", "%s", "..", "bus", "a.b.c.d.e.f.g.h.i"]


def services_of(suite, timeout=8):
    """What the broker says runs, by name; it must answer."""
    dealer = suite.context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    dealer.connect(suite.endpoint("command"))
    deadline = time.monotonic() + timeout
    try:
        while time.monotonic() < deadline:
            dealer.send_multipart([b"call", b"bus", b"1", msgpack.packb({"cmd": "bus.services"})])
            if not dealer.poll(1000):
                continue
            verb, *rest = dealer.recv_multipart()
            if verb == b"done":
                return {entry["name"]: entry for entry in msgpack.unpackb(rest[1])["services"]}
    finally:
        dealer.close()
    raise AssertionError("the broker does not answer")


def still_there(suite, name="bus"):
    status = suite.processes[name].poll()
    assert status is None, f"{name} ended with {status}:\n{suite.log(name)[-2000:]}"


def register(suite, name, bye):
    dealer = suite.context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 1000)
    dealer.connect(suite.endpoint("command"))
    dealer.send_multipart([b"ready", name.encode(), b"0"])
    dealer.poll(200)
    if bye:
        dealer.send_multipart([b"bye", name.encode()])
    dealer.close()


def test_no_name_from_outside_ends_the_broker():
    with Suite("bus", config=SOON) as suite:
        reader = suite.subscribe("service.")
        reader.until(lambda *_: True, 10)
        publisher = suite.publisher()
        for source in SOURCES:
            for host in ("test", os.uname().nodename, "Alice's Mac", source):
                publisher.send_multipart([b"sensor.cpu", envelope(source, 1, {}, host=host)])
        for topic in ("a.b.c.d.e.f.g.h.i.j.k.l", "service.a.b.health", "service.X.health", "x"):
            publisher.send_multipart([topic.encode(), envelope("MyApp", 1, {"state": "up"})])
        publisher.close()
        for name in SERVICES:
            for bye in (True, False):
                register(suite, name, bye)
        # Three rounds of expiry, told by the broker's own clock.
        for _ in range(2):
            reader.until(lambda t, _b: t == "service.bus.health", 10)
        still_there(suite)
        assert services_of(suite)["bus"]["connected"]
        assert "a.b" not in services_of(suite)
        reader.close()


def test_the_last_value_of_a_stranger_goes_with_him():
    with Suite("bus", "sampler", config=SOON) as suite:
        suite.await_service("sampler")
        publisher = suite.publisher()
        publisher.send_multipart([b"alert.mine", envelope("MyApp", 1, {"state": "ok"})])
        # He calls himself like a service that lives: his value goes all the same.
        publisher.send_multipart([b"alert.other", envelope("sampler", 1, {"state": "ok"},
                                                           host=os.uname().nodename, boot="x")])
        assert {"alert.mine", "alert.other"} <= topics_of(suite)
        publisher.close()
        deadline = time.monotonic() + 10
        while topics_of(suite) & {"alert.mine", "alert.other"}:
            assert time.monotonic() < deadline, "the value of a stranger stays"
        assert "sensor.cpu" in topics_of(suite)


def topics_of(suite):
    return {message["topic"] for message in suite.last_values()}


def test_only_who_registered_can_be_down():
    with Suite("bus", "sampler", config=SOON + "host: elsewhere\n") as suite:
        suite.await_service("sampler")
        publisher = suite.publisher()
        for topic, data in (("sensor.power", {"total": 1.0}), ("cache.progress", {"model": "m"}),
                            ("service.visitor.health", {"state": "up"})):
            publisher.send_multipart([topic.encode(), envelope("visitor", 1, data,
                                                               host="elsewhere")])
        reader = suite.subscribe("service.sampler.")
        reader.until(lambda _t, b: b["d"]["state"] == "up", 10)
        publisher.close()
        suite.kill("sampler")
        down = reader.until(lambda _t, b: b["d"]["state"] == "down", 10)[1]
        assert down["src"] == "bus" and down["host"] == "elsewhere", down
        # And goes on being told, so that it does not look like the past.
        reader.until(lambda _t, b: b["d"]["state"] == "down" and b["seq"] > down["seq"], 15)
        rows = {line.split()[0]: line.split()[1] for line in
                suite.ctl("services").stdout.splitlines()[1:]}
        assert rows == {"bus": "up", "sampler": "down"}, rows
        headline = json.loads(suite.ctl("status", "--json").stdout)["headline"]
        assert headline["services_down"] == 1, headline
        reader.close()


def test_fake_services_make_room_for_real_ones():
    with Suite("bus") as suite:
        # Some that go, and more that stay: all of them are one process.
        for number in range(70):
            register(suite, f"fake-{number}", bye=True)
        dealer = suite.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(suite.endpoint("command"))
        for number in range(100):
            dealer.send_multipart([b"ready", b"stay-%d" % number, b"0"])
        for _ in range(100):
            assert dealer.poll(5000) and dealer.recv_multipart()[0] in (b"welcome", b"ping")
        suite.start("sampler")
        suite.await_service("sampler")
        assert len(services_of(suite)) <= 64
        assert "service.fake-0.health" not in topics_of(suite)
        dealer.close()


def start_limited(suite, name, soft, hard):
    with open(suite.log_path(name), "a") as log:
        suite.processes[name] = subprocess.Popen(
            [os.path.join(BIN, f"mlx-{name}")], env=suite.environment, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))


def connect_unix(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(path)
    return client


def crowd(suite, count, kind="subscribe"):
    """COUNT bare connections; some may be closed at once."""
    clients = []
    for _ in range(count):
        try:
            clients.append(connect_unix(f"{suite.run_dir}/{kind}.sock"))
        except OSError:
            pass
    return clients


def test_local_readers_do_not_use_up_the_descriptors():
    for soft, hard, count in ((64, 64, 100), (128, 4096, 300), (128, 128, 300), (48, 48, 200)):
        with Suite() as suite:
            start_limited(suite, "bus", soft, hard)
            services_of(suite, 20)
            readers = []
            context = zmq.Context()
            context.set(zmq.MAX_SOCKETS, 4096)
            for _ in range(count):
                reader = context.socket(zmq.SUB)
                reader.setsockopt(zmq.LINGER, 0)
                reader.setsockopt_string(zmq.SUBSCRIBE, "")
                reader.connect(suite.endpoint("subscribe"))
                readers.append(reader)
            crowds = [crowd(suite, count, kind) for kind in ("publish", "subscribe", "command")]
            still_there(suite)
            if hard > 1000:
                for reader in readers:
                    assert reader.poll(10000), "a reader for whom there is room gets nothing"
            context.destroy(linger=0)
            for clients in crowds:
                for client in clients:
                    client.close()
            assert services_of(suite, 20)["bus"]["connected"]
            still_there(suite)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_silent_connections_of_other_machines_keep_no_one_out():
    for soft, hard, count in ((256, 4096, 600), (256, 256, 1010), (64, 64, 200)):
        port = free_port()
        with Suite(config=f"bus: {{tcp: ['tcp://127.0.0.1:{port}']}}\n") as suite:
            suite.ctl("keys", "init")
            os.makedirs(f"{suite.directory}/.config/mlx/keys/allowed", exist_ok=True)
            start_limited(suite, "bus", soft, hard)
            services_of(suite, 20)
            clients = []
            for _ in range(count):
                client = socket.socket()
                client.settimeout(5)
                try:
                    client.connect(("127.0.0.1", port))
                    clients.append(client)
                except OSError:
                    client.close()
            reader = suite.subscribe("")
            assert reader.next(10), "a local client gets nothing"
            assert services_of(suite)["bus"]["connected"]
            still_there(suite)
            for client in clients:
                client.close()
            reader.close()
            assert services_of(suite)["bus"]["connected"]


def processor_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_gateway_rests_without_descriptors():
    for limit, count in ((64, 150), (40, 60)):
        port = free_port()
        with Suite("bus", config=f"gateway: {{listen: '127.0.0.1:{port}'}}\n") as suite:
            start_limited(suite, "gateway", limit, limit)
            suite.await_service("gateway")
            clients = []
            for _ in range(count):
                client = socket.socket()
                client.settimeout(5)
                client.connect(("127.0.0.1", port))
                clients.append(client)
            before = processor_seconds(suite.processes["gateway"])
            begin = time.monotonic()
            while time.monotonic() - begin < 4:
                clients[0].settimeout(4.1 - (time.monotonic() - begin))
                try:
                    clients[0].recv(1)
                except OSError:
                    break
            used = processor_seconds(suite.processes["gateway"]) - before
            assert used <= 1, f"{used:.1f} s of processor in 4 s"
            for client in clients:
                client.close()
            deadline = time.monotonic() + 5
            while not fetch(port, deadline - time.monotonic()):
                assert time.monotonic() < deadline, "nobody is served"
            still_there(suite, "gateway")


def fetch(port, timeout):
    with socket.socket() as client:
        client.settimeout(max(0.1, timeout))
        try:
            client.connect(("127.0.0.1", port))
            client.sendall(f"GET /api/status HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
            return client.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False


def test_a_restart_takes_no_pid_that_is_none():
    """A broker that answers nonsense: kill(-1) would end everything."""
    with Suite() as suite:
        router = suite.context.socket(zmq.ROUTER)
        router.setsockopt(zmq.LINGER, 0)
        router.bind(suite.endpoint("command"))
        silent = suite.context.socket(zmq.PUB)
        silent.bind(suite.endpoint("subscribe"))
        for pid in (-1, 0, 1, -os.getpid(), 2**31, 2**32 + os.getpid(), -2**63):
            process = subprocess.Popen([f"{BIN}/mlxctl", "services", "restart", "sampler"], env=suite.environment,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            deadline = time.monotonic() + 30
            while process.poll() is None:
                assert time.monotonic() < deadline, pid
                if router.poll(100):
                    client, verb, *rest = router.recv_multipart()
                    if verb == b"call":
                        router.send_multipart([client, b"done", rest[1], msgpack.packb({"services": [
                            {"name": "sampler", "connected": True, "pid": pid}]})])
            said = process.stderr.read()
            assert process.returncode == 1 and "does not know which process" in said, (pid, process.returncode, said)
            process.stderr.close()


def test_a_restart_signals_the_service_and_no_one_else():
    with Suite("bus", "sampler") as suite:
        suite.await_service("sampler")
        victim = subprocess.Popen(["sleep", "600"])
        pids = [2**32 - 1, victim.pid, 2**32 + victim.pid, 2**32, -victim.pid, os.getpid(), 1,
                -2**32 - 1, 0, -1]
        publisher = suite.publisher()
        for number, pid in enumerate(pids):
            publisher.send_multipart([b"service.victim.health", envelope(
                "victim", number + 1, {"state": "up", "pid": pid}, host=os.uname().nodename)])
            result = suite.ctl("services", "restart", "victim", check=False)
            assert result.returncode == 3, result
            assert victim.poll() is None
            if number:
                continue
            # A process of ours that registers under a name is still no program of that name.
            dealer = suite.context.socket(zmq.DEALER)
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(suite.endpoint("command"))
            dealer.send_multipart([b"ready", b"recorder", b"0"])
            assert dealer.poll(5000) and dealer.recv_multipart()[0] == b"welcome"
            result = suite.ctl("services", "restart", "recorder", check=False)
            assert result.returncode == 1 and "not a mlx-recorder" in result.stderr, result
            dealer.close()
        for number, pid in enumerate(pids):
            publisher.send_multipart([b"service.sampler.health", envelope(
                "sampler", number + 1, {"state": "up", "pid": pid}, host=os.uname().nodename)])
        for name in ("*", "sampler bus", "../sampler", "sampler.service", "sampler/x"):
            result = suite.ctl("services", "restart", name, check=False)
            assert result.returncode == 2 and "not a valid service name" in result.stderr, result
        suite.ctl("services", "restart", "sampler")
        assert suite.processes["sampler"].wait(20) == 0
        assert victim.poll() is None
        victim.kill()
        victim.wait()
        publisher.close()


# Texts that must reach no terminal as they are.
NASTY = ["\x1b]0;PWNED\x07", "a\x1b[2J\x1b[31mPWNED", "a\nPWNED up 1 2 3", "a\rPWNED",
         "a\x7f\bPWNED", "a\x0b\f\x0ePWNED", "x" * 80 + "\x1b[5mPWNED", "a\x9b31mPWNED",
         "a\u202egpj.PWNED", "a\u2028PWNED", "a\x85PWNED"]


def filled(fields, text):
    """A value for every field of the catalogue, TEXT for the strings."""
    scalars = {"bool": True, "int": 1, "real": 0.5, "string": text}
    data = {}
    for field in fields:
        if field["type"] == "map":
            data[field["key"]] = filled(field["fields"], text) if "fields" in field else {text: text}
        elif field["type"] == "list":
            data[field["key"]] = [filled(field["fields"], text) if "fields" in field else text]
        else:
            data[field["key"]] = scalars[field["type"]]
    return data


def assert_clean(output, command):
    bad = {c for c in output if (ord(c) < 0x20 and c != "\n") or 0x7f <= ord(c) <= 0x9f
           or c in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
    assert not bad, f"{command}: {bad!r} in {output!r}"
    own = [line for line in output.split("\n") if line.startswith("PWNED")]
    assert not own, f"{command}: {own}"


def assert_agents_read_clean(suite):
    """What an agent gets: lines that are JSON, and texts that may be shown on a terminal."""
    names = ("what_runs", "machine", "findings", "why_slow", "suite_health")
    lines = [{"method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                                                 "clientInfo": {"name": "x", "version": "1"}}},
             *({"method": "tools/call", "params": {"name": name, "arguments": {}}} for name in names)]
    said = subprocess.run([os.path.join(BIN, "mlxctl"), "mcp"], env=suite.environment, timeout=60, text=True,
                          input="".join(json.dumps({"jsonrpc": "2.0", "id": number, **line}) + "\n"
                                        for number, line in enumerate(lines)), capture_output=True, check=True)
    assert_clean(said.stdout + said.stderr, "mcp")
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(answers) == len(lines), answers
    for answer in answers:
        for part in answer.get("result", {}).get("content", []):
            assert_clean(part["text"], "mcp")


def test_no_byte_of_the_bus_reaches_a_terminal_unclean():
    host = os.uname().nodename
    with Suite("bus") as suite:
        catalogue = suite.catalogue()
        publisher = suite.publisher()
        dealer = suite.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(suite.endpoint("command"))
        dealer.send_multipart([b"ready", b"x", b"0"])
        assert dealer.poll(5000) and dealer.recv_multipart()[0] == b"welcome"
        suite.environment["LC_ALL"] = "C.UTF-8"
        number = 0
        for text in NASTY:
            sent = set()
            for topic in catalogue["topics"]:
                name = ".".join("x" if part.startswith("<") else part
                                for part in topic["topic"].split("."))
                number += 1
                publisher.send_multipart([name.encode(), envelope(
                    "x", number, filled(topic["fields"], text), host=host)])
                sent |= {name} if topic["retained"] else set()
            publisher.send_multipart([text.encode(), b"refused"])
            deadline = time.monotonic() + 10
            while not sent <= topics_of(suite):
                assert time.monotonic() < deadline
            more = (["status", "--all"], ["watch", "--count", "20"], ["history", "list"],
                    ["status", "--host", text], ["services", "restart", text], ["models"], ["alerts"],
                    ["findings"], ["findings", "--json"], ["doctor"], ["energy"], ["models", text])
            for command in (["status"], ["status", "--json"], ["services"], ["services", "--json"],
                            *(more if text in NASTY[::4] else ())):
                result = suite.ctl(*command, check=False)
                assert_clean(result.stdout + result.stderr, command)
            for form in ("plain", "waybar", "i3blocks", "swiftbar", "json"):
                bar = subprocess.run([os.path.join(BIN, "mlx-menubar"), "--format", form, "--once"],
                                     env=suite.environment, capture_output=True, text=True,
                                     timeout=30)
                assert_clean(bar.stdout + bar.stderr, form)
            if text in NASTY[::4]:
                assert_agents_read_clean(suite)
            assert_clean(suite.log("bus"), "log")
        publisher.close()
        dealer.close()


def test_a_forged_number_silences_nobody():
    host = os.uname().nodename
    with Suite("bus", "sampler", "recorder", config="sampler: {rate_hz: 10}\n") as suite:
        reader = suite.subscribe("sensor.cpu")
        boot = reader.until(lambda *_: True, 10)[1]["boot"]
        suite.await_service("recorder")
        publisher = suite.publisher()
        watch = subprocess.Popen([os.path.join(BIN, "mlxctl"), "watch", "sensor.cpu"],
                                 env=suite.environment, stdout=subprocess.PIPE, text=True)
        assert watch.stdout.readline()
        for seq in (2**62, 2**63 - 1, 2**53, 2**53 + 1, 1, 2**53 - 1, 1, 900000, 0, -1, -2**63):
            publisher.send_multipart([b"sensor.cpu", envelope("sampler", seq, {"load1": 77.0}, host,
                                                              boot)])
        for _ in range(40):
            message = json.loads(watch.stdout.readline())
            if message["seq"] < 800000 and message["d"].get("load1") != 77.0:
                break
        else:
            raise AssertionError("the reader sees no genuine value any more")
        watch.terminate()
        watch.wait(10)
        health = suite.subscribe("service.recorder.health")
        for _ in range(2):
            body = health.until(lambda _t, b: b["d"]["state"] == "up", 15)[1]
        assert body["d"]["drops"] < 10**9, body
        for used in (reader, health, publisher):
            used.close()


def test_every_command_has_a_deadline():
    with Suite("bus") as suite:
        suite.await_service("bus")
        os.kill(suite.processes["bus"].pid, signal.SIGSTOP)
        # It takes no connection any more, once those that the kernel keeps for it are full.
        waiting = []
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            try:
                client.connect(f"{suite.run_dir}/subscribe.sock")
            except BlockingIOError:
                break
        commands = [[os.path.join(BIN, "mlxctl"), *command] for command in (
            ["status"], ["services"], ["services", "restart", "sampler"], ["history", "list"],
            ["bench"], ["watch"], ["top"])]
        commands.append([os.path.join(BIN, "mlx-menubar"), "--format", "plain", "--once"])
        running = [subprocess.Popen(command, env=suite.environment, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for command in commands]
        try:
            for command, process in zip(commands, running):
                status = process.wait(12)
                assert status == 4 or "menubar" in command[0], f"{command}: {status}"
        finally:
            for process in running:
                process.kill()
                process.wait()
            os.kill(suite.processes["bus"].pid, signal.SIGCONT)
            for client in waiting:
                client.close()


# Envelopes and fields at the ends of their range.
LEAST, GREATEST = -2**63, 2**63 - 1
EXTREMES = [
    ("sensor.cpu", {"t": LEAST}, {"utilization": 0.5}),
    ("sensor.memory", {"t": GREATEST}, {"used": 5}),
    ("sensor.memory", {"t": 253402300800 * 10**6}, {"used": GREATEST, "total": LEAST}),
    ("bench.result", {}, {"model": "m", "t": LEAST}),
    ("runtime.ollama.e.models", {}, {"reachable": True, "models": [
        None, 5, {"name": "m", "size": LEAST, "vram": GREATEST, "context": LEAST,
                  "expires_at": LEAST}]}),
    ("runtime.ollama.e.activity", {}, {"busy": True, "last": {"t": GREATEST}, "running": [[]]}),
    ("sensor.gpu.0", {}, {"memory_used": 1e300, "memory_total": -1e300, "utilization": 1e308,
                          "power": -1e308, "temperature": 1e19}),
    ("sensor.gpu.1", {}, {"memory_used": float("nan"), "utilization": float("inf")}),
    ("alert.a", {}, {"state": "firing", "since": GREATEST, "value": 1e308}),
    ("cache.progress", {}, {"model": "m", "done": GREATEST, "total": LEAST, "rate": 1e308,
                            "eta": -1e308}),
    ("service.bad.health", {}, {"state": {}, "reason": ["x"], "pid": "x", "uptime": []}),
    ("cache.status", {}, {"bytes": LEAST, "saved": GREATEST, "models": 7}),
]


def test_extremes_end_nothing():
    host = os.uname().nodename
    services = ("bus", "recorder", "gateway")
    port = free_port()
    with Suite(*services, config=f"gateway: {{listen: '127.0.0.1:{port}'}}\n") as suite:
        for name in services:
            suite.await_service(name)
        publisher = suite.publisher()
        now = int(time.time() * 1e6)
        for number, (topic, changes, data) in enumerate(EXTREMES):
            body = {"v": 1, "host": host, "src": "s", "boot": "b", "seq": number + 1, "t": now,
                    "d": data, **changes}
            publisher.send_multipart([topic.encode(), msgpack.packb(body)])
        reader = suite.subscribe("alert.a")
        reader.until(lambda *_: True, 10)
        suite.ctl("status")
        suite.ctl("services")
        subprocess.run([os.path.join(BIN, "mlx-menubar"), "--format", "plain", "--once"],
                       env=suite.environment, check=True, timeout=30, stdout=subprocess.DEVNULL)
        assert fetch(port, 5)
        for name in services:
            still_there(suite, name)
        publisher.close()
        reader.close()


def test_a_bad_host_name_is_an_error_with_its_line():
    for host, good in (("Alice Mac", False), ("alice\tmac", False), ("a" * 200, False), ("", False),
                       ("b" * 129, False), ("studio", True), ("Mac-Pro.local", True)):
        with Suite(config="# a line before\nhost: " + json.dumps(host) + "\n") as suite:
            result = suite.ctl("config", check=False)
            assert (result.returncode == 0) == good, result
            if not good:
                assert result.returncode == 2 and "config.yaml:2:" in result.stderr, result
                bus = subprocess.run([os.path.join(BIN, "mlx-bus")], env=suite.environment,
                                     capture_output=True, text=True, timeout=20)
                assert bus.returncode == 2 and "config.yaml:2:" in bus.stderr, bus
        with Suite() as suite:
            suite.environment["MLX_HOST"] = host
            result = suite.ctl("config", check=False)
            assert good or not host or (result.returncode == 2 and "MLX_HOST" in result.stderr), \
                result


TESTS = [test_no_name_from_outside_ends_the_broker,
         test_the_last_value_of_a_stranger_goes_with_him,
         test_only_who_registered_can_be_down,
         test_fake_services_make_room_for_real_ones,
         test_local_readers_do_not_use_up_the_descriptors,
         test_silent_connections_of_other_machines_keep_no_one_out,
         test_the_gateway_rests_without_descriptors,
         test_a_restart_takes_no_pid_that_is_none, test_a_restart_signals_the_service_and_no_one_else,
         test_no_byte_of_the_bus_reaches_a_terminal_unclean,
         test_every_command_has_a_deadline,
         test_a_forged_number_silences_nobody, test_extremes_end_nothing,
         test_a_bad_host_name_is_an_error_with_its_line]

run(*[test for test in TESTS if not sys.argv[1:] or test.__name__ in sys.argv[1:]])

"""What neighbours may cost the bus: memory, answers, readers' messages. The inputs are larger than the limits.

    test_budgets.py [NAME...]     only the tests of these names
"""
import json
import os
import shutil
import sqlite3
import sys
import threading
import time
import urllib.request

import zmq

from suite import Suite, envelope, run

MB = 1000000
HOST = os.uname().nodename


def wait_for(condition, timeout, what):
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return result


def kept(suite, topic):
    return any(message["topic"] == topic for message in suite.last_values(topic))


def publish(publisher, topic, source, data, number=1, **options):
    publisher.send_multipart([topic.encode(), envelope(source, number, data, host=HOST, **options)])


def test_a_full_table_is_answered():
    for values in ([{"x": "x" * 600000}] * 2, [{f"f{i}": i for i in range(30)}] * 3000,
                   [{"x": [0] * 65000}] * 3, [{"x": "x" * 1048300}, {"x": "y"}],
                   [{"x": [[[[[[[[[[[[[1]]]]]]]]]]]]]}, {"x": "y"}]):
        with Suite("bus", config="bus: {retain_gone_s: 600}\n") as suite:
            suite.await_service("bus")
            publisher = suite.publisher()
            for number, data in enumerate(values):
                publish(publisher, f"alert.v{number}", "many", data, number + 1)
            last = f"alert.v{len(values) - 1}"
            wait_for(lambda: kept(suite, last), 10, "the last value is not there")
            for command in (["status"], ["services"], ["status", "--json"], ["status", "--all"]):
                begin = time.monotonic()
                result = suite.ctl(*command)
                assert time.monotonic() - begin < 12, f"{command} takes too long"
                assert "bus" in result.stdout or command[0] == "status", result.stdout
            shown = {m["topic"] for m in json.loads(suite.ctl("status", "--json").stdout)["messages"]}
            assert last in shown and "service.bus.health" in shown, sorted(shown)[:5]
            publisher.close()


def test_a_fleet_of_a_hundred_hosts_is_shown():
    with Suite("bus", config="bus: {retain_gone_s: 600}\n") as suite:
        publisher = suite.publisher()
        for host in range(100):
            for number in range(40):
                name = (f"sensor.gpu.{number}", f"runtime.ollama.e{number}.models",
                        f"service.s{number}.health")[number % 3]
                data = ({"utilization": 0.5, "name": "g" * 40, "memory_used": 10**10},
                        {"reachable": True, "models": [{"name": "m" * 30, "size": 10**9}] * 8},
                        {"state": "up", "version": "1"})[number % 3]
                publisher.send_multipart([name.encode(), envelope(
                    f"s{number % 7}", number + 1, data, host=f"host-{host}")])
        wait_for(lambda: len(suite.last_values()) >= 4000, 15, "the fleet is not there")
        hosts = json.loads(suite.ctl("status", "--all", "--json").stdout)
        text = suite.ctl("status", "--all").stdout
        assert all(f"host-{host}" in text for host in range(100)), text[-2000:]
        assert "host-99" in json.dumps(hosts)
        suite.ctl("services")
        publisher.close()


def test_last_values_have_a_budget():
    with Suite("bus", config="bus: {retain_gone_s: 8}\n") as suite:
        suite.await_service("bus")
        honest, greedy = suite.publisher(), suite.publisher()
        before = suite.memory("bus")
        publish(honest, "alert.honest", "honest", {"summary": "early"})
        for number in range(300):
            # Other names do not make him another.
            publish(greedy, f"alert.g{number}", f"greedy{number % 100}", {"x": "x" * MB}, number + 1)
            if number == 150:
                publish(honest, "alert.newcomer", "honest", {"summary": "late"}, 2)
        wait_for(lambda: kept(suite, "alert.g299"), 20, "the newest value is not kept")
        used = suite.memory("bus") - before
        assert used < 160 * MB, f"{used / MB:.0f} MB"
        # One process is the other's neighbour only if it has a process of its own: here both are this.
        left = {m["topic"] for m in suite.last_values("alert.g")}
        assert "alert.g299" in left and len(left) <= 26, sorted(left)
        assert "last values were dropped" in wait_for(lambda: suite.log("bus"), 3, "nothing is said")
        honest.close()
        greedy.close()
        wait_for(lambda: suite.memory("bus") - before < 60 * MB, 20, "memory is not given back")


def test_a_greedy_process_costs_no_other_its_values():
    with Suite("bus", "sampler", config="bus: {retain_gone_s: 600, retain_mb: 8}\n") as suite:
        suite.await_service("sampler")
        greedy = suite.publisher()
        for number in range(6000):
            publish(greedy, f"alert.g{number}", f"g{number}", {"x": "x" * 5000}, number + 1,
                    boot=f"b{number}")
        wait_for(lambda: kept(suite, "alert.g5999"), 20, "the newest value is not kept")
        topics = {m["topic"] for m in suite.last_values()}
        assert {"sensor.cpu", "sensor.memory", "service.sampler.health"} <= topics, sorted(topics)[:9]
        greedy.close()


def test_the_gateway_has_a_budget():
    port = free_port()
    with Suite("bus", "gateway", config=f"gateway: {{listen: '127.0.0.1:{port}'}}\n"
               "bus: {retain_gone_s: 2}\n") as suite:
        suite.await_service("gateway")
        publisher, honest = suite.publisher(), suite.publisher()
        publish(honest, "alert.early", "honest", {"state": "firing", "summary": "early"})
        before, most = suite.memory("gateway"), 0
        for number in range(int(os.environ.get("MLX_TEST_RETAINED", 150))):
            publish(publisher, f"alert.g{number}", f"g{number % 50}", {"x": "x" * MB}, number + 1)
            if number % 25 == 0:
                most = max(most, suite.memory("gateway") - before)
        publish(honest, "alert.late", "honest", {"state": "firing", "summary": "late"}, 2)

        def shown():
            nonlocal most
            most = max(most, suite.memory("gateway") - before)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status", timeout=30) as reply:
                return {m["topic"] for m in json.load(reply)["messages"]} >= {"alert.late", "alert.early"}

        wait_for(shown, 30, "a newcomer's value is not shown")
        assert most < 240 * MB, f"{most / MB:.0f} MB"
        wait_for(lambda: suite.memory("gateway") - before < 100 * MB, 34, "memory is not given back")
        publisher.close()
        honest.close()
        return f"at most {most / MB:.0f} MB"


def drain(reader, last, got, problems):
    try:
        while not got or got[-1] < last:
            message = reader.next(20)
            if message is None:
                raise AssertionError(f"nothing after {len(got)} messages")
            if message[0] == "bench.progress":
                got.append(message[1]["seq"])
    except Exception as problem:  # told by the test's own thread
        problems.append(problem)


def test_a_reader_that_does_not_read_costs_no_other():
    with Suite("bus") as suite:
        suite.await_service("bus")
        idle = suite.subscribe("bench.", hwm=1)
        reader = suite.subscribe("bench.", hwm=0)
        publisher = suite.publisher()
        publish(publisher, "bench.progress", "p", {})
        assert reader.next(10)
        before = suite.memory("bus")
        got, problems, most = [], [], 0
        thread = threading.Thread(target=drain, args=(reader, 501, got, problems))
        thread.start()
        for number in range(500):
            publish(publisher, "bench.progress", "p", {"x": "x" * MB}, number + 2)
            if number % 20 == 0:
                most = max(most, suite.memory("bus") - before)
        while thread.is_alive():
            thread.join(0.1)
            most = max(most, suite.memory("bus") - before)
        assert not problems, problems
        assert got == list(range(2, 502)), f"{len(got)} of 500"
        assert most < 200 * MB, f"{most / MB:.0f} MB"
        assert "fetched nothing" in suite.log("bus")
        for used in (idle, reader, publisher):
            used.close()
        return f"at most {most / MB:.0f} MB"


def test_a_flood_of_subscriptions_costs_no_reader_a_message():
    count = int(os.environ.get("MLX_TEST_SUBSCRIPTIONS", 30000))
    with Suite("bus", "sampler", "recorder", config="sampler: {rate_hz: 10}\n") as suite:
        suite.await_service("sampler")
        suite.await_service("recorder")
        publisher = suite.publisher()
        for number in range(1000):
            publish(publisher, f"alert.v{number}", "many", {"state": "ok"}, number + 1)
        wait_for(lambda: kept(suite, "alert.v999"), 10, "values are not kept")
        reader = suite.subscribe("sensor.")
        first = reader.until(lambda *_: True, 10)[1]
        flood = suite.context.socket(zmq.XSUB)
        flood.setsockopt(zmq.LINGER, 0)
        flood.setsockopt(zmq.SNDHWM, 0)
        flood.connect(suite.endpoint("subscribe"))
        begin = time.monotonic()
        for number in range(count):
            flood.send(b"\x01" + (b"" if number % 2 else b"alert.v%d" % (number % 1000)))
        # The newcomer gets its values all the same, and so does one who comes now.
        for late in (flood, suite.subscribe("").socket):
            topics = set()
            while "service.bus.health" not in topics or not any(t.startswith("alert.") for t in topics):
                assert late.poll(10000), "no last values"
                topics.add(late.recv_multipart()[0].decode())
        wait_for(lambda: suite.call("bus", "bus.services")[0] == b"done", 10, "no answer")
        took = time.monotonic() - begin
        last = reader.until(lambda _t, b: b["t"] > first["t"] + 3 * 10**6, 10)[1]
        health = suite.subscribe("service.")
        health.until(lambda t, b: t == "service.recorder.health" and b["t"] > last["t"], 10)
        drops = suite.last_values("service.recorder.")[0]["d"]["drops"]
        assert drops == 0, f"{drops} messages are lost"
        return f"{count} subscriptions in {took:.1f} s, {drops} drops"


def history(suite):
    return os.path.join(suite.directory, "state", "history.db")


def recorded(suite, field, value):
    verb, body = suite.call("recorder", "history.export", {"series": f"sensor.cpu/{field}"})
    return verb == b"done" and any(row[1] == value for row in body["rows"])


def test_a_history_that_is_taken_away_is_made_again():
    def moved(path):
        os.rename(path, path + ".mine")

    def replaced(path):
        sqlite3.connect(path + ".other").close()
        open(path + ".other", "w").close()
        os.rename(path + ".other", path)

    def folder(path):
        shutil.rmtree(os.path.dirname(path))

    for take in (os.unlink, moved, replaced, folder):
        with Suite("bus", "recorder", config="recorder: {flush_s: 0.5}\n") as suite:
            suite.await_service("recorder")
            publisher = suite.publisher()
            publish(publisher, "sensor.cpu", "s", {"load1": 1.0})
            wait_for(lambda: recorded(suite, "load1", 1.0), 10, "nothing is recorded")
            inode = os.stat(history(suite)).st_ino
            begin = time.monotonic()
            take(history(suite))
            health = wait_for(lambda: (h := suite.last_values("service.recorder.")[0]["d"])["state"] != "up"
                              and h, 5, f"{take.__name__} is not noticed")
            assert "history.db was" in health["reason"], health
            took = time.monotonic() - begin
            assert os.stat(history(suite)).st_ino != inode
            publish(publisher, "sensor.cpu", "s", {"load1": 2.0}, 2)
            wait_for(lambda: recorded(suite, "load1", 2.0), 10, "nothing is recorded any more")
            suite.stop("recorder")
            suite.start("recorder")
            suite.await_service("recorder")
            assert recorded(suite, "load1", 2.0)
            # What was before is there too, or in the copy beside the file that somebody put there.
            saved = [name for name in os.listdir(os.path.dirname(history(suite))) if ".saved-" in name]
            assert recorded(suite, "load1", 1.0) or (take is replaced and len(saved) == 1), saved
            publisher.close()
    return f"noticed after {took:.1f} s"


def test_a_run_directory_that_is_cleaned_ends_in_a_restart():
    port = free_port()
    for what in ("subscribe.sock", "command.sock", ""):
        with Suite(config=f"bus: {{tcp: ['tcp://127.0.0.1:{port}']}}\n") as suite:
            suite.ctl("keys", "init")
            suite.ctl("keys", "allow", "--", "first", zmq.curve_keypair()[0].decode())
            suite.start("bus")
            suite.await_service("bus")
            begin = time.monotonic()
            if what:
                os.unlink(os.path.join(suite.run_dir, what))
            else:
                shutil.rmtree(suite.run_dir)
            # 2 and 75 are the states that a service manager leaves alone.
            assert suite.processes.pop("bus").wait(5) == 1
            took = time.monotonic() - begin
            assert "was removed" in suite.log("bus")
            suite.start("bus")
            suite.await_service("bus")
    return f"after {took:.1f} s"


def test_made_up_series_go_again():
    with Suite("bus", "recorder", config="recorder: {flush_s: 0.5}\n") as suite:
        suite.await_service("recorder")
        publisher = suite.publisher()
        publish(publisher, "sensor.cpu", "s", {"load1": 1.0})
        for number in range(4500):
            publish(publisher, f"sensor.gpu.{number}", "junk", {"power": 1.0}, number + 1)
        number = 1

        def shown():
            nonlocal number
            number += 1
            publish(publisher, "sensor.cpu", "s", {"load1": 5.0, "load5": 5.0}, number)
            return recorded(suite, "load5", 5.0)

        wait_for(shown, 25, "a new series is not recorded")
        assert recorded(suite, "load1", 5.0)
        wait_for(lambda: "to make room for others" in suite.log("recorder"), 5, "nothing is said")
        wait_for(lambda: suite.last_values("service.recorder.")[0]["d"]["state"] == "up", 10, "not up")
        suite.stop("recorder")
        suite.start("recorder")
        suite.await_service("recorder")
        assert recorded(suite, "load5", 5.0)
        publisher.close()


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """Another machine that reads over CURVE, with keys of its own."""

    def __init__(self, suite, name, port):
        self.suite, self.name, self.port = suite, name, port
        self.public, self.secret = zmq.curve_keypair()
        suite.ctl("keys", "allow", "--", name, self.public.decode())
        self.connect()

    def connect(self):
        suite, port = self.suite, self.port
        server = suite.ctl("keys", "show").stdout.strip()
        self.socket = suite.context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.curve_publickey, self.socket.curve_secretkey = self.public, self.secret
        self.socket.curve_serverkey = server.encode()
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.socket.subscribe(b"")

    def hears(self, timeout):
        """Does a message come that was not there before?"""
        while self.socket.poll(0):
            self.socket.recv_multipart()
        return bool(self.socket.poll(timeout * 1000))

    def was_cut_off(self, timeout=0):
        return bool(self.monitor.poll(timeout * 1000))


def test_a_denied_key_ends_its_connections():
    port = free_port()
    with Suite(config=f"bus: {{tcp: ['tcp://127.0.0.1:{port}']}}\n") as suite:
        suite.ctl("keys", "init")
        suite.ctl("keys", "allow", "--", "first", zmq.curve_keypair()[0].decode())
        suite.start("bus")
        suite.await_service("bus")
        one, two, three = (Machine(suite, name, port) for name in ("one", "two", "three"))
        for machine in (one, two, three):
            assert machine.hears(10), f"{machine.name} hears nothing"
        begin = time.monotonic()
        said = json.loads(suite.ctl("keys", "deny", "one", "--json").stdout)
        assert said == {"ended": 1}, said
        assert one.was_cut_off(3), "the connection goes on"
        took = time.monotonic() - begin
        # A key that is removed from the folder, not by the command.
        os.unlink(os.path.join(suite.directory, "keys/allowed/two.key"))
        assert two.was_cut_off(3), "the connection goes on"
        assert not one.hears(3) and three.hears(4) and not three.was_cut_off()
        suite.ctl("keys", "allow", "--", "one", one.public.decode())
        one.connect()
        assert one.hears(10), "who is allowed again does not come in"
        assert "0" in suite.ctl("keys", "deny", "first").stdout
        return f"{took:.2f} s"


TESTS = [test_a_full_table_is_answered, test_a_fleet_of_a_hundred_hosts_is_shown,
         test_last_values_have_a_budget, test_a_greedy_process_costs_no_other_its_values,
         test_the_gateway_has_a_budget, test_a_reader_that_does_not_read_costs_no_other,
         test_a_flood_of_subscriptions_costs_no_reader_a_message,
         test_a_denied_key_ends_its_connections,
         test_a_run_directory_that_is_cleaned_ends_in_a_restart,
         test_a_history_that_is_taken_away_is_made_again, test_made_up_series_go_again]

run(*[test for test in TESTS if not sys.argv[1:] or test.__name__ in sys.argv[1:]])

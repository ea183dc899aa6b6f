"""The broker from outside: late joiners, slow readers, hostile input, other machines."""
import os
import socket
import subprocess
import time

import msgpack
import zmq

from suite import BIN, Suite, answer, envelope, run


def test_late_joiner_has_every_last_value_at_once():
    topics = [f"sensor.gpu.{number}" for number in range(200)]
    with Suite("bus") as suite:
        publisher = suite.publisher()
        watcher = suite.subscribe("sensor.gpu.199")
        for number, topic in enumerate(topics):
            publisher.send_multipart([topic.encode(),
                                      envelope("sampler", number + 1, {"utilization": 0.5})])
        watcher.until(lambda *_: True, 10)
        times = []
        for _ in range(21):
            begin = time.monotonic()
            reader = suite.subscribe("sensor.")
            missing = set(topics)
            while missing:
                topic, _body = reader.until(lambda *_: True, 5)
                missing.discard(topic)
            times.append((time.monotonic() - begin) * 1000)
            reader.close()
        # Other tests share the processors: the median is what the broker does.
        times.sort()
        assert times[10] < 50, f"{times} ms"
        publisher.close()
        watcher.close()
        return f"200 topics, median of 21 joiners {times[10]:.1f} ms, slowest {times[-1]:.1f} ms"


def test_a_stalled_subscriber_slows_no_one():
    count = 60000
    with Suite("bus") as suite:
        stalled = suite.subscribe("sensor.", hwm=10)
        reader = suite.subscribe("sensor.", hwm=0)
        publisher = suite.publisher()
        publisher.send_multipart([b"sensor.cpu", envelope("s", 1, {})])
        reader.until(lambda *_: True, 5)
        stalled.until(lambda *_: True, 5)
        before = suite.memory("bus")
        body = envelope("s", 2, {"utilization": 0.5})
        received, begin = 0, time.monotonic()
        for sent in range(count):
            publisher.send_multipart([b"sensor.cpu", body])
            if sent % 500 == 499:  # keep our own queue short, so that only the stalled one drops
                while reader.socket.poll(0):
                    reader.socket.recv_multipart()
                    received += 1
        while received < count and reader.next(2):
            received += 1
        seconds = time.monotonic() - begin
        assert received == count, f"{received} of {count}"
        grown = suite.memory("bus") - before
        assert grown < 32e6, f"the broker grew by {grown} bytes"
        publisher.close()
        stalled.close()
        reader.close()
        return f"{count / seconds:.0f} msg/s beside a stalled one, broker grew {grown / 1e6:.1f} MB"


def errors_of_bus(suite, reader):
    return reader.until(lambda topic, _b: topic == "service.bus.health", 10)[1]["d"]


def test_hostile_messages_are_refused_and_counted():
    good = envelope("s", 1, {})
    deep = b"\x91" * 100 + b"\x00"
    hostile = [
        [b"sensor.cpu", b""],
        [b"sensor.cpu", b"\x00"],
        [b"sensor.cpu", b"\xdf\xff\xff\xff\xff"],
        [b"sensor.cpu", deep],
        [b"sensor.cpu", good[:-1]],
        [b"sensor.cpu", good + b"\x00"],
        [b"sensor.cpu", msgpack.packb({"v": 1})],
        [b"sensor.cpu", msgpack.packb([1, 2, 3])],
        [b"sensor.cpu", msgpack.packb({"host": 5, "src": []})],
        [b"SENSOR CPU", good],
        [b"", good],
        [b"a" * 5000, good],
        [b"sensor.cpu"],
        [b"sensor.cpu", good, good],
        [b"sensor.cpu", b"\xda\xff\xff" + b"x" * 10],
        [b"sensor.cpu", bytes(10_000_000)],
    ]
    with Suite("bus") as suite:
        publisher = suite.publisher()
        reader = suite.subscribe("")
        reader.until(lambda topic, _b: topic == "service.bus.health", 10)
        before = suite.memory("bus")
        for _ in range(50):
            for frames in hostile:
                publisher.send_multipart(frames)
        publisher.send_multipart([b"sensor.cpu", envelope("s", 1, {"utilization": 0.25})])
        reader.until(lambda topic, b: topic == "sensor.cpu" and b["src"] == "s", 60)
        health = reader.until(lambda topic, b: topic == "service.bus.health" and
                              b["d"]["errors"] >= 50 * len(hostile), 10)[1]["d"]
        assert health["state"] == "up" and health["last_error"]
        assert health["errors"] == 50 * len(hostile), health["errors"]
        lines = [line for line in suite.log("bus").splitlines() if "warning" in line]
        assert len(lines) == 1, f"{len(lines)} lines for one kind:\n" + "\n".join(lines)
        grown = suite.memory("bus") - before
        assert grown < 64e6, f"the broker grew by {grown} bytes"
        publisher.close()
        reader.close()
        return f"{health['errors']} refused, one log line, grew {grown / 1e6:.1f} MB"


def test_hostile_commands_are_refused_and_counted():
    with Suite("bus") as suite:
        dealer = suite.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(suite.endpoint("command"))
        reader = suite.subscribe("service.bus.health")
        hostile = [[b""], [b"x"], [b"call"], [b"call", b"bus"], [b"done", b"r", b"1"],
                   [b"ready", b"BAD NAME", b"0"], [b"call", b"bus", b"i" * 1000, b"\x80"],
                   [b"call"] * 10, [b"\xff" * 100, b"\x00"]]
        for frames in hostile:
            dealer.send_multipart(frames)
        reader.until(lambda _t, b: b["d"]["errors"] >= len(hostile), 10)
        for body in (b"", b"\xc1", msgpack.packb({}), msgpack.packb({"cmd": 5}),
                     msgpack.packb({"cmd": "no.such"})):
            dealer.send_multipart([b"call", b"bus", b"7", body])
            frames = answer(dealer, 5)
            assert frames, f"no answer to {body!r}"
            verb, identity, reply = frames
            assert (verb, identity) == (b"error", b"7")
            assert msgpack.unpackb(reply)["code"] in ("usage", "not_found")
        dealer.send_multipart([b"call", b"bus", b"8", msgpack.packb({"cmd": "bus.services"})])
        assert answer(dealer, 5)[0] == b"done"
        dealer.close()
        reader.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_log(suite, words, timeout=30):
    deadline = time.monotonic() + timeout
    while words not in suite.log("bus"):
        assert time.monotonic() < deadline, f"{words} is not in {suite.log('bus')}"
        time.sleep(0.05)


def keys_of(suite):
    suite.ctl("keys", "init")
    return suite.ctl("keys", "show").stdout.strip()


def test_another_machine_reads_over_curve_and_only_if_allowed():
    port = free_port()
    with Suite(config=f"host: near\nbus: {{tcp: ['tcp://127.0.0.1:{port}']}}\n") as near:
        near_key = keys_of(near)
        peer = f"host: far\nbus: {{peers: [{{host: near, endpoint: 'tcp://127.0.0.1:{port}', " \
               f"key: '{near_key}'}}]}}\n"
        with Suite(config=peer) as far, Suite(config=peer.replace("far", "stranger")) as stranger:
            near.ctl("keys", "allow", "--", "far", keys_of(far))
            keys_of(stranger)
            for suite in (near, far, stranger):
                suite.start("bus")
            publisher = near.publisher()
            publisher.send_multipart([b"sensor.cpu", envelope("s", 1, {"load1": 1.5}, host="near")])
            reader = far.subscribe("sensor.")
            _topic, body = reader.until(lambda *_: True, 20)
            assert body["host"] == "near" and body["d"] == {"load1": 1.5}, body
            # What does not come from the peer itself is not taken from it.
            publisher.send_multipart([b"sensor.cpu", envelope("s", 1, {"load1": 9}, host="far")])
            publisher.send_multipart([b"sensor.cpu", envelope("s", 2, {"load1": 2.5}, host="near")])
            _topic, body = reader.until(lambda _t, b: b["d"] != {"load1": 1.5}, 10)  # which may be repeated
            assert body["d"] == {"load1": 2.5}, body
            outside = stranger.subscribe("sensor.")
            assert outside.next(1.5) is None, "a machine that is not allowed reads the bus"
            # Who is let in later, or again, comes in without being started anew.
            await_log(stranger, "near turned this machine's key away")
            near.ctl("keys", "allow", "--", "stranger", stranger.ctl("keys", "show").stdout.strip())
            assert outside.until(lambda _t, b: b["d"] == {"load1": 2.5}, 20), "who is allowed does not come in"
            near.ctl("keys", "deny", "far")
            await_log(far, "near turned this machine's key away")
            near.ctl("keys", "allow", "--", "far", far.ctl("keys", "show").stdout.strip())
            for number in range(3, 200):
                publisher.send_multipart([b"sensor.cpu", envelope("s", number, {"load1": number}, host="near")])
                message = reader.next(0.2)
                if message and message[1]["d"]["load1"] >= 3:
                    break
            else:
                raise AssertionError("who is allowed again does not come in")
            # Without CURVE nothing at all comes.
            plain = near.context.socket(zmq.SUB)
            plain.setsockopt(zmq.LINGER, 0)
            plain.setsockopt_string(zmq.SUBSCRIBE, "")
            plain.connect(f"tcp://127.0.0.1:{port}")
            assert not plain.poll(1000), "the bus talks without encryption"
            for used in (plain, publisher):
                used.close()
            reader.close()
            outside.close()


def test_a_second_broker_is_refused_and_a_stale_socket_taken_over():
    with Suite("bus") as suite:
        suite.subscribe("").until(lambda *_: True, 10)
        second = subprocess.run([os.path.join(BIN, "mlx-bus")], env=suite.environment,
                                capture_output=True, text=True, timeout=20)
        assert second.returncode == 75, second
        assert f"pid {suite.processes['bus'].pid}" in second.stderr
        suite.kill("bus")
        assert os.path.exists(f"{suite.run_dir}/subscribe.sock")
        assert suite.ctl("status", check=False).returncode == 4
        suite.start("bus")
        suite.subscribe("").until(lambda *_: True, 10)


run(test_late_joiner_has_every_last_value_at_once, test_a_stalled_subscriber_slows_no_one,
    test_hostile_messages_are_refused_and_counted, test_hostile_commands_are_refused_and_counted,
    test_another_machine_reads_over_curve_and_only_if_allowed,
    test_a_second_broker_is_refused_and_a_stale_socket_taken_over)

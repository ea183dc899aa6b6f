"""Calls end: where answers are larger than a message, queues are full, or there is as much to say as there can be."""
import time

import msgpack
import zmq

from suite import Suite, answer, envelope, run

HOST = "crowded"


def test_every_call_ends():
    with Suite("bus") as suite:
        service = suite.context.socket(zmq.DEALER)
        service.setsockopt(zmq.LINGER, 0)
        service.connect(suite.endpoint("command"))
        service.send_multipart([b"ready", b"large", b"0"])
        assert service.poll(5000) and service.recv_multipart()[0] == b"welcome"
        for verb in (b"done", b"error", b"progress"):
            caller = suite.context.socket(zmq.DEALER)
            caller.setsockopt(zmq.LINGER, 0)
            caller.connect(suite.endpoint("command"))
            caller.send_multipart([b"call", b"large", b"7", msgpack.packb({"cmd": "x"})])
            frames = [b""]
            while frames[0] != b"call":
                assert service.poll(5000)
                frames = service.recv_multipart()
            service.send_multipart([verb, frames[1], frames[2],
                                    msgpack.packb({"text": "x" * 1500000})])
            frames = answer(caller, 6)
            assert frames and frames[:2] == [b"error", b"7"], f"{verb} does not end the call: {frames}"
            assert "too large" in msgpack.unpackb(frames[2])["message"]
            caller.close()
        assert suite.call("bus", "x" * 1500000)[0] == b"error"
        service.close()


def asked(suite, name, hwm=1):
    """A service that registers as NAME and reads little ahead, and a caller that does the same."""
    sockets = []
    for _ in range(2):
        sockets.append(suite.context.socket(zmq.DEALER))
        sockets[-1].setsockopt(zmq.LINGER, 0)
        sockets[-1].setsockopt(zmq.RCVHWM, hwm)
        sockets[-1].connect(suite.endpoint("command"))
    sockets[0].send_multipart([b"ready", name, b"0"])
    assert sockets[0].poll(5000) and sockets[0].recv_multipart()[0] == b"welcome"
    return sockets


def next_of(socket, *verbs):
    """The next frames with one of VERBS, of those that come within a while; or None."""
    while frames := answer(socket, 8):
        if frames[0] in verbs:
            return frames
    return None


def test_calls_end_where_somebody_does_not_read():
    """With queues that are full at the service, then at the caller."""
    with Suite("bus", config="bus: {hwm: 10}\n") as suite:
        service, caller = asked(suite, b"idle")
        body = msgpack.packb({"cmd": "x", "args": {"text": "x" * 20000}})
        ids = {str(number).encode() for number in range(120)}
        for number in ids:
            caller.send_multipart([b"call", b"idle", number, body])
        frames = next_of(caller, b"error")
        assert frames and msgpack.unpackb(frames[2])["code"] == "busy", frames
        ids.remove(frames[1])
        both = zmq.Poller()
        both.register(caller, zmq.POLLIN)
        both.register(service, zmq.POLLIN)
        while ids:  # and those that it gets end when it reads on
            poller = dict(both.poll(8000))
            assert poller, f"{len(ids)} calls never end"
            frames = caller.recv_multipart() if caller in poller else [b""]
            ids -= {frames[1]} if frames[0] in (b"error", b"done") else set()
            frames = service.recv_multipart() if service in poller else [b""]
            if frames[0] == b"call":
                service.send_multipart([b"done", frames[1], frames[2], msgpack.packb({})])
        service.close()
        caller.close()
        service, caller = asked(suite, b"busy")
        caller.send_multipart([b"call", b"busy", b"7", body])
        route = next_of(service, b"call")[1]
        for verb in (*[b"progress"] * 200, b"done"):
            service.send_multipart([verb, route, b"7", body])
        service.send_multipart([b"ready", b"busy", b"0"])
        assert next_of(service, b"welcome"), "the broker hangs"  # and has seen all of that
        assert next_of(caller, b"done"), "the answer was lost"
        service.close()
        caller.close()


def crowd(suite, publisher):
    """As much as one machine may say: values of nearly a frame, thousands of names, a full table of services."""
    now, number = int(time.time() * 1e6), 0

    def say(topic, data):
        nonlocal number
        number += 1
        publisher.send_multipart([topic.encode(), envelope("crowd", number, data, host=HOST)])
    for server in range(4):
        say(f"runtime.openai.s{server}.models", {"kind": "openai", "reachable": True, "models": [
            {"name": f"{server}/{model}-" + "m" * 90, "size": 10**9} for model in range(5000)]})
        say(f"alert.long{server}", {"state": "firing", "summary": "long " * 100000, "value": 1.0})
        say(f"finding.long{server}", {"state": "firing", "summary": "long " * 100000, "remedy": "less"})
        say("cache.status", {"models_count": 4000, "models": [
            {"name": f"{model}" + "c" * 100, "size": 5} for model in range(4000)]})
    for request in range(800):
        say("runtime.openai.s0.request", {
            "id": f"{request}", "model": f"{request}-" + "m" * 150, "client": f"{request}-" + "c" * 150,
            "start": now - 2000000 - request, "end": now - 1000000 - request, "tokens": 9, "prompt_tokens": 5,
            "joules": 3.5, "duration": 1.0, "ttft": 0.1, "outcome": "ok"})
        say(f"sensor.gpu.{request}", {"utilization": 0.5, "memory_used": 1, "name": "g" * 100})
    services = [asked(suite, f"service-{n}".encode())[0] for n in range(55)]
    for n in range(55):
        say(f"service.service-{n}.health", {"state": "up", "version": "1", "last_error": "e" * 5000})
    return services


def test_the_largest_answers_end():
    """Each command of the catalogue that reads, and each of mlxctl, where there is as much as there can be."""
    changes = {"history.vacuum", "alert.silence", "alert.test"}
    arguments = {"requests.spread": {"measure": "latency"}, "energy.list": {"by": "model"}}
    more = [("recorder", "energy.list", {"by": "client"}), ("recorder", "requests.list", {"limit": 500}),
            ("recorder", "finding.list", {"limit": 500}), ("recorder", "bench.list", {"limit": 100})]
    with Suite("bus", "recorder", config=f"host: {HOST}\n") as suite:
        suite.await_service("recorder")
        publisher = suite.publisher()
        services = crowd(suite, publisher)
        deadline = time.monotonic() + 60
        while not suite.call("recorder", "requests.list", {}, 30)[1].get("requests"):
            assert time.monotonic() < deadline, "the recorder does not know the requests"
        series = suite.call("recorder", "history.series", {})[1]["series"][0]
        arguments["history.query"] = arguments["history.export"] = {"series": series if isinstance(series, str)
                                                                    else series["name"]}
        commands = more + [(entry["service"], entry["command"], arguments.get(entry["command"], {}))
                           for entry in suite.catalogue()["commands"] if entry["service"] in ("bus", "recorder")]
        ends = []
        for service, command, args in commands:
            if command in changes:
                continue
            verb, body = suite.call(service, command, args, 30)
            ends.append((command, verb, body.get("message")))
            assert verb == b"done" or body["message"], (command, body)
        assert all(verb == b"done" or "too large" in message for _command, verb, message in ends), ends
        for command in (["status"], ["status", "--json"], ["models"], ["requests"], ["requests", "--json"], ["services"],
                        ["energy", "--by", "model"], ["energy", "--by", "client"], ["alerts"], ["findings"],
                        ["history", "list"], ["doctor"], ["bench", "--list"]):
            shown = suite.ctl(*command, check=False)
            assert shown.returncode in (0, 1) and shown.stdout, (command, shown.returncode, shown.stderr[:300])
        for socket in (publisher, *services):
            socket.close()
        return f"{[end for end in ends if end[1] != b'done']}"


run(test_every_call_ends, test_calls_end_where_somebody_does_not_read, test_the_largest_answers_end)

"""The attacks of test_attacks.py on the bus: messages, commands, readers, connections.

Each is a function of the world (see test_attacks.py) in the table ATTACKS; it may do what any program of the same user
or any machine of the network can do, but for killing a process.
"""
import os
import random
import socket
import struct

import msgpack
import zmq

HOST = os.uname().nodename
LEAST, GREATEST = -2**63, 2**63 - 1
SERVICES = ("bus", "sampler", "watcher", "recorder", "gateway", "cache", "bencher")
TEXTS = ["\x1b]0;PWNED\x07", "a\x1b[2J\x1b[31mPWNED", "a\nPWNED up 1 2 3", "a\rPWNED", "a\x7f\bPWNED",
         "a\x0b\f\x0ePWNED", "x" * 80 + "\x1b[5mPWNED", "a\x9b31mPWNED", "a\u202egpj.PWNED",
         "a\u2028PWNED", "a\x85PWNED", "", "x" * 70000, "%s%n%d", "../../etc/passwd", "\0", "{}", "1e999"]
NAMES = ["MyApp", "my.app", "A" * 128, "A" * 129, "A" * 300, "", "bus", "App 1", "org/tool:7b", "%s%n%d",
         "Überwacher", "a\nb", "\x1b[2J", "\u202egpj", "..", "a" * 65, ".", "a..b", "a.", ".a", "\0", "-"]
WRONG = [None, True, -1, LEAST, GREATEST, 2**64 - 1, 1e308, -1e308, float("nan"), float("inf"), "x", "",
         b"\xff\x00", [], [None], [[]], {}, {"x": None}, {"": 5}, ["x", 5, {}], msgpack.Timestamp(0, 0)]
ATTACKS = []


def attack(function):
    ATTACKS.append(function)
    return function


def envelope(rng, data, **changes):
    body = {"v": 1, "host": HOST, "src": "neighbour", "boot": "b", "seq": rng.randrange(1, 2**40),
            "t": 1764000000 * 10**6, "d": data, **changes}
    return msgpack.packb(body)


def topic_of(pattern):
    return ".".join("x" if part.startswith("<") else part for part in pattern.split("."))


def filled(fields, choose):
    """A value for every field of the catalogue; CHOOSE(type) gives those of the scalars."""
    data = {}
    for field in fields:
        inner = filled(field["fields"], choose) if "fields" in field else choose("string")
        data[field["key"]] = {"map": inner, "list": [inner]}.get(field["type"], None) \
            if field["type"] in ("map", "list") else choose(field["type"])
    return data


def publish(world, messages):
    """Send MESSAGES, lists of frames, as one stranger; returns when the broker has seen them."""
    publisher = world.publisher()
    for frames in messages:
        publisher.send_multipart(frames)
    world.settle(publisher)


@attack
def names_of_sources(world):
    publish(world, [[b"sensor.cpu", envelope(world.rng, {}, src=name)] for name in NAMES])


@attack
def names_of_hosts(world):
    publish(world, [[b"alert.n", envelope(world.rng, {}, host=name)] for name in NAMES])


@attack
def names_of_topics(world):
    publish(world, [[name.encode(), envelope(world.rng, {})] for name in NAMES])


@attack
def names_of_healths(world):
    publish(world, [[b"service." + name.encode() + b".health", envelope(world.rng, {"state": "up"}, src=name)]
                    for name in NAMES])


@attack
def no_bodies(world):
    publish(world, [[b"sensor.cpu", body] for body in (b"", b"\0", b"\xc0", b"\xc1", b"\x80", b"\x90")])


@attack
def random_bodies(world):
    publish(world, [[b"sensor.cpu", world.rng.randbytes(world.rng.randrange(300))] for _ in range(60)])


@attack
def cut_bodies(world):
    whole = envelope(world.rng, {"utilization": 0.5, "name": "x", "cores": [1, 2]})
    publish(world, [[b"sensor.cpu", whole[:end]] for end in range(len(whole))])


@attack
def changed_bytes(world):
    whole = envelope(world.rng, {"utilization": 0.5, "name": "x", "cores": [0.1, 0.2], "missing": []})
    messages = []
    for _ in range(150):
        body = bytearray(whole)
        body[world.rng.randrange(len(body))] = world.rng.randrange(256)
        messages.append([b"sensor.cpu", bytes(body)])
    publish(world, messages)


@attack
def bytes_behind(world):
    publish(world, [[b"sensor.cpu", envelope(world.rng, {}) + more] for more in (b"\0", b"\xc1", b"x" * 9000)])


@attack
def deep_lists(world):
    publish(world, [[b"alert.d", envelope(world.rng, {})[:-1] + b"\x91" * depth + b"\0"]
                    for depth in (10, 15, 16, 17, 31, 32, 33, 100, 10000, 500000)])


@attack
def deep_maps(world):
    publish(world, [[b"alert.d", envelope(world.rng, {})[:-1] + b"\x81\xa1x" * depth + b"\xc0"]
                    for depth in (10, 15, 16, 17, 31, 32, 33, 100, 10000, 200000)])


@attack
def claimed_lengths(world):
    heads = [b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"]
    lengths = [2**32 - 1, 2**31, 2**31 - 1, 2**24, 70000]
    publish(world, [[b"sensor.cpu", head + struct.pack(">I", length) + b"x" * 20]
                    for head in heads for length in lengths])


@attack
def extension_types(world):
    publish(world, [[b"alert.e", envelope(world.rng, {"summary": msgpack.ExtType(kind, b"x" * size)})]
                    for kind in (0, 5, 127) for size in (0, 1, 4, 8, 12, 300)])


@attack
def bodies_of_other_types(world):
    publish(world, [[b"sensor.cpu", msgpack.packb(value)] for value in WRONG])


@attack
def envelopes_without(world):
    whole = msgpack.unpackb(envelope(world.rng, {}))
    publish(world, [[b"alert.w", msgpack.packb({k: v for k, v in whole.items() if k != key})]
                    for key in whole])


@attack
def envelopes_of_wrong_types(world):
    publish(world, [[b"alert.w", envelope(world.rng, {}, **{key: value})]
                    for key in ("v", "host", "src", "boot", "seq", "t", "d") for value in WRONG])


@attack
def twice_the_same_key(world):
    body = msgpack.packb({"v": 1, "host": HOST, "src": "a", "boot": "b", "seq": 1, "t": 1, "d": {}})
    twice = bytes([0x80 | 14]) + body[1:] * 2
    publish(world, [[b"alert.w", twice]] * 3)


@attack
def keys_that_are_no_text(world):
    publish(world, [[b"alert.k", envelope(world.rng, {key: 1})] for key in (5, None, b"\xff", 1.5, "", "x" * 9999)])


@attack
def forged_numbers(world):
    boot = world.boots["sampler"]
    publish(world, [[b"sensor.cpu", envelope(world.rng, {"load1": 77.0}, src="sampler", boot=boot, seq=seq)]
                    for seq in (2**62, GREATEST, 2**53, 1, 2**53 - 1, 0, -1, LEAST, 2**64 - 1)])


@attack
def forged_times(world):
    publish(world, [[topic, envelope(world.rng, {"used": 5, "t": t}, t=t)]
                    for topic in (b"sensor.memory", b"bench.result", b"energy.status")
                    for t in (LEAST, GREATEST, 0, 1, 253402300800 * 10**6, -62135596801 * 10**6)])


@attack
def ever_new_boots(world):
    publish(world, [[b"sensor.cpu", envelope(world.rng, {}, src="sampler", boot=str(number), seq=1)]
                    for number in range(world.many(30))])


@attack
def wrong_types_in_every_field(world):
    rng = world.rng
    messages = []
    for topic in world.catalogue["topics"]:
        for field in topic["fields"]:
            messages.append([topic_of(topic["topic"]).encode(),
                             envelope(rng, {field["key"]: rng.choice(WRONG), "reachable": True})])
        messages.append([topic_of(topic["topic"]).encode(),
                         envelope(rng, filled(topic["fields"], lambda _t: rng.choice(WRONG)))])
    publish(world, messages)


@attack
def ends_of_range_in_every_field(world):
    ends = {"bool": [True, False], "int": [LEAST, GREATEST, 0, -1, 2**53],
            "real": [1e308, -1e308, 5e-324, 0.0, 1e19, float("nan"), float("inf"), float("-inf")],
            "string": ["", "x"]}
    publish(world, [[topic_of(topic["topic"]).encode(),
                     envelope(world.rng, filled(topic["fields"], lambda t: world.rng.choice(ends[t])))]
                    for topic in world.catalogue["topics"] for _ in range(4)])


@attack
def nasty_texts_in_every_field(world):
    text = world.rng.choice(TEXTS)
    values = {"bool": True, "int": 1, "real": 0.5, "string": text}
    publish(world, [[topic_of(topic["topic"]).encode(), envelope(world.rng, filled(topic["fields"], values.get))]
                    for topic in world.catalogue["topics"]])
    for path in ("/api/status", "/metrics", "/api/requests", "/api/energy"):
        assert_clean(world.get(path).decode(), path)
    for command in world.some([["status", "--all"], ["services"], ["requests"], ["models"], ["findings"], ["alerts"],
                               ["energy"], ["doctor"], ["history", "list"], ["watch", "--count", "20"],
                               ["models", "--json"], ["requests", "--json"], ["top"]], 3):
        result = world.suite.ctl(*command, check=False)
        assert_clean(result.stdout + result.stderr, command)


def assert_clean(output, command):
    bad = {c for c in output if (ord(c) < 0x20 and c != "\n") or 0x7f <= ord(c) <= 0x9f
           or c in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
    assert not bad, f"{command}: {bad!r} in {output[:3000]!r}"
    own = [line for line in output.split("\n") if line.startswith("PWNED")]
    assert not own, f"{command}: {own}"


@attack
def texts_that_are_no_utf8(world):
    for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"abc\xe2\x82"):
        data = msgpack.packb({"summary": "PLACE", "state": "firing"}).replace(b"\xa5PLACE",
                                                                              bytes([0xa0 | len(bad)]) + bad)
        publish(world, [[b"alert.u", envelope(world.rng, {})[:-1] + data]])


@attack
def many_keys(world):
    publish(world, [[b"sensor.cpu", envelope(world.rng, {f"k{n}": n for n in range(world.many(250))})]] * 3)


@attack
def many_models(world):
    models = [{"name": f"m{n}", "size": n, "context": n} for n in range(world.many(250))]
    publish(world, [[b"runtime.ollama.e.models", envelope(world.rng, {"reachable": True, "models": models})]] * 2)


@attack
def wrong_counts_of_frames(world):
    good = envelope(world.rng, {})
    publish(world, [[b"sensor.cpu"], [b"sensor.cpu", good, good], [b""] * 100, [b"a"] * 3, [good]])


@attack
def large_messages(world):
    publish(world, [[f"alert.l{number}".encode(), envelope(world.rng, {"summary": "x" * 1000000})]
                    for number in range(world.many(3))])


@attack
def messages_over_the_limit(world):
    publish(world, [[b"alert.o", bytes(2**21)], [b"x" * 2**21, b""]])
    publisher = world.publisher()
    publisher.send_multipart([b"alert.o", bytes(17 * 2**20)])  # ends the connection


@attack
def a_flood(world):
    body = envelope(world.rng, {"utilization": 0.5})
    publish(world, [[b"sensor.cpu", body]] * world.many(1000))


@attack
def ever_new_topics(world):
    publish(world, [[f"alert.t{world.rng.randrange(10**9)}".encode(), envelope(world.rng, {"state": "firing"})]
                    for _ in range(world.many(80))])


@attack
def ever_new_hosts(world):
    publish(world, [[b"sensor.memory", envelope(world.rng, {"used": 5}, host=f"h{world.rng.randrange(10**9)}")]
                    for _ in range(world.many(8))])


@attack
def ever_new_sources(world):
    publish(world, [[b"bench.result", envelope(world.rng, {"model": "m"}, src=f"s{world.rng.randrange(10**9)}")]
                    for _ in range(world.many(8))])


@attack
def ever_new_series(world):
    publish(world, [[f"sensor.gpu.{world.rng.randrange(10**9)}".encode(),
                     envelope(world.rng, {"utilization": 0.5, "power": 1.0})] for _ in range(world.many(8))])


@attack
def ever_new_requests(world):
    publish(world, [[b"runtime.ollama.e.request",
                     envelope(world.rng, {"model": f"m{n}", "client": f"c{world.rng.random()}", "start": n,
                                          "end": world.rng.choice([n + 1, LEAST, GREATEST]), "tokens": GREATEST,
                                          "joules": 1e308, "outcome": "ok"})] for n in range(world.many(8))])


@attack
def forged_health(world):
    publish(world, [[f"service.{name}.health".encode(), envelope(world.rng, {"state": state, "pid": pid}, src=src)]
                    for name in SERVICES for state in ("down", "up", "failed", "x") for pid in (1, -1, 2**32, os.getpid())
                    for src in (name, "bus")])


@attack
def forged_alerts(world):
    publish(world, [[f"{kind}.{rule}".encode(), envelope(world.rng, {"state": "firing", "summary": text})]
                    for kind in ("alert", "finding") for rule in ("a", "service_down", "thermal") for text in TEXTS])


# --- commands ---------------------------------------------------------------------------------------


@attack
def commands_that_are_none(world):
    dealer = world.dealer()
    for frames in ([b""], [b"x"], [b"call"], [b"call", b"bus"], [b"done", b"r", b"1"], [b"ready"], [b"bye"],
                   [b"ready", b"BAD NAME", b"0"], [b"call", b"bus", b"i" * 1000, b"\x80"], [b"call"] * 10,
                   [b"\xff" * 100, b"\0"], [b"cancel"], [b"cancel", b"bus", b"9"], [b"welcome", b"x"], [b"ping"],
                   [b"call", b"recorder", b"", b""], [b"ready", b"x" * 100000, b"0"], [b""] * 200):
        dealer.send_multipart(frames)


@attack
def services_of_strangers(world):
    dealer = world.dealer()
    for name in (*SERVICES, *NAMES):
        dealer.send_multipart([b"ready", name.encode(), b"0"])
        dealer.send_multipart([b"bye", name.encode()])


@attack
def goodbyes_for_others(world):
    dealer = world.dealer()
    for name in SERVICES * 20:
        dealer.send_multipart([b"bye", name.encode()])


@attack
def many_services(world):
    dealer = world.dealer()
    for number in range(world.many(20)):
        dealer.send_multipart([b"ready", b"s%d" % number, b"0"])


@attack
def replies_nobody_asked_for(world):
    dealer = world.dealer()
    for verb in (b"progress", b"done", b"error"):
        for route in (b"", b"\0", b"\0" * 5, world.rng.randbytes(5), world.rng.randbytes(13), b"x" * 255):
            dealer.send_multipart([verb, route, b"1", msgpack.packb({"code": "x"})])


@attack
def calls_without_listening(world):
    dealer = world.dealer()
    for number in range(world.many(10)):
        dealer.send_multipart([b"call", b"bus", b"%d" % number, msgpack.packb({"cmd": "bus.snapshot"})])


@attack
def wrong_arguments_of_every_command(world):
    dealer = world.dealer()
    for command in world.some(world.catalogue["commands"]):
        for field in command["args"] + [{"key": "x"}]:
            for value in world.rng.sample(WRONG, 2):
                body = msgpack.packb({"cmd": command["command"], "args": {field["key"]: value}})
                dealer.send_multipart([b"call", command["service"].encode(), b"w", body])
        for args in world.rng.sample(WRONG, 2):
            body = msgpack.packb({"cmd": command["command"], "args": args})
            dealer.send_multipart([b"call", command["service"].encode(), b"w", body])


@attack
def nasty_texts_in_every_argument(world):
    dealer = world.dealer()
    text = world.rng.choice(TEXTS)
    for command in world.some(world.catalogue["commands"]):
        args = {field["key"]: {"string": text, "list": [text], "map": {text: text}}.get(field["type"], 1)
                for field in command["args"]}
        body = msgpack.packb({"cmd": command["command"], "args": args})
        dealer.send_multipart([b"call", command["service"].encode(), b"n", body])


@attack
def bodies_of_commands(world):
    dealer = world.dealer()
    bodies = [b"", b"\xc1", b"\x91" * 5000, world.rng.randbytes(100), bytes(1500000), b"\x81\xa3cmd" + b"\x91" * 100,
              *(msgpack.packb({"cmd": value}) for value in WRONG), *(msgpack.packb(value) for value in WRONG)]
    for service in SERVICES:
        for body in bodies if service in ("bus", "recorder") else world.rng.sample(bodies, 6):
            dealer.send_multipart([b"call", service.encode(), b"b", body])


@attack
def cancels(world):
    first, second = world.dealer(), world.dealer()
    for service in SERVICES:
        first.send_multipart([b"call", service.encode(), b"1", msgpack.packb({"cmd": "history.series"})])
        second.send_multipart([b"cancel", service.encode(), b"1"])
        first.send_multipart([b"cancel", service.encode(), b"1"])
        first.send_multipart([b"cancel", service.encode(), b"1"])


@attack
def a_service_that_answers_wrongly(world):
    service, caller = world.dealer(), world.dealer()
    service.send_multipart([b"ready", b"evil", b"0"])
    world.frames(service)
    caller.send_multipart([b"call", b"evil", b"1", msgpack.packb({"cmd": "x"})])
    frames = world.frames(service)
    if frames and frames[0] == b"call":
        for verb, body in ((b"progress", b"\xc1"), (b"progress", bytes(1500000)), (b"done", msgpack.packb(["x"])),
                           (b"done", b""), (b"error", b"\xc1"), (b"done", b"\x80")):
            service.send_multipart([verb, frames[1], frames[2], body])
    assert world.frames(caller), "the call of a wrong answer never ends"


@attack
def a_service_that_goes_in_a_call(world):
    service, caller = world.dealer(), world.dealer()
    service.send_multipart([b"ready", b"gone", b"0"])
    world.frames(service)
    caller.send_multipart([b"call", b"gone", b"1", msgpack.packb({"cmd": "x"})])
    world.frames(service)
    service.close(linger=0)
    frames = world.frames(caller, 8)
    assert frames and frames[0] == b"error", f"the call does not end: {frames}"


@attack
def progress_without_end(world):
    service, caller = world.dealer(), world.dealer()
    service.send_multipart([b"ready", b"chatty", b"0"])
    world.frames(service)
    caller.send_multipart([b"call", b"chatty", b"1", msgpack.packb({"cmd": "x"})])
    frames = world.frames(service)
    if frames and frames[0] == b"call":
        for _ in range(world.many(50)):
            service.send_multipart([b"progress", frames[1], frames[2], msgpack.packb({"text": "x" * 1000})])


@attack
def odd_pages(world):
    for cursor in (-1, 0, 1, GREATEST, LEAST, 2**64 - 1, "x", None):
        world.call("bus", "bus.snapshot", {"cursor": cursor, "prefix": "alert."})
        world.call("recorder", "request.list", {"cursor": cursor, "limit": cursor})


@attack
def odd_ranges(world):
    for since, until, step in ((LEAST, GREATEST, 1e-300), (GREATEST, LEAST, 1.0), (0, 0, 0.0), (LEAST, LEAST, -1.0),
                               (0, GREATEST, float("nan")), (0, GREATEST, 1e308)):
        for key in ("step", "max_points", "limit"):
            world.call("recorder", "history.query", {"topic": "sensor.cpu", "field": "load1", "series": "x", "from": since,
                                                     "to": until, "since": since, "until": until, key: step})
        world.call("recorder", "energy.list", {"since": since, "until": until, "by": "hour"})


@attack
def an_identity_twice(world):
    for _ in range(3):
        dealer = world.dealer(identity=b"same")
        dealer.send_multipart([b"ready", b"same", b"0"])
        world.call_on(dealer, "bus", "bus.services", {}, 0.1)


# --- readers and connections ------------------------------------------------------------------------


@attack
def subscriptions_without_end(world):
    reader = world.socket(zmq.XSUB, "subscribe")
    for number in range(world.many(200)):
        reader.send(b"\x01" + (b"" if number % 2 else b"%d" % number))


@attack
def subscriptions_that_are_none(world):
    reader = world.socket(zmq.XSUB, "subscribe")
    for frames in ([b""], [b"\x02x"], [b"\x01" + b"x" * 100000], [b"\0never"], [b"\x01\xff\0"], [b"x", b"y"], [b"\0"] * 9):
        reader.send_multipart(frames)


@attack
def a_reader_that_does_not_read(world):
    reader = world.socket(zmq.SUB, "subscribe", hwm=1)
    reader.setsockopt(zmq.SUBSCRIBE, b"")
    reader.poll(300)
    publish(world, [[b"bench.progress", envelope(world.rng, {"id": "x" * 200000})]] * world.many(10))


@attack
def readers_that_come_and_go(world):
    for _ in range(world.many(6)):
        reader = world.socket(zmq.SUB, "subscribe")
        reader.setsockopt(zmq.SUBSCRIBE, b"")
        reader.poll(1)
        reader.close(linger=0)


@attack
def sockets_of_other_kinds(world):
    for kind in (zmq.REQ, zmq.PUB, zmq.PUSH, zmq.PAIR, zmq.ROUTER, zmq.DEALER, zmq.PULL):
        for name in ("publish", "subscribe", "command"):
            world.socket(kind, name).poll(1)


GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(16) + b"\0" + bytes(31)
READY = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x03%s"


def wires(world, *texts):
    for name in ("publish", "subscribe", "command"):
        for text in texts:
            client = world.connect(name)
            world.send(client, text)


@attack
def wires_garbage(world):
    wires(world, b"", b"\xff", b"\0" * 100, world.rng.randbytes(500), b"GET / HTTP/1.1\r\n\r\n", GREETING[:40],
          b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\xff" * 5000)


@attack
def wires_of_lengths(world):
    ready = READY % b"PUB"
    wires(world, GREETING + ready + b"\x02" + struct.pack(">Q", 2**63 - 1), GREETING + ready + b"\x02" + b"\xff" * 8,
          GREETING + ready + b"\x06" + struct.pack(">Q", 2**40), GREETING + ready + b"\x02" + struct.pack(">Q", 2**24))


@attack
def wires_of_commands(world):
    ready = READY % b"PUB"
    wires(world, GREETING + b"\x04\xff", GREETING + ready * 3, GREETING + ready + b"\x04\x05\x04PINGx",
          GREETING + ready + b"\x04\x0a\x09SUBSCRIBE", GREETING + b"\x04\x10\x05READY\x0bSocket-T",
          GREETING + b"\x04\x20\x05READY\x0bSocket-Type\xff\xff\xff\xffPUB", GREETING + ready + b"\x01\0" * 5000)


@attack
def wires_of_random_frames(world):
    frames = b"".join(bytes([world.rng.randrange(8), length := world.rng.randrange(60)]) + world.rng.randbytes(length)
                      for _ in range(100))
    wires(world, GREETING + READY % b"PUB" + frames, GREETING + READY % b"SUB" + frames, GREETING + frames)


@attack
def silent_wires(world):
    for name in ("publish", "subscribe", "command"):
        for _ in range(world.many(8)):
            world.connect(name)


@attack
def machines_without_keys(world):
    reader = world.context.socket(zmq.SUB)
    reader.connect(f"tcp://127.0.0.1:{world.port}")
    reader.setsockopt(zmq.SUBSCRIBE, b"")
    assert not reader.poll(150), "a machine without a key reads"


@attack
def machines_with_wrong_keys(world):
    for _ in range(2):
        public, secret = zmq.curve_keypair()
        reader = world.context.socket(zmq.SUB)
        reader.curve_publickey, reader.curve_secretkey = public, secret
        reader.curve_serverkey = world.server_key if world.rng.random() < 0.7 else zmq.curve_keypair()[0]
        reader.connect(f"tcp://127.0.0.1:{world.port}")
        reader.setsockopt(zmq.SUBSCRIBE, b"")
        assert not reader.poll(150), "a machine with an unknown key reads"


@attack
def machines_that_speak_otherwise(world):
    curve = GREETING.replace(b"NULL" + bytes(16), b"CURVE" + bytes(15))
    for text in (b"GET / HTTP/1.1\r\n\r\n", GREETING, curve, curve + b"\x04\xc8\x05HELLO\x01\0" + bytes(192),
                 curve + b"\x04\x20\x05HELLO" + bytes(26), curve + b"\x04\xc8\x08INITIATE" + bytes(191),
                 curve + world.rng.randbytes(500), b"\xff" * 3000):
        world.send(world.tcp(world.port), text)

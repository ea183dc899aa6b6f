"""A client written from the catalogue page alone: pyzmq and msgpack, no code of the suite."""
import re
import time

from suite import Suite, run

TYPES = {"int": (int,), "real": (float, int), "string": (str,), "bool": (bool,), "list": (list,),
         "map": (dict,), "null": (type(None),)}
ENVELOPE = {"v": int, "host": str, "src": str, "boot": str, "seq": int, "t": int, "d": dict}


def matcher(pattern):
    return re.compile("^" + re.sub(r"<[^>]+>", "[a-z0-9_-]+", pattern.replace(".", r"\.")) + "$")


def check_fields(where, fields, data, seen):
    known = {field["key"]: field for field in fields}
    for key, value in data.items():
        assert key in known, f"{where}: key {key} is not on the page"
        field = known[key]
        assert isinstance(value, TYPES[field["type"]]) and \
            (field["type"] == "bool" or not isinstance(value, bool)), f"{where}.{key}: {value!r}"
        if field.get("unit") == "ratio":
            assert -0.001 <= value <= 1.001, f"{where}.{key} is no ratio: {value}"
        seen.add(f"{where}.{key}")
        for item in (value if isinstance(value, list) else [value]):
            if "fields" in field and isinstance(item, dict):
                check_fields(f"{where}.{key}", field["fields"], item, seen)


def test_every_message_is_as_the_page_says():
    with Suite("bus", "sampler", "watcher") as suite:
        page = suite.catalogue()
        topics = [(matcher(topic["topic"]), topic) for topic in page["topics"]]
        reader = suite.subscribe("")
        seen, heard = set(), set()
        wanted = {"sensor.memory", "sensor.cpu", "service.bus.health", "service.sampler.health",
                  "service.watcher.health", "runtime.ollama.127_0_0_1-9.models"}
        deadline = time.monotonic() + 20
        while not wanted <= heard:
            message = reader.next(deadline - time.monotonic())
            assert message, f"not heard: {wanted - heard}"
            topic, body = message
            for key, kind in ENVELOPE.items():
                assert isinstance(body[key], kind), f"{topic}: envelope {key}"
            assert abs(body["t"] / 1e6 - time.time()) < 30
            matches = [entry for pattern, entry in topics if pattern.match(topic)]
            assert len(matches) == 1, f"{topic} is not on the page"
            check_fields(matches[0]["topic"], matches[0]["fields"], body["d"], seen)
            heard.add(topic)
        reader.close()
        return f"{len(heard)} topics, {len(seen)} fields"


def test_sequence_numbers_count_without_a_gap():
    with Suite("bus", "sampler") as suite:
        reader = suite.subscribe("")
        # What a source published before the broker knew it is repeated newest first, so it may
        # have holes; from the second health report on every message must come.
        reader.until(lambda topic, b: topic == "service.sampler.health" and b["d"]["uptime"] > 4,
                     15)
        last = None
        for _ in range(12):
            topic, body = reader.until(lambda _t, b: b["src"] == "sampler", 10)
            assert last is None or body["seq"] == last + 1, f"{topic}: {last}, {body['seq']}"
            last = body["seq"]
        reader.close()


def test_uptime_is_in_seconds():
    begin = time.monotonic()
    with Suite("bus", "sampler") as suite:
        reader = suite.subscribe("service.sampler.health")
        _, body = reader.until(lambda _t, b: b["d"]["uptime"] > 0, 15)
        assert body["d"]["uptime"] <= time.monotonic() - begin, body["d"]["uptime"]
        reader.close()


run(test_uptime_is_in_seconds, test_every_message_is_as_the_page_says, test_sequence_numbers_count_without_a_gap)

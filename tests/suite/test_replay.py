"""Recordings of the bus: read by a reader of our own after the description in common/base/recording.h."""
import gzip
import json
import os
import signal
import struct
import subprocess
import time

import msgpack

from suite import BIN, Suite, envelope, run


def records(path):
    """(head, [(at, topic, body), ...], whole) of a recording."""
    data = gzip.open(path).read()
    assert data[:8] == b"MLXREC1\n"
    at, found = 8, []
    while at < len(data):
        when, topic, body = struct.unpack_from("<QHI", data, at)
        at += 14 + topic + body
        found.append((when, data[at - topic - body:at - body], data[at - body:at]))
    whole = found[-1][1:] == (b"", b"")
    return msgpack.unpackb(found[0][2]), [one for one in found[1:] if one[1]], whole


def record(suite, path, messages, *options):
    """Record what is published meanwhile, with Ctrl-C at the end."""
    publisher = suite.publisher()
    process = subprocess.Popen([os.path.join(BIN, "mlxctl"), "record", *options, path],
                               env=suite.environment, stderr=subprocess.PIPE, text=True)
    reader = suite.subscribe("")
    deadline = time.monotonic() + 20
    # The recorder is there when it has kept the broker's health; sync makes it readable at once.
    sent = 0
    while sent == 0 or len([one for one in peek(path) if one.startswith(b"sensor.gpu.9")]) == 0:
        assert time.monotonic() < deadline and process.poll() is None, process.stderr.read()
        sent += 1
        publisher.send_multipart([b"sensor.gpu.9", envelope("probe", sent, {"power": 1.0}, host="probe")])
        reader.next(0.2)
    for topic, body in messages:
        publisher.send_multipart([topic, body])
    reader.until(lambda topic, body: topic == messages[-1][0].decode(), 10)
    while messages[-1][0] not in peek(path):
        assert time.monotonic() < deadline
        reader.next(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    publisher.close()
    reader.close()
    return said


def peek(path):
    """The topics in a file that is still written."""
    topics = []
    try:
        with gzip.open(path) as file:
            assert file.read(8) == b"MLXREC1\n"
            while header := file.read(14):
                _, topic, body = struct.unpack("<QHI", header)
                topics.append(file.read(topic))
                file.read(body)
    except (EOFError, FileNotFoundError, AssertionError, struct.error):
        pass
    return topics


# As a foreign client packs it: wide integers, keys in another order, one that nobody knows.
FOREIGN = (b"\x87\xa1d\x82\xa5power\xcb@D\x00\x00\x00\x00\x00\x00\xa3new\xcd\x00\x05"
           b"\xa4host\xaastudio.lan\xa3src\xa7sidecar\xa4boot\xa2b1\xa3seq\xcf\x00\x00\x00\x00\x00\x00\x00\x03"
           b"\xa1t\xcf\x00\x06\x0a\x24\x18\x1e\x40\x00\xa1v\xcc\x01")
MESSAGES = [
    (b"sensor.gpu.0", FOREIGN),
    (b"cache.status", envelope("cache", 1, {"dir": "/home/alice/.mlx-cache", "bytes": 5}, host="studio.lan")),
    (b"runtime.ollama.studio_lan-11434.activity",
     envelope("watcher", 1, {"busy": True, "last": {"model": "m:1", "t": 1700000000000000},
                             "running": [{"client": "SecretApp", "model": "m:1", "tokens": 3}]},
              host="studio.lan")),
    (b"sensor.memory", envelope("sampler", 9, {"total": 16}, host="studio.lan")),
]


def test_what_is_published_is_kept_byte_for_byte():
    with Suite("bus") as suite:
        path = os.path.join(suite.directory, "a.mlxrec")
        record(suite, path, MESSAGES, "--unmasked", "--note", "slow \x1b[31m since noon")
        head, found, whole = records(path)
        assert whole and head["masked"] is False and head["note"].endswith("since noon"), head
        kept = [(topic, body) for _, topic, body in found if topic != b"sensor.gpu.9"]
        for message in MESSAGES:
            assert message in kept, message
        again = suite.ctl("record", "--duration", "1s", path, check=False)
        assert again.returncode == 5 and "--yes" in again.stderr, again
    return f"{len(found)} messages"


def test_what_was_recorded_is_played():
    with Suite("bus") as suite:
        path = os.path.join(suite.directory, "a.mlxrec")
        record(suite, path, MESSAGES, "--unmasked")
        # Every machine in it is alive there.
        refused = suite.ctl("replay", path, check=False)
        assert refused.returncode == 5 and "--host" in refused.stderr, refused
        copy = gzip.open(path).read()
    with Suite("bus") as suite:
        path = os.path.join(suite.directory, "b.mlxrec")
        # Without the broker's own messages: they are this machine's.
        with gzip.open(path, "wb") as file:
            file.write(strip(copy, b"service.bus.health"))
        raw = suite.subscribe("")
        raw.until(lambda topic, _: topic == "service.bus.health", 10)
        suite.ctl("replay", "--exact", path)
        bodies = set()
        while (b"sensor.memory", MESSAGES[-1][1]) not in bodies:
            assert raw.socket.poll(10000), "not all messages came"
            bodies.add(tuple(raw.socket.recv_multipart()))
        for message in MESSAGES:
            assert message in bodies, message
    with Suite("bus") as suite:
        with gzip.open(path := os.path.join(suite.directory, "c.mlxrec"), "wb") as file:
            file.write(strip(copy, b"service.bus.health"))
        reader = suite.subscribe("runtime.")
        begin = time.time()
        suite.ctl("replay", path, "--speed", "20")
        _, body = reader.until(lambda *_: True, 10)
        assert begin - 5 < body["t"] / 1e6 < time.time() + 1, "as of now"
        assert body["boot"].startswith("b-") and body["host"] == "studio.lan", body
        assert abs(body["d"]["last"]["t"] / 1e6 - (1700000000 + body["t"] / 1e6 - recorded_t(copy))) < 2
        again = suite.ctl("replay", path, "--speed", "20", check=False)
        assert again.returncode == 5, again
        print_out = suite.ctl("replay", "--print", path).stdout.splitlines()
        assert json.loads(print_out[0])["host"] and len(print_out) > len(MESSAGES)
        for arguments in (["--speed", "0"], ["--exact", "--loop"], ["--host", "a b"]):
            assert suite.ctl("replay", *arguments, path, check=False).returncode == 2
        assert suite.ctl("replay", "/nonexistent", check=False).returncode == 3


def recorded_t(data):
    at = 8
    while True:
        _, topic, body = struct.unpack_from("<QHI", data, at)
        at += 14 + topic + body
        if data[at - topic - body:at - body].startswith(b"runtime."):
            return msgpack.unpackb(data[at - body:at])["t"] / 1e6


def strip(data, unwanted):
    kept, at = data[:8], 8
    while at < len(data):
        _, topic, body = struct.unpack_from("<QHI", data, at)
        end = at + 14 + topic + body
        kept += b"" if data[at + 14:at + 14 + topic] == unwanted else data[at:end]
        at = end
    return kept


def texts(value):
    """Every string in VALUE, keys too."""
    if isinstance(value, dict):
        return texts(list(value.keys())) + texts(list(value.values()))
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_names_are_masked():
    with Suite("bus") as suite:
        path = os.path.join(suite.directory, "a.mlxrec")
        said = record(suite, path, MESSAGES)
        assert "masked" in said, said
        head, found, whole = records(path)
        assert whole and head["masked"] is True and head["host"] == "host-1", head
        text = gzip.open(path).read()
        for name in (b"studio", b"alice", b"SecretApp", b"sidecar"):
            assert name not in text, name
        # A machine's name may be so short that numbers hold its bytes: only texts are looked at.
        assert os.uname().nodename not in texts([msgpack.unpackb(body) for _, _, body in found])
        body = next(msgpack.unpackb(body) for _, topic, body in found if topic == b"sensor.memory")
        assert body["d"] == {"total": 16} and body["seq"] == 9, body
        paths = next(msgpack.unpackb(body) for _, topic, body in found if topic == b"cache.status")
        assert paths["d"]["dir"].startswith("/home/user-") and paths["d"]["bytes"] == 5, paths


run(test_what_is_published_is_kept_byte_for_byte, test_what_was_recorded_is_played, test_names_are_masked)

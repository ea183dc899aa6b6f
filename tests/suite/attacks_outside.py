"""The attacks of test_attacks.py on what listens beside the bus, and on the files: HTTP, MCP, tap, servers, disk."""
import json
import os
import shutil
import socket
import sqlite3
import struct

from attacks import TEXTS, attack


def exchange(world, port, text, timeout=0.05):
    """Send TEXT, which may be refused at any byte, and look at what comes at once."""
    client = world.tcp(port)
    world.send(client, text)
    client.settimeout(timeout)
    try:
        return client.recv(65536)
    except OSError:
        return b""


def http(world, head, body=b"", port=None, timeout=0.05):
    text = "\r\n".join([*head, "", ""]).encode("latin-1", "replace") + body
    return exchange(world, port or world.http_port, text, timeout)


def of_host(world):
    return f"Host: localhost:{world.http_port}"


@attack
def http_garbage(world):
    for text in (b"\0" * 100, world.rng.randbytes(2000), b"GET", b"GET \r\n\r\n", b"\r\n" * 500, b"GET / HTTP/9.9\r\n\r\n",
                 b"\x16\x03\x01\x02\0\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\nHost:x\n\n"):
        exchange(world, world.http_port, text, 0.01)


@attack
def http_hosts(world):
    for name in ("evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "[::1", "\x1b[2J", "x" * 5000, "localhost:1"):
        answer = http(world, ["GET /api/status HTTP/1.1", f"Host: {name}"], timeout=1)
        assert b" 200 " not in answer[:20], f"served for the host {name}"


@attack
def http_origins(world):
    for origin in ("http://evil.example", "null", "https://localhost", "file://"):
        answer = http(world, ["GET /api/status HTTP/1.1", of_host(world), f"Origin: {origin}"], timeout=1)
        assert b"Access-Control" not in answer and b" 200 " not in answer[:20], answer[:200]


@attack
def http_paths(world):
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/" + "a" * 30000, "//evil", "/%00", "/api/status%0d%0aX:1",
                 "/api/history?" + "&".join(["x=1"] * 2000), "*", "http://evil/", "/api/\x1b[2J"):
        answer = http(world, [f"GET {path} HTTP/1.1", of_host(world)], timeout=0.2)
        assert b"root:" not in answer


@attack
def http_queries(world):
    for path in ("history", "series", "requests", "energy", "benchmarks", "cache", "events"):
        for query in world.some(["from=-9223372036854775808&to=9223372036854775807&step=1e-300", "from=x&to=&step=nan", "limit=-1&cursor=x",
                      "limit=99999999999999999999", "by=" + "x" * 5000, "topic=%1b%5b2J&field=%00", "series=%ff%fe&from=1e999"]):
            http(world, [f"GET /api/{path}?{query} HTTP/1.1", of_host(world)], timeout=0.005)


@attack
def http_bodies(world):
    for head, body in ((["Content-Length: 999999999999999999"], b"x"), (["Content-Length: -1"], b"x"),
                       (["Transfer-Encoding: chunked"], b"ffffffffffffffff\r\nx"), (["Content-Length: 5", "Content-Length: 6"], b"12345"),
                       (["Transfer-Encoding: chunked", "Content-Length: 3"], b"0\r\n\r\n"), (["Expect: 100-continue"], b"")):
        for path in ("/", "/mcp", "/api/status"):
            http(world, [f"POST {path} HTTP/1.1", of_host(world), *head], body, timeout=0.005)


@attack
def http_heads(world):
    http(world, ["GET / HTTP/1.1", of_host(world), *(f"X-{n}: y" for n in range(2000))])
    http(world, ["GET / HTTP/1.1", of_host(world), "X: " + "y" * 200000])
    http(world, ["GET / HTTP/1.1", of_host(world), "Cookie: " + "\xff" * 3000, " folded: x"])
    for method in ("PUT", "DELETE", "TRACE", "CONNECT", "OPTIONS", "X" * 5000, "get"):
        http(world, [f"{method} /api/status HTTP/1.1", of_host(world)], timeout=0.005)


@attack
def http_slowly(world):
    for number in range(world.many(8)):
        world.send(world.tcp(world.http_port), b"GET /api/status HTTP/1.1\r\nHost: l"[:number])


@attack
def http_without_waiting(world):
    request = f"GET /api/status HTTP/1.1\r\n{of_host(world)}\r\n\r\n".encode()
    client = world.tcp(world.http_port)
    client.setblocking(False)
    world.send(client, request * world.many(3))


@attack
def pages_that_do_not_read(world):
    for _ in range(world.many(2)):
        http(world, ["GET /api/events HTTP/1.1", of_host(world), "Accept: text/event-stream"], timeout=0.001)


def mcp(world, body, *more, token=True):
    head = ["POST /mcp HTTP/1.1", of_host(world), "Content-Type: application/json",
            "Accept: application/json, text/event-stream", f"Content-Length: {len(body)}", *more]
    return http(world, head + ([f"Authorization: Bearer {world.token}"] if token else []), body, timeout=0.03)


@attack
def mcp_without_token(world):
    for more in ((), ("Authorization: Bearer x",), ("Authorization: Basic eDp4",), ("Authorization: Bearer ",),
                 ("Authorization: Bearer " + "x" * 9000,)):
        answer = mcp(world, b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', *more, token=False)
        assert b" 200 " not in answer[:20], answer


@attack
def mcp_lines(world):
    lines = [b"", b"{", b"[]", b"null", b"[" * 5000, b'{"a":' * 3000, b'{"jsonrpc":"2.0","id":{},"method":5}', world.rng.randbytes(300),
             b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}', b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
             b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":5}', b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
             b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":[]}}', b'"' + b"x" * world.many(75000) + b'"']
    for line in world.some(lines):
        mcp(world, line)


@attack
def mcp_arguments(world):
    names = ("status", "history", "requests", "energy", "findings", "fits", "load", "unload", "benchmark", "x", "")
    for name in names:
        value = world.rng.choice([5, None, [], {}, -1e308, *TEXTS[:8]])
        arguments = dict.fromkeys(("model", "since", "until", "topic", "field", "limit", "host", "runtime", "by"), value)
        mcp(world, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                               "params": {"name": name, "arguments": arguments}}).encode())


@attack
def mcp_half(world):
    for number in (1, 50, 400):
        client = world.tcp(world.http_port)
        world.send(client, (f"POST /mcp HTTP/1.1\r\n{of_host(world)}\r\nAuthorization: Bearer {world.token}\r\n"
                            f"Content-Type: application/json\r\nContent-Length: {number}\r\n\r\n{{").encode())


# --- the tap ----------------------------------------------------------------------------------------


@attack
def tap_garbage(world):
    for text in (b"\0" * 100, world.rng.randbytes(3000), b"GET", b"\r\n" * 500, b"POST /api/generate HTTP/1.1\r\n\r\n"):
        exchange(world, world.tap_port, text, 0.01)


@attack
def tap_smuggling(world):
    for more in ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 1\r\nContent-Length: 2", "Transfer-Encoding: x, chunked",
                 "Content-Length: 99999999999999999999", "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff"):
        exchange(world, world.tap_port, f"POST /api/chat HTTP/1.1\r\nHost: x\r\n{more}\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode(), 0.01)


@attack
def tap_requests(world):
    for body in (b"{" * 5000, b'{"model":5}', b'{"model":"' + TEXTS[1].encode() + b'","stream":"x","messages":{}}', b"[" * 20000):
        for path in ("/api/generate", "/v1/chat/completions", "/v1/messages"):
            exchange(world, world.tap_port, f"POST {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: \x1b[2J\r\nContent-Length: {len(body)}"
                     "\r\n\r\n".encode() + body, 0.02)


@attack
def tap_idle(world):
    for number in range(world.many(8)):
        client = world.tcp(world.tap_port)
        if number % 2:
            world.send(client, b"POST /api/generate HTTP/1.1\r\nContent-Length: 500\r\n")


@attack
def tap_heads(world):
    exchange(world, world.tap_port, b"GET /" + b"a" * 300000, 0.02)
    exchange(world, world.tap_port, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000, 0.02)


# --- servers that it asks ---------------------------------------------------------------------------


@attack
def servers_that_lie(world):
    """The runtime behind the tap, the collector of telemetry: one server of ours, which answers so from now on."""
    world.reply = world.rng.choice([
        b"\0" * 1000, b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100000, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx",
        b"HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30000,
        b'HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{"models":[{"name":5,"size":"x","details":[]},null,5,[],{}]}',
        b"HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999\r\nContent-Length: 0\r\n\r\n", world.rng.randbytes(5000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fff\r\n" + b"x" * 4095 + b"\r\n", b"", b"HTTP/1.1 200 OK\r\n"])
    exchange(world, world.tap_port, b"GET /api/ps HTTP/1.1\r\nHost: x\r\n\r\n", 0.1)
    exchange(world, world.tap_port, b'POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{"model":"m"}', 0.1)


@attack
def servers_that_stream_lies(world):
    lines = b"".join(json.dumps({"model": value, "message": value, "eval_count": value, "done": value}).encode() + b"\n"
                     for value in (5, None, [], {}, -1e308, 2**63, *TEXTS[:6]))
    world.reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n" + lines
    for path in ("/api/chat", "/api/generate"):
        exchange(world, world.tap_port, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n".encode() + b'{"model":"m"}', 0.1)


# --- files ------------------------------------------------------------------------------------------


def replaced(path, text):
    with open(path + ".new", "wb") as file:
        file.write(text)
    os.replace(path + ".new", path)


@attack
def config_replaced(world):
    path = world.suite.config_path
    with open(path, "rb") as file:
        good = file.read()
    try:
        for text in (b"", b"\0" * 500, b"{" * 5000, b"a: &a [*a]\n", b"host: 'a b'\n", b"&a" * 300, world.rng.randbytes(500), good * 2):
            replaced(path, text)
            world.pause(0.02)
        os.unlink(path)
        os.mkdir(path)
        world.pause(0.1)
        os.rmdir(path)
        os.symlink("/dev/zero", path)
        world.pause(0.1)
        os.unlink(path)
        os.mkfifo(path)
        world.pause(0.1)
        os.unlink(path)
    finally:
        replaced(path, good)


@attack
def files_in_the_run_directory(world):
    for number in range(20):
        path = os.path.join(world.suite.run_dir, f"stray-{number}")
        with open(path, "wb") as file:
            file.write(world.rng.randbytes(50))
        os.unlink(path)
    os.symlink("/dev/zero", os.path.join(world.suite.run_dir, "link"))
    os.unlink(os.path.join(world.suite.run_dir, "link"))


@attack
def history_deleted(world):
    for name in ("history.db", "history.db-wal", "history.db-shm"):
        path = os.path.join(world.suite.directory, "state", name)
        if os.path.exists(path):
            os.unlink(path)


@attack
def history_replaced(world):
    path = os.path.join(world.suite.directory, "state", "history.db")
    replaced(path, world.rng.choice([b"", b"SQLite format 3\0" + bytes(84), world.rng.randbytes(5000)]))


@attack
def history_locked(world):
    path = os.path.join(world.suite.directory, "state", "history.db")
    try:
        with sqlite3.connect(path, timeout=0) as other:
            other.execute("BEGIN EXCLUSIVE")
            world.pause(0.2)
            other.rollback()
    except sqlite3.Error:
        pass  # it is one of those that were replaced


@attack
def cache_files(world):
    root = os.path.join(world.suite.directory, ".mlx-cache")
    if not os.path.isdir(root):
        return
    strange = os.path.join(root, "models", "x--\x1b[2J")
    os.makedirs(strange, exist_ok=True)
    for name in ("..hidden", "a\nb", "\x1b[31m"):
        with open(os.path.join(strange, name), "wb") as file:
            file.write(b"x")
    if not os.path.lexists(os.path.join(strange, "loop")):
        os.symlink(strange, os.path.join(strange, "loop"))
    world.call("cache", "cache.refresh", {})
    shutil.rmtree(strange)


@attack
def recordings(world):
    """Whoever replays what he was sent must not be ended by it."""
    path = os.path.join(world.suite.directory, "recording")
    for text in (b"", world.rng.randbytes(3000), b"\x1f\x8b" + bytes(500), b"{}\n" * 10, b'{"mlx":1}\n' + b"\xff" * 500):
        with open(path, "wb") as file:
            file.write(text)
        result = world.suite.ctl("replay", "--exact", path, check=False)
        assert 0 < result.returncode < 100, result


@attack
def silent_machines(world):
    for _ in range(world.many(10)):
        world.tcp(world.port)


@attack
def reset_connections(world):
    for _ in range(world.many(8)):
        client = world.tcp(world.rng.choice([world.port, world.http_port, world.tap_port]))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        world.send(client, world.rng.randbytes(20))
        client.close()

"""What the gateway answers and what it refuses, over raw sockets."""
import json
import re
import socket
import threading
import time

from stand import HOST, MACHINE, Stand, eventually, run
from test_bench import Double

FIRST_S = 10  # that a connection has for its first request


def send(stand, data, timeout=20):
    """Send bytes, return everything that comes back until the end."""
    with socket.create_connection(("127.0.0.1", stand.port), timeout=timeout) as client:
        try:
            client.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        reply = b""
        try:
            while piece := client.recv(65536):
                reply += piece
        except ConnectionResetError:
            pass
        return reply


def request(stand, target="/", host=None, extra="", method="GET", version="1.1"):
    host = f"127.0.0.1:{stand.port}" if host is None else host
    head = f"{method} {target} HTTP/{version}\r\nHost: {host}\r\nConnection: close\r\n{extra}\r\n"
    return send(stand, head.encode("latin-1"))


def status(reply):
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", reply)
    return int(found[1]) if found else None


def test_hosts_and_origins():
    with Stand() as stand:
        ours = [f"localhost:{stand.port}", f"127.0.0.1:{stand.port}", f"[::1]:{stand.port}"]
        for host in ours:
            assert status(request(stand, host=host)) == 200, host
            assert status(request(stand, "/metrics", host=host, extra=f"Origin: http://{host}\r\n")) == 200
        for host in ("evil.example", f"evil.example:{stand.port}", "localhost", "localhost:1", "",
                     f"localhost.evil.example:{stand.port}", f"{HOST}:{stand.port}"):
            assert status(request(stand, "/api/status", host=host)) in (400, 403), host
        for origin in ("http://evil.example", "null", f"https://localhost:{stand.port}", "http://localhost:1"):
            reply = request(stand, "/api/status", extra=f"Origin: {origin}\r\n")
            assert status(reply) == 403 and b"messages" not in reply, origin
        twice = request(stand, host=ours[0], extra="Host: evil.example\r\n")
        assert status(twice) in (400, 403)
        none = send(stand, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert status(none) in (400, 403)
        assert b"Access-Control" not in request(stand, extra=f"Origin: http://{ours[0]}\r\n")


def test_paths_have_no_tricks():
    with Stand() as stand:
        assert status(request(stand, "/style.css")) == 200
        for path in ("/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/style.css", "//style.css",
                     "/./style.css", "/style.css/", "/STYLE.CSS", "/style.css%00.png", "/%00", "/web/app.js",
                     "/app.js%20", "/api", "/api/", "/api/status/..", "/\\..\\style.css", "/%ff%fe"):
            reply = request(stand, path)
            assert status(reply) in (400, 404), (path, reply[:80])
            assert b"root:" not in reply
        for target in ("http://evil.example/", "*", "evil.example:80", ""):
            assert status(request(stand, target)) in (400, 403, 404, None), target


def test_methods_and_bodies():
    with Stand() as stand:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW"):
            reply = request(stand, "/api/status", method=method)
            assert status(reply) == 405 and b"Allow: GET, HEAD" in reply, method
        body = request(stand, method="POST", extra="Content-Length: 5\r\n")
        assert status(body) == 405
        assert status(request(stand, extra="Content-Length: 5\r\n")) == 400
        assert status(request(stand, extra="Transfer-Encoding: chunked\r\n")) == 400
        # What a page has, its head says; /metrics says nothing before the first message has come.
        length = len(stand.get("/style.css")[2])
        head = request(stand, "/style.css", method="HEAD")
        assert status(head) == 200 and head.endswith(b"\r\n\r\n"), head
        assert int(re.search(rb"Content-Length: (\d+)", head)[1]) == length > 10, head


def test_security_headers():
    with Stand() as stand:
        for path in ("/", "/metrics", "/api/status", "/nothing"):
            _status, headers, _body = stand.get(path)
            assert headers["Content-Security-Policy"].startswith("default-src 'self'"), path
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "Server" not in headers and "Set-Cookie" not in headers


def test_oversized_and_malformed():
    with Stand() as stand:
        before = stand.memory()
        long = request(stand, extra=f"X-Long: {'a' * 100_000}\r\n")
        assert status(long) in (400, 413, 431, None), long[:60]
        many = request(stand, extra="".join(f"X-{i}: b\r\n" for i in range(20_000)))
        assert status(many) in (400, 413, 431, None), many[:60]
        target = request(stand, "/" + "a" * 100_000)
        assert status(target) in (400, 414, 431, None), target[:60]
        for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", b"\0" * 5000 + b"\r\n\r\n",
                     b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50000, b"GET / HTTP/1.1\r\nno colon\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", stand.port), timeout=20) as client:
                try:
                    client.sendall(junk)
                    client.shutdown(socket.SHUT_WR)
                    reply = client.recv(65536)
                except OSError:
                    reply = b""
                assert status(reply) != 200, junk[:30]
        assert stand.json("/api/status")[0] == 200
        return f"grew by {(stand.memory() - before) / 1e3:.0f} kB"


def test_slow_loris_is_cut_off():
    with Stand() as stand:
        clients = [socket.create_connection(("127.0.0.1", stand.port)) for _ in range(20)]
        begin, ended = time.monotonic(), {}
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\n")
            client.settimeout(0)
        while len(ended) < len(clients):
            assert time.monotonic() - begin < FIRST_S + 10, f"{len(ended)} of {len(clients)} were cut off"
            assert stand.get("/style.css")[0] == 200, "others are not served meanwhile"
            for i, client in enumerate(clients):
                if i in ended:
                    continue
                try:
                    client.sendall(b"X")
                    if client.recv(1000) == b"":
                        ended[i] = time.monotonic() - begin
                except BlockingIOError:
                    pass
                except OSError:
                    ended[i] = time.monotonic() - begin
            time.sleep(0.25)
        for client in clients:
            client.close()
        assert min(ended.values()) > FIRST_S - 1
        return f"{len(ended)} connections cut off after {min(ended.values()):.1f} to {max(ended.values()):.1f} s"


def test_pipelining_answers_in_order():
    with Stand(recorder=True) as stand:
        eventually(lambda: stand.json("/api/series")[0] == 200)
        host = f"Host: 127.0.0.1:{stand.port}\r\n"
        series = f"/api/history?series={HOST}/sensor.memory/used&points=50"
        batch = "".join(f"GET {path} HTTP/1.1\r\n{host}\r\n" for path in ("/style.css", series, "/nothing", series))
        batch += f"GET /metrics HTTP/1.1\r\n{host}Connection: close\r\n\r\n"
        reply = send(stand, batch.encode())
        assert re.findall(rb"HTTP/1\.1 (\d{3})", reply) == [b"200", b"200", b"404", b"200", b"200"]
        assert reply.index(b":root") < reply.index(b'"points"') < reply.index(b"# EOF")


def test_status_is_what_mlxctl_prints():
    with Stand("sampler") as stand:
        for topic, data in MACHINE.items():
            stand.publish(topic, data)
        wanted = {"sensor.memory", *MACHINE}
        def holding(topics):
            return eventually(lambda: next((reply for reply in [stand.json("/api/status")] if topics <= {
                m["topic"] for m in reply[1]["messages"]}), None))

        holding(wanted)
        printed = json.loads(stand.suite.ctl("status", "--json").stdout)
        # A service's first report may come in between: all that was printed is there, now or at once.
        code, body = holding({m["topic"] for m in printed["messages"]})
        assert code == 200 and body.keys() == printed.keys()
        assert body["host"] == printed["host"] == HOST
        assert body["headline"]["model"] == "qwen3:8b" and body["headline"]["alerts"] == 1
        assert stand.json("/api/cache")[1]["models_count"] == 2


def test_history_comes_from_the_recorder():
    with Stand() as stand:
        code, body = stand.json(f"/api/history?series={HOST}/sensor.memory/used")
        assert code == 503 and body["error"]["code"] == "unavailable" and "recorder" in body["error"]["hint"]
        assert stand.json("/api/series")[0] == stand.json("/api/benchmarks")[0] == 503
        code, body = stand.json("/api/cache")
        assert code == 503 and body["error"]["hint"]
    with Stand(recorder=True) as stand:
        eventually(lambda: stand.json("/api/series")[0] == 200)
        code, body = stand.json(f"/api/history?series={HOST}/sensor.memory/used&since=2h&until=1h&points=100")
        assert code == 200 and 50 < len(body["points"]) <= 100 and len(body["points"][0]) == 5
        asked = stand.recorder.asked[-1]
        assert asked["cmd"] == "history.query" and asked["args"]["points"] == 100
        assert abs(asked["args"]["until"] - asked["args"]["since"] - 3600e6) < 1e6
        assert stand.json("/api/history?series=no/such/thing")[0] == 404
        for query in ("", "?series=", "?series=a&points=1", "?series=a&since=x", "?series=a&since=1h&until=2h"):
            code, body = stand.json("/api/history" + query)
            assert code == 400 and body["error"]["message"], query
        assert len(stand.json("/api/benchmarks")[1]["results"]) == 3


def test_the_recorder_itself_answers():
    with Stand("sampler", "recorder") as stand:
        name = f"{HOST}/sensor.memory/used"
        eventually(lambda: name in stand.json("/api/series")[1].get("series", []), 20)
        points = eventually(lambda: [p for p in stand.json(f"/api/history?series={name}&since=60s&points=60")[1]["points"]
                                     if p[4]], 20)
        assert abs(points[-1][0] / 1e6 - time.time()) < 30 and points[-1][1] <= points[-1][3] <= points[-1][2]
        assert stand.json("/api/history?series=no/such/thing")[0] == 404
        assert stand.json("/api/benchmarks") == (200, {"results": []})


def test_silent_recorder_does_not_hold_others():
    with Stand(recorder=True) as stand:
        eventually(lambda: stand.json("/api/series")[0] == 200)
        stand.recorder.delay = 8
        waiting = [socket.create_connection(("127.0.0.1", stand.port), timeout=20) for _ in range(70)]
        for client in waiting:
            client.sendall(f"GET /api/series HTTP/1.1\r\nHost: localhost:{stand.port}\r\n\r\n".encode())
        begin = time.monotonic()
        assert stand.get("/metrics")[0] == 200
        quick = time.monotonic() - begin
        assert quick < 1, f"{quick:.1f} s"
        replies = [client.recv(4096) for client in waiting]
        assert all(status(reply) == 503 for reply in replies)
        assert sum(b"busy" in reply for reply in replies) == 6
        for client in waiting[:35]:
            client.close()  # some leave before they are answered
        return f"/metrics after {quick * 1000:.0f} ms while 64 questions wait"


def test_second_gateway_says_what_to_do():
    with Stand() as stand:
        other = stand.suite.start("gateway", "--set", f"gateway.listen=127.0.0.1:{stand.port}")
        assert other.wait(10) == 75
        assert "gateway.listen" in stand.suite.log("gateway")
        stand.suite.processes["gateway"] = stand.process


def test_models_are_changed_by_the_page_alone():
    with Double("--runner", "--load-ms", "50", "--rate", "20", "--keep-alive", "-1") as double, \
            Stand("sampler", environment={"OLLAMA_HOST": double.url}) as stand:
        stand.suite.start("watcher")
        token = stand.json("/api/token")[1]["token"]

        def post(what, model="tiny-random", token=token, **more):
            more.setdefault("Content_Type", "application/json")
            body = json.dumps({"do": what, "model": model, "runtime": double.url, **more.pop("also", {})})
            code, _headers, reply = stand.get("/api/models", method="POST", body=body, X_MLX_Token=token, **more)
            return code, json.loads(reply)

        assert len(token) == 64
        assert stand.get("/api/token", Origin="http://evil.example")[0] == 403
        for more in ({"token": "0" * 64}, {"token": ""}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://evil.example"}):
            assert post("load", **more)[0] == 403, more
        for what, more in (("burn", {}), ("load", {"model": ""}), ("load", {"Content_Type": "text/plain"}),
                           ("load", {"also": {"x": "y" * 5000}})):
            assert post(what, **more)[0] == 400, (what, more)
        assert stand.get("/api/models")[0] == 405
        assert not double.get("/api/ps")["models"]

        eventually(lambda: post("pin", "no-such-model")[1]["error"]["code"] != "unavailable")
        code, reply = post("load")
        assert code == 200 and reply["runtime"] == "ollama" and reply["memory_before"] > 0 < reply["memory_after"], reply
        assert double.get("/api/ps")["models"]
        assert post("unload", also={"runtime": "vllm"})[0] == 503
        code, reply = post("unload")
        assert code == 200 and reply["model"], reply
        assert post("unload")[1]["error"]["code"] == "not_found"


def test_the_page_asks_for_a_few_commands_alone():
    with Double("--runner", "--rate", "5", "--keep-alive", "-1") as double, \
            Stand("recorder", "watcher", "bencher", environment={"OLLAMA_HOST": double.url}) as stand:
        token = stand.json("/api/token")[1]["token"]

        def post(body, token=token, **more):
            more.setdefault("Content_Type", "application/json")
            code, _headers, reply = stand.get("/api/actions", method="POST", body=json.dumps(body), X_MLX_Token=token, **more)
            return code, json.loads(reply)

        silence = {"do": "alert.silence", "rule": "nosuch", "seconds": 60}
        for more in ({"token": "0" * 64}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://evil.example"}):
            assert post(silence, **more)[0] == 403, more
        for wrong in ([], {}, {"do": 5}, {"do": "bus.keys"}, {"do": "cache.clean", "yes": True}, {"do": "model.unload"},
                      {**silence, "rule": 5}, {**silence, "seconds": "long"}, {**silence, "more": 1},
                      {"do": "bench.run", "prompts": ["mine"]}, {"do": "cache.dedup", "yes": "yes"}):
            assert post(wrong)[0] == 400, wrong
        assert post(silence, Content_Type="text/plain")[0] == 400
        assert stand.get("/api/actions")[0] == 405
        assert eventually(lambda: post(silence)[1]["error"]["code"] != "unavailable")
        assert post(silence)[0] == 404
        assert post({"do": "cache.where", "model": "x"})[1]["error"]["code"] == "unavailable"  # no mlx-cached here
        assert post({"do": "cancel", "what": "bench.run"}) == (200, {"cancelled": 0})

        heard, ended = stand.suite.subscribe("bench.progress"), []
        eventually(lambda: post({"do": "bench.run", "model": "no-such-model"})[1]["error"]["code"] not in ("unavailable", "busy"))
        runner = threading.Thread(target=lambda: ended.append(post({"do": "bench.run", "model": "tiny-random", "budget": 300})))
        runner.start()
        heard.until(lambda _t, body: body["d"]["phase"] in ("load", "warmup", "prompts"), 60)
        assert post({"do": "bench.run"})[0] == 503  # one at a time
        assert post({"do": "cancel", "what": "bench.run"}) == (200, {"cancelled": 1})
        runner.join(30)
        assert ended and ended[0][1]["error"]["code"] == "interrupted", ended


run(test_hosts_and_origins, test_paths_have_no_tricks, test_methods_and_bodies, test_security_headers,
    test_oversized_and_malformed, test_slow_loris_is_cut_off, test_pipelining_answers_in_order,
    test_status_is_what_mlxctl_prints, test_history_comes_from_the_recorder,
    test_the_recorder_itself_answers, test_silent_recorder_does_not_hold_others, test_second_gateway_says_what_to_do,
    test_models_are_changed_by_the_page_alone, test_the_page_asks_for_a_few_commands_alone)

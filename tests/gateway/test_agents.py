"""The Model Context Protocol at /mcp: the protocol's own Python client in both eras, and hostile requests."""
import asyncio
import base64
import gzip
import json
import os
import re
import socket
import subprocess
import sys

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from stand import MACHINE, Stand, eventually, run
from suite import BIN
from test_bench import Double, prompts_file, ready  # noqa: F401
from test_mcp import READ_ONLY, topics
from test_mcp import with_client as over_stdio

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "demo"))
import make  # noqa: E402

MODERN = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
PING = {"jsonrpc": "2.0", "id": 7, "method": "ping"}


def token_of(stand):
    with open(f"{stand.suite.directory}/state/mcp.token") as file:
        return file.read()


def with_client(stand, mode, steps):
    async def play():
        async with create_mcp_http_client(headers={"Authorization": f"Bearer {token_of(stand)}"}) as http:
            transport = streamable_http_client(f"{stand.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                return await steps(client)
    return asyncio.run(asyncio.wait_for(play(), 60))


def serving(*services, mode="read"):
    stand = Stand(*services, options=[f"gateway.mcp={mode}"])
    for topic, data in MACHINE.items():
        stand.publish(topic, data)
    return stand.listening()


def post(stand, message, token=None, head=None):
    """(status, parsed body) of one POST; MESSAGE may be bytes."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
               "Authorization": f"Bearer {token_of(stand) if token is None else token}", **(head or {})}
    status, _headers, reply = stand.get("/mcp", method="POST", body=body,
                                        **{name.replace("-", "_"): value for name, value in headers.items() if value is not None})
    return status, json.loads(reply) if reply else None


def test_the_protocols_own_client():
    with serving() as stand:
        async def look(client):
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == READ_ONLY | {"benchmark"}, tools
            text = (await client.read_resource("mlx://catalogue")).contents[0].text
            assert "sensor.memory" in text
            running = topics(await client.call_tool("what_runs"))
            assert running["runtime.ollama.local.activity"]["data"]["tokens_per_second"] == 42.3
            wrong = await client.call_tool("machine", {"gpu": 1})
            assert wrong.is_error and "no such argument" in wrong.content[0].text
            answers = await asyncio.gather(*(client.call_tool("machine") for _ in range(20)))
            assert all(topics(answer)["sensor.gpu.0"]["data"]["utilization"] == 0.67 for answer in answers)
            return client.protocol_version
        versions = [with_client(stand, mode, look) for mode in ("legacy", MODERN, "auto")]
        assert versions == ["2025-11-25", MODERN, MODERN], versions
        stand.suite.environment["MLX_GATEWAY_MCP"] = "read"
        said = stand.suite.ctl("mcp", "--url").stdout
        entry = json.loads(said)["mcpServers"]["mlx"]
        assert entry["headers"]["Authorization"] == f"Bearer {token_of(stand)}" and entry["url"].endswith("/mcp")
        assert os.stat(f"{stand.suite.directory}/state/mcp.token").st_mode & 0o777 == 0o600
        return ", ".join(versions)


def test_changes_only_where_they_are_allowed():
    async def names(client):
        return {tool.name: tool.annotations.read_only_hint for tool in (await client.list_tools()).tools}
    with serving(mode="changes") as stand:
        listed = with_client(stand, "auto", names)
        assert listed["load_model"] is False and listed["unload_model"] is False, listed
    with serving() as stand:
        call = {**PING, "method": "tools/call", "params": {"name": "unload_model", "arguments": {"model": "x"}}}
        status, said = post(stand, call)
        assert status == 200 and said["error"]["code"] == -32602, said


def test_progress_and_cancel():
    with Double("--rate", "100") as double, serving("bencher") as stand:
        stand.suite.await_service("bencher")
        told = []

        async def measure(client):
            async def on_progress(progress, _total, _message):
                told.append(progress)
            ask = {"model": "tiny-random", "url": double.url, "budget": 6}
            result = await client.call_tool("benchmark", ask, progress_callback=on_progress)
            task = asyncio.ensure_future(client.call_tool("benchmark", ask, progress_callback=on_progress))
            await asyncio.to_thread(double.until, "generating", 1, 20)
            task.cancel()
            await asyncio.to_thread(double.until, "generating", 0, 10)
            assert (await client.list_tools()).tools
            return result.structured_content["tokens_per_second"]["mean"]
        speed = with_client(stand, "auto", measure)
        assert abs(speed / 100 - 1) < 0.1 and told and told[0] == 1, (speed, told)
        return f"{len(told)} steps told"


def test_hostile_requests():
    with serving() as stand:
        before = stand.memory()
        call = {**PING, "method": "tools/call", "params": {"name": "machine", "_meta": META}}
        modern = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "machine"}
        packed = f"=?base64?{base64.b64encode(b'machine').decode()}?="
        cases = [
            (PING, {}, 200, None), (call, modern, 200, None), (call, {**modern, "Mcp-Name": packed}, 200, None),
            (call, {}, 400, -32020), (call, {**modern, "Mcp-Method": "tools/list"}, 400, -32020),
            (call, {**modern, "Mcp-Name": "benchmark"}, 400, -32020), (call, {**modern, "Mcp-Name": None}, 400, -32020),
            (call, {**modern, "MCP-Protocol-Version": "2025-11-25"}, 400, -32020), (PING, {"MCP-Protocol-Version": MODERN}, 400, -32020),
            (PING, {"MCP-Protocol-Version": "1999-01-01"}, 400, -32020), (PING, {"MCP-Protocol-Version": "2025-06-18"}, 200, None),
            ({**PING, "params": {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"}}},
             {"MCP-Protocol-Version": "2031-01-01", "Mcp-Method": "ping"}, 400, -32022),
            ({**PING, "method": "no/such", "params": {"_meta": META}}, {**modern, "Mcp-Method": "no/such"}, 404, -32601),
            ({**PING, "method": "no/such"}, {}, 200, -32601), (b"{", {}, 400, -32700), (b"\xff", {}, 400, -32700), (b"", {}, 400, -32700),
            (b"[]", {}, 400, -32600), (b"[" * 5000, {}, 400, -32700), (PING, {"Content-Type": "text/plain"}, 400, -32600),
            ({**PING, "id": {}}, {}, 200, -32600), ({"jsonrpc": "2.0", "id": 1, "result": {}}, {}, 202, None),
            ({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {}}}, {}, 202, None),
        ]
        for message, head, status, code in cases:
            got, said = post(stand, message, head=head)
            assert got == status and ((said or {}).get("error") or {}).get("code") == code, (message, head, got, said)
        for token in ("", "x", "0" * 64, token_of(stand)[:-1], token_of(stand) + "0"):
            assert post(stand, PING, token=token)[0] == 401, token
        for head, status in (({"Host": "evil.example"}, 403), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
                             ({"Origin": f"http://127.0.0.1:{stand.port}"}, 200)):
            assert post(stand, PING, head=head)[0] == status, head
        for method in ("GET", "DELETE", "PUT", "HEAD"):
            assert stand.get("/mcp", method=method)[0] == 405, method
        too_long = b" " * (1 << 20) + json.dumps(PING).encode()
        assert post(stand, too_long)[0] == 413 and stand.get("/api/status", method="POST", body=b"{}")[0] == 405
        chunked(stand)
        assert post(stand, PING)[0] == 200
        return f"{len(cases)} messages, grew by {(stand.memory() - before) / 1e3:.0f} kB"


def chunked(stand):
    """A body without an end is cut off at its limit; one that comes in pieces is taken."""
    head = (f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{stand.port}\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Authorization: Bearer {token_of(stand)}\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", stand.port), timeout=20) as client:
        client.sendall(head + b"".join(b"1\r\n%c\r\n" % byte for byte in json.dumps(PING).encode()) + b"0\r\n\r\n")
        reply = b""
        while piece := client.recv(65536):
            reply += piece
        assert b" 200 " in reply.split(b"\r\n")[0] and b'"result":{}' in reply, reply
    with socket.create_connection(("127.0.0.1", stand.port), timeout=20) as client:
        client.sendall(head)
        sent = 0
        try:
            while sent < 64 << 20:
                client.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                sent += 0x10000
        except OSError:
            pass
        assert sent < 32 << 20, sent


def test_off_unless_asked_for():
    with Stand() as stand:
        assert stand.get("/mcp", method="POST", body=b"{}")[0] == 405 and stand.get("/mcp")[0] == 404
        assert not os.path.exists(f"{stand.suite.directory}/state/mcp.token")
        assert stand.suite.ctl("mcp", "--url", check=False).returncode == 4


def test_many_that_wait():
    """Requests that nobody answers are bounded, and those who leave are forgotten."""
    with serving() as stand:
        call = json.dumps({**PING, "method": "tools/call", "params": {
            "name": "benchmark", "arguments": {"model": "m"}, "_meta": {**META, "progressToken": 1}}})
        head = (f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{stand.port}\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
                f"MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: benchmark\r\n"
                f"Authorization: Bearer {token_of(stand)}\r\nContent-Length: {len(call)}\r\n\r\n{call}").encode()
        clients = [socket.create_connection(("127.0.0.1", stand.port), timeout=20) for _ in range(70)]
        for client in clients:
            client.sendall(head)
        statuses = [re.match(rb"HTTP/1.1 (\d+)", client.recv(65536))[1] for client in clients]
        for client in clients:
            client.close()
        assert set(statuses) <= {b"200", b"503"}, set(statuses)
        eventually(lambda: post(stand, PING)[0] == 200)
        return f"{statuses.count(b'200')} taken, {statuses.count(b'503')} told to wait"


LOADED = {"name": "m:1b", "size": 9_000_000_000, "vram": 9_000_000_000, "context": 4096}
SLOW = {  # what a recording has, and the finding that explains it
    "prompt_truncated": ({"runtime.ollama.local.models": {"reachable": True, "kind": "ollama", "models": [LOADED]}},
                         {"prompt_tokens": 4096, "tokens": 20}, "4096"),
    "cpu_layers": ({"sensor.gpu.0": {"memory_total": 8_000_000_000, "memory_used": 7_500_000_000},
                    "runtime.ollama.local.models": {"reachable": True, "kind": "ollama", "models": [{**LOADED, "vram": 4_900_000_000}]}},
                   {}, "not on the GPU"),
    "throttled": ({"sensor.gpu.0": {"temperature": 92.0, "throttle": ["hw_thermal_slowdown"]}}, {}, "throttled"),
}


def recorded(path, topics_of, last):
    recording = make.Recording()
    for second in range(60):
        for topic, data in topics_of.items():
            recording.say(second + 0.1, "sampler", topic, data)
        now = make.START + second * 1_000_000
        recording.say(second + 0.2, "watcher", "runtime.ollama.local.activity", {
            "busy": True, "model": "m:1b", "last": {"model": "m:1b", "t": now, **last}} if last else {"busy": True, "model": "m:1b"})
    with gzip.open(path, "wb") as file:
        file.write(recording.bytes())


async def agent(client):
    """Why is my model slow? The rule and its words, and how many calls that took."""
    calls = 0
    for tool in ("why_slow", "what_runs", "machine"):
        calls += 1
        said = topics(await client.call_tool(tool))
        found = {topic: entry["data"] for topic, entry in said.items() if topic.startswith("finding.")
                 and entry["data"]["state"] == "firing"}
        if found:
            return found, calls
    return {}, calls


def answered(rule):
    """The dialogue over both transports while the recording of RULE plays; how many calls it took at most."""
    topics_of, last, words = SLOW[rule]
    with serving() as stand:
        path = f"{stand.suite.directory}/{rule}.mlxrec"
        recorded(path, topics_of, last)
        stand.suite.start("recorder", "--set", f"host={make.HOST}")
        player = subprocess.Popen([os.path.join(BIN, "mlxctl"), "replay", "--loop", path], env=stand.suite.environment,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            stand.suite.subscribe(f"finding.{rule}").until(lambda _t, b: b["d"]["state"] == "firing", 200)
            found, calls = with_client(stand, "auto", agent)
            other, again = over_stdio(stand.suite, "legacy", agent)
        finally:
            player.terminate()
            player.wait(10)
    assert f"finding.{rule}" in found and words in found[f"finding.{rule}"]["summary"], found
    assert found.keys() == other.keys() and found[f"finding.{rule}"]["remedy"], other
    return max(calls, again)


def test_why_is_my_model_slow():
    """An agent's script finds each cause in a replayed recording; the recorder takes half a minute for each to be
    sure, so this is switched on by MLX_AGENT_DIALOGUE=1."""
    if not os.environ.get("MLX_AGENT_DIALOGUE"):
        return "not run: MLX_AGENT_DIALOGUE is not set"
    calls = [answered(rule) for rule in SLOW]
    assert max(calls) <= 3, calls
    return f"{len(SLOW)} causes, {max(calls)} calls at most"


if __name__ == "__main__":
    run(test_the_protocols_own_client, test_changes_only_where_they_are_allowed, test_progress_and_cancel, test_hostile_requests,
        test_off_unless_asked_for, test_many_that_wait, test_why_is_my_model_slow)

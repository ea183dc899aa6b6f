"""mlxctl mcp, asked by the protocol's own Python client in both eras, and by hostile lines."""
import asyncio
import json
import os
import subprocess
import sys

import yaml
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from suite import BIN, Suite, envelope, run
from test_bench import Double, prompts_file, ready

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cache"))
from files import safetensors, write  # noqa: E402

READ_ONLY = {"where_is_model", "fits", "what_runs", "machine", "why_slow", "how_fast", "history", "history_series",
             "cache_status", "suite_health", "requests", "findings"}


def parameters(suite, *arguments):
    return StdioServerParameters(command=os.path.join(BIN, "mlxctl"), args=["mcp", *arguments],
                                 env=suite.environment)


def with_client(suite, mode, steps, *arguments):
    async def play():
        async with Client(parameters(suite, *arguments), mode=mode) as client:
            return await steps(client)
    return asyncio.run(asyncio.wait_for(play(), 60))


def topics(result):
    assert not result.is_error, result
    # Older clients read only the text: it must say the same.
    assert json.loads(result.content[0].text) == result.structured_content
    return {entry["topic"]: entry for entry in result.structured_content["topics"]}


def two_stores(suite):
    """A model in the hub's cache, whole, and in LM Studio's folder, of which a part is missing; the cache's daemon."""
    config = json.dumps({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "vocab_size": 100,
                         "num_attention_heads": 4, "max_position_embeddings": 2048, "intermediate_size": 128}).encode()
    commit = "0123456789abcdef" * 2 + "01234567"
    hub = f"{suite.directory}/.cache/huggingface/hub/models--org--tiny"
    write(f"{hub}/refs/main", commit.encode())
    index = json.dumps({"weight_map": {"w": "a.safetensors", "v": "b.safetensors"}}).encode()
    for folder, parts in ((f"{hub}/snapshots/{commit}", "ab"), (f"{suite.directory}/.lmstudio/models/org/Tiny", "a")):
        write(f"{folder}/config.json", config)
        write(f"{folder}/model.safetensors.index.json", index)
        for part in parts:
            write(f"{folder}/{part}.safetensors", safetensors(4096, part))
    suite.start("cached")
    suite.await_service("cache")
    return f"{hub}/snapshots/{commit}"


async def look_for_models(client, folder):
    """where_is_model and fits, of what two_stores made."""
    found = await client.call_tool("where_is_model", {"model": "TINY"})
    assert not found.is_error and json.loads(found.content[0].text) == found.structured_content, found
    places = {place["app"]: place for model in found.structured_content["models"] for place in model["places"]}
    assert {app: place["complete"] for app, place in places.items()} == {"huggingface": True, "lmstudio": False}, places
    assert {os.path.realpath(file["path"]) for file in places["huggingface"]["files"]} == {
        os.path.realpath(os.path.join(folder, name)) for name in os.listdir(folder)}, places
    for place in places.values():
        assert place["size"] == sum(os.stat(file["path"]).st_size for file in place["files"]) > 4096, place
    nowhere = await client.call_tool("where_is_model", {"model": "no-such"})
    assert nowhere.is_error and "no store" in nowhere.content[0].text, nowhere
    assert (await client.call_tool("where_is_model")).is_error
    fits = (await client.call_tool("fits", {"model": folder, "context": 512})).structured_content
    assert fits["fits"] is True and fits["context"] == 512 and fits["weights"] > 8000 and fits["available"] > 0, fits
    wrong = await client.call_tool("fits", {"model": folder, "cache": "f17"})
    assert wrong.is_error and "f17" in wrong.content[0].text, wrong


async def look_around(client):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert READ_ONLY | {"benchmark"} == set(tools), sorted(tools)
    for name, tool in tools.items():
        assert tool.annotations.read_only_hint == (name in READ_ONLY), name
        assert tool.annotations.destructive_hint is False and len(tool.description) > 60
    catalogue = (await client.list_resources()).resources[0]
    text = (await client.read_resource(str(catalogue.uri))).contents[0].text
    assert "sensor.memory" in text
    machine = topics(await client.call_tool("machine"))
    assert machine["sensor.memory"]["data"]["total"] > 0 and machine["sensor.memory"]["age"] < 10
    assert topics(await client.call_tool("why_slow")) == {}
    running = topics(await client.call_tool("what_runs"))
    models = next(v["data"] for k, v in running.items() if k.endswith(".models"))
    assert models["reachable"] is True, models
    wrong = await client.call_tool("how_fast", {"limit": "many"})
    assert wrong.is_error and "limit" in wrong.content[0].text, wrong
    wrong = await client.call_tool("machine", {"gpu": 1})
    assert wrong.is_error and "no such argument" in wrong.content[0].text, wrong
    wrong = await client.call_tool("history", {"series": "sensor.memory/used", "since": "soon"})
    assert wrong.is_error and "2h" in wrong.content[0].text, wrong
    return client.protocol_version


def test_both_eras():
    with Double() as double, Suite(
            "bus", "sampler", config="watcher: {tap: false, discover: false, runtimes: "
            f"[{{kind: ollama, url: '{double.url}'}}]}}\n") as suite:
        reader = suite.subscribe("")
        suite.start("watcher")
        reader.until(lambda topic, b: topic.endswith(".models") and b["d"].get("reachable"), 20)
        reader.until(lambda topic, b: topic == "sensor.memory", 20)
        versions = [with_client(suite, mode, look_around) for mode in ("legacy", "2026-07-28", "auto")]
        folder = two_stores(suite)
        with_client(suite, "auto", lambda client: look_for_models(client, folder))
        assert versions[0] == "2025-11-25" and versions[1:] == ["2026-07-28"] * 2, versions
        reader.close()
        return ", ".join(versions)


def test_what_fills_many_pages_is_whole():
    with Suite("bus") as suite:
        publisher, reader = suite.publisher(), suite.subscribe("runtime.")
        names = [f"runtime.openai.m{number}.models" for number in range(4)]
        for number, name in enumerate(names):
            data = {"reachable": True, "reason": "x" * 600_000}
            publisher.send_multipart([name.encode(), envelope("watcher", number + 1, data)])
            reader.until(lambda topic, _b, name=name: topic == name, 10)

        async def look(client):
            return await client.call_tool("what_runs")
        assert set(topics(with_client(suite, "auto", look))) == set(names)
        publisher.close()
        reader.close()


def test_a_model_is_unloaded_only_where_that_is_allowed():
    with Double() as double, Suite("bus", config="watcher: {tap: false, discover: false, runtimes: "
                                   f"[{{kind: ollama, url: '{double.url}'}}]}}\n") as suite:
        suite.start("watcher")
        suite.subscribe("runtime.").until(lambda _t, b: b["d"].get("reachable"), 20)
        suite.await_service("watcher")
        ask = {"model": "tiny-random"}

        async def refused(client):
            return await client.call_tool("load", ask)
        try:
            with_client(suite, "auto", refused)
            raise AssertionError("load was called")
        except Exception as problem:  # the client's own kind of error, in a group
            assert "unknown tool" in repr(problem), repr(problem)

        async def load_and_unload(client):
            assert {"load", "unload"} < {t.name for t in (await client.list_tools()).tools}
            loaded = await client.call_tool("load", ask)
            names = [model["name"] for model in double.get("/api/ps")["models"]]
            # The watcher looks each second.
            await asyncio.to_thread(suite.subscribe("runtime.").until, lambda topic, body: topic.endswith(
                ".models") and body["d"].get("models"), 20)
            unloaded = await client.call_tool("unload", ask)
            return loaded, names, unloaded, double.get("/api/ps")["models"]
        loaded, names, unloaded, left = with_client(suite, "auto", load_and_unload, "--changes")
        assert not loaded.is_error and not unloaded.is_error, (loaded, unloaded)
        assert names == ["tiny-random:latest"] and left == [], (names, left)


def test_a_benchmark_with_progress_and_cancel():
    with Double("--rate", "100") as double, Suite("bus", "bencher") as suite:
        ready(suite)
        told = []

        async def measure(client):
            async def on_progress(progress, _total, message):
                told.append((progress, json.loads(message)))
            return await client.call_tool(
                "benchmark", {"model": "tiny-random", "url": double.url, "budget": 6},
                progress_callback=on_progress)

        result = with_client(suite, "auto", measure)
        speed = result.structured_content["tokens_per_second"]["mean"]
        assert abs(speed / 100 - 1) < 0.1, speed
        numbers = [number for number, _message in told]
        assert numbers and numbers == sorted(set(numbers)), numbers

        async def give_up(client):
            task = asyncio.ensure_future(client.call_tool(
                "benchmark", {"model": "tiny-random", "url": double.url}))
            await asyncio.to_thread(double.until, "generating", 1, 20)
            task.cancel()
            await asyncio.to_thread(double.until, "generating", 0, 10)
            return (await client.list_tools()).tools  # and the server lives on
        assert with_client(suite, "auto", give_up)
        return f"{len(told)} steps told"


def say(suite, *lines, wait=20):
    """Each line as it is; the answers in order."""
    data = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
                    for line in lines)
    result = subprocess.run([os.path.join(BIN, "mlxctl"), "mcp"], env=suite.environment, input=data,
                            capture_output=True, timeout=wait)
    assert result.returncode == 0, result
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_hostile_lines():
    with Suite("bus") as suite:
        ping = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
        meta = {"io.modelcontextprotocol/protocolVersion": "2031-01-01",
                "io.modelcontextprotocol/clientCapabilities": {}}
        cases = [
            (b"{", -32700), (b"\xff\xfe", -32700), (b"[" * 100, -32700), (b"[]", -32600),
            (b"5", -32600), (b'"x"', -32600), (b"{}", -32600), (b"null", -32600),
            (b"x" * (1 << 20) + b"y", -32600),
            ({**ping, "jsonrpc": "1.0"}, -32600), ({**ping, "id": 1.5}, -32600),
            ({**ping, "id": {}}, -32600), ({**ping, "method": 5}, -32600),
            ({**ping, "params": [1]}, -32600), ({**ping, "method": "no/such"}, -32601),
            ({**ping, "method": "tools/call"}, -32602),
            ({**ping, "method": "tools/call", "params": {"name": "rm"}}, -32602),
            ({**ping, "method": "tools/call", "params": {"name": "machine", "arguments": 5}}, -32602),
            ({**ping, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}}, -32602),
            ({**ping, "params": {"_meta": meta}}, -32022),
            ({**ping, "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}},
             -32602),
        ]
        answers = say(suite, *[line for line, _code in cases], ping)
        assert [answer["error"]["code"] for answer in answers[:-1]] == [code for _l, code in cases]
        assert answers[-1] == {"jsonrpc": "2.0", "id": 7, "result": {}}
        # Notifications and replies are never answered; an id keeps its type; nothing is an answer.
        quiet = say(suite, {"jsonrpc": "2.0", "method": "notifications/initialized"}, b"", b"",
                    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}},
                    {"jsonrpc": "2.0", "id": 3, "result": {}}, {**ping, "id": "7"})
        assert [answer["id"] for answer in quiet] == ["7"], quiet
        old = say(suite, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": {"name": "x"}}})
        assert old[0]["result"]["protocolVersion"] == "2025-11-25"
        # More at once than are taken: each is answered, some with "wait".
        many = say(suite, *[{"jsonrpc": "2.0", "id": n, "method": "tools/call",
                             "params": {"name": "suite_health"}} for n in range(100)])
        assert sorted(answer["id"] for answer in many) == list(range(100))
        assert any(answer["result"].get("isError") for answer in many)


def test_without_a_bus():
    with Suite() as suite:
        begin = say(suite, {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                            "params": {"name": "what_runs"}}, wait=5)
        assert begin[0]["result"]["isError"] and "deploy/up" in begin[0]["result"]["content"][0]["text"]


def test_the_skill_is_well_formed():
    with Suite() as suite:
        text = suite.ctl("skill").stdout
        head = yaml.safe_load(text.split("---\n")[1])
        assert head["name"] == "mlx" and len(head["description"]) <= 1024
        assert len(text.splitlines()) < 500
        assert all(f"`{name}`" in text for name in READ_ONLY)


if __name__ == "__main__":
    run(test_the_skill_is_well_formed, test_both_eras,
        test_what_fills_many_pages_is_whole, test_a_model_is_unloaded_only_where_that_is_allowed, test_a_benchmark_with_progress_and_cancel, test_hostile_lines,
        test_without_a_bus)

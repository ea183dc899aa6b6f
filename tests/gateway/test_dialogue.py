"""An agent asks "why is my model slow?" over both transports while a recording of the cause plays."""
import concurrent.futures
import gzip
import os
import subprocess
import sys

from stand import run
from suite import BIN
from test_agents import serving, with_client
from test_mcp import topics
from test_mcp import with_client as over_stdio

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "demo"))
import make  # noqa: E402

LOADED = {"name": "m:1b", "size": 9_000_000_000, "vram": 9_000_000_000, "context": 4096}
SLOW = {  # what a recording has, and the finding that explains it
    "prompt_truncated": ({"runtime.ollama.local.models": {"reachable": True, "kind": "ollama", "models": [LOADED]}},
                         {"prompt_tokens": 4096, "tokens": 20}, "4096"),
    "cpu_layers": ({"sensor.gpu.0": {"memory_total": 8_000_000_000, "memory_used": 7_500_000_000},
                    "runtime.ollama.local.models": {"reachable": True, "kind": "ollama", "models": [{**LOADED, "vram": 4_900_000_000}]}},
                   {}, "not on the GPU"),
    "throttled": ({"sensor.gpu.0": {"temperature": 92.0, "throttle": ["hw_thermal_slowdown"]}}, {}, "throttled while"),
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
        played, found = stand.suite.subscribe("runtime.ollama.local.activity"), stand.suite.subscribe("finding.")
        player = subprocess.Popen([os.path.join(BIN, "mlxctl"), "replay", "--loop", path], env=stand.suite.environment,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            # Only then the recorder, which takes the recorded machine for its own: a replay refuses to speak for a
            # machine that is on the bus already.
            played.until(lambda _t, body: body["host"] == make.HOST, 60)
            stand.suite.start("recorder", "--set", f"host={make.HOST}")
            found.until(lambda topic, body: topic == f"finding.{rule}" and body["d"]["state"] == "firing", 200)
            assert player.poll() is None, player.stderr.read()
            said, calls = with_client(stand, "auto", agent)
            other, again = over_stdio(stand.suite, "legacy", agent)
        finally:
            player.terminate()
            player.communicate(timeout=20)
    assert said.keys() == {f"finding.{rule}"} and words in said[f"finding.{rule}"]["summary"], said
    assert said.keys() == other.keys() and said[f"finding.{rule}"]["remedy"], other
    return max(calls, again)


def test_why_is_my_model_slow():
    """All at a time: the recorder waits half a minute before it is sure of some."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        calls = list(pool.map(answered, SLOW))
    assert max(calls) <= 3, calls
    return f"{len(SLOW)} causes, {max(calls)} calls at most"


if __name__ == "__main__":
    run(test_why_is_my_model_slow)

"""Many short requests at a real llama-server, and what is told of each: counts, cached part, speeds.

    MLX_LIVE_REQUESTS=1000 python run_live.py BIN --only short
"""

import http.client
import json
import os
import random
import tempfile
import threading
import time
from pathlib import Path

import servers
import suite as suites
import tiny_gguf

REQUESTS = int(os.environ.get("MLX_LIVE_REQUESTS", "60"))
WIDTH = 64  # so small that a thousand requests take minutes
TOTAL_TOLERANCE, RATE_TOLERANCE = 0.005, 0.01


def tiny(path):
    pairs = tiny_gguf.common(1, WIDTH, 2, 2, feed=WIDTH) | {"rope.dimension_count": WIDTH // 2}
    tensors = tiny_gguf.ends(WIDTH, tied=False)
    tensors |= tiny_gguf.attention(0, WIDTH, WIDTH, WIDTH) | tiny_gguf.feed_forward(0, WIDTH, WIDTH)
    return tiny_gguf.write(path, "llama", pairs, tensors)


def complete(port, chance):
    """One request of 2 to 400 tokens; what the server says of it itself."""
    body = {
        "prompt": [chance.randint(3, 8000) for _ in range(chance.choice([1, 5, 40, 200]))],
        "n_predict": chance.randint(2, 400),
        "ignore_eos": True,
        "cache_prompt": chance.random() < 0.5,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
    timings = json.loads(connection.getresponse().read())["timings"]
    connection.close()
    return timings


class Listener(threading.Thread):
    def __init__(self, suite):
        super().__init__(daemon=True)
        self.subscriber, self.done = suite.subscriber(), threading.Event()
        self.ended, self.activity = [], {}

    def run(self):
        while not self.done.is_set():
            for topic, message in self.subscriber.messages(0.2):
                if topic.endswith(".request"):
                    self.ended.append(message["d"])
                elif topic.endswith(".activity"):
                    self.activity = message["d"]
        self.subscriber.close()

    def stop(self):
        self.done.set()
        self.join()


def differences(truth, told):
    """What is wrong with the list of requests, and by how much speeds differ at worst."""
    wrong, worst = [], 0.0
    for server, ours in zip(truth, told):
        counts = (server["predicted_n"], server["cache_n"], server["cache_n"] + server["prompt_n"])
        if counts != tuple(ours.get(key) for key in ("tokens", "cached_tokens", "prompt_tokens")):
            wrong.append(f"{counts}, told as {ours}")
        elif server["predicted_n"] > 1:
            worst = max(worst, abs(ours["tokens_per_second"] / server["predicted_per_second"] - 1))
    return wrong, worst


def run(binaries):
    """-> a line for a person; ValueError when something is not told as it was."""
    chance = random.Random(5)
    with tempfile.TemporaryDirectory(prefix="mlx-live-") as folder:
        with servers.llama_server(folder, model=tiny(Path(folder) / "tiny.gguf")) as server:
            with suites.watching(binaries, folder, server) as suite:
                listener = Listener(suite)
                listener.start()
                subscriber = suite.subscriber()
                subscriber.wait(".activity", lambda data: data.get("source"), 20)
                truth = [complete(server.port, chance) for _ in range(REQUESTS)]
                time.sleep(2.5)
                listener.stop()
                subscriber.close()
    tokens = sum(one["predicted_n"] for one in truth)
    counted = listener.activity.get("tokens_total", 0)
    wrong, worst = differences(truth, listener.ended)
    sources = sorted({one["source"] for one in listener.ended})
    line = (
        f"short requests {len(truth)} of 2 to 400 tokens: {tokens} made, {counted} counted; "
        f"{len(listener.ended)} in the list, by {', '.join(sources)}; speeds {worst:.2%} off at worst"
    )
    if wrong or len(listener.ended) != len(truth) or abs(counted / tokens - 1) > TOTAL_TOLERANCE:
        raise ValueError(f"{line}; {wrong[:3]}")
    if worst > RATE_TOLERANCE:
        raise ValueError(line)
    return line

"""`mlxctl bench` beside the figures of llama-bench (tg128, pp512), in turn at one real llama-server.

    PYTHONPATH=tests/live $LIVE_PYTHON tests/bench/beside_llama.py BIN [ROUNDS]

LIVE_PYTHON is what tests/live/env.sh prints. Each round asks five short prompts and five of some 512
tokens by `mlxctl bench`, then the server itself for replies of the same sizes, as llama-bench does:
tokens without meaning, no prompt cache, the end of the text ignored. The model is small and of zeros:
what is compared is how speed is measured, not how fast a model is. Two comparisons: of the same
requests, with what the server's log says of each (holds on a busy machine too), and of requests one
after the other (needs a quiet one): the medians, and the best of each. Ends by itself.
"""

import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import servers
import suite as suites
import tiny_gguf

SHORT, LONG, BUDGET_S = 5, 5, 40
LAYERS, WIDTH = 4, 256


def model(folder):
    pairs = tiny_gguf.common(LAYERS, WIDTH, 4, 4, feed=WIDTH) | {"rope.dimension_count": WIDTH // 4}
    tensors = tiny_gguf.ends(WIDTH, tied=False)
    for layer in range(LAYERS):
        tensors |= tiny_gguf.attention(layer, WIDTH, WIDTH, WIDTH)
        tensors |= tiny_gguf.feed_forward(layer, WIDTH, WIDTH)
    return tiny_gguf.write(Path(folder) / "small.gguf", "llama", pairs, tensors)


def words(count, chance):
    return " ".join(f"w{chance.randint(0, 8000)}" for _ in range(count))


def prompts(folder, chance):
    lines = [words(4, chance) for _ in range(SHORT)] + [words(120, chance) for _ in range(LONG)]
    path = Path(folder) / "prompts.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def ours(binaries, folder, server, path):
    environment = dict(os.environ, MLX_RUNTIME_DIR=f"{folder}/run", HOME=str(folder))
    environment["MLX_CONFIG"] = f"{folder}/config.yaml"
    argv = [f"{binaries}/mlxctl", "bench", "--json", "--budget", str(BUDGET_S)]
    argv += ["--prompts", str(path), "--url", f"http://127.0.0.1:{server.port}"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)["prompts"]


def theirs(server, prompt_tokens, tokens, chance):
    """(prompt, generation) in tokens a second, by the server's own clock: each generated token but
    the first took a step."""
    body = {
        "prompt": [chance.randint(3, 8000) for _ in range(prompt_tokens)],
        "n_predict": tokens,
        "ignore_eos": True,
        "cache_prompt": False,
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
    timings = json.loads(connection.getresponse().read())["timings"]
    connection.close()
    made = 1000 * (timings["predicted_n"] - 1) / timings["predicted_ms"]
    return timings["prompt_per_second"], made


def logged(text):
    """{(prompt tokens, tokens): [(prompt, generation) in tokens a second]} of a log's requests."""
    found, head = {}, r"print_timing: id +\d+ \| task (\d+) \| +"
    figures = r"eval time = +([\d.]+) ms / +(\d+) tokens"
    prompts = {m[1]: m for m in re.finditer(head + "prompt " + figures, text)}
    for made in re.finditer(head + figures, text):
        read = prompts.get(made[1])
        if read and int(made[3]) > 1:
            rates = 1000 * int(read[3]) / float(read[2]), 1000 * (int(made[3]) - 1) / float(made[2])
            found.setdefault((int(read[3]), int(made[3])), []).append(rates)
    return found


def show(name, ours_rates, their_rates):
    if not ours_rates:
        print(f"{name}: no figures")
        return
    for how, pick in (("median", statistics.median), ("best", max)):
        a, b = pick(ours_rates), pick(their_rates)
        print(f"{name} {how}: ours {a:.2f}, theirs {b:.2f} tok/s, ratio {a / b:.4f}", flush=True)


def measure(binaries, folder, server, chance, tables):
    """One round; TABLES: {"same" or "turn": {kind: (ours, theirs)}}."""
    log = Path(folder) / "llama-server.log"
    before = log.stat().st_size
    results = ours(binaries, folder, server, prompts(folder, chance))
    time.sleep(1)
    same = logged(log.read_bytes()[before:].decode(errors="replace"))
    for one in results:
        sizes = (one.get("prompt_tokens"), one.get("tokens"))
        if None in sizes or sizes[1] < 2:
            continue
        in_turn = theirs(server, *sizes, chance)
        told = same.get(sizes) or [None]  # in the order of their end, as ours
        for table, rates in (("same", told.pop(0)), ("turn", in_turn)):
            for which, kind in enumerate(("prompt_tokens_per_second", "tokens_per_second")):
                fits = sizes[0] > 300 if which == 0 else sizes[1] >= 32
                if rates and fits and one.get(kind):
                    pair = tables[table][kind]
                    pair[0].append(one[kind])
                    pair[1].append(rates[which])


def main():
    binaries, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2
    chance, kinds = random.Random(7), ("tokens_per_second", "prompt_tokens_per_second")
    tables = {table: {kind: ([], []) for kind in kinds} for table in ("same", "turn")}
    daemons = ("mlx-bus", "mlx-watcher", "mlx-bencher")
    with tempfile.TemporaryDirectory(prefix="mlx-beside-") as folder:
        with servers.llama_server(folder, model=model(folder)) as server:
            with suites.watching(binaries, folder, server, daemons):
                for _ in range(rounds):
                    measure(binaries, folder, server, chance, tables)
    for table, name in (("same", "the same requests"), ("turn", "in turn")):
        for kind, test in zip(kinds, ("tg", "pp")):
            show(f"{name}, {test} ({len(tables[table][kind][0])})", *tables[table][kind])
    for kind, test in zip(kinds, ("tg", "pp")):
        off = [abs(a / b - 1) for a, b in zip(*tables["same"][kind])]
        if off:
            print(f"the same requests, {test}: {max(off):.3%} off at worst")


if __name__ == "__main__":
    main()

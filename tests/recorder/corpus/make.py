#!/usr/bin/env python3
"""Write the healthy corpus: more than three hours of three simulated machines at ordinary work, as `mlxctl record`
would have kept them, of which no finding may come (tests/recorder/test_corpus.c).

    tests/recorder/corpus/make.py [FILE]       default: healthy.mlxrec beside this script

notebook: an Apple laptop with Ollama, that swaps a little, gets warm, loads two models by turns;
workstation: two NVIDIA GPUs, one asleep, with vLLM, at its power limit while prompts are computed and idle for
an hour; server: no GPU, llama-server, long prompts. The same file comes out each time.
"""
import gzip
import math
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "deploy" / "demo"))
import make  # noqa: E402

HOURS, STEP = 3.2, 18
GB = 10 ** 9


class Machine:
    """One host's part: its models by time, and requests that end now and then."""

    def __init__(self, recording, host, runtime, seed):
        self.recording, self.host, self.where = recording, host, runtime
        self.roll = random.Random(seed)
        self.totals = {"tokens_total": 0, "prompt_tokens_total": 0, "requests_total": 0, "errors_total": 0}
        self.last, self.busy_until, self.at_work = None, 0, None

    def say(self, at, source, topic, data):
        make.HOST = self.host
        self.recording.say(at, source, topic, data)

    def near(self, value, size, digits=1):
        return round(value + self.roll.uniform(-size, size), digits)

    def models(self, second, kind, loaded):
        url = "http://127.0.0.1:" + self.where.rsplit("-", 1)[1][:-1]
        self.say(second + 0.2, "watcher", self.where + "models", {
            "reachable": True, "kind": kind, "version": "1.2.3", "url": url, "models": loaded})

    def work(self, second, model, context, speed, prompt_speed):
        """A request of MODEL ends, or goes on, or none runs."""
        if self.at_work and second >= self.busy_until:
            self.totals["requests_total"] += 1
            self.totals["tokens_total"] += self.at_work["tokens"]
            self.totals["prompt_tokens_total"] += self.at_work["prompt_tokens"]
            self.last = {**self.at_work, "t": make.START + self.busy_until * 1_000_000, "source": "tap", "outcome": "ok"}
            self.say(self.busy_until, "watcher", self.where + "request", {
                **{key: value for key, value in self.at_work.items() if key != "duration"},
                "start": make.START + int((self.busy_until - self.at_work["duration"]) * 1e6),
                "end": make.START + self.busy_until * 1_000_000, "client": "editor", "api": "chat", "outcome": "ok",
                "status": 200, "source": "tap", "exact": True})
            self.at_work = None
        if model and not self.at_work and self.roll.random() < 0.3:
            prompt, tokens = self.roll.randint(50, context * 6 // 10), self.roll.randint(20, min(900, context // 5))
            ttft = round(prompt / prompt_speed + self.roll.uniform(0.05, 0.9), 2)
            rate = self.near(speed, speed * 0.04)
            self.at_work = {"model": model, "prompt_tokens": prompt, "tokens": tokens, "ttft": ttft, "tokens_per_second": rate,
                            "prompt_tokens_per_second": self.near(prompt_speed, prompt_speed * 0.05, 0),
                            "duration": round(ttft + tokens / rate, 2)}
            self.busy_until = second + max(1, math.ceil(self.at_work["duration"]))
        data = {"busy": bool(self.at_work), "requests": int(bool(self.at_work)), "source": "tap", **self.totals}
        if self.at_work:
            data.update(model=model, tokens_per_second=self.near(speed, speed * 0.05))
        if self.last:
            data["last"] = self.last
        self.say(second + 0.3, "watcher", self.where + "activity", data)
        return bool(self.at_work)


def loaded(name, size, context, vram=None, digest="", **more):
    return {"name": name, "size": size, "vram": size if vram is None else vram, "context": context, "quantization": "Q4_K_M",
            "digest": digest or f"sha256:{name}", **more}


def notebook(self, second):
    """A model in the morning, another one at noon beside it, a short pause between; a pause of 25 minutes."""
    hour = second / 3600
    all_models = [loaded("qwen3:8b", 6 * GB, 16384, expires_at=make.START + (second + 300) * 1_000_000)]
    if 1.2 < hour < 2.1 or hour > 3:
        all_models.append(loaded("gemma3:12b", 9 * GB, 8192, expires_at=make.START + (second + 280) * 1_000_000))
    if 2.1 < hour < 2.55:
        all_models = []
    self.models(second, "ollama", all_models)
    busy = self.work(second, all_models and all_models[-1]["name"], 8192, 61.0, 900.0)
    self.say(second, "sampler", "sensor.gpu.0", {
        "name": "Apple M4 Pro", "vendor": "apple", "utilization": 0.93 if busy else 0.05, "unified": True,
        "memory_total": 48 * GB, "memory_used": sum(m["size"] for m in all_models) + 2 * GB,
        "temperature": self.near(78 if busy else 49, 2, 0), "power": self.near(31 if busy else 0.4, 1, 0), "throttle": []})
    swap = 1.1 * GB + 0.25 * GB * math.sin(second / 900)
    self.say(second, "sampler", "sensor.memory", {"total": 48 * GB, "used": 30 * GB, "available": 18 * GB, "swap_total": 3 * GB,
                                                  "swap_used": int(swap) // 1_000_000 * 1_000_000})
    self.say(second, "sampler", "sensor.temperature", {"cpu": self.near(71 if busy else 47, 2, 0),
                                                       "thermal_state": "moderate" if busy and hour > 3 else "nominal"})


def workstation(self, second):
    """One large model all day that stays loaded while nobody asks for an hour: the card has room. A second card sleeps."""
    idle = 1.5 < second / 3600 < 2.6
    self.models(second, "vllm", [loaded("org/Llama-70B-AWQ", 39 * GB, 32768)])
    busy = self.work(second, None if idle else "org/Llama-70B-AWQ", 32768, 28.0, 2400.0)
    self.say(second, "sampler", "sensor.gpu.0", {
        "name": "NVIDIA RTX 6000 Ada", "vendor": "nvidia", "utilization": 0.97 if busy else 0.01,
        "memory_total": 51 * GB, "memory_used": 39 * GB + 10_000_000, "temperature": self.near(74 if busy else 41, 2, 0),
        "power": self.near(270 if busy else 25, 4, 0), "power_limit": 300.0, "throttle": [] if busy else ["gpu_idle"]})
    self.say(second, "sampler", "sensor.gpu.1", {"name": "NVIDIA T400", "vendor": "nvidia", "state": "asleep"})
    self.say(second, "sampler", "sensor.memory", {"total": 128 * GB, "used": 20 * GB, "available": 108 * GB, "swap_total": 8 * GB,
                                                  "swap_used": 0})
    self.say(second, "sampler", "sensor.temperature", {"cpu": self.near(52, 1, 0)})


def server(self, second):
    """No GPU at all; prompts of minutes, which is no queue."""
    self.models(second, "llamacpp", [loaded("qwen3-4b.gguf", 3 * GB, 8192, vram=0)])
    self.work(second, "qwen3-4b.gguf", 8192, 11.0, 90.0)
    self.say(second, "sampler", "sensor.memory", {"total": 32 * GB, "used": 9 * GB, "available": 23 * GB, "swap_total": 4 * GB,
                                                  "swap_used": 900_000_000 + second // 60 * 1_000_000})
    self.say(second, "sampler", "sensor.temperature", {"cpu": self.near(66, 1, 0), "thermal_state": "nominal"})


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("healthy.mlxrec")
    make.SECONDS, make.NOTE = int(HOURS * 3600), "Simulated: more than three hours of three healthy machines, made by tests/recorder/corpus/make.py."
    recording = make.Recording()
    plays = [(Machine(recording, "notebook", "runtime.ollama.127_0_0_1-11434.", 1), notebook),
             (Machine(recording, "workstation", "runtime.vllm.127_0_0_1-8000.", 2), workstation),
             (Machine(recording, "server", "runtime.llamacpp.127_0_0_1-8080.", 3), server)]
    for second in range(0, int(HOURS * 3600), STEP):
        for machine, play in plays:
            play(machine, second)
    make.HOST = "notebook"
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
        packed.write(recording.bytes())


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Write the recording that `deploy/up --demo` replays: a simulated Apple laptop under load, so that every
panel is alive where there is no such machine.

    deploy/demo/make.py [FILE]         default: laptop.mlxrec beside this script

Nobody recorded it. What is fixed in it comes from public reports of such machines: a processor that draws
36.2 W under load and its energy counter's batches (M5 Max), GPU states of an M2 Ultra's table, dies at 50
to 64 degrees, 107.52 GiB of 128 that Metal recommends; the rest is made to fit. The format is described in
common/base/recording.h. No packages are needed; the same file comes out each time.
"""
import gzip
import io
import math
import struct
import sys
from pathlib import Path

HOST = "simulated-macbook-pro"
NOTE = "Simulated: a MacBook Pro with an M5 Max under load, made from public figures. Not this machine."
START = 1_790_000_000_000_000
SECONDS = 120
MODEL = "qwen3-coder:30b"
SECOND_MODEL = "llama3.2:3b"
GIB = 1 << 30


def pack(value):
    """msgpack, as small as the suite packs it."""
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        for limit, head, form in ((1 << 7, b"", ">B"), (1 << 8, b"\xcc", ">B"), (1 << 16, b"\xcd", ">H"),
                                  (1 << 32, b"\xce", ">I"), (1 << 64, b"\xcf", ">Q")):
            if value < limit:
                return head + struct.pack(form, value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        if len(data) < 32:
            return bytes([0xa0 | len(data)]) + data
        return (b"\xd9" + struct.pack(">B", len(data)) if len(data) < 256
                else b"\xda" + struct.pack(">H", len(data))) + data
    if isinstance(value, list):
        head = bytes([0x90 | len(value)]) if len(value) < 16 else b"\xdc" + struct.pack(">H", len(value))
        return head + b"".join(map(pack, value))
    head = bytes([0x80 | len(value)]) if len(value) < 16 else b"\xde" + struct.pack(">H", len(value))
    return head + b"".join(pack(key) + pack(item) for key, item in value.items())


class Recording:
    def __init__(self):
        self.records, self.sequence = [], {}

    def say(self, at, source, topic, data):
        self.sequence[source] = self.sequence.get(source, 0) + 1
        body = pack({"host": HOST, "src": source, "boot": f"simulated-{source}", "seq": self.sequence[source],
                     "t": START + int(at * 1e6), "d": data, "v": 1})
        self.records.append((int(at * 1e6), topic.encode(), body))

    def bytes(self):
        head = pack({"started": START, "host": HOST, "masked": True, "note": NOTE, "program": "deploy/demo/make.py"})
        out = io.BytesIO()
        out.write(b"MLXREC1\n" + struct.pack("<QHI", 0, 0, len(head)) + head)
        for at, topic, body in sorted(self.records, key=lambda one: one[0]):
            out.write(struct.pack("<QHI", at, len(topic), len(body)) + topic + body)
        out.write(struct.pack("<QHI", SECONDS * 1_000_000, 0, 0))
        return out.getvalue()


def wobble(second, size, period=7.0, phase=0.0):
    return size * math.sin(2 * math.pi * second / period + phase) + size / 2 * math.sin(1.7 * second + phase)


def load_at(second):
    """Share of full load: a long answer, a pause, two answers at once."""
    if second < 6 or 66 <= second < 74:
        return 0.04
    ramp = min(1.0, (second - 6) / 4 if second < 66 else (second - 74) / 3)
    return max(0.04, ramp * 0.97)


def machine(recording, second, load):
    at = second + 0.1
    hot = 46 + 18 * (1 - math.exp(-max(0, second - 6) / 25)) * (0.6 + 0.4 * load)
    cpu_watts = round(36.2 * (0.06 + 0.9 * load) + wobble(second, 0.4), 2)
    gpu_watts = round(1.2 + 52.0 * load + wobble(second, 1.1), 2)
    held = load > 0.9 and 40 <= second % 66 < 56
    used = int((52.4 + 24.0 * (load > 0.1) + wobble(second, 0.3)) * GIB)
    recording.say(at, "sampler", "sensor.gpu.0", {
        "name": "Apple M5 Max", "vendor": "apple", "backend": "ioaccel", "id": "ioaccel:0",
        "utilization": round(max(0.01, min(1, load + wobble(second, 0.015))), 3),
        "memory_used": int((3.1 + 21.4 * (load > 0.1)) * GIB), "memory_total": 128 * GIB, "unified": True,
        "frequency": float(round((444 + 954 * load - 60 * held) * 1e6)), "power": gpu_watts,
        "temperature": round(hot - 3 + wobble(second, 0.3), 1),
        "media_read": float(round(1.2e9 + wobble(second, 2e8))), "media_write": float(round(4e8 + wobble(second, 8e7))),
        "throttle": ["temperature"] if held else [],
        "processes": [{"pid": 4121, "program": "ollama", "utilization": round(load * 0.96, 3)},
                      {"pid": 312, "program": "WindowServer", "utilization": 0.021},
                      {"pid": 2287, "program": "Safari", "utilization": 0.008}],
        "missing": [{"field": "media", "why": "macOS does not count how busy the video engines are"}]})
    recording.say(at, "sampler", "sensor.memory", {
        "total": 128 * GIB, "used": used, "available": 128 * GIB - used, "free": 21 * GIB, "cached": 19 * GIB,
        "wired": int((9.5 + 21.4 * (load > 0.1)) * GIB), "compressed": 2 * GIB, "swap_total": 2 * GIB,
        "swap_used": 512 << 20, "pressure_level": "normal", "available_bound": "machine",
        "gpu_recommended": int(107.52 * GIB),
        "bandwidth_read": float(round(9e9 + 381e9 * load + wobble(second, 6e9))),
        "bandwidth_write": float(round(4e9 + 36e9 * load + wobble(second, 2e9)))})
    fast, slow = min(1.0, 0.1 + 0.34 * load + wobble(second, 0.02)), min(1.0, 0.16 + 0.1 * load + wobble(second, 0.02, 5))
    cores = [{"id": i, "cluster": "Super" if i < 6 else "Performance",
              "utilization": round(max(0, min(1, (fast if i < 6 else slow) + wobble(second, 0.05, 5 + i, i))), 3),
              "frequency": float(round((3.2e9 if i < 6 else 2.6e9) + 1.2e9 * load, -6))} for i in range(18)]
    recording.say(at, "sampler", "sensor.cpu", {
        "name": "Apple M5 Max", "cores": 18, "utilization": round((fast * 6 + slow * 12) / 18, 3),
        "user": round((fast * 6 + slow * 12) / 18 * 0.8, 3), "system": round((fast * 6 + slow * 12) / 18 * 0.2, 3),
        "frequency": float(round(2.9e9 + 1.2e9 * load, -6)), "load1": round(2.1 + 4 * load, 2), "load5": 3.4, "load15": 2.9,
        "core": cores, "throttle": [],
        "cluster": [{"name": "Super", "cores": 6, "utilization": round(fast, 3), "frequency": float(round(3.2e9 + 1.4e9 * load, -6))},
                    {"name": "Performance", "cores": 12, "utilization": round(slow, 3), "frequency": float(round(2.6e9 + 1e9 * load, -6))}]})
    fan = max(0.0, (hot - 52) / 12)
    recording.say(at, "sampler", "sensor.temperature", {
        "cpu": round(hot + wobble(second, 0.4), 1), "gpu": round(hot - 3 + wobble(second, 0.3), 1),
        "max": round(hot + 6.9 + wobble(second, 0.3), 1), "thermal_state": "moderate" if held else "nominal",
        "sensor": [{"label": "CPU die, hottest spot TCMz", "source": "smc", "celsius": round(hot + 6.9, 1)},
                   {"label": "CPU die TCMb", "source": "smc", "celsius": round(hot - 4, 1)},
                   {"label": "battery TB0T", "source": "smc", "celsius": 32.6}],
        "fan": [{"label": f"fan {i}", "rpm": float(round(1400 + 3100 * fan + wobble(second, 12, 5, i))),
                 "min": 1350.0, "max": 5777.0} for i in range(2)]})
    total = round(cpu_watts + gpu_watts + 14.5 + 6 * load, 2)
    charge = 0.83 - 0.0001 * second
    recording.say(at, "sampler", "sensor.power", {
        "total": total, "cpu": cpu_watts, "gpu": gpu_watts, "dram": round(1.1 + 8.4 * load, 2), "ane": 0.0,
        "package": round(cpu_watts + gpu_watts + 1.1 + 8.4 * load, 2), "source": "battery", "battery": round(charge, 4),
        "battery_state": "discharging", "battery_power": total,
        "battery_time": float(round(99.6 * charge / total * 3600 / 60) * 60), "battery_health": 0.97, "battery_cycles": 41})


def runtime(recording, second, load, totals):
    where = "runtime.ollama.127_0_0_1-11434."
    busy = load > 0.1
    both = second >= 80
    names = [(MODEL, 19.2, 18.6, "Q4_K_M", 32768, "30.5B")] + ([(SECOND_MODEL, 2.9, 2.9, "Q8_0", 8192, "3.2B")] if both else [])
    if second % 5 == 0:
        recording.say(second + 0.2, "watcher", where + "models", {
            "reachable": True, "kind": "ollama", "version": "0.32.15", "url": "http://127.0.0.1:11434",
            "models": [{"name": name, "size": int(size * 1e9), "vram": int(vram * 1e9), "context": context,
                        "quantization": quantization, "parameter_size": parameters, "family": "simulated", "format": "gguf",
                        "expires_at": START + (second + 290) * 1_000_000}
                       for name, size, vram, quantization, context, parameters in names]})
    speed = round(88 + wobble(second, 3) - (18 if both else 0), 2) if busy else None
    small = round(171 + wobble(second, 6, 5), 2) if busy and both else None
    totals["tokens"] += int((speed or 0) + (small or 0))
    data = {"busy": busy, "requests": (2 if small else 1) if busy else 0, "model": MODEL, "source": "tap",
            "tokens_total": totals["tokens"], "requests_total": 14 + (second >= 66) + (second >= 116),
            "prompt_tokens_total": 20411 + (1890 if second >= 7 else 0), "errors_total": 0,
            "ttft": 0.412, "last": {"model": MODEL, "tokens": 1180, "tokens_per_second": 87.4, "prompt_tokens": 1890,
                                    "prompt_tokens_per_second": 2210.0, "ttft": 0.412, "duration": 13.9,
                                    "t": START + (66 if second >= 66 else -12) * 1_000_000, "source": "tap", "outcome": "ok"}}
    if busy:
        data["tokens_per_second"] = round(speed + (small or 0), 2)
        data["running"] = [{"model": MODEL, "client": "editor", "tokens": int((second - 6) * 88), "tokens_per_second": speed,
                            "age": float(max(1, second - 6))}]
        if small:
            data["running"].append({"model": SECOND_MODEL, "client": "notes", "tokens": int((second - 80) * 171),
                                    "tokens_per_second": small, "age": float(max(1, second - 80))})
    recording.say(second + 0.3, "watcher", where + "activity", data)
    if busy and second % 4 == 1:
        ended_request(recording, second, where, SECOND_MODEL if both and second % 8 == 1 else MODEL)


def ended_request(recording, second, where, model):
    """A short question of an editor or a note taker beside the long answers."""
    speed = (171 if model == SECOND_MODEL else 88) + wobble(second, 3)
    tokens, ttft, queue = 40 + second * 37 % 220, round(0.18 + second % 7 * 0.06, 3), round(second % 3 * 0.02, 3)
    end = START + int((second + 0.2) * 1e6)
    recording.say(second + 0.25, "watcher", where + "request", {
        "start": end - int((ttft + tokens / speed) * 1e6), "end": end, "model": model,
        "client": "editor" if model == MODEL else "notes", "api": "chat", "prompt_tokens": 200 + second * 53 % 1900,
        "cached_tokens": 128, "tokens": tokens, "queue": queue, "ttft": ttft, "tokens_per_second": round(speed, 2),
        "prompt_tokens_per_second": 2210.0, "outcome": "ok", "status": 200, "source": "tap", "exact": True})


def services(recording, second):
    for number, name in enumerate(("bus", "sampler", "watcher", "recorder", "bencher", "cache", "gateway")):
        if (second + number) % 2 == 0:
            recording.say(second + 0.4, name, f"service.{name}.health", {
                "state": "up", "version": "0.1.0", "pid": 801 + number, "uptime": 86400.0 + second, "messages": 40000 + second,
                "drops": 0, "errors": 0, "memory": (6 + number) << 20, "cpu": round(31 + number + second * 0.001, 3)})
    if second % 5 == 0:
        recording.say(second + 0.5, "cache", "cache.status", {
            "dir": "/Users/user-1/.mlx-cache", "models_count": 3, "bytes": 31_400_000_000, "saved": 22_100_000_000,
            "duplicates_avoided": 2, "models": [{"name": MODEL, "size": 18_600_000_000, "used_by": ["ollama", "lmstudio"]},
                                                {"name": SECOND_MODEL, "size": 2_900_000_000, "used_by": ["ollama"]},
                                                {"name": "mlx-community/Qwen2.5-Coder-14B-4bit", "size": 9_900_000_000,
                                                 "used_by": ["huggingface", "lmstudio"]}]})


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("laptop.mlxrec")
    recording, totals = Recording(), {"tokens": 51_204}
    for second in range(SECONDS):
        load = load_at(second)
        machine(recording, second, load)
        runtime(recording, second, load, totals)
        services(recording, second)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
        packed.write(recording.bytes())


if __name__ == "__main__":
    main()

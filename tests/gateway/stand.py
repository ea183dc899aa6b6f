"""The gateway on a bus of its own, with what it needs around it, for tests that talk HTTP to it.

    with Stand("sampler", recorder=True) as stand:
        status, headers, body = stand.get("/api/status")
"""
import http.client
import json
import math
import os
import re
import sys
import threading
import time

import msgpack
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "suite"))
from suite import Suite, run  # noqa: E402,F401

HOST = "studio"  # the name of this machine on the test's bus


def eventually(wanted, timeout=10):
    """The first true value of WANTED(); fails after TIMEOUT seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = wanted()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {wanted.__name__}"
        time.sleep(0.02)


class RecorderDouble(threading.Thread):
    """Answers history.query, history.series and bench.list as proto/catalogue_topics.c says."""

    SERIES = ["runtime.ollama.local.activity/tokens_per_second", "sensor.gpu.0/utilization",
              "sensor.gpu.0/memory_used", "sensor.memory/used", "sensor.cpu/utilization",
              "sensor.temperature/max", "sensor.power/package", "sensor.gpu.0/fan"]

    def __init__(self, context, endpoint):
        super().__init__(daemon=True)
        self.ending = False
        self.asked = []
        self.delay = 0
        self.context, self.endpoint = context, endpoint
        self.start()

    def run(self):
        socket = self.context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(self.endpoint)
        ready = 0
        while not self.ending:
            if time.monotonic() > ready:
                socket.send_multipart([b"ready", b"recorder", b"0123456789abcdef"])
                ready = time.monotonic() + 0.5
            if socket.poll(50):
                frames = socket.recv_multipart()
                if frames[0] == b"call":
                    self.answer(socket, frames)
        socket.send_multipart([b"bye", b"recorder"])
        socket.close(linger=200)

    def answer(self, socket, frames):
        _verb, route, identity, body = frames
        call = msgpack.unpackb(body)
        self.asked.append(call)
        time.sleep(self.delay)
        reply = {"history.series": self.series, "history.query": self.query,
                 "bench.list": self.results, "requests.list": self.requests,
                 "energy.list": self.energy}[call["cmd"]](call["args"])
        verb = b"error" if "code" in reply else b"done"
        socket.send_multipart([verb, route, identity, msgpack.packb(reply)])

    def series(self, _args):
        return {"series": sorted(f"{HOST}/{name}" for name in self.SERIES)}

    def query(self, args):
        if not args["series"].startswith(HOST + "/") or args["series"][len(HOST) + 1:] not in self.SERIES:
            return {"code": "not_found", "message": f"no series is named {args['series']}"}
        since, until, points = args["since"], args["until"], args["points"]
        step = max(1, (until - since) / 1e6 / points)
        scale = {"memory_used": 2e10, "used": 4e10, "utilization": 1, "max": 70, "package": 180,
                 "fan": 1, "tokens_per_second": 60}[args["series"].rsplit("/", 1)[1]]
        rows = []
        for i in range(points):
            t = since / 1e6 + i * step
            if int(t / step) % 97 > 90:  # a gap now and then
                continue
            mean = scale * (0.55 + 0.3 * math.sin(t / 700) + 0.05 * math.sin(t / 31))
            rows.append([int(t * 1e6), mean * 0.93, mean * 1.06, mean, max(1, int(step))])
        return {"series": args["series"], "step": step, "points": rows}

    def results(self, _args):
        return {"results": [bench(1, 40.0), bench(2, 47.0), bench(3, 47.4, prompts=False)]}

    def requests(self, _args):
        return {"requests": [
            {"end": int(time.time() * 1e6), "host": HOST, "client": "chat.py", "process": "chat.py", "pid": 42,
             "model": "qwen3:8b", "prompt_tokens": 2717, "cached_tokens": 1024, "tokens": 212,
             "tokens_per_second": 51.7, "ttft": 0.4, "outcome": "ok"},
            {"end": int(1.79e15), "host": HOST, "client": "<img src=x>", "model": ["no", "text"], "tokens": "many"},
            {"end": "never", "host": HOST}]}

    def energy(self, args):
        return {"by": args["by"], "method": "shared", "currency": "EUR", "rows": [
            {"model": "qwen3:8b", "requests": 840, "tokens": 186000, "joules": 551700.0, "cost": 0.041},
            {"model": "<img src=x>", "requests": "many"}, "no row"],
            "total": {"measured": 1.1e7, "base": 8.64e6, "other": 5.4e5, "unknown": 1300.0}}

    def end(self):
        self.ending = True
        self.join(5)


def bench(number, speed, prompts=True):
    result = {"id": f"run{number}", "model": "qwen3:8b", "quantization": "Q4_K_M", "runtime": "ollama",
              "runtime_version": "0.32.15", "t": int((1.79e9 + number * 86400) * 1e6),
              "tokens_per_second": {"median": speed, "mean": speed, "low": speed - 1, "high": speed + 1},
              "prompt_tokens_per_second": {"median": speed * 20}, "ttft": {"median": 0.21},
              "joules_per_token": 2.4, "warnings": ["on battery"] if number == 1 else []}
    if prompts:
        result["prompts"] = [{"name": f"p{i}", "tokens_per_second": speed + math.sin(i + number) / 2}
                             for i in range(10)]
    return result


class Stand:
    def __init__(self, *services, recorder=False, environment=None, options=()):
        self.suite = Suite("bus", config=f"host: {HOST}\n")
        self.suite.environment.update(environment or {})
        for service in services:
            self.suite.start(service)
        self.recorder = None
        if recorder:
            self.recorder = RecorderDouble(self.suite.context, self.suite.endpoint("command"))
        self.process = self.suite.start("gateway", *(word for option in ("gateway.listen=127.0.0.1:0", *options)
                                                     for word in ("--set", option)))
        said = eventually(lambda: re.search(r"listening on http://127\.0\.0\.1:(\d+)/", self.suite.log("gateway")))
        self.port = int(said[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.number = 0
        self.socket = self.suite.publisher()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        if self.recorder:
            self.recorder.end()
        self.suite.__exit__()

    def publish(self, topic, data, source="test", host=HOST, age=0):
        self.number += 1
        body = msgpack.packb({"v": 1, "host": host, "src": source, "boot": "b", "seq": self.number,
                              "t": int((time.time() - age) * 1e6), "d": data})
        self.socket.send_multipart([topic.encode(), body])

    def listening(self):
        """Wait until the gateway hears what is published: an event that is not retained would be lost."""
        self.publish("sensor.npu.9", {"name": "anything"}, source="listening")
        eventually(lambda: b"sensor.npu.9" in self.get("/api/status")[2])
        return self

    def get(self, path, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers={name.replace("_", "-"): v for name, v in headers.items()})
        except BrokenPipeError:
            pass  # it has answered before it had all of the body, as it may
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, dict(reply.getheaders()), body

    def json(self, path, **headers):
        status, _headers, body = self.get(path, **headers)
        return status, json.loads(body)

    def memory(self):
        """Resident bytes of the gateway."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))


MACHINE = {
    "sensor.gpu.0": {"name": "NVIDIA RTX 4090", "vendor": "nvidia", "utilization": 0.67,
                     "memory_used": 9_000_000_000, "memory_total": 24_000_000_000, "power": 210.5,
                     "temperature": 61.0, "frequency": 2.52e9, "energy": 12345.5},
    "sensor.power": {"package": 35.2, "source": "ac"},
    "sensor.temperature": {"cpu": 58.0, "max": 61.0},
    "cache.status": {"dir": "/home/me/.mlx-cache", "models_count": 2, "bytes": 9_400_000_000,
                     "saved": 4_700_000_000, "models": [
                         {"name": "qwen3:8b", "size": 4_700_000_000, "used_by": ["ollama", "lmstudio"]},
                         {"name": "mlx-community/Llama-3.2-3B", "size": 1_800_000_000, "used_by": []}]},
    "alert.hot": {"state": "firing", "summary": "GPU 0 is above 60 °C", "value": 61.0, "threshold": 60.0},
    "runtime.ollama.local.models": {"reachable": True, "kind": "ollama", "version": "0.32.15",
                                    "url": "http://127.0.0.1:11434", "models": [
                                        {"name": "qwen3:8b", "size": 6_600_000_000, "vram": 6_600_000_000,
                                         "context": 8192, "quantization": "Q4_K_M"}]},
    "runtime.ollama.local.activity": {"busy": True, "model": "qwen3:8b", "tokens_per_second": 42.3,
                                      "requests": 1, "source": "runner", "tokens_total": 12345,
                                      "requests_total": 17},
}

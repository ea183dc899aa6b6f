"""The Python package: its wheel is built from the catalogue of this build, then used as a stranger would."""
import asyncio
import glob
import os
import re
import socket
import subprocess
import sys
import tempfile

import zmq.auth

from suite import BIN, Suite, envelope, run
from test_bench import Double, ready

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "python")
FOLDER = tempfile.TemporaryDirectory(prefix="mlx-wheel-")
subprocess.run([sys.executable, os.path.join(SOURCES, "make"), os.path.join(BIN, "mlxctl"), FOLDER.name], check=True)
WHEEL = glob.glob(f"{FOLDER.name}/mlx_bus-*.whl")[0]
sys.path.insert(0, WHEEL)  # pure Python: it is read from the archive as it is

import mlx_bus  # noqa: E402
from mlx_bus import aio  # noqa: E402


class here:
    """The environment of SUITE, for code in this process."""

    def __init__(self, suite):
        self.run_dir = suite.run_dir

    def __enter__(self):
        os.environ["MLX_RUNTIME_DIR"] = self.run_dir

    def __exit__(self, *_):
        del os.environ["MLX_RUNTIME_DIR"]


def test_the_example():
    with open(os.path.join(SOURCES, "README.md")) as file:
        example = re.search(r"```python\n(.*?)```", file.read(), re.S)[1]
    assert len(example.strip().splitlines()) <= 10
    with Suite("bus") as suite:
        publisher = suite.publisher()
        publisher.send_multipart([b"runtime.ollama.local.activity", envelope("watcher", 1, {"busy": True, "tokens_per_second": 42.5})])
        program = subprocess.Popen([sys.executable, "-u", "-c", example], stdout=subprocess.PIPE, text=True,
                                   env={**suite.environment, "PYTHONPATH": WHEEL})
        line = program.stdout.readline()
        program.kill()
        program.wait()
        program.stdout.close()
        publisher.close()
        assert line == "runtime.ollama.local.activity 42.5\n", line


def test_messages_and_commands():
    with Double("--rate", "300") as double, Suite("bus", "bencher") as suite, here(suite):
        ready(suite)
        first = next(iter(mlx_bus.subscribe("service.bus.", timeout=10)))
        assert first.source == "bus" and first.data["state"] == "up" and first.sequence > 0
        with mlx_bus.bench_run(model="tiny-random", url=double.url, budget=5) as work:
            steps = list(work)
            speed = work.result["tokens_per_second"]["mean"]
        assert steps and abs(speed / 300 - 1) < 0.1, (steps, speed)
        assert {service["name"] for service in mlx_bus.bus_services().result["services"]} >= {"bencher"}
        for wrong in (mlx_bus.call("nobody", "no.such"), mlx_bus.call("bencher", "no.such")):
            try:
                assert not wrong.result
            except mlx_bus.BusError as problem:
                assert problem.code in ("unavailable", "not_found", "usage"), problem.code
            else:
                raise AssertionError("it was answered")
        with mlx_bus.bench_run(model="tiny-random", url=double.url) as work:
            next(iter(work))  # and left before its end: cancelled
        double.until("generating", 0, 10)

        async def same():
            async with aio.call("bencher", "bench.run", {"model": "tiny-random", "url": double.url, "budget": 5}) as job:
                told = [step async for step in job]
                return told, (await job.result())["model"], [m.topic async for m in aio.subscribe("service.bus.", timeout=0.5)]
        told, model, topics = asyncio.run(same())
        assert told and model.startswith("tiny-random") and "service.bus.health" in topics, (len(told), model, topics)
        return f"{len(steps)} steps, {len(mlx_bus.catalogue.COMMANDS)} commands, {len(mlx_bus.catalogue.TOPICS)} topics"


def test_what_is_malformed_or_repeated_is_dropped():
    with Suite("bus") as suite, here(suite):
        reader = mlx_bus.subscribe("sensor.", timeout=1)
        publisher = suite.publisher()
        publisher.send_multipart([b"sensor.memory", envelope("test", 1, {"used": 7})])
        assert next(iter(reader)).data == {"used": 7}
        for body in (b"", b"\xc1", b"\x05", envelope("test", 0, {"used": 8}), b"\x81" * 1000):
            publisher.send_multipart([b"sensor.memory", body])
        suite.subscribe("sensor.").next(5)  # has the retained value sent once more, to all
        assert [m.data for m in reader] == []
        reader.close()
        publisher.close()
    for topic, body in ((b"\xff", envelope("x", 1, {})), (b"a", b"\x81\xa1v\x02"), (b"a", envelope("x", 1, {})[:-3])):
        assert mlx_bus.wire.read(topic, body) is None


def test_another_machine():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Suite(config=f"host: near\nbus: {{tcp: ['tcp://127.0.0.1:{port}']}}\n") as suite:
        suite.ctl("keys", "init")
        server = suite.ctl("keys", "show").stdout.strip()
        public_file, secret_file = zmq.auth.create_certificates(suite.directory, "reader")
        public, _secret = zmq.auth.load_certificate(public_file)
        suite.ctl("keys", "allow", "--", "reader", public.decode())
        suite.start("bus")
        keys = mlx_bus.Keys.load(secret_file, server=server)
        with mlx_bus.subscribe("service.", endpoint=f"tcp://127.0.0.1:{port}", keys=keys, timeout=15) as reader:
            assert next(reader).host == "near"


run(test_the_example, test_messages_and_commands, test_what_is_malformed_or_repeated_is_dropped, test_another_machine)

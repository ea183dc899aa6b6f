"""The suite as real processes in a private directory, for tests that look at it from outside.

    with Suite("bus", "sampler") as suite:
        reader = suite.subscribe("sensor.")
        topic, body = reader.next(5)

Everything ends with the block: processes, sockets, files. Binaries come from $MLX_BIN.
"""
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import msgpack
import zmq

BIN = os.environ.get("MLX_BIN") or sys.exit("set MLX_BIN to the folder of the built programs")


class Reader:
    """A plain SUB socket: what any ZeroMQ client sees."""

    def __init__(self, context, endpoint, prefix, hwm=None):
        self.socket = context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 20)
        if hwm is not None:
            self.socket.setsockopt(zmq.RCVHWM, hwm)
        self.socket.connect(endpoint)
        self.socket.setsockopt_string(zmq.SUBSCRIBE, prefix)

    def next(self, timeout):
        """The next message as (topic, body), or None after TIMEOUT seconds."""
        if not self.socket.poll(max(0, timeout) * 1000):
            return None
        topic, body = self.socket.recv_multipart()
        return topic.decode(), msgpack.unpackb(body)

    def until(self, wanted, timeout):
        """The first message for which WANTED(topic, body) holds; fails after TIMEOUT seconds."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.next(deadline - time.monotonic())
            if message is None:
                raise AssertionError(f"no such message within {timeout} s")
            if wanted(*message):
                return message

    def close(self):
        self.socket.close()


def answer(dealer, timeout):
    """The next frames of a command socket, or None after TIMEOUT seconds. The broker's pings, which a
    slow moment lets in between, are not answers."""
    deadline = time.monotonic() + timeout
    while dealer.poll(max(0, deadline - time.monotonic()) * 1000):
        frames = dealer.recv_multipart()
        if frames != [b"ping"]:
            return frames
    return None


class Suite:
    def __init__(self, *services, config=""):
        self.directory = tempfile.mkdtemp(prefix="mlx-suite-", dir="/tmp")
        self.run_dir = os.path.join(self.directory, "run")
        os.mkdir(self.run_dir, 0o700)
        self.config_path = os.path.join(self.directory, "config.yaml")
        with open(self.config_path, "w") as file:
            file.write(config)
        self.environment = {**os.environ, "MLX_RUNTIME_DIR": self.run_dir,
                            "MLX_CONFIG": self.config_path, "HOME": self.directory,
                            "MLX_STATE_DIR": os.path.join(self.directory, "state")}
        # Memory that AddressSanitizer holds back would look like a leak.
        self.environment["ASAN_OPTIONS"] = "quarantine_size_mb=1:detect_leaks=1"
        self.environment.setdefault("OLLAMA_HOST", "127.0.0.1:9")  # nothing is listening there
        self.context = zmq.Context()
        self.processes = {}
        for service in services:
            self.start(service)

    def __enter__(self):
        return self

    def __exit__(self, problem=None, *_):
        self.context.destroy(linger=0)
        for name in list(self.processes):
            if problem:  # that is what failed, not how the processes end
                self.kill(name)
            else:
                self.stop(name)
        shutil.rmtree(self.directory)

    def log_path(self, name):
        return os.path.join(self.directory, f"{name}.log")

    def log(self, name):
        with open(self.log_path(name)) as file:
            return file.read()

    def start(self, name, *arguments):
        with open(self.log_path(name), "a") as log:
            self.processes[name] = subprocess.Popen(
                [os.path.join(BIN, f"mlx-{name}"), *arguments], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self.processes[name]

    def stop(self, name):
        """End it cleanly; a process that does not end, or not with 0, is a failure."""
        process = self.processes.pop(name)
        if process.poll() is None:
            process.terminate()
        try:
            status = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{name} ignored SIGTERM; its log:\n{self.log(name)}")
        assert status == 0, f"{name} ended with {status}; its log:\n{self.log(name)}"

    def kill(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def endpoint(self, name):
        return f"ipc://{self.run_dir}/{name}.sock"

    def subscribe(self, prefix="", **options):
        return Reader(self.context, self.endpoint("subscribe"), prefix, **options)

    def publisher(self):
        """A connected raw PUB socket whose messages reach the broker."""
        socket = self.context.socket(zmq.XPUB)
        socket.setsockopt(zmq.LINGER, 1000)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.connect(self.endpoint("publish"))
        assert socket.poll(10000), "the broker does not subscribe"
        socket.recv()
        return socket

    def await_service(self, name, timeout=20):
        """Wait until the broker passes commands on to the service NAME."""
        dealer = self.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(self.endpoint("command"))
        deadline = time.monotonic() + timeout
        for number in itertools.count():
            assert time.monotonic() < deadline, f"{name} takes no commands"
            dealer.send_multipart([b"call", b"bus", str(number).encode(),
                                   msgpack.packb({"cmd": "bus.services"})])
            frames = answer(dealer, 1)
            if not frames:
                continue
            verb, _number, body = frames
            services = msgpack.unpackb(body).get("services", []) if verb == b"done" else []
            if any(entry["name"] == name and entry["connected"] for entry in services):
                dealer.close()
                return

    def call(self, service, cmd, args=None, timeout=8):
        """The verb and the body that end a call."""
        dealer = self.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(self.endpoint("command"))
        dealer.send_multipart([b"call", service.encode(), b"1",
                               msgpack.packb({"cmd": cmd, "args": args or {}})])
        deadline = time.monotonic() + timeout
        try:
            while frames := answer(dealer, deadline - time.monotonic()):
                if frames[0] in (b"done", b"error"):
                    return frames[0], msgpack.unpackb(frames[2])
            raise AssertionError(f"{service} {cmd} never ends")
        finally:
            dealer.close()

    def last_values(self, prefix=""):
        """What the broker remembers: messages, page by page."""
        messages, args = [], {"prefix": prefix}
        while True:
            verb, body = self.call("bus", "bus.snapshot", args)
            assert verb == b"done", body
            messages += body["messages"]
            if "cursor" not in body:
                return messages
            args["cursor"] = body["cursor"]

    def ctl(self, *arguments, check=True):
        result = subprocess.run([os.path.join(BIN, "mlxctl"), *arguments], env=self.environment,
                                capture_output=True, text=True, timeout=60)
        if check:
            assert result.returncode == 0, f"mlxctl {arguments}: {result.returncode} {result.stderr}"
        return result

    def catalogue(self):
        return json.loads(self.ctl("topics", "--json").stdout)

    def descriptors(self, name):
        return len(os.listdir(f"/proc/{self.processes[name].pid}/fd"))

    def memory(self, name):
        """Proportional set size in bytes."""
        with open(f"/proc/{self.processes[name].pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))


def envelope(source, sequence, data, host="test", boot="b"):
    return msgpack.packb({"v": 1, "host": host, "src": source, "boot": boot, "seq": sequence,
                          "t": int(time.time() * 1e6), "d": data})


def run(*tests):
    """Run each test function, say how it went, exit with 1 if one failed."""
    failed = 0
    for test in tests:
        begin = time.monotonic()
        try:
            note = test() or ""
            print(f"ok {test.__name__} ({time.monotonic() - begin:.1f} s) {note}", flush=True)
        except Exception as problem:  # a test may fail in any way
            failed += 1
            where = traceback.extract_tb(problem.__traceback__)[-1]
            print(f"FAILED {test.__name__}: {type(problem).__name__}: {problem}\n"
                  f"    {where.filename}:{where.lineno}: {where.line}", flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)

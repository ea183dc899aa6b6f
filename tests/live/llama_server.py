"""A real llama-server (upstream's C++ server, embedded by xllamacpp), under its own name.

Its process looks like the program's: the command line is `llama-server --model … --port …`, as the
runner probe reads it. On Linux that is done by writing the wanted words over the process's own
arguments; elsewhere the process keeps Python's.

It is started by `command`, and prints `listening` when the model is loaded.
"""

import ctypes
import json
import os
import signal
import sys
import sysconfig
import threading
from pathlib import Path

SCRIPT = Path(__file__)
VARIABLE = "MLX_LIVE_LLAMA_SERVER"


def command(words, metrics, sleep_idle_s=0, key=None):
    """What to execute so that the process's command line can become WORDS: (argv, environment)."""
    argv = ["python", SCRIPT.name, ""]
    wanted = sum(len(word.encode()) + 1 for word in words)
    spare = wanted - sum(len(word) + 1 for word in argv)
    if spare < 0:
        raise ValueError(f"the command line is shorter than this script's own: {words}")
    argv[2] = "-" * spare
    environment = dict(os.environ)
    environment[VARIABLE] = json.dumps(
        {"words": words, "metrics": metrics, "sleep_idle_s": sleep_idle_s, "key": key}
    )
    environment["PYTHONPATH"] = sysconfig.get_path("purelib")
    return argv, environment


def become(words):
    if sys.platform != "linux":
        return
    data = b"".join(word.encode() + b"\0" for word in words)
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if end - start != len(data):
        raise RuntimeError(f"the arguments take {end - start} bytes, not {len(data)}")
    ctypes.memmove(start, data, len(data))
    Path("/proc/self/comm").write_text(Path(words[0]).name)


def die_with_parent():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main():
    die_with_parent()
    wanted = json.loads(os.environ.pop(VARIABLE))
    words = wanted["words"]
    become(words)
    import xllamacpp

    def value(name):
        return words[words.index(name) + 1]

    params = xllamacpp.CommonParams()
    params.model.path = value("--model")
    params.port = int(value("--port"))
    params.n_ctx = int(value("-c"))
    params.n_parallel = int(value("-np"))
    params.cpuparams.n_threads = 1  # steady also when others use the machine
    params.endpoint_slots = True
    params.endpoint_metrics = wanted["metrics"]
    if wanted["sleep_idle_s"]:
        params.sleep_idle_seconds = wanted["sleep_idle_s"]
    if wanted["key"]:
        params.api_keys = [wanted["key"]]
    server = xllamacpp.Server(params)
    print("listening", server.listening_address, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Event().wait()


if __name__ == "__main__":
    main()

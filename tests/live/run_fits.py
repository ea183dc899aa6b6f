"""`mlx-cache fits` against the buffers that a real llama-server prints, for an architecture of each kind.

usage: run_fits.py BIN_DIR
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

import tiny_gguf

MIB = 1 << 20
LIMIT_S = 60
CLOSE = 0.03  # of what is printed, which is rounded to hundredths of a MiB
SERVER = """
import os, sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.port = map(int, sys.argv[2:5])
params.kv_unified = True
params.warmup = False
params.verbosity = 4
if sys.argv[5] != "f16":
    kind = getattr(xllamacpp.ggml_type, "GGML_TYPE_" + sys.argv[5].upper())
    params.cache_type_k = params.cache_type_v = kind
xllamacpp.Server(params)
sys.stdout.flush()
os._exit(0)
"""
PRINTED = {
    "weights": r"model buffer size = +([\d.]+)",
    "cache": r"llama_kv_cache: size = +([\d.]+)",
    "state": r"llama_memory_recurrent: size = +([\d.]+)",
    "compute": r"compute buffer size = +([\d.]+)",
    "output": r"output buffer size = +([\d.]+)",
}
CASES = [
    ("llama", 8192, 1, "f16"),
    ("llama", 8192, 1, "q8_0"),
    ("qwen3", 4096, 1, "f16"),
    ("gemma2", 16384, 1, "f16"),
    ("gemma3", 8192, 1, "f16"),
    ("gemma3", 16384, 3, "f16"),
    ("deepseek2", 8192, 1, "f16"),
    ("lfm2", 8192, 2, "f16"),
    ("mamba", 8192, 2, "f16"),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def printed(path, context, slots, kind):
    words = [str(w) for w in (path, context, slots, free_port(), kind)]
    server = subprocess.Popen([sys.executable, "-c", SERVER, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    limit = threading.Timer(LIMIT_S, server.kill)
    limit.start()
    text = ""
    for line in server.stdout:
        text += line
        if "new slot" in line or "exiting" in line:
            break
    limit.cancel()
    server.kill()
    server.wait()
    server.stdout.close()
    sums = {name: sum(map(float, re.findall(form, text))) for name, form in PRINTED.items()}
    if not sums["compute"]:
        raise RuntimeError(f"llama-server printed no buffers for {path}: {text[-2000:]}")
    return sums


def main():
    binary = os.path.join(os.path.abspath(sys.argv[1]), "mlx-cache")
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="mlx-fits.") as folder:
        env = {**os.environ, "HOME": folder, "MLX_RUNTIME_DIR": os.path.join(folder, "run")}
        for name, context, slots, kind in CASES:
            path = tiny_gguf.MODELS[name](os.path.join(folder, name + ".gguf"))
            words = ["--context", str(context), "--slots", str(slots), "--cache-type", kind]
            run = subprocess.run([binary, "--json", "fits", path, *words], env=env, capture_output=True, text=True,
                                 check=True)
            ours, theirs = json.loads(run.stdout), printed(path, context, slots, kind)
            for part, mib in theirs.items():
                off = abs(ours[part] / MIB - mib)
                if off > max(CLOSE * mib, 0.011):
                    raise RuntimeError(f"{name} {words}: {part} is {ours[part] / MIB:.2f} MiB, printed: {mib}")
                worst = max(worst, off / mib if mib > 1 else 0)
            print(f"ok: {name} at {context} tokens, {slots} slots, {kind}: {ours['total'] / MIB:.2f} MiB", flush=True)
    print(f"ok: no buffer of a MiB or more is off by more than {worst:.1%}")


main()

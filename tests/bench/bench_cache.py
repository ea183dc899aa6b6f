#!/usr/bin/env python3
"""Speed of the cache, each against a named baseline of the same run. Prints, judges nothing.

usage: bench_cache.py BIN_DIR [MIB]        MIB: size of the large file (1024); a python with huggingface_hub
"""
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import huggingface_hub

CACHE = os.path.join(os.path.abspath(sys.argv[1]), "mlx-cache")
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
REPOS, FILES = 200, 50
REVISION = "0123456789abcdef0123456789abcdef01234567"


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def hub_store(home):
    """REPOS repositories of FILES files as the hub's client leaves them."""
    for r in range(REPOS):
        repo = os.path.join(home, ".cache/huggingface/hub", f"models--org--m{r}")
        write(os.path.join(repo, "refs/main"), REVISION.encode())
        snapshot = os.path.join(repo, "snapshots", REVISION)
        os.makedirs(snapshot)
        for n in range(FILES):
            data = f"{r} {n}".encode()
            digest = hashlib.sha256(data).hexdigest()
            write(os.path.join(repo, "blobs", digest), data)
            os.symlink(f"../../blobs/{digest}", os.path.join(snapshot, f"model-{n + 1:05d}-of-{FILES:05d}.safetensors"))


def gguf(path, mib, seed):
    head = b"GGUF" + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") + bytes(8)
    elements = mib << 18
    head += (1).to_bytes(8, "little") + b"w" + (1).to_bytes(4, "little") + elements.to_bytes(8, "little")
    head += bytes(12)
    head += bytes(-len(head) % 32)
    write(path, head)
    block = hashlib.sha256(str(seed).encode()).digest() * 32768
    with open(path, "ab") as f:
        for _ in range(mib):
            f.write(block)


def timed(command, env=None):
    """Wall and CPU seconds of a command that must end well."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show(what, runs):
    walls, cpus = sorted(r[0] for r in runs), sorted(r[1] for r in runs)
    print(f"{what}: wall median {statistics.median(walls) * 1e3:.1f} ms, least {walls[0] * 1e3:.1f} ms, "
          f"CPU median {statistics.median(cpus) * 1e3:.1f} ms", flush=True)
    return walls


def bench_status(work, env):
    hub_store(env["HOME"])
    time.sleep(3)  # a folder that has just changed is looked at again: see report.c

    def scan():
        start, cpu = time.monotonic(), time.process_time()
        huggingface_hub.scan_cache_dir(os.path.join(env["HOME"], ".cache/huggingface/hub"))
        return time.monotonic() - start, time.process_time() - cpu

    scan()  # the kernel has every folder in memory, for both
    cold, warm, scans = [], [], []
    for n in range(5):
        cold.append(timed([CACHE, "--dir", os.path.join(work, f"cold{n}"), "status"], env))
        scans.append(scan())
    for _ in range(41):
        warm.append(timed([CACHE, "--dir", os.path.join(work, "cold0"), "status"], env))
    base = show(f"scan_cache_dir, {REPOS * FILES} files, without its start", scans)
    first = show("status, empty registry, whole process", cold)
    kept = show("status, warm registry, whole process", warm)
    show("/bin/true, whole process", [timed(["/bin/true"]) for _ in range(41)])
    ratio = statistics.median(base)
    print(f"scan : status, cold {ratio / statistics.median(first):.1f}, warm {ratio / statistics.median(kept):.0f}")


def bench_hash(work, env):
    cache = [CACHE, "--dir", os.path.join(work, "hashed")]
    whole, half = os.path.join(work, "whole.gguf"), [os.path.join(work, f"half{n}.gguf") for n in (0, 1)]
    gguf(whole, MIB, 1)
    for n, path in enumerate(half):
        gguf(path, MIB // 2, n + 2)
    subprocess.run([*cache, "add", whole], env=env, check=True, stdout=subprocess.DEVNULL)
    ours = [timed([*cache, "verify", "--full"], env) for _ in range(3)]
    base = [timed(["openssl", "dgst", "-sha256", whole]) for _ in range(3)]
    show(f"verify --full, one file of {MIB} MiB", ours)
    show("openssl dgst -sha256 of the same", base)
    print(f"rate against openssl, CPU {min(b[1] for b in base) / min(o[1] for o in ours):.2f}")
    both = [CACHE, "--dir", os.path.join(work, "halves")]
    subprocess.run([*both, "add", *half], env=env, check=True, stdout=subprocess.DEVNULL)
    pair = [timed([*both, "verify", "--full"], env) for _ in range(3)]
    show("verify --full, the same bytes in two files", pair)
    print(f"two files at once: {max(r[1] / r[0] for r in pair):.2f} cores busy, {min(o[0] for o in ours) / min(r[0] for r in pair):.2f} times one")
    again = [timed([*cache, "add", whole], env) for _ in range(5)]
    show("add of the known duplicate, whole process", again)


def main():
    work = tempfile.mkdtemp(prefix="mlx-bench.")
    env = {"HOME": os.path.join(work, "home"), "PATH": os.environ["PATH"], "OLLAMA_HOST": "127.0.0.1:1"}
    os.makedirs(env["HOME"])
    try:
        print(json.dumps({"load": os.getloadavg(), "cores": os.cpu_count()}))
        bench_status(work, env)
        bench_hash(work, env)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()

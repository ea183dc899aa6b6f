"""CPU of the watcher while it traces requests: by the tap, or by the server's log.

    unshare -rn sh -c 'ip link set lo up; MLX_BIN=BIN python tests/bench/traced.py [tap|log] [PER_SECOND] [SECONDS]'

Short requests, each on a connection of its own, to the double of a llama-server that has its model.
"""
import http.client
import os
import socket
import sys
import threading
import time

import idle_runtimes as idle

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "suite"))
from suite import Suite  # noqa: E402

WORKERS = 8
BODY = '{"model": "tiny-random", "prompt": "a b c", "max_tokens": 4}'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/completions", BODY, {"Content-Type": "application/json"})
    connection.getresponse().read()
    connection.close()


def load(port, per_second, seconds):
    """So many requests a second, evenly; how many there were."""
    begin, done = time.monotonic(), [0] * WORKERS

    def work(worker):
        for number in range(worker, int(per_second * seconds), WORKERS):
            time.sleep(max(0, begin + number / per_second - time.monotonic()))
            ask(port)
            done[worker] += 1
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done), time.monotonic() - begin


def main():
    how = sys.argv[1] if len(sys.argv) > 1 else "tap"
    per_second, seconds = (float(word) for word in (sys.argv[2:4] + ["100", "20"][len(sys.argv[2:4]):]))
    process, port = idle.start("llama-server", "/tmp", "--rate", "5000", "--parallel", "8")
    tap = free_port()
    listed = f"runtimes: [{{kind: llamacpp, url: 'http://127.0.0.1:{port}'}}]"
    there = f"tap: true, tap_listen: '127.0.0.1:{tap}', tap_upstream: '127.0.0.1:{port}'" if how == "tap" else "tap: false"
    try:
        with Suite("bus", "watcher", config=f"watcher: {{{listed}, {there}}}\n") as suite:
            idle.use("llama-server", port)
            time.sleep(5)
            pid = suite.processes["watcher"].pid
            before = idle.cpu_seconds(pid)
            done, took = load(tap if how == "tap" else port, per_second, seconds)
            spent = idle.cpu_seconds(pid) - before
            print(f"{how}: {done / took:.0f} requests/s, {100 * spent / took:.2f} % of a core, "
                  f"{1e6 * spent / done:.0f} us a request, load {os.getloadavg()[0]:.1f}")
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main()

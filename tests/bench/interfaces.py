"""CPU time of each interface while a machine's data comes once a second, as a table.

    MLX_BIN=.build/release/bin python tests/bench/interfaces.py [SECONDS [ROUNDS]]

One bus a row, on which the demo's recording plays (20 messages a second); the process that serves the interface is
measured by what the kernel's scheduler counted for its threads, the gateway's rows beside one with nothing on.
"""
import http.client
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "gateway"), os.path.join(HERE, "..", "suite")]
from stand import Stand  # noqa: E402
from suite import BIN  # noqa: E402

RECORDING = os.path.join(HERE, "..", "..", "deploy", "demo", "laptop.mlxrec")
PING = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "machine", "arguments": {}}}).encode()


def cpu_seconds(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def collector():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def each_second(stop, what):
    def go():
        while not stop.wait(1):
            what()
    threading.Thread(target=go, daemon=True).start()


def gateway(seconds, options=(), environment=None, ask=None):
    with Stand(options=options, environment=environment) as stand:
        return measured(stand, stand.process.pid, seconds, ask and (lambda: ask(stand)))


def measured(stand, pid, seconds, ask=None):
    player = subprocess.Popen([os.path.join(BIN, "mlxctl"), "replay", "--loop", RECORDING], env=stand.suite.environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stop = threading.Event()
    if ask:
        each_second(stop, ask)
    time.sleep(10)
    before = cpu_seconds(pid)
    time.sleep(seconds)
    spent = cpu_seconds(pid) - before
    stop.set()
    player.terminate()
    player.wait()
    return 100 * spent / seconds


def ask_mcp(stand):
    with open(f"{stand.suite.directory}/state/mcp.token") as file:
        head = {"Authorization": f"Bearer {file.read()}", "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", stand.port, timeout=20)
    connection.request("POST", "/mcp", body=PING, headers=head)
    assert connection.getresponse().status == 200
    connection.close()


def beside(seconds, command):
    """COMMAND as a process of its own on the bus."""
    with Stand() as stand:
        process = subprocess.Popen(command(stand), env=stand.suite.environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return measured(stand, process.pid, seconds)
        finally:
            process.terminate()
            process.wait()


def python(seconds):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, f"{HERE}/../../tools/python/make", os.path.join(BIN, "mlxctl"), folder], check=True)
        wheel = next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".whl"))
        program = f"import sys; sys.path.insert(0, {wheel!r}); import mlx_bus\nfor m in mlx_bus.subscribe(''): pass"
        return beside(seconds, lambda _stand: [sys.executable, "-c", program])


ROWS = {
    "gateway, nothing on": lambda s: gateway(s),
    "MCP over HTTP on, not asked": lambda s: gateway(s, ["gateway.mcp=read"]),
    "MCP over HTTP, one call a second": lambda s: gateway(s, ["gateway.mcp=read"], ask=ask_mcp),
    "/metrics with histograms, a scrape a second": lambda s: gateway(s, ask=lambda stand: stand.get("/metrics")),
    "the same with vLLM's names": lambda s: gateway(s, ["gateway.vllm_names=true"], ask=lambda stand: stand.get("/metrics")),
    "OTLP, usual intervals": lambda s: gateway(s, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector()}),
    "OTLP, an export a second": lambda s: gateway(s, environment={
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector(), "OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_BSP_SCHEDULE_DELAY": "1000"}),
    "mlxctl mcp, not asked": lambda s: beside(s, lambda _stand: [os.path.join(BIN, "mlxctl"), "mcp"]),
    "mlxctl record": lambda s: beside(s, lambda stand: [os.path.join(BIN, "mlxctl"), "record", f"{stand.suite.directory}/a.mlxrec"]),
    "Python subscriber of all": python,
}


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    found = {name: [] for name in ROWS}
    for _round in range(rounds):
        threads = [threading.Thread(target=lambda n=name, r=row: found[n].append(r(seconds))) for name, row in ROWS.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{'interface':<46}{'CPU, % of a core, median':>26}{'least':>9}{'most':>9}")
    for name, values in found.items():
        print(f"{name:<46}{statistics.median(values):>26.3f}{min(values):>9.3f}{max(values):>9.3f}")


main()

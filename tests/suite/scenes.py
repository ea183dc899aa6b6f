"""Ten scenes played through every front end, for the eye: `status`, `top` in three sizes, the page, the tray and the
bars.

    MLX_BIN=.build/asan/bin tests/tools/with_python.sh tests/suite/scenes.py FOLDER [SCENE...]

Each scene leaves text files and pictures in FOLDER/<scene>. Not a test: nothing is judged here.
"""
import os
import re
import subprocess
import sys
import threading
import time

from suite import BIN, Suite, envelope
from terminal import Terminal

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gateway"))
from browser import Browser  # noqa: E402

HOST = "studio"
GB = 10 ** 9
BARS = ("plain", "short", "xbar", "swiftbar", "waybar", "i3blocks")
TOPS = ((80, 24), (120, 40), (200, 60))
ALPHA, BETA = ({"name": "alpha:8b", "size": 5 * GB, "vram": 5 * GB, "context": 8192, "quantization": "Q4_K_M"},
               {"name": "beta:2b", "size": 2 * GB, "vram": 2 * GB, "context": 4096, "quantization": "Q8_0"})


def machine(busy=0.0, gpu=True):
    cores = [{"id": i, "cluster": "P" if i < 4 else "E", "utilization": busy * (0.9 if i < 4 else 0.3)} for i in range(8)]
    data = {"sensor.cpu": {"name": "Forge A1", "cores": 8, "utilization": busy * 0.6, "core": cores},
            "sensor.memory": {"total": 48 * GB, "used": int((14 + 12 * busy) * GB), "available": int((34 - 12 * busy) * GB)},
            "sensor.temperature": {"cpu": 41 + 30 * busy, "max": 41 + 30 * busy},
            "sensor.power": {"package": 8 + 60 * busy}}
    if gpu:
        data["sensor.gpu.0"] = {"name": "Forge A1", "vendor": "apple", "backend": "ioaccel", "utilization": busy,
                                "memory_used": int(2 * GB + 8 * GB * busy), "memory_total": 48 * GB, "unified": True,
                                "temperature": 39 + 30 * busy, "power": 4 + 40 * busy,
                                "processes": [{"pid": 4121, "program": "ollama", "utilization": busy}]}
    return data


def server(models, running, at="ollama.local"):
    speeds = [one["tokens_per_second"] for one in running if "tokens_per_second" in one]
    activity = {"busy": bool(running), "requests": len(running), "source": "runner", "running": running}
    if speeds:
        activity["tokens_per_second"] = sum(speeds)
    return {f"runtime.{at}.models": {"kind": "ollama", "version": "0.32.15", "reachable": True,
                                     "url": "http://127.0.0.1:11434", "models": models},
            f"runtime.{at}.activity": activity}


def request(model, client, speed, tokens, age):
    return {"model": model, "client": client, "tokens_per_second": speed, "tokens": tokens, "age": age}


PROMPT = {"model": "alpha:8b", "client": "chat.py", "tokens": 0, "age": 3.2, "phase": "prompt", "prompt_tokens": 12000,
          "prompt_done": 4100, "prompt_tokens_per_second": 1280.0}
ONE = [request("alpha:8b", "chat.py", 42.3, 310, 7.4)]
TWO = ONE + [request("alpha:8b", "code-server", 38.9, 120, 3.1), request("beta:2b", "notes", 96.0, 220, 2.3)]
ALERT = {"alert.hot": {"state": "firing", "summary": "GPU 0 is above 90 °C", "topic": "sensor.gpu.0", "field": "temperature",
                       "value": 93.0, "threshold": 90.0, "since": int(time.time() * 1e6)}}


def fleet():
    hosts = {HOST: {**machine(0.9), **server([ALPHA], ONE)}, "mini": {**machine(0.1), **server([BETA], [])},
             "rack-1": {**machine(0.7), **server([ALPHA, BETA], TWO)}, "laptop-with-a-long-name": machine(0.05)}
    return hosts


SCENES = {
    "idle": {HOST: {**machine(), **server([ALPHA], [])}},
    "one-model": {HOST: {**machine(0.9), **server([ALPHA], ONE)}},
    "two-models": {HOST: {**machine(0.97), **server([ALPHA, BETA], TWO)}},
    "prompt-phase": {HOST: {**machine(0.9), **server([ALPHA], [PROMPT])}},
    "four-hosts": fleet(),
    "alarm": {HOST: {**machine(1.0), **server([ALPHA], ONE), **ALERT}},
    "no-bus": {HOST: {**machine(0.9), **server([ALPHA], ONE)}},
    "no-runtime": {HOST: machine(0.1)},
    "no-gpu": {HOST: {**machine(0.5, gpu=False), **server([ALPHA], ONE)}},
    "many-requests": {HOST: {**machine(0.9), **server([ALPHA], ONE)}},
}


class Player(threading.Thread):
    """Publishes the values of HOSTS every second."""

    def __init__(self, suite, hosts):
        super().__init__(daemon=True)
        self.socket, self.hosts, self.number, self.over = suite.publisher(), hosts, 0, threading.Event()

    def say(self, host, topic, data):
        self.number += 1
        self.socket.send_multipart([topic.encode(), envelope("scene", self.number, data, host=host)])

    def run(self):
        while not self.over.is_set():
            for host, topics in self.hosts.items():
                for topic, data in topics.items():
                    self.say(host, topic, data)
            self.over.wait(1)

    def end(self):
        self.over.set()
        self.join()
        self.socket.close()


def many(player):
    """10,000 requests that have ended."""
    now = int(time.time() * 1e6)
    for i in range(10_000):
        player.say(HOST, "runtime.ollama.local.request", {
            "id": f"r{i}", "model": ("alpha:8b", "beta:2b")[i % 3 == 0], "client": ("chat.py", "code-server", "notes")[i % 3],
            "start": now - (10_000 - i) * 100_000 - 2_000_000, "end": now - (10_000 - i) * 100_000, "tokens": 100 + i % 400,
            "prompt_tokens": 300 + i % 900, "tokens_per_second": 40 + i % 7, "ttft": 0.2, "duration": 2.0, "outcome": "ok"})
        if i % 100 == 99:
            time.sleep(0.02)  # a rate that a bus sees in life


def write(folder, name, text):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)


def texts(suite, folder):
    for name, command in (("status", ["status"]), ("status-all", ["status", "--all"]), ("requests", ["requests"]),
                          ("findings", ["findings"]), ("models", ["models"])):
        done = suite.ctl(*command, check=False)
        write(folder, f"{name}.txt", f"{done.stdout}{done.stderr}exit {done.returncode}\n")
    for name in BARS:
        done = subprocess.run([f"{BIN}/mlx-menubar", "--once", "--format", name], env=suite.environment,
                              capture_output=True, text=True, timeout=30)
        write(folder, f"bar-{name}.txt", f"{done.stdout}{done.stderr}exit {done.returncode}\n")


TRAY = """
"$0/mlx-menubar" --format tray & pid=$!
for _ in $(seq 100); do
    said=$(dbus-send --session --print-reply --dest=dev.mlx_suite.Menubar /MenuBar com.canonical.dbusmenu.GetLayout \\
        int32:0 int32:-1 array:string:label 2>/dev/null) && case $said in *label*) break ;; esac
    sleep 0.1
done
printf '%s\\n' "$said"
kill $pid
"""


def tray(suite, folder):
    """The menu as a panel gets it, submenus indented."""
    done = subprocess.run(["dbus-run-session", "--", "bash", "-c", TRAY, BIN], env=suite.environment, capture_output=True,
                          text=True, timeout=60)
    labels = re.findall(r'^( *)string "label"\n +variant +string "(.*)"$', done.stdout, re.M)
    least = min((len(indent) for indent, _ in labels), default=0)
    write(folder, "tray.txt", "".join(f"{'    ' * (len(indent) > least)}{label}\n" for indent, label in labels) + done.stderr)


def tops(terminals, folder):
    for (columns, rows), terminal in terminals.items():
        write(folder, f"top-{columns}x{rows}.txt", terminal.screen())
        write(folder, f"top-{columns}x{rows}.svg", terminal.svg(f"mlxctl top, {columns} x {rows}"))
        terminal.keys("q")
        terminal.close()


def page(browser, folder):
    for width in (1280, 400):
        browser.size(width, 900)
        browser.size(width, browser.run("document.documentElement.scrollHeight"))
        time.sleep(0.7)  # for the eye only: plots are drawn again after the change of size
        browser.screenshot(os.path.join(folder, f"page-{width}.png"))


def play(name, folder):
    os.makedirs(folder, exist_ok=True)
    with Suite("bus", "recorder", config=f"host: {HOST}\n") as suite, Browser() as browser:
        suite.start("gateway", "--set", "gateway.listen=127.0.0.1:0")
        suite.await_service("recorder")
        player = Player(suite, SCENES[name])
        player.start()
        if name == "many-requests":
            many(player)
        terminals = {size: Terminal(f"{BIN}/mlxctl top", suite.environment, *size) for size in TOPS}
        while not (port := re.search(r"listening on http://127\.0\.0\.1:(\d+)/", suite.log("gateway"))):
            time.sleep(0.05)
        browser.open(f"http://127.0.0.1:{port[1]}/")
        time.sleep(8)  # for the eye only: plots that have begun
        if name == "no-bus":
            suite.kill("bus")
            time.sleep(7)
        texts(suite, folder)
        tray(suite, folder)
        page(browser, folder)
        tops(terminals, folder)
        player.end()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[2:] or SCENES:
        play(name, os.path.join(sys.argv[1], name))
        print(name, flush=True)


if __name__ == "__main__":
    main()

"""Every front end from one recording that is replayed: none needs a machine or a model of its own."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

from stand import Stand, eventually, run
from suite import BIN
from terminal import Terminal
from test_agents import with_client
from test_mcp import topics
from test_mcp import with_client as over_stdio
from test_otlp import Receiver, attributes, fast

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
RECORDING = os.path.join(ROOT, "deploy", "demo", "laptop.mlxrec")
HOST, MODEL, GPU = "simulated-macbook-pro", "qwen3-coder:30b", "Apple M5 Max"


def shows(text, front):
    assert MODEL in text, f"{front}: {text}"


def commands(stand):
    shows(stand.suite.ctl("status").stdout, "status")
    shows(stand.suite.ctl("status", "--json").stdout, "status --json")
    watch = subprocess.Popen([os.path.join(BIN, "mlxctl"), "watch", "runtime."], env=stand.suite.environment,
                             stdout=subprocess.PIPE, text=True)
    shows(watch.stdout.readline(), "watch")
    watch.kill()
    watch.communicate()
    terminal = Terminal(f"{BIN}/mlxctl top", stand.suite.environment, 110, 40)
    terminal.screen_with(MODEL.replace(".", r"\."), timeout=60)
    terminal.close()


def bar_environment(stand):
    """A bar shows its own machine: here that is the recorded one."""
    return {**stand.suite.environment, "MLX_HOST": HOST}


def bars(stand):
    for name in ("swiftbar", "xbar", "waybar", "plain", "json", "short", "i3blocks"):
        line = subprocess.run([os.path.join(BIN, "mlx-menubar"), "--format", name, "--once"], env=bar_environment(stand),
                              capture_output=True, text=True, timeout=60, check=True).stdout
        assert re.search(r"\d+ tok/s" if name in ("short", "i3blocks") else re.escape(MODEL), line), f"{name}: {line}"


def tray(stand):
    """On a session bus of its own, asked as a desktop asks: for the menu."""
    daemon = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    address = daemon.stdout.readline().strip()
    environment = {**bar_environment(stand), "DBUS_SESSION_BUS_ADDRESS": address}
    item = subprocess.Popen([os.path.join(BIN, "mlx-menubar")], env=environment)

    def ask(*words):
        return subprocess.run(["busctl", f"--address={address}", "--", *words], capture_output=True, text=True, timeout=20).stdout

    def menu():
        name = re.search(r"org\.kde\.StatusNotifierItem-\S+", ask("list"))
        said = ask("call", name[0], "/MenuBar", "com.canonical.dbusmenu", "GetLayout", "iias", "0", "-1", "0") if name else ""
        if MODEL not in said:
            time.sleep(0.5)  # asking is a program of its own; the deadline is below
        return MODEL in said
    try:
        eventually(menu, 60)
    finally:
        item.terminate()
        item.wait(20)
        daemon.terminate()
        daemon.communicate(timeout=20)


def page(stand):
    assert b"<html" in stand.get("/")[2]
    shows(stand.get("/api/status")[2].decode(), "page")
    with urllib.request.urlopen(f"{stand.url}/api/events", timeout=60) as events:
        while MODEL not in (line := events.readline().decode()):
            assert line, "the events end"
    assert f'model="{MODEL}"' in eventually(lambda: stand.get("/metrics")[2].decode(), 20)


def agents(stand):
    async def look(client):
        running, machine = topics(await client.call_tool("what_runs")), topics(await client.call_tool("machine"))
        assert running["runtime.ollama.127_0_0_1-11434.activity"]["data"]["model"] == MODEL, running
        assert machine["sensor.gpu.0"]["data"]["name"] == GPU, machine
    with_client(stand, "auto", look)
    over_stdio(stand.suite, "auto", look)


def collector(receiver):
    eventually(lambda: receiver.points("hw.gpu.utilization"), 60)
    eventually(lambda: [span for span in receiver.spans() if attributes(span).get("gen_ai.request.model") == MODEL], 60)


def python(stand):
    """The package's own wheel."""
    with tempfile.TemporaryDirectory(prefix="mlx-wheel-") as folder:
        subprocess.run([sys.executable, f"{ROOT}/tools/python/make", os.path.join(BIN, "mlxctl"), folder], check=True)
        program = ("import mlx_bus\nfor m in mlx_bus.subscribe('runtime.'):\n"
                   "    if m.data.get('model'):\n        print(m.host, m.data['model'], flush=True)\n        break\n")
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
                              env={**stand.suite.environment, "PYTHONPATH": glob.glob(f"{folder}/*.whl")[0]}).stdout
    assert said == f"{HOST} {MODEL}\n", said


def recorder(stand):
    listed = eventually(lambda: json.loads(stand.suite.ctl("requests", "--all", "--json").stdout), 60)
    shows(json.dumps(listed), "requests")
    verb, series = stand.suite.call("recorder", "history.series", {"prefix": f"{HOST}/sensor.gpu.0/"})
    assert verb == b"done" and f"{HOST}/sensor.gpu.0/utilization" in series["series"], series


def as_the_recorded_machine(stand):
    """The gateway once more: it exports what its own machine says. Only now, since a replay refuses to speak for a machine
    that is on the bus already."""
    stand.suite.stop("gateway")
    stand.process = stand.suite.start("gateway", "--set", f"host={HOST}", "--set", "gateway.mcp=read", "--set",
                                      f"gateway.listen=127.0.0.1:{stand.port}")
    eventually(lambda: stand.suite.log("gateway").count("listening on") == 2, 30)


def test_all_from_one_recording():
    with Receiver() as receiver, Stand("recorder", options=["gateway.mcp=read"], environment=fast(receiver)) as stand:
        stand.listening()
        stand.suite.await_service("recorder")
        player = subprocess.Popen([os.path.join(BIN, "mlxctl"), "replay", "--loop", "--speed", "2", RECORDING],
                                  env=stand.suite.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            stand.suite.subscribe("runtime.").until(lambda _t, body: body["d"].get("tokens_per_second"), 60)
            stand.suite.subscribe("cache.").until(lambda *_: True, 60)
            as_the_recorded_machine(stand)
            commands(stand)
            bars(stand)
            tray(stand)
            page(stand)
            agents(stand)
            python(stand)
            collector(receiver)
            recorder(stand)
            assert player.poll() is None, "the replay ended"
        finally:
            player.terminate()
            player.wait(20)


if __name__ == "__main__":
    run(test_all_from_one_recording)

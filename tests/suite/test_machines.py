"""Several machines on one bus: --host NAME and --all of every command that shows something of a machine."""
import json
import time

from suite import BIN, Suite, envelope, run
from terminal import Terminal

OWN, OTHER = "studio", "mini"


def values(host, model, summary):
    now = int(time.time() * 1e6)
    at = "runtime.ollama.local"
    return {
        "sensor.memory": {"total": 16, "used": 8, "available": 8, "swap_used": 1},
        f"{at}.models": {"kind": "ollama", "reachable": True, "models": [{"name": model, "size": 5}]},
        f"{at}.activity": {"busy": False},
        f"{at}.request": {"id": model, "model": model, "client": f"app-of-{host}", "start": now - 10, "end": now,
                          "tokens": 9, "outcome": "ok"},
        "alert.hot": {"state": "firing", "summary": summary, "value": 9.0, "threshold": 8.0},
        "finding.spill": {"state": "firing", "summary": summary, "remedy": "less"},
        "service.watcher.health": {"state": "up", "pid": 7}}


def say_all(suite, publisher):
    """Both machines' values, until the recorder has their requests."""
    for number in range(1, 200):
        for host, model, summary in ((OWN, "alpha:1b", "own words"), (OTHER, "beta:2b", "words of mini")):
            for topic, data in values(host, model, summary).items():
                publisher.send_multipart([topic.encode(), envelope("scene", number, data, host=host, boot=host)])
        listed = suite.ctl("requests", "--all", "--json", check=False)
        if listed.returncode == 0 and OTHER in listed.stdout and OWN in listed.stdout:
            return
        time.sleep(0.2)  # the recorder writes in batches
    raise AssertionError(listed)


def test_each_command_shows_the_machine_that_is_named():
    with Suite("bus", "recorder", config=f"host: {OWN}\n") as suite:
        suite.await_service("recorder")
        publisher = suite.publisher()
        say_all(suite, publisher)
        mine, its = {"requests": "app-of-studio", "models": "alpha:1b"}, {
            "requests": "app-of-mini", "models": "beta:2b", "findings": "words of mini", "alerts": "words of mini"}
        for command, words in its.items():
            own = suite.ctl(command).stdout
            other = suite.ctl(command, "--host", OTHER).stdout
            both = suite.ctl(command, "--all").stdout
            assert words in other and words not in own, (command, own, other)
            assert mine.get(command, "") in own and (command not in mine or mine[command] not in other), (own, other)
            assert words in both and mine.get(command, "") in both and OTHER in both, (command, both)
            assert all(item.get("host") == OTHER for item in listed(suite, command, "--host", OTHER)), command
        assert "watcher" in suite.ctl("services", "--host", OTHER).stdout
        assert OTHER in suite.ctl("services", "--all").stdout
        assert OTHER not in suite.ctl("services", "--json").stdout
        assert "words of mini" in suite.ctl("doctor", "--host", OTHER, check=False).stdout
        assert OTHER in suite.ctl("watch", "--host", OTHER, "--count", "1").stdout
        assert "mini/sensor.memory/used" in suite.ctl("history", "memory", "--host", OTHER, "--json").stdout
        assert "mini/sensor.memory/used" in suite.ctl("history", "memory", "--all", "--json").stdout
        assert "mini/" in suite.ctl("history", "sensor.memory/used", "--host", OTHER, "--json").stdout
        now = envelope("scene", 1000, {"total": 16, "used": 4, "available": 12}, host=OTHER, boot=OTHER)
        publisher.send_multipart([b"sensor.memory", now])
        top = Terminal(f"{BIN}/mlxctl top --host {OTHER}", suite.environment, 80, 24)
        top.screen_with("memory 25%.* max (3[0-9]|4[0-9]|50)%")  # what was before it began
        top.keys("f")
        top.screen_with(r"MACHINE +SPEED.*POWER(?s:.*)mini +idle(?s:.*)studio +idle")
        top.keys("?")
        top.screen_with("any key closes this")
        top.keys("p")
        top.keys("p")
        top.screen_with("paused: p resumes")
        top.keys("p", "+")
        top.screen_with("redraws every: 2s")
        top.keys("h")
        top.screen_with("memory 25%")
        top.close()
        whole = Terminal(f"{BIN}/mlxctl top", suite.environment, 80, 24)
        whole.screen_with(r"MACHINE +SPEED(?s:.*)mini +idle")  # what a fleet begins with
        whole.close()


def listed(suite, command, *more):
    value = json.loads(suite.ctl(command, "--json", *more).stdout)
    return value if isinstance(value, list) else value[command]


def test_a_machine_that_nobody_knows_is_refused():
    with Suite("bus", "recorder", config=f"host: {OWN}\n") as suite:
        suite.await_service("recorder")
        for command in ("status", "requests", "models", "findings", "alerts", "energy", "services", "history"):
            refused = suite.ctl(command, "--host", "nobody", check=False)
            assert refused.returncode == 3 and "nobody" in refused.stderr, (command, refused)
        for command in ("requests", "models", "findings", "alerts", "energy", "services"):
            assert suite.ctl(command, "--host", "a", "--all", check=False).returncode == 2, command
        silent = suite.ctl("alerts", "--silence", "hot", "--host", "nobody", check=False)
        assert silent.returncode == 3 and "ssh nobody mlxctl alerts" in silent.stderr, silent


run(test_each_command_shows_the_machine_that_is_named, test_a_machine_that_nobody_knows_is_refused)

"""mlxctl bench from outside: a real bencher, the double as its runtime, a terminal, Ctrl-C."""
import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
import urllib.request

from suite import BIN, Suite, run


class Double:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([os.path.join(BIN, "mlx-ollama-double"), *arguments],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as reply:
            return json.load(reply)

    def until(self, key, value, timeout):
        deadline = time.monotonic() + timeout
        while self.get("/double/stats")[key] != value:
            assert time.monotonic() < deadline, f"{key} is not {value}: {self.get('/double/stats')}"


def prompts_file(suite):
    path = os.path.join(suite.directory, "prompts.txt")
    with open(path, "w") as file:
        file.write("# three\nTell me about the sea.\nCount to a thousand.\nWrite a long story.\n")
    return path


def bench(suite, *arguments, check=True):
    return suite.ctl("bench", *arguments, check=check)


def ready(suite):
    suite.subscribe("service.bencher.").until(lambda _t, b: b["d"]["state"] == "up", 10)
    suite.await_service("bencher")


def test_results_in_each_form():
    with Double("--rate", "300") as double, Suite("bus", "bencher") as suite:
        ready(suite)
        reader = suite.subscribe("bench.")
        arguments = ["tiny-random", "--url", double.url, "--prompts", prompts_file(suite)]
        result = json.loads(bench(suite, *arguments, "--json").stdout)
        speed = result["tokens_per_second"]
        assert abs(speed["mean"] / 300 - 1) < 0.05 and speed["low"] <= speed["mean"] <= speed["high"]
        assert len(result["prompts"]) == 3 and result["prompt_set"].startswith("own-")
        _topic, body = reader.until(lambda topic, _b: topic == "bench.result", 5)
        assert body["d"] == result
        rows = list(csv.DictReader(io.StringIO(bench(suite, *arguments, "--csv").stdout)))
        assert [row["name"] for row in rows] == ["prompt_1", "prompt_2", "prompt_3"]
        assert "| prompt_2 |" in bench(suite, *arguments, "--md").stdout
        text = bench(suite, *arguments, "--compare", check=False)
        assert "generation tok/s" in text.stdout and text.returncode == 4, text
        assert "cannot compare" in text.stderr and "recorder" in text.stderr, text.stderr
        assert bench(suite, *arguments, "--md", "--csv", check=False).returncode == 2
        reader.close()
        return f"{speed['mean']:.1f} tok/s of 300"


def test_the_runtime_is_found_on_the_bus():
    with Double("--rate", "300") as double, \
            Suite("bus", config="watcher: {tap: false, discover: false, runtimes: "
                  f"[{{kind: ollama, url: '{double.url}'}}]}}\n") as suite:
        suite.start("watcher")
        suite.start("bencher")
        suite.subscribe("runtime.").until(lambda _t, b: b["d"].get("reachable"), 10)
        ready(suite)
        prompts = prompts_file(suite)
        missing = bench(suite, "no-such-model", check=False)
        assert missing.returncode == 3 and "tiny-random" in missing.stderr, missing
        result = json.loads(bench(suite, "tiny-random", "--prompts", prompts, "--json").stdout)
        assert result["url"].endswith(f":{double.port}"), result["url"]
        assert result["contention"] == 0, result


def test_a_slower_runtime_is_found_out():
    """With the recorder; before it is built there is nobody who remembers."""
    if not os.path.exists(os.path.join(BIN, "mlx-recorder")):
        return "no recorder is built"
    with Suite("bus", "bencher", "recorder") as suite:
        ready(suite)
        arguments = ["tiny-random", "--prompts", prompts_file(suite), "--compare", "--json"]
        verdicts = []
        for rate in ("300", "300", "150"):
            with Double("--rate", rate, "--noise") as double:
                result = json.loads(bench(suite, *arguments, "--url", double.url).stdout)
                verdicts.append([entry["verdict"] for entry in result["compare"]])
        assert verdicts[0] == [] and len(verdicts[1]) == 1, verdicts
        assert verdicts[2] == ["slower", "slower"], verdicts
        newest = result["compare"][0]
        assert newest["low"] < newest["ratio"] < newest["high"] and newest["changed"] == ["url"]
        return f"half the speed is {newest['ratio']:.3f} ({newest['low']:.3f} to {newest['high']:.3f})"


def occupy(double, stop):
    """A client that keeps the server busy until STOP."""
    body = json.dumps({"model": "tiny-random", "prompt": "on and on",
                       "options": {"num_predict": 150}}).encode()
    while not stop.is_set():
        with urllib.request.urlopen(f"{double.url}/api/generate", data=body, timeout=60) as reply:
            reply.read()


def test_waiting_for_ones_turn_is_contention():
    """The server answers one at a time: while our request waits it is the only one of ours, and the
    bus need not say anything. A quiet server is not blamed."""
    with Double("--rate", "300") as double, Suite("bus", "bencher") as suite:
        ready(suite)
        arguments = ["tiny-random", "--url", double.url, "--prompts", prompts_file(suite), "--json"]
        quiet = json.loads(bench(suite, *arguments).stdout)
        assert not [text for text in quiet["warnings"] if "others" in text], quiet
        stop = threading.Event()
        clients = [threading.Thread(target=occupy, args=(double, stop)) for _ in range(2)]
        for client in clients:
            client.start()
        busy = json.loads(bench(suite, *arguments).stdout)
        stop.set()
        for client in clients:
            client.join(30)
        told = [text for text in busy["warnings"] if "others" in text]
        assert busy["contention"] > 0.2 and len(told) == 1 and "waited" in told[0], busy
        return f"contention {quiet.get('contention', 0):.2f} alone, {busy['contention']:.2f} in a queue"


def sweep_is_stored(suite):
    """A sweep is a run like others: in the list, compared with itself and nothing else, on a page."""
    with Double("--rate", "4000", "--prompt-rate", "500000", "--parallel", "8") as double:
        for kind in ("parallel", "parallel", "context"):
            bench(suite, "tiny-random", "--url", double.url, "--sweep", kind, "--budget", "6")
        wrong = bench(suite, "--url", double.url, "--sweep", "colour", check=False)
        assert wrong.returncode == 2 and "context or parallel" in wrong.stderr, wrong
    listed = [entry for entry in json.loads(bench(suite, "--list", "--json").stdout)
              if entry.get("sweep")]
    assert [entry["sweep"] for entry in listed] == ["context", "parallel", "parallel"], listed
    assert [point["clients"] for point in listed[1]["points"]] == [1, 2, 4, 8], listed[1]
    ids = [entry["id"] for entry in listed]
    same = bench(suite, "--compare", ids[1], ids[2]).stdout
    assert "no verdict" not in same and "now / then" in same, same
    assert "different prompts" in bench(suite, "--compare", ids[0], ids[1]).stdout
    page = os.path.join(suite.directory, "sweep.html")
    shown = bench(suite, "--stored", ids[1], "--report", page).stdout
    with open(page) as file:
        html = file.read()
    assert "8 clients |" in shown and "clients at once" in html and "<polyline" in html, shown
    return ids


def test_stored_results():
    if not os.path.exists(os.path.join(BIN, "mlx-recorder")):
        return "no recorder is built"
    with Suite("bus", "bencher", "recorder") as suite:
        ready(suite)
        for rate, budget in (("50", "5"), ("62", "5")):
            with Double("--rate", rate) as double:
                short = json.loads(bench(suite, "tiny-random", "--url", double.url, "--budget",
                                         budget, "--compare", "--json").stdout)
        assert [entry["verdict"] for entry in short["compare"]] == ["none"], short["compare"]
        assert "budget" in short["compare"][0]["reason"] and "low" not in short["compare"][0]
        assert [text for text in short["warnings"] if "--budget" in text], short["warnings"]
        listed = json.loads(bench(suite, "--list", "--json").stdout)
        ids = [entry["id"] for entry in listed]
        assert len(ids) == 2 and ids[0] in bench(suite, "--list").stdout
        text = bench(suite, "--compare", ids[1], ids[0]).stdout
        assert "no verdict: too few long replies" in text and "faster" not in text, text
        assert bench(suite, "--compare", ids[0], "zz", check=False).returncode == 3
        sweep_is_stored(suite)
        page = os.path.join(suite.directory, "out.html")
        sealed = os.path.join(suite.directory, "sealed.json")
        assert suite.ctl("keys", "init", check=False).returncode == 0
        bench(suite, "--stored", ids[0], "--report", page, "--seal", sealed)
        with open(page) as file:
            html = file.read()
        assert "<svg" in html and "tiny-random" in html and not re.search("(src|href)=", html)
        assert suite.ctl("keys", "signing").stdout.strip() in bench(suite, "--check", sealed).stdout
        with open(sealed) as file:
            forged = file.read().replace('"tokens":', '"tokens":1', 1)
        with open(sealed, "w") as file:
            file.write(forged)
        assert bench(suite, "--check", sealed, check=False).returncode == 5


def test_refusals():
    with Suite("bus") as suite:
        suite.subscribe("").until(lambda *_: True, 20)
        nobody = bench(suite, check=False)
        assert nobody.returncode == 4 and "bencher" in nobody.stderr, nobody
        suite.start("bencher")
        ready(suite)
        nothing = bench(suite, check=False)
        assert nothing.returncode == 4 and "no runtime is reachable" in nothing.stderr, nothing
        assert "ollama serve" in nothing.stderr
        dead = bench(suite, "--url", "http://127.0.0.1:9", check=False)
        assert dead.returncode == 4 and "127.0.0.1:9" in dead.stderr, dead
        short = bench(suite, "--budget", "1", check=False)
        assert short.returncode == 2 and "budget" in short.stderr, short


def test_ctrl_c_stops_the_server():
    with Double("--rate", "20") as double, Suite("bus", "bencher") as suite:
        ready(suite)
        master, slave = pty.openpty()
        command = [os.path.join(BIN, "mlxctl"), "bench", "tiny-random", "--url", double.url]
        process = subprocess.Popen(command, env=suite.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=slave, text=True)
        os.close(slave)
        shown, deadline = b"", time.monotonic() + 20
        while b"prompt 2 of 10" not in shown:
            assert select.select([master], [], [], deadline - time.monotonic())[0], shown
            shown += os.read(master, 4096)
        assert b"[" in shown and b"left" in shown and b"tok/s" in shown, shown
        double.until("generating", 1, 5)
        busy = bench(suite, "--url", double.url, check=False)
        assert busy.returncode == 75, busy
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        double.until("generating", 0, 5)
        stopped = time.monotonic() - begin
        status = process.wait(10)
        assert (status, process.stdout.read()) == (130, ""), os.read(master, 65536)
        process.stdout.close()
        os.close(master)
        left = double.get("/api/ps")["models"]
        assert left == [], left  # it was not loaded before
        assert stopped < 2, f"the server went on for {stopped:.1f} s"
        return f"server stopped after {stopped * 1000:.0f} ms"


def test_a_caller_that_vanishes_stops_the_server():
    with Double("--rate", "20") as double, Suite("bus", "bencher") as suite:
        ready(suite)
        command = [os.path.join(BIN, "mlxctl"), "bench", "tiny-random", "--url", double.url]
        process = subprocess.Popen(command, env=suite.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        double.until("generating", 1, 20)
        begin = time.monotonic()
        process.kill()
        process.wait(10)
        double.until("generating", 0, 20)
        return f"server stopped after {time.monotonic() - begin:.1f} s"


def test_a_stopped_bencher_leaves_nothing_behind():
    with Double("--rate", "20") as double, Suite("bus", "bencher") as suite:
        ready(suite)
        command = [os.path.join(BIN, "mlxctl"), "bench", "tiny-random", "--url", double.url]
        process = subprocess.Popen(command, env=suite.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        double.until("generating", 1, 20)
        suite.stop("bencher")
        assert double.get("/double/stats")["generating"] == 0
        assert double.get("/api/ps")["models"] == []
        assert process.wait(20) == 4
        process.stderr.close()


if __name__ == "__main__":
    run(test_results_in_each_form, test_the_runtime_is_found_on_the_bus,
        test_a_slower_runtime_is_found_out, test_waiting_for_ones_turn_is_contention,
        test_stored_results, test_refusals,
        test_ctrl_c_stops_the_server, test_a_caller_that_vanishes_stops_the_server,
        test_a_stopped_bencher_leaves_nothing_behind)

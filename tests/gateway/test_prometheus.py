"""The metrics as the real programs read them: promtool, a Prometheus, and the reference parser of OpenMetrics.

Also that the rules and the dashboard of deploy/ ask for metrics that exist.
"""
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from stand import HOST, MACHINE, Stand, eventually, run

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, f"{ROOT}/deploy/demo")
import make  # noqa: E402

OPEN = "application/openmetrics-text; version=1.0.0"

if not (shutil.which("promtool") and shutil.which("prometheus")):
    print("skipped: promtool and prometheus are not installed (apt-get install prometheus)")
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


def feed(stand):
    for topic, data in MACHINE.items():
        stand.publish(topic, data)
    stand.publish("runtime.vllm.evil.models", {"reachable": True, "models": [
        {"name": 'a"} 1\nmlx_evil 2\\', "size": 1}, {"name": "é\t\r\x7f", "size": 2}, {"name": "é\t\r\x7f", "size": 3}]})
    stand.publish("sensor.memory", {"used": 7}, host='other"host\\')
    eventually(lambda: b"mlx_model_vram_bytes" in stand.get("/metrics")[2] and b'other\\"host' in stand.get("/metrics")[2])
    for number, request in enumerate(REQUESTS):
        stand.publish("runtime.ollama.local.request", request, source=f"watcher{number}")
    eventually(lambda: b'outcome="lost"' in stand.get("/metrics")[2])


NOW = int(time.time() * 1e6)
REQUESTS = [{"start": NOW - 3_000_000, "end": NOW, "model": "qwen3:8b", "prompt_tokens": 2717, "tokens": 101,
             "queue": 0.25, "ttft": 0.5, "tokens_per_second": 40.0, "outcome": "ok"},
            {"start": NOW - 400_000, "end": NOW, "model": "qwen3:8b", "prompt_tokens": 10, "tokens": 3, "ttft": 0.1,
             "tokens_per_second": 20.0, "outcome": "client_abort"},
            {"model": 'a"}\n\\' + "x" * 5000, "tokens": -1, "queue": 1e300, "ttft": float("nan"), "start": 5, "end": 4,
             "tokens_per_second": 0.0, "outcome": "what?"}]


def promtool(*arguments, text=None):
    result = subprocess.run(["promtool", *arguments], input=text, capture_output=True)
    assert result.returncode == 0, f"promtool {arguments}: {result.stdout.decode()} {result.stderr.decode()}"
    return result.stdout.decode()


def test_promtool_finds_nothing_to_say():
    with Stand("sampler", "watcher") as stand:
        feed(stand)
        status, headers, body = stand.get("/metrics")
        assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        said = promtool("check", "metrics", text=body)
        assert not said.strip(), said
        return f"{len(body)} bytes, {body.count(b'# TYPE')} families"


def test_reference_parser_takes_openmetrics():
    with Stand("sampler", "watcher") as stand:
        feed(stand)
        _status, headers, body = stand.get("/metrics", Accept=OPEN)
        assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        families = {family.name: family for family in text_string_to_metric_families(body.decode())}
        assert families["mlx_gpu_energy_joules"].type == "counter" and families["mlx_gpu_energy_joules"].unit == "joules"
        assert families["mlx_model_loaded"].type == "info"
        names = {s.labels["model"] for s in families["mlx_model_memory_bytes"].samples}
        assert names == {"qwen3:8b", 'a"} 1\nmlx_evil 2\\', "é???"}, names
        hosts = {s.labels["host"] for s in families["mlx_memory_used_bytes"].samples}
        assert 'other"host\\' in hosts, hosts
        gpu = families["mlx_gpu_utilization_ratio"].samples[0]
        assert gpu.value == 0.67 and gpu.labels == {"host": HOST, "gpu": "0", "name": "NVIDIA RTX 4090"}
        requests_as_histograms(families)
        return f"{len(families)} families, {sum(len(f.samples) for f in families.values())} samples"


def requests_as_histograms(families):
    """One request that succeeded, one that was aborted, one of nonsense: each counted where it belongs."""
    first = families["mlx_request_time_to_first_token_seconds"]
    assert first.type == "histogram" and first.unit == "seconds"
    assert {s.labels["outcome"] for s in first.samples} == {"ok"}
    good = {(s.name, s.labels.get("le")): s for s in first.samples if s.labels["model"] == "qwen3:8b"}
    assert good["mlx_request_time_to_first_token_seconds_bucket", "0.25"].value == 0
    half = good["mlx_request_time_to_first_token_seconds_bucket", "0.5"]
    assert half.value == 1 and half.exemplar.value == 0.5 and len(half.exemplar.labels["trace_id"]) == 32
    assert good["mlx_request_time_to_first_token_seconds_sum", None].value == 0.5

    def of(family, suffix, outcome):
        return sum(s.value for s in families[family].samples if s.name == family + suffix and s.labels["outcome"] == outcome
                   and s.labels["model"] == "qwen3:8b" and s.labels["host"] == HOST)  # over all operations
    assert of("mlx_request_time_per_output_token_seconds", "_sum", "ok") == 0.025
    assert of("mlx_request_duration_seconds", "_sum", "ok") == 3
    assert of("mlx_request_duration_seconds", "_sum", "client_abort") == 0.4
    assert of("mlx_request_queue_seconds", "_count", "client_abort") == 0
    assert of("mlx_request_prompt_tokens", "_sum", "ok") == 2717 and of("mlx_request_generation_tokens", "_sum", "ok") == 101
    strange = [s for s in families["mlx_request_duration_seconds"].samples if s.labels["outcome"] == "lost"]
    assert strange and all(s.value == 0 and len(s.labels["model"]) < 140 for s in strange)


def test_names_of_vllm():
    with Stand("sampler", "watcher", options=["gateway.vllm_names=true"]) as stand:
        feed(stand)
        _status, _headers, body = stand.get("/metrics", Accept=OPEN)
        families = {family.name: family for family in text_string_to_metric_families(body.decode())}
        mine = {name: [s for s in family.samples if s.labels["model_name"] == "qwen3:8b"]
                for name, family in families.items() if name.startswith("vllm:")}
        tokens = {s.name: s.value for s in mine["vllm:inter_token_latency_seconds"] if "le" not in s.labels}
        assert tokens == {"vllm:inter_token_latency_seconds_count": 100, "vllm:inter_token_latency_seconds_sum": 2.5}, tokens
        assert mine["vllm:num_requests_running"][0].value == 1
        assert {s.labels["finished_reason"]: s.value for s in mine["vllm:request_success"]} == {"stop": 1, "abort": 1}
        assert sum(s.value for s in mine["vllm:generation_tokens"]) == 104
        bounds = [s.labels["le"] for s in mine["vllm:e2e_request_latency_seconds"] if "le" in s.labels]
        assert bounds[:3] == ["0.3", "0.5", "0.8"] and len(set(bounds)) == 22
        return f"{len(mine)} families"


def test_groups_are_bounded():
    """A thousand names of models: at most 128 groups, what has no room counts as of others."""
    with Stand() as stand:
        stand.listening()
        for number in range(1000):
            stand.publish(f"runtime.ollama.local{number % 7}.request",
                          {"model": f"m{number}", "tokens": 5, "outcome": "ok", "start": NOW, "end": NOW + 1}, host=f"h{number % 3}")
        wanted = "mlx_request_generation_tokens_count"

        def counted():
            samples = [line for line in stand.get("/metrics")[2].decode().splitlines() if line.startswith(wanted)]
            return sum(int(line.rsplit(" ", 1)[1]) for line in samples) == 1000 and samples
        samples = eventually(counted, 30)
        assert len(samples) <= 128 and any('model="other"' in line for line in samples)
        return f"{len(samples)} groups, {len(stand.get('/metrics')[2]) / 1e6:.1f} MB"


class Prometheus:
    """A real server that scrapes the gateway with the configuration of deploy/, once a second."""

    def __init__(self, stand):
        self.directory = tempfile.mkdtemp(prefix="mlx-prometheus-")
        with open(f"{ROOT}/deploy/prometheus/scrape.yml") as file:
            text = file.read().replace("127.0.0.1:11490", f"127.0.0.1:{stand.port}")
        text = re.sub(r"scrape_interval: \S+", "scrape_interval: 1s", text)
        shutil.copy(f"{ROOT}/deploy/prometheus/alerts.yml", self.directory)
        with open(f"{self.directory}/prometheus.yml", "w") as file:
            file.write(text)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = open(f"{self.directory}/log", "w")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.directory}/prometheus.yml", f"--web.listen-address=127.0.0.1:{self.port}",
             f"--storage.tsdb.path={self.directory}/data", "--log.level=warn"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def api(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=10) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as problem:
            if problem.code == 503:  # it is starting
                return None
            raise AssertionError(f"{path}: {problem.read().decode()}") from problem
        except OSError:
            return None

    def query(self, expression):
        data = self.api("query?" + urllib.parse.urlencode({"query": expression}))
        return data and data["result"]


def expressions(of_rules=True):
    """Every query of the dashboard and of the rules, with its variables filled in."""
    with open(f"{ROOT}/deploy/grafana/mlx.json") as file:
        board = json.load(file)
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "1m").replace('$host', ".*")
    if not of_rules:
        return
    with open(f"{ROOT}/deploy/prometheus/alerts.yml") as file:
        yield from (line.split("expr:", 1)[1].strip() for line in file if "expr:" in line)


def record(path):
    """A recording of a few seconds: the demo's laptop and what only other machines have."""
    recording, totals = make.Recording(), {"tokens": 0}
    for second in range(80, 110):
        make.machine(recording, second, 1.0)
        make.runtime(recording, second, 1.0, totals)
        make.services(recording, second)
        at = second + 0.6
        recording.say(at, "sampler", "sensor.gpu.1", {**MACHINE["sensor.gpu.0"], "energy": 12345.5 + 210 * second})
        recording.say(at, "sampler", "sensor.power", {"total": 300.0, "package": 35.2, "energy": 35.2 * second})
        recording.say(at, "sampler", "sensor.memory", {"total": 1 << 36, "used": 1 << 34, "pressure": 0.1, "swap_used": 0})
        recording.say(at, "sampler", "sensor.cpu", {"utilization": 0.5, "pressure": 0.2})
        recording.say(at, "watcher", "runtime.ollama.127_0_0_1-11434.activity", {
            "busy": True, "requests": 1, "tokens_per_second": 88.0, "prompt_tokens_per_second": 2210.0, "tokens_total": 90 * second,
            "prompt_tokens_total": 20 * second, "requests_total": second, "errors_total": second // 10})
        recording.say(at, "recorder", "alert.hot", MACHINE["alert.hot"])
    recording.records = [(at - 80_000_000, topic, body) for at, topic, body in recording.records]
    with gzip.open(path, "wb") as file:
        file.write(recording.bytes())


def test_every_query_finds_recorded_data():
    """The dashboard over a real Prometheus that scraped a replayed recording: each query returns a series."""
    with Stand() as stand, Prometheus(stand) as server:
        record(f"{server.directory}/some.mlxrec")
        eventually(lambda: server.query("up"), 40)
        player = subprocess.Popen([f"{os.environ['MLX_BIN']}/mlxctl", "replay", "--loop", f"{server.directory}/some.mlxrec"],
                                  env=stand.suite.environment, stdout=subprocess.DEVNULL)
        try:
            silent = dict.fromkeys(expressions(of_rules=False))

            def all_answer():
                for expression in list(silent):
                    if server.query(expression):
                        del silent[expression]
                return not silent or None
            try:
                eventually(all_answer, 60)
            except AssertionError as problem:
                raise AssertionError("no series: " + "\n".join(silent)) from problem
            value = server.query("histogram_quantile(0.5, sum by (le) (rate(mlx_request_time_to_first_token_seconds_bucket[1m])))")
            assert 0.1 < float(value[0]["value"][1]) < 1, value
        finally:
            player.terminate()
            player.wait(10)
        return f"{sum(1 for _ in expressions(of_rules=False))} queries, a series for each"


def test_a_real_prometheus_scrapes_it():
    with Stand("sampler", "watcher") as stand:
        feed(stand)
        with Prometheus(stand) as server:
            def scraped():
                feed(stand)
                return server.query('up{job="mlx"} == 1') and server.query("mlx_memory_total_bytes")
            eventually(scraped, 40)
            target = server.api("targets")["activeTargets"][0]
            assert target["health"] == "up" and not target["lastError"], target["lastError"]
            value = server.query('mlx_generation_tokens_per_second{runtime="ollama",endpoint="local"}')
            assert value[0]["value"][1] == "42.3" and value[0]["metric"]["host"] == HOST
            assert server.query('mlx_model_loaded_info{model="qwen3:8b"}')[0]["value"][1] == "1"
            assert server.query('mlx_service_up{service="sampler"}')[0]["value"][1] == "1"
            meta = server.api("metadata?metric=mlx_gpu_energy_joules")["mlx_gpu_energy_joules"][0]
            assert meta["type"] == "counter" and meta["unit"] == "joules", meta
            for expression in expressions():
                server.query(expression)
            groups = server.api("rules")["groups"]
            assert groups and all(rule["health"] != "err" for group in groups for rule in group["rules"]), groups
            return f"{sum(1 for _ in expressions())} queries of dashboard and rules taken"


def test_deployed_files():
    promtool("check", "rules", f"{ROOT}/deploy/prometheus/alerts.yml")
    promtool("check", "config", f"{ROOT}/deploy/prometheus/scrape.yml")
    promtool("test", "rules", f"{ROOT}/tests/gateway/alerts_test.yml")
    with Stand() as stand:
        known = {field["metric"] for topic in stand.suite.catalogue()["topics"] for field in fields_of(topic["fields"])}
    known |= {f"{name}{suffix}" for name in known for suffix in ("_total", "_info")}
    with open(f"{ROOT}/proto/measures.c") as file:
        measured = re.findall(r'"(mlx_request_\w+)"', file.read())
    known |= {f"{name}{suffix}" for name in measured for suffix in ("_bucket", "_sum", "_count")}
    asked = {name for expression in expressions() for name in re.findall(r"\bmlx_\w+", expression)}
    assert len(asked) > 15 and asked <= known, asked - known
    return f"{len(asked)} metrics asked for, all of the catalogue"


def fields_of(fields):
    for field in fields:
        if field.get("metric"):
            yield field
        yield from fields_of(field.get("fields", []))


run(test_promtool_finds_nothing_to_say, test_reference_parser_takes_openmetrics, test_names_of_vllm, test_groups_are_bounded,
    test_deployed_files, test_a_real_prometheus_scrapes_it, test_every_query_finds_recorded_data)

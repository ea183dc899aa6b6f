"""The metrics as the real programs read them: promtool, a Prometheus, and the reference parser of OpenMetrics.

Also that the rules and the dashboard of deploy/ ask for metrics that exist.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from stand import HOST, MACHINE, Stand, eventually, run

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
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
        return f"{len(families)} families, {sum(len(f.samples) for f in families.values())} samples"


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


def expressions():
    """Every query of the dashboard and of the rules, with its variables filled in."""
    with open(f"{ROOT}/deploy/grafana/mlx.json") as file:
        board = json.load(file)
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "1m").replace('$host', ".*")
    with open(f"{ROOT}/deploy/prometheus/alerts.yml") as file:
        yield from (line.split("expr:", 1)[1].strip() for line in file if "expr:" in line)


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
            count = 0
            for expression in expressions():
                server.query(expression)
                count += 1
            groups = server.api("rules")["groups"]
            assert groups and all(rule["health"] != "err" for group in groups for rule in group["rules"]), groups
            return f"{count} queries of dashboard and rules taken"


def test_deployed_files():
    promtool("check", "rules", f"{ROOT}/deploy/prometheus/alerts.yml")
    promtool("check", "config", f"{ROOT}/deploy/prometheus/scrape.yml")
    promtool("test", "rules", f"{ROOT}/tests/gateway/alerts_test.yml")
    with Stand() as stand:
        known = {field["metric"] for topic in stand.suite.catalogue()["topics"] for field in fields_of(topic["fields"])}
    known |= {f"{name}{suffix}" for name in known for suffix in ("_total", "_info")}
    asked = {name for expression in expressions() for name in re.findall(r"\bmlx_\w+", expression)}
    assert len(asked) > 15 and asked <= known, asked - known
    return f"{len(asked)} metrics asked for, all of the catalogue"


def fields_of(fields):
    for field in fields:
        if field.get("metric"):
            yield field
        yield from fields_of(field.get("fields", []))


run(test_promtool_finds_nothing_to_say, test_reference_parser_takes_openmetrics, test_deployed_files,
    test_a_real_prometheus_scrapes_it)

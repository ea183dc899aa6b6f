"""The export to an OpenTelemetry collector, against a receiver that reads it with OpenTelemetry's own messages, strictly."""
import base64
import http.server
import json
import threading
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stand import HOST, MACHINE, Stand, eventually, run

KINDS = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/traces": ExportTraceServiceRequest}


def with_bytes(tree):
    """OTLP's JSON has ids in hexadecimal, protobuf's own in base64."""
    if isinstance(tree, list):
        return [with_bytes(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {key: base64.b64encode(bytes.fromhex(value)).decode() if key in ("traceId", "spanId") else with_bytes(value)
            for key, value in tree.items()}


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what comes; ANSWERS are given first, each once: (status, headers, body)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers, self.came, self.problems, self.raw, self.heads = [], {path: [] for path in KINDS}, [], [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        assert not self.problems, self.problems

    def points(self, name):
        """The data points of the newest export that has the metric NAME."""
        for export in reversed(self.came["/v1/metrics"]):
            for metric in export.resource_metrics[0].scope_metrics[0].metrics:
                if metric.name == name:
                    return list(getattr(metric, metric.WhichOneof("data")).data_points)
        return []

    def spans(self):
        return [span for export in self.came["/v1/traces"] for span in export.resource_spans[0].scope_spans[0].spans]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, reply = 200, {}, b"{}"
        try:
            assert self.headers["Content-Type"] == "application/json", self.headers["Content-Type"]
            message = json_format.ParseDict(with_bytes(json.loads(body)), KINDS[self.path](), ignore_unknown_fields=False)
            self.server.raw.append(body)
            self.server.heads.append(dict(self.headers))
            if self.server.answers:
                status, headers, reply = self.server.answers.pop(0)
            if status == 200:
                self.server.came[self.path].append(message)
        except Exception as problem:  # told by the test's end
            self.server.problems.append(f"{self.path}: {problem!r}: {body[:300]!r}")
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(reply)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


def attributes(thing):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in thing.attributes}


def request(number, outcome="ok", **more):
    now = int(time.time() * 1e6)
    return {"start": now - 900_000 - number, "end": now, "model": "qwen3:8b", "api": "chat", "prompt_tokens": 100 + number,
            "tokens": 21, "ttft": 0.1, "queue": 0.05, "tokens_per_second": 25.0, "outcome": outcome, "client": "secret-client",
            "process": "secret-process", "source": "tap", "exact": True, **more}


def fast(receiver, **more):
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url + "/", "OTEL_METRIC_EXPORT_INTERVAL": "300",
            "OTEL_BSP_SCHEDULE_DELAY": "100", **more}


def health(stand):
    said = [message["d"] for message in stand.suite.last_values("service.gateway.") if message["src"] == "gateway"]
    return said[0] if said else {"state": "unknown"}


def test_counts_equal_the_list_of_requests():
    with Receiver() as receiver, Stand("recorder", environment=fast(
            receiver, OTEL_SERVICE_NAME="my%2Csuite", OTEL_RESOURCE_ATTRIBUTES="team=ml%20ops,deployment.environment=test",
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc")) as stand:
        stand.listening()
        stand.suite.await_service("recorder")
        for topic, data in MACHINE.items():
            stand.publish(topic, data)
        for number in range(40):
            stand.publish("runtime.ollama.local.request", request(number, "ok" if number % 4 else "client_abort"), source="watcher")
        stand.publish("runtime.ollama.local.request", request(99), host="elsewhere")
        stand.publish("runtime.ollama.local.request", {"model": "no times", "prompt": "secret-prompt", "outcome": "ok"}, source="watcher")

        def count(name, **wanted):
            return sum(point.count for point in receiver.points(name) if wanted.items() <= attributes(point).items())
        eventually(lambda: count("gen_ai.server.request.duration") == 40 and len(receiver.spans()) == 40, 15)
        listed = eventually(lambda: [r for r in stand.json("/api/requests?limit=500")[1].get("requests", [])
                                     if r["host"] == HOST and r["model"] == "qwen3:8b"], 20)
        assert len(listed) == 40 == count("gen_ai.client.operation.duration")
        assert count("gen_ai.server.request.duration", **{"error.type": "client_abort"}) == 10
        assert count("gen_ai.server.time_to_first_token") == count("gen_ai.server.time_per_output_token") == 30
        usage = {attributes(p)["gen_ai.token.type"]: 0 for p in receiver.points("gen_ai.client.token.usage")}
        for point in receiver.points("gen_ai.client.token.usage"):
            usage[attributes(point)["gen_ai.token.type"]] += point.sum
        assert usage == {"input": sum(r["prompt_tokens"] for r in listed), "output": sum(r["tokens"] for r in listed)}, usage
        as_conventions_want(receiver)
        names = {m.name for m in receiver.came["/v1/metrics"][-1].resource_metrics[0].scope_metrics[0].metrics}
        assert not [body for body in receiver.raw if b"secret" in body]
        assert all(head.get("authorization") == "Bearer abc" for head in receiver.heads)
        return f"{len(names)} metrics, {len(receiver.spans())} spans, {max(map(len, receiver.raw)) / 1e3:.0f} kB the largest export"


def as_conventions_want(receiver):
    export = receiver.came["/v1/metrics"][-1].resource_metrics[0]
    resource = attributes(export.resource)
    assert resource["service.name"] == "my%2Csuite" and resource["team"] == "ml ops" and resource["host.name"] == HOST
    assert resource["os.type"] == "linux" and resource["host.arch"] in ("amd64", "arm64")
    first = next(p for p in receiver.points("gen_ai.server.time_to_first_token"))
    assert list(first.explicit_bounds) == [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10]
    assert len(first.bucket_counts) == 17 and first.bucket_counts[7] == 30 == sum(first.bucket_counts)
    assert first.start_time_unix_nano < first.time_unix_nano
    about = attributes(first)
    assert about == {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "ollama", "gen_ai.request.model": "qwen3:8b",
                     "server.address": "127.0.0.1", "server.port": 11434}, about
    duration = receiver.points("gen_ai.server.request.duration")[0]
    assert list(duration.explicit_bounds) == [.01 * 2 ** i for i in range(14)], list(duration.explicit_bounds)
    gpu = next(p for p in receiver.points("hw.gpu.utilization"))
    assert gpu.as_double == 0.67 and attributes(gpu) == {"hw.gpu.task": "general", "hw.id": "sensor.gpu.0",
                                                         "hw.name": "NVIDIA RTX 4090", "hw.vendor": "nvidia"}
    assert receiver.points("hw.gpu.memory.usage")[0].as_int == 9_000_000_000
    metrics = {m.name: m for m in export.scope_metrics[0].metrics}
    assert metrics["hw.energy"].sum.is_monotonic and not metrics["hw.gpu.memory.usage"].sum.is_monotonic
    assert {attributes(p)["hw.type"] for p in receiver.points("hw.power")} == {"gpu", "cpu"}
    assert metrics["hw.gpu.memory.usage"].unit == "By" and metrics["hw.temperature"].unit == "Cel"
    span = receiver.spans()[0]
    assert len(span.trace_id) == 16 and len(span.span_id) == 8 and span.name == "chat qwen3:8b" and span.status.code == 2
    assert 0.9e9 <= span.end_time_unix_nano - span.start_time_unix_nano < 0.91e9
    assert attributes(span)["gen_ai.usage.input_tokens"] >= 100 and attributes(span)["error.type"] == "client_abort"
    assert len({span.trace_id for span in receiver.spans()}) == 40


def test_it_waits_and_sends_again():
    with Receiver() as receiver, Stand(environment=fast(receiver, OTEL_METRICS_EXPORTER="none")) as stand:
        receiver.answers += [(503, {}, b"busy"), (429, {"Retry-After": "1"}, b"{}"),
                             (200, {}, b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}')]
        stand.listening()
        begin = time.monotonic()
        for number in range(5):
            stand.publish("runtime.ollama.local.request", request(number))
        eventually(lambda: health(stand)["state"] == "degraded" and "503" in health(stand).get("reason", ""))
        eventually(lambda: len(receiver.spans()) == 5)
        waited = time.monotonic() - begin
        assert waited > 1.4, waited  # half a second at least, then what Retry-After said
        eventually(lambda: "2 dropped" in health(stand).get("reason", ""))
        receiver.answers += [(400, {}, b"{}")]
        stand.publish("runtime.ollama.local.request", request(6))
        eventually(lambda: "400" in health(stand).get("reason", "") and "3 dropped" in health(stand)["reason"])
        stand.publish("runtime.ollama.local.request", request(7))
        eventually(lambda: health(stand)["state"] == "up" and len(receiver.spans()) == 6)
        assert not receiver.came["/v1/metrics"]
        assert health(stand)["errors"] >= 4
        return f"taken after {waited:.1f} s"


def test_nobody_listens():
    """What waits is bounded, and what has no room is counted."""
    receiver = Receiver()
    receiver.shutdown()
    receiver.server_close()
    with Stand(environment=fast(receiver)) as stand:
        stand.listening()
        for number in range(2600):
            stand.publish("runtime.ollama.local.request", request(number))
            if number % 100 == 99:
                eventually(lambda wanted=number + 1: requests_of(stand) == wanted)
        return eventually(lambda: "552 dropped" in health(stand).get("reason", "") and health(stand)["reason"], 20)


def requests_of(stand):
    text = stand.get("/metrics")[2].decode()
    return sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("mlx_request_duration_seconds_count"))


def test_off_unless_asked_for():
    with Receiver() as receiver:
        with Stand() as stand:
            stand.listening().publish("runtime.ollama.local.request", request(1))
            eventually(lambda: requests_of(stand) == 1)
            assert "exporting" not in stand.suite.log("gateway")
        with Stand(options=[f"otlp.endpoint={receiver.url}"], environment=fast(receiver, OTEL_SDK_DISABLED="true")) as stand:
            assert "exporting" not in stand.suite.log("gateway")
        own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": receiver.url + "/v1/traces", "OTEL_BSP_SCHEDULE_DELAY": "100",
               "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        with Stand(environment=own) as stand:
            stand.listening().publish("runtime.ollama.local.request", request(1))
            eventually(lambda: len(receiver.spans()) == 1)
            assert "only http/json" in stand.suite.log("gateway")
        assert not receiver.came["/v1/metrics"]


if __name__ == "__main__":
    run(test_counts_equal_the_list_of_requests, test_it_waits_and_sends_again, test_nobody_listens, test_off_unless_asked_for)

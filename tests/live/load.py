"""A client that generates and counts: what came, when, and what the server says of it itself."""

import http.client
import json
import time
from dataclasses import dataclass, field


@dataclass
class Result:
    pieces: int = 0  # stream objects with text
    tokens: int = 0  # as the server counts them
    first_s: float = 0.0  # request to first text
    client_rate: float = 0.0  # tokens per second between the first and the last piece
    server_rate: float | None = None  # as the server reports it, where it does
    times: list = field(default_factory=list)


def events(reply):
    """The JSON objects of an SSE or NDJSON stream."""
    for line in reply:
        text = line.decode().strip()
        if text.startswith("data: "):
            text = text[len("data: ") :]
        if text.startswith("{"):
            yield json.loads(text)


def take_openai(result, event):
    choice = (event.get("choices") or [{}])[0]
    delta = choice.get("delta") or {}
    if event.get("usage"):
        result.tokens = event["usage"]["completion_tokens"]
    if event.get("timings"):
        result.server_rate = event["timings"]["predicted_per_second"]
    return bool(delta.get("content") or choice.get("text"))


def take_ollama(result, event):
    if event.get("done") and event.get("eval_duration"):
        result.tokens = event["eval_count"]
        result.server_rate = event["eval_count"] / event["eval_duration"] * 1e9
    return bool(event.get("response") or (event.get("message") or {}).get("content"))


def generate(port, path, body, take, host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, port, timeout=120)
    result = Result()
    start = time.monotonic()
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    if reply.status != 200:
        raise RuntimeError(f"{path} on port {port}: {reply.status} {reply.read(500)!r}")
    for event in events(reply):
        if take(result, event):
            result.pieces += 1
            result.times.append(time.monotonic())
    connection.close()
    if result.times:
        result.first_s = result.times[0] - start
    if len(result.times) > 1 and result.tokens > 1:
        result.client_rate = (result.tokens - 1) / (result.times[-1] - result.times[0])
    return result


def openai(port, model, tokens, prompt="tell me a long story"):
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "seed": 1,
        "ignore_eos": True,  # llama-server's; others do not mind
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return generate(port, "/v1/chat/completions", body, take_openai)


def ollama(host, port, model, tokens, keep_alive, prompt="tell me a long story"):
    body = {
        "model": model,
        "prompt": prompt,
        "keep_alive": keep_alive,
        "options": {"num_predict": tokens, "temperature": 0, "seed": 1},
    }
    return generate(port, "/api/generate", body, take_ollama, host)

"""Every retained topic is said again often enough that no reader takes it for stale."""
import os
import re
import time

from suite import Suite, run

# Readers take an older value as absent.
HEADER = os.path.join(os.path.dirname(__file__), "../../common/base/held.h")
with open(HEADER) as header:
    STALE_S = int(re.search(r"MLX_HELD_STALE_S (\d+)", header.read())[1])
WATCHED_S = 17
SLACK_S = 1.5    # a loaded machine
SLOW = "watcher: {poll_idle_ms: 60000}\nrecorder: {flush_s: 60}\n"


def pattern_of(topic):
    return re.compile(re.sub(r"<[a-z]+>", "[^.]+", topic["topic"]).replace(".", r"\.") + "$")


def arrivals(reader, seconds):
    """{topic: [time of each message]}"""
    times, begin = {}, time.monotonic()
    while (left := begin + seconds - time.monotonic()) > 0:
        message = reader.next(left)
        if message:
            times.setdefault(message[0], []).append(time.monotonic() - begin)
    return times


def test_every_retained_topic_keeps_its_period():
    with Suite("bus", "sampler", "watcher", "bencher", "recorder", "gateway", "cached", config=SLOW) as suite:
        suite.ctl("status", "--wait", "20")
        suite.subscribe("cache.status").until(lambda *_: True, 20)
        suite.subscribe("runtime.").until(lambda *_: True, 20)
        seen = set()
        times = arrivals(suite.subscribe(""), WATCHED_S)
        for topic in suite.catalogue()["topics"]:
            period = topic.get("period")
            if not topic["retained"] or not period:
                continue
            assert 2 * period < STALE_S, f"{topic['topic']}: {period} s"
            for name, when in times.items():
                if not pattern_of(topic).match(name):
                    continue
                seen.add(topic["topic"])
                gaps = [b - a for a, b in zip(when, when[1:] + [WATCHED_S])]
                assert max(gaps) < period + SLACK_S, f"{name}: {max(gaps):.1f} s of silence, its period is {period} s"
        wanted = {"sensor.memory", "sensor.cpu", "cache.status", "history.status", "service.<name>.health",
                  "runtime.<kind>.<endpoint>.models", "runtime.<kind>.<endpoint>.activity"}
        assert wanted <= seen, wanted - seen
        return ", ".join(sorted(seen))


run(test_every_retained_topic_keeps_its_period)

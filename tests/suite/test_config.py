"""A configuration file that changes while the suite runs: edited, replaced, removed, wrong."""
import os
import time

from suite import Suite, run


def test_a_configuration_that_changes_is_said_and_not_half_applied():
    rules = 'alert:\n  rules:\n    - {name: hot, topic: sensor.cpu, field: utilization, above: 0.9}\n'
    base = "watcher: {tap: false, discover: false}\ngateway: {listen: \"127.0.0.1:0\"}\n"
    names = {"bus": "bus", "sampler": "sampler", "watcher": "watcher", "recorder": "recorder",
             "bencher": "bencher", "cached": "cache", "gateway": "gateway"}
    users = {"bus:\n  retain_mb: 32\n": ("bus", "bus.retain_mb"),
             "recorder:\n  flush_s: 3\n": ("recorder", "recorder.flush_s"),
             "cache:\n  streams: 2\n": ("cache", "cache.streams")}
    with Suite(*names, config=base) as suite:
        reader = suite.subscribe("service.")

        def health(name, state, *words):
            began = time.monotonic()
            body = reader.until(lambda t, b: t == f"service.{name}.health" and b["d"]["state"] == state
                                and all(w in b["d"].get("reason", "") for w in words), 20)[1]
            assert time.monotonic() - began < 6, f"{name} took {time.monotonic() - began:.1f} s"
            return body["d"]

        def replace(text):  # as editors do: beside it, then renamed over it
            with open(suite.config_path + ".new", "w") as file:
                file.write(text)
            os.rename(suite.config_path + ".new", suite.config_path)

        for name in names.values():
            health(name, "up")
        for text, (name, key) in users.items():
            replace(base + text)
            health(name, "degraded", "has changed", key, f"mlxctl services restart {name}")
            assert "reason" not in health("watcher", "up"), "what others use is not its matter"
        with open(suite.config_path, "a") as file:  # in place
            file.write(rules)
        health("recorder", "degraded", "alert.rules")
        with open(suite.config_path, "a") as file:
            file.write("sampler: {rate_hz: 99}\n")
        for name in names.values():
            health(name, "degraded", "would not start with the file as it is", "config.yaml:")
        os.remove(suite.config_path)
        health("watcher", "degraded", "cannot open", "config.yaml")
        os.mkdir(suite.config_path)
        health("watcher", "degraded", "not a regular file")
        os.rmdir(suite.config_path)
        replace(base)
        for name in names.values():
            health(name, "up")
        replace(base + "sampler:\n  rate_hz: 4\n")
        health("sampler", "degraded", "sampler.rate_hz")
        suite.stop("sampler")
        suite.start("sampler")
        health("sampler", "up")


run(test_a_configuration_that_changes_is_said_and_not_half_applied)

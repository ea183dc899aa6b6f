"""Does the bus say what its catalogue page says? A client that knows only that page reads every message.

The page is `mlxctl topics --json`. Each topic on the bus must be one of it, each key of each message
must be there with the type that was said, and the numbers of one run of a source must rise.
"""

import json
import re
import subprocess
from pathlib import Path

TYPES = {
    "string": str,
    "int": int,
    "real": (int, float),
    "bool": bool,
    "list": list,
    "map": dict,
}
ENVELOPE = {"v": int, "host": str, "src": str, "boot": str, "seq": int, "t": int, "d": dict}


class Catalogue:
    def __init__(self, binaries):
        page = subprocess.run(
            [str(Path(binaries) / "mlxctl"), "topics", "--json"], capture_output=True, check=True
        )
        self.page = json.loads(page.stdout)
        self.topics = [
            (re.compile(re.sub(r"<\w+>", "[a-z0-9_-]+", re.escape(topic["topic"]))), topic)
            for topic in self.page["topics"]
        ]
        self.last = {}  # (src, boot) -> seq

    def topic(self, name):
        return next((topic for pattern, topic in self.topics if pattern.fullmatch(name)), None)

    def problems(self, name, message):
        """What is wrong with a message, in words."""
        topic = self.topic(name)
        if not topic:
            return [f"{name}: not in the catalogue"]
        found = [
            f"{name}: {key} of the envelope is {message.get(key)!r}"
            for key, kind in ENVELOPE.items()
            if type(message.get(key)) is not kind
        ]
        if found:
            return found
        if message["v"] != self.page["version"]:
            found.append(f"{name}: version {message['v']}")
        return found + self.order(name, message) + fields(name, topic["fields"], message["d"])

    def order(self, name, message):
        """Live messages only: a last value may come late."""
        run = (message["src"], message["boot"], name)
        before = self.last.get(run, 0)
        self.last[run] = message["seq"]
        return [] if message["seq"] >= before else [f"{name}: {message['seq']} after {before}"]


def fields(where, catalogue, data):
    known = {field["key"]: field for field in catalogue}
    found = []
    for key, value in data.items():
        at = f"{where}: {key}"
        field = known.get(key)
        if not field:
            found.append(f"{at} is not in the catalogue")
        elif not isinstance(value, TYPES[field["type"]]) or (
            isinstance(value, bool) and field["type"] != "bool"
        ):
            found.append(f"{at} is {value!r}, not a {field['type']}")
        elif "fields" in field:
            for item in value if isinstance(value, list) else [value]:
                found += fields(at, field["fields"], item)
    return found

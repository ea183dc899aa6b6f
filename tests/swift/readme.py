#!/usr/bin/env python3
"""Does what tools/SwiftMLX/README.md tells a newcomer to do, word by word, in an empty folder.

    tests/swift/readme.py

The address of the repository is a clone of this tree, tagged with the version that the README names. Both
forms of the dependency are tried: the clone's folder, and its address with the version.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "tools/SwiftMLX/README.md"
ADDRESS = "<address of this repository>"


def run(words, folder, **more):
    environment = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "advice.detachedHead",
                   "GIT_CONFIG_VALUE_0": "false"}
    done = subprocess.run(words, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **more)
    if done.returncode:
        sys.exit(f"readme: {words} failed\n{done.stdout[-6000:]}")
    return done.stdout


def blocks(kind, text):
    """The fenced blocks of one language, without their indentation."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^\1```", text, re.S | re.M)
    return ["\n".join(line[len(indent):] for line in body.split("\n")) for indent, body in found]


def publish(folder, version):
    """A repository with this tree, uncommitted changes too, whose newest commit has the tag."""
    run(["git", "clone", "-q", "--no-local", str(ROOT), str(folder)], ROOT)
    changed = run(["git", "ls-files", "-mo", "--exclude-standard", "-z"], ROOT)
    for name in filter(None, changed.split("\0")):
        target = folder / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
        else:
            target.unlink(missing_ok=True)
    run(["git", "add", "-A"], folder)
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    run(["git", *who, "commit", "-q", "--allow-empty", "-m", "as it is"], folder)
    run(["git", *who, "tag", version], folder)


def follow(folder, commands, program, path):
    folder.mkdir()
    run(["bash", "-euc", commands], folder)
    (folder / "hello" / path).write_text(program)
    run(["swift", "build", "--product", "hello"], folder / "hello")


def main():
    text = README.read_text()
    steps = text[text.index("## Five minutes"):text.index("## Who runs the model")]
    by_path, by_address = blocks("sh", steps)[:2]
    programs = [block for block in blocks("swift", steps) if block.startswith("import SwiftMLX")]
    [program] = programs
    path = re.search(r"Put this in `(Sources/[^`]+)`", steps).group(1)
    version = re.search(r"--from ([0-9.]+)", by_address).group(1)
    manifest = (ROOT / "Package.swift").read_text()
    [minimum] = re.findall(r"^// swift-tools-version: (.*)$", manifest, re.M)
    assert f"Swift {minimum} or newer" in steps, f"the README does not say that Swift {minimum} is needed"
    platforms = re.search(r"^ +(platforms: \[.*\])", manifest, re.M).group(1)
    assert platforms in steps, f"the README does not say: {platforms}"
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "mlx-suite.git"
        publish(clone, version)
        by_path, by_address = (part.replace(ADDRESS, str(clone)) for part in (by_path, by_address))
        first = [line for line in by_path.splitlines() if not re.match("git|swift package add", line)]
        follow(Path(name) / "path", by_path, program, path)
        print("swift: README: the steps with a clone build")
        follow(Path(name) / "address", "\n".join(first) + "\n" + by_address, program, path)
        print("swift: README: the steps with an address and a version build")


main()

#!/usr/bin/env python3
"""Holds the Homebrew formula and cask to the rules of `brew style` and `brew audit` that can be read off a
file, and to what the suite itself says. Homebrew's own tools have the last word; they need a Mac."""
import importlib.machinery
import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
ORDER = {
    "formula": ["desc", "homepage", "url", "sha256", "license", "livecheck", "depends_on", "uses_from_macos",
                "def install", "test"],
    "cask": ["version", "sha256", "url", "name", "desc", "homepage", "livecheck", "depends_on", "app",
             "uninstall", "zap"],
}
OPENERS = re.compile(r"^\s*(class .*|def .*|.* do)$")


def load():
    path = str(ROOT / "deploy/homebrew/make")
    loader = importlib.machinery.SourceFileLoader("make", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make", loader))
    loader.exec_module(module)
    return module


def problems(kind, text):
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line != line.rstrip() or "\t" in line or "'" in line or len(line) > 118:
            yield f"line {number}: white space, quotes or length: {line!r}"
    depth = 0
    for line in lines:
        depth -= line.strip() == "end"
        if line.strip() and len(line) - len(line.lstrip()) != 2 * depth:
            yield f"indented by {len(line) - len(line.lstrip())}: {line.strip()}"
        depth += bool(OPENERS.match(line))
    if depth:
        yield "blocks without their end"
    stanzas = [line[2:] for line in lines if re.match(r"  [a-z]", line) and line.strip() != "end"]
    places = [next((at for at, word in enumerate(ORDER[kind]) if stanza.startswith(word)), None)
              for stanza in stanzas]
    if None in places:
        yield f"{stanzas[places.index(None)]} has no place"
    elif places != sorted(places):
        yield f"the order is not {ORDER[kind]}"
    elif set(places) != set(range(len(ORDER[kind]))):
        yield f"{[word for at, word in enumerate(ORDER[kind]) if at not in places]} are missing"
    desc = re.search(r'desc "(.*)"', text).group(1)
    if len(desc) > 80 or desc.endswith(".") or re.match(r"(A|An|The) |[a-z]", desc) or "macOS" in desc:
        yield f"desc: {desc}"
    for key in ("url", "homepage"):
        if not re.search(rf'^  {key} "https://[^"]+"', text, re.M):
            yield f"{key} is not https"
    if not re.search(r'^  sha256 "[0-9a-f]{64}"', text, re.M):
        yield "sha256"
    needed = re.findall(r'^  depends_on "([^"]+)"( => :build)?', text, re.M)
    if needed != sorted(needed, key=lambda one: (not one[1], one[0])):
        yield "dependencies: those to build come first, each part by its name"


def main():
    make, failed = load(), []
    addresses = {"formula": "https://example.org/who/suite/archive/refs/tags/v0.1.0.tar.gz",
                 "cask": "https://example.org/who/suite/releases/download/v0.1.0/MLXDash-0.1.0.dmg"}
    made = {kind: make.fill(kind, address, b"data") for kind, address in addresses.items()}
    for kind, text in made.items():
        failed += [f"{kind}: {problem}" for problem in problems(kind, text)]
        assert '  homepage "https://example.org/who/suite"\n' in text, text
        # The rules find something.
        spoilt = [text.replace('desc "', 'desc "A '), text.replace("  sha256", "   sha256"),
                  re.sub(r"(  homepage .*\n)(.*\n)", r"\2\1", text, count=1) if kind == "formula"
                  else re.sub(r"(  name .*\n)(.*\n)", r"\2\1", text, count=1),
                  text.replace("https://", "http://"), text.replace("  livecheck do", "  livecheck don")]
        failed += [f"{kind}: spoilt, and nothing was found:\n{one}" for one in spoilt if not list(problems(kind, one))]
    packages = (ROOT / "deploy/lib/packages.sh").read_text()
    wanted = set(re.search(r'^brew_build="([^"]+)"', packages, re.M).group(1).split())
    named = set(re.findall(r'^  (?:depends_on|uses_from_macos) "([^"]+)"', made["formula"], re.M))
    wanted = {{"pkg-config": "pkgconf"}.get(name, name) for name in wanted}
    if wanted != named:
        failed.append(f"the formula and deploy/lib/packages.sh differ in {sorted(wanted ^ named)}")
    minimum = (ROOT / "deploy/macos/Info.plist.in").read_text()
    assert "<string>14.0</string>" in minimum and ">= :sonoma" in made["cask"], "the oldest system differs"
    for address in ("http://example.org/v0.1.0.tar.gz", "https://example.org/v9.tar.gz", 'https://e.org/"0.1.0'):
        try:
            make.fill("formula", address, b"")
            failed.append(f"{address} was taken")
        except ValueError:
            pass
    for line in failed:
        print(f"homebrew: {line}", file=sys.stderr)
    if failed:
        sys.exit(1)
    print("swift: deploy/homebrew: formula and cask keep the rules")


main()

#!/usr/bin/env python3
"""Counts public symbols without a documentation comment, and has DocC build the documentation.

    tests/swift/docs.py MODULES OUT

MODULES is a folder of compiled modules (tests/swiftui/check.sh makes one that holds the views too).
Exit status 0 when every public symbol is documented and DocC has nothing to say.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "tools/SwiftMLX/Sources"
MODULES = ["SwiftMLXCore", "SwiftMLXUI", "MLXBus", "SwiftMLXBus"]
# What conformances bring along carries the standard library's own documentation.
INHERITED = ("::SYNTHESIZED::",)


def symbol_graphs(modules, out):
    for module in MODULES:
        folder = out / module
        folder.mkdir(parents=True)
        target = json.loads(subprocess.run(["swiftc", "-print-target-info"], check=True,
                                           capture_output=True).stdout)["target"]["triple"]
        subprocess.run(
            ["swift-symbolgraph-extract", "-module-name", module, "-target", target,
             "-I", modules, "-I", SOURCES / "CMLXBus/include", "-output-dir", folder,
             "-Xcc", f"-fmodule-map-file={modules}/module.modulemap",
             "-minimum-access-level", "public", "-skip-synthesized-members",
             "-skip-inherited-docs"],
            check=True, capture_output=True)


def undocumented(out):
    """Names of public symbols of ours that say nothing, and how many there are in all."""
    missing, total = [], 0
    for file in sorted(out.glob("*/*.symbols.json")):
        graph = json.loads(file.read_text())
        # A requirement's documentation serves what implements it.
        implements = {edge["source"] for edge in graph["relationships"]
                      if edge["kind"] in ("requirementOf", "defaultImplementationOf", "overrides")
                      and "sourceOrigin" in edge}
        for symbol in graph["symbols"]:
            name = symbol["identifier"]["precise"]
            if any(mark in name for mark in INHERITED) or "location" not in symbol:
                continue
            total += 1
            if not symbol.get("docComment") and name not in implements:
                path = ".".join(symbol["pathComponents"])
                missing.append(f"{Path(symbol['location']['uri']).name}: {path}")
    return missing, total


def docc(out):
    clean = True
    for module in MODULES:
        catalog = SOURCES / module / f"{module}.docc"
        run = subprocess.run(
            ["docc", "convert", catalog, "--additional-symbol-graph-dir", out / module,
             "--output-path", out / f"{module}.doccarchive", "--warnings-as-errors",
             "--fallback-display-name", module, "--fallback-bundle-identifier", f"dev.mlx.{module}"],
            capture_output=True, text=True)
        if run.returncode:
            clean = False
            print(run.stderr[-4000:], file=sys.stderr)
    return clean


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: docs.py MODULES OUT")
    modules, out = (Path(argument).resolve() for argument in sys.argv[1:])
    shutil.rmtree(out, ignore_errors=True)
    symbol_graphs(modules, out)
    missing, total = undocumented(out)
    for line in missing:
        print(f"undocumented: {line}", file=sys.stderr)
    clean = docc(out)
    print(f"docs: {total} public symbols, {len(missing)} undocumented")
    sys.exit(0 if total and not missing and clean else 1)


main()

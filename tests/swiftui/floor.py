#!/usr/bin/env python3
"""Copies Swift sources without what needs a newer system, as an older one sees them.

    floor.py VERSION OUT FILES...

Declarations with `@available(iOS N, ...)` of VERSION or newer are left out. What is left and still names one of
them would be an error of availability with Apple's SDK; here it is a name that does not exist.
"""
import re
import sys
from pathlib import Path


def older(text, version):
    lines, kept, at = text.split("\n"), [], 0
    while at < len(lines):
        mark = re.match(r" *@available\(iOS (\d+)", lines[at])
        if not mark or int(mark.group(1)) < version:
            kept.append(lines[at])
            at += 1
            continue
        # The declaration ends with its last brace, or with a line that opens none.
        depth = 0
        while at + 1 < len(lines):
            at += 1
            code = re.sub(r'"(\\.|[^"\\])*"|//.*', "", lines[at])
            depth += sum(code.count(c) for c in "{([") - sum(code.count(c) for c in "})]")
            if depth == 0 and not code.strip().startswith("@") and not code.rstrip().endswith(","):
                break
        at += 1
    return "\n".join(kept)


def main():
    version, out = int(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[3:]:
        (out / Path(name).name).write_text(older(Path(name).read_text(), version))


main()

#!/usr/bin/env python3
"""Faults of the whole tree that no compiler sees:

    columns   a line of C over 100 columns
    comment   a block comment that a reflow has gone through: some lines lost the indent of the others
    option    an --option named in a message or in README that no table of arguments has
    type      one name for two types
    symbol    one name for two functions
    unused    a public function that only its own file and tests call
    field     a field of the catalogue that nobody writes

    tests/tools/house.py            what is not in house.known fails; what is there and mended is said
                                    (files go by their last name: a move changes nothing)
    tests/tools/house.py --all      everything, in the form of house.known
"""
import collections
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KNOWN = ROOT / "tests/tools/house.known"

# Options of programs that are not ours: systemctl, llama-server, vLLM.
OTHERS = {"user", "follow", "lines", "log-file", "output", "output-fields", "system", "unit", "disable-log-stats", "enable-metrics",
          "host", "metrics", "mlx-engine", "model", "no-slots", "port", "sleep-idle-seconds"}


def read():
    names = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, check=True, capture_output=True,
                           text=True).stdout.split()
    return {name: (ROOT / name).read_text() for name in names if not name.startswith("tests/fixtures/")
            and (ROOT / name).exists()}


def columns(files):
    for name, text in files.items():
        count = sum(len(line) > 100 for line in text.split("\n"))
        if count:
            yield f"{Path(name).name} {count}"


def comments(files):
    """A line indented less than the others of its block: what a reflow leaves behind of a table."""
    for name, text in files.items():
        for block in re.finditer(r"^/\*  \S.*?\*/", text, flags=re.M | re.S):
            if re.search(r"^ \*  ", block[0], flags=re.M) and re.search(r"^ \* [^ /]", block[0], flags=re.M):
                yield f"{Path(name).name}:{text.count(chr(10), 0, block.start()) + 1}"


def options(files):
    known, named = set(OTHERS), collections.defaultdict(set)
    for name, text in files.items():
        if name.startswith("tests/"):
            continue
        known.update(re.findall(r"\{\s*\"([a-z][a-z-]+)\"\s*,\s*(?:'.'|0|\d)", text))
        known.update(re.findall(r'\.(?:name|long_name)\s*=\s*"([a-z-]+)"', text))
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
            for option in re.findall(r"(?<![\w-])--([a-z][a-z-]+)", literal):
                named[option].add(name)
    for option in re.findall(r"(?<![\w-])--([a-z][a-z-]+)", (ROOT / "README.md").read_text()):
        named[option].add("README.md")
    for script in ("up", "down"):
        known.update(re.findall(r"^ +--([a-z-]+)\)", (ROOT / "deploy" / script).read_text(), flags=re.M))
    for option in named.keys() - known:
        yield f"--{option} {Path(min(named[option])).name}"


def product(files):
    return {name: text for name, text in files.items() if not name.startswith("tests/")}


def twice(files, pattern):
    places = collections.defaultdict(set)
    for name, text in product(files).items():
        if name.endswith(".h"):
            for found in re.findall(pattern, text, flags=re.M):
                places[next(filter(None, found)) if isinstance(found, tuple) else found].add(name)
    for what, where in places.items():
        if len(where) > 1:
            yield f"{what} {' '.join(sorted(Path(name).name for name in where))}"


FUNCTION = r"^[a-z][\w ]*?[ *](mlx_\w+)\("


def types(files):
    return twice(files, r"^\} *(mlx_\w+_t);|^typedef (?:struct|enum|union) \w+ (mlx_\w+_t);")


def symbols(files):
    return twice(files, FUNCTION)


def unused(files):
    # The Ollama double is installed, too: `deploy/up --demo` shows it.
    callers = {name: text for name, text in files.items() if not name.startswith("tests/")
               or name.startswith("tests/double/") and not name.startswith("tests/double/test_")}
    # A definition is no use of it: a module may have one for each platform.
    words = {name: collections.Counter(re.findall(r"\bmlx_\w+", re.sub(FUNCTION, "", text, flags=re.M)))
             for name, text in callers.items()}
    for name, text in product(files).items():
        if not name.endswith(".h") or name.startswith("tools/SwiftMLX"):
            continue
        for function in set(re.findall(FUNCTION, text, flags=re.M)):
            if not any(count[function] for other, count in words.items() if other != name):
                yield f"{function} {Path(name).name}"


# How a field is read; what else names it writes it.
READS = re.compile(r'\bmlx_value_(?:get|str|int|real|bool)\(\s*[^;"]*?"\w+"')


def fields(files):
    """A name made up of parts, as "%s_read", counts for each that it may stand for."""
    written, made = set(), []
    for name, text in product(files).items():
        if not name.startswith("proto/"):
            for key in re.findall(r'"([\w%]+)"', READS.sub("", text)):
                written.add(key)
                if key.count("%") == 1 and re.fullmatch(r"\w{4,}%s|%s\w{4,}", key):
                    made.append(re.compile(key.replace("%s", r"\w+")))
    for name, text in files.items():
        if re.fullmatch(r"proto/catalogue_\w+\.c", name):
            for key in re.findall(r'^ +[A-Z_]+\(\s*"(\w+)"', text, flags=re.M):
                if key not in written and not any(form.fullmatch(key) for form in made):
                    yield f"{key} {Path(name).name}"


CHECKS = {"columns": columns, "comment": comments, "option": options, "type": types, "symbol": symbols,
          "unused": unused, "field": fields}


def main():
    files = read()
    found = {f"{kind} {line}" for kind, check in CHECKS.items() for line in check(files)}
    if "--all" in sys.argv:
        print("\n".join(sorted(found)))
        return
    known = set(KNOWN.read_text().split("\n")) - {""}
    # A file may keep as many long lines as it had, or fewer; a comment may move.
    allowed = {" ".join(line.split(" ")[:2]).split(":")[0] for line in known}
    for line in sorted(known - found):
        print(f"mended, take it out of house.known: {line}")
    new = sorted(line for line in found - known if not (
        line.startswith("comment ") and line.split(":")[0] in allowed or
        line.startswith("columns ") and fewer(line, known)))
    for line in new:
        print(f"new: {line}")
    sys.exit(1 if new else 0)


def fewer(line, known):
    _kind, name, count = line.split(" ")
    return any(other.startswith(f"columns {name} ") and int(count) <= int(other.split(" ")[2]) for other in known)


main()

#!/usr/bin/env python3
"""Does the tree keep its layers? Reads #include lines and definitions; prints each breach.

  - proto includes only proto; a library of common only proto and the libraries before it;
  - services and tools include themselves, common and proto, never each other; tools/mlx-cache, the
    cache service's own command line, may include services/cache/cache.h;
  - a header of common that one service alone uses belongs to that service;
  - each function in the tables of ARCHITECTURE.md is in a file that its row names.
"""
import collections
import pathlib
import re
import subprocess
import sys

LIBRARIES = ["base", "os", "cli", "bus", "http", "view", "runtime", "agent"]

files = [pathlib.Path(name) for name in subprocess.run(
    ["git", "ls-files", "--", *[f"{top}/*.{ext}" for top in ("proto", "common", "services", "tools")
                                for ext in ("c", "h", "m")]],
    capture_output=True, check=True, text=True).stdout.splitlines()]
files = [path for path in files if path.is_file() and not path.is_symlink()]
texts = {path: path.read_text(errors="replace") for path in files}
breaches = []


def room(path):
    """proto, common/<library>, services/<role> or tools/<name>."""
    return path.parts[0] if path.parts[0] == "proto" else "/".join(path.parts[:2])


def may_include(user, used):
    user_room, used_room = room(user), room(used)
    if used_room in (user_room, "proto"):
        return True
    if user.parts[0] == "proto":
        return False
    if used.parts[0] == "common":
        if user.parts[0] != "common":
            return True
        return LIBRARIES.index(used.parts[1]) < LIBRARIES.index(user.parts[1])
    return user_room == "tools/mlx-cache" and str(used) == "services/cache/cache.h"


def check_includes():
    users = collections.defaultdict(set)
    for path, text in texts.items():
        for name in re.findall(r'^#include "([^"]+)"', text, re.M):
            used = path.parent / name if "/" not in name else pathlib.Path(name)
            if used.parts[0] not in ("proto", "common", "services", "tools"):
                continue
            users[used].add(path)
            if used.exists() and not may_include(path, used):
                breaches.append(f"{path} includes {used}: not in the order of the layers")
    for used, who in sorted(users.items()):
        if used.parts[0] != "common":
            continue
        rooms = {room(path) for path in who} - {room(used)}
        if len(rooms) == 1 and next(iter(rooms)).startswith("services/"):
            inside = [path for path in who if room(path) == room(used) and path.stem != used.stem]
            if not inside:
                breaches.append(f"{used} is used by {next(iter(rooms))} alone: it belongs there")


def check_architecture():
    """A row is '| 7 | functions | files | what |'; a file after the first may lack its folder."""
    rows = re.findall(r"(?m)^\| \d+ \| (.+?) \| (.+?) \|", pathlib.Path("ARCHITECTURE.md").read_text())
    for functions, names in rows:
        named = [name for name in re.findall(r"`([^`]+)`", names)]
        text = "".join(text for path, text in texts.items()
                       if any(path.match(name) for name in named))
        text += "".join(pathlib.Path(name).read_text() for name in named if name.endswith(".js"))
        for function in re.findall(r"`([a-z]\w*[_A-Z]\w*)`", functions):
            if not re.search(rf"\b{function}\(", text):
                breaches.append(f"ARCHITECTURE.md: {function} is not in {names}")


check_includes()
check_architecture()
print("\n".join(breaches) if breaches else f"{len(files)} files keep their layers")
sys.exit(1 if breaches else 0)

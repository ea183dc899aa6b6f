#!/usr/bin/env python3
"""Checks what an app bundle carries, and lists it; needs no Mac.

    bundle.py check APP [ARCH...]      minimum system, processors and libraries of each program in it
    bundle.py sbom APP LIBRARIES       its bill of materials (CycloneDX 1.5, JSON) on stdout

LIBRARIES has a line `FILE NAME VERSION LICENSE` for each library that came from elsewhere. Exit status 1
where something would not run on the oldest system that Info.plist names.
"""
import hashlib
import json
import plistlib
import re
import struct
import sys
from pathlib import Path

MACHO, FAT = 0xFEEDFACF, 0xCAFEBABE
CPUS = {0x01000007: "x86_64", 0x0100000C: "arm64"}
VERSION_MIN, BUILD_VERSION = 0x24, 0x32
LIBRARIES = {0xC, 0x80000018, 0x8000001F, 0x20, 0x80000023}  # load, weak, reexport, lazy, upward
MOST_COMMANDS = 1 << 16
KEYS = ["CFBundleDisplayName", "CFBundleExecutable", "CFBundleIconFile", "CFBundleIdentifier",
        "CFBundleInfoDictionaryVersion", "CFBundleName", "CFBundlePackageType",
        "CFBundleShortVersionString", "CFBundleSupportedPlatforms", "CFBundleVersion",
        "ITSAppUsesNonExemptEncryption", "LSApplicationCategoryType", "LSMinimumSystemVersion",
        "NSHighResolutionCapable", "NSHumanReadableCopyright", "NSPrincipalClass"]


class Broken(Exception):
    pass


def unpack(form, data, at):
    if at < 0 or at + struct.calcsize(form) > len(data):
        raise Broken("it is cut off")
    return struct.unpack_from(form, data, at)


def slices(data):
    """The programs in a file, one for each processor."""
    magic = unpack(">I", data, 0)[0]
    if magic != FAT:
        return [data]
    count = unpack(">I", data, 4)[0]
    if not 0 < count <= 16:
        raise Broken(f"it says that it is for {count} processors")
    found = []
    for index in range(count):
        _, _, offset, size, _ = unpack(">5I", data, 8 + 20 * index)
        if offset + size > len(data):
            raise Broken("it is cut off")
        found.append(data[offset:offset + size])
    return found


def read(data):
    """Processor, oldest system and libraries of one program."""
    magic, cpu, _, _, count, _, _, _ = unpack("<8I", data, 0)
    if magic != MACHO or cpu not in CPUS or count > MOST_COMMANDS:
        raise Broken("it is no program for a Mac of today")
    at, oldest, libraries = 32, None, []
    for _ in range(count):
        command, size = unpack("<2I", data, at)
        if size < 8 or at + size > len(data):
            raise Broken("it is cut off")
        if command == VERSION_MIN:
            oldest = unpack("<I", data, at + 8)[0]
        elif command == BUILD_VERSION:
            oldest = unpack("<2I", data, at + 8)[1]
        elif command in LIBRARIES:
            start = unpack("<I", data, at + 8)[0]
            name = data[at + start:at + size].split(b"\0")[0] if start < size else b""
            libraries.append(name.decode("utf-8", "replace"))
        at += size
    version = None if oldest is None else (oldest >> 16, oldest >> 8 & 0xFF)
    return CPUS[cpu], version, libraries


def is_there(library, app):
    if library.startswith(("/usr/lib/", "/System/Library/")):
        return True
    if not library.startswith("@executable_path/"):
        return False
    return (app / "Contents/MacOS" / library[len("@executable_path/"):]).resolve().is_file()


def programs(app):
    folders = [app / "Contents/MacOS", app / "Contents/Frameworks", app / "Contents/PlugIns"]
    return sorted(path for folder in folders for path in folder.rglob("*")
                  if path.is_file() and path.suffix != ".plist" and "_CodeSignature" not in path.parts)


def check_file(path, app, oldest, wanted):
    name, processors = path.relative_to(app), set()
    for one in slices(path.read_bytes()):
        cpu, version, libraries = read(one)
        processors.add(cpu)
        if version is None:
            yield f"{name} ({cpu}) does not say which system it needs"
        elif version > oldest:
            yield (f"{name} ({cpu}) needs macOS {version[0]}.{version[1]}, the app promises "
                   f"{oldest[0]}.{oldest[1]}; build the library for that, or raise LSMinimumSystemVersion")
        for library in libraries:
            if not is_there(library, app):
                yield f"{name} ({cpu}) needs {library}, which the app does not carry"
    for cpu in sorted(wanted - processors):
        yield f"{name} is not built for {cpu}"


def check(app, wanted):
    with open(app / "Contents/Info.plist", "rb") as file:
        info = plistlib.load(file)
    problems = [f"Info.plist has no {key}" for key in KEYS if key not in info]
    minimum = re.fullmatch(r"(\d+)\.(\d+)(\.\d+)?", info.get("LSMinimumSystemVersion", ""))
    oldest = tuple(map(int, minimum.groups()[:2])) if minimum else (0, 0)
    found = programs(app)
    if not found:
        problems.append("there is no program in it")
    for path in found:
        try:
            problems += check_file(path, app, oldest, wanted)
        except Broken as why:
            problems.append(f"{path.relative_to(app)}: {why}")
    for problem in problems:
        print(f"{app.name}: {problem}", file=sys.stderr)
    return 1 if problems else 0


def sbom(app, listed):
    with open(app / "Contents/Info.plist", "rb") as file:
        info = plistlib.load(file)
    known = dict(line.split(None, 1) for line in Path(listed).read_text().splitlines() if line.strip())
    components = []
    for path in programs(app):
        entry = {"type": "library", "name": path.name,
                 "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]}
        if path.name in known:
            name, version, licence = known[path.name].split(None, 2)
            entry |= {"name": name, "version": version, "licenses": [{"expression": licence}],
                      "purl": f"pkg:brew/{name}@{version}", "properties": [{"name": "file", "value": path.name}]}
        elif path.parent.name == "Frameworks":
            print(f"{app.name}: nobody said where {path.name} is from", file=sys.stderr)
            return 1
        else:
            entry |= {"type": "application", "version": info["CFBundleShortVersionString"],
                      "licenses": [{"expression": "Apache-2.0"}]}
        components.append(entry)
    print(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
                      "metadata": {"component": {"type": "application", "name": info["CFBundleName"],
                                                 "version": info["CFBundleShortVersionString"]}},
                      "components": components}, indent=2))
    return 0


def main():
    arguments = sys.argv[1:]
    if len(arguments) >= 2 and arguments[0] == "check":
        return check(Path(arguments[1]), set(arguments[2:]))
    if len(arguments) == 3 and arguments[0] == "sbom":
        return sbom(Path(arguments[1]), arguments[2])
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())

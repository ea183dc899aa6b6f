#!/usr/bin/env python3
"""Has deploy/macos/bundle.py look at app bundles that are right, wrong in one way each, and cut off."""
import contextlib
import io
import json
import plistlib
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy/macos"))
sys.dont_write_bytecode = True
import bundle as tool  # noqa: E402
CPUS = {"arm64": 0x0100000C, "x86_64": 0x01000007}


def program(arch, system, libraries=()):
    """A program for macOS as far as its head goes: what it is for, what it needs."""
    major, minor = map(int, system.split("."))
    commands = [struct.pack("<6I", 0x32, 24, 1, major << 16 | minor << 8, 0, 0)]
    for library in libraries:
        name = library.encode() + b"\0"
        size = 24 + len(name) + -len(name) % 8
        commands.append(struct.pack("<6I", 0xC, size, 24, 2, 1, 1) + name.ljust(size - 24, b"\0"))
    body = b"".join(commands)
    return struct.pack("<8I", 0xFEEDFACF, CPUS[arch], 0, 2, len(commands), len(body), 0, 0) + body + bytes(512)


def fat(*programs):
    head, body, at = struct.pack(">2I", 0xCAFEBABE, len(programs)), b"", 4096
    for one in programs:
        head += struct.pack(">5I", *struct.unpack_from("<2I", one, 4), at, len(one), 12)
        body += one.ljust(-len(one) % 4096 + len(one), b"\0")
        at = 4096 + len(body)
    return head.ljust(4096, b"\0") + body


def make(folder, files, **keys):
    app = folder / "MLXDash.app"
    shutil.rmtree(app, ignore_errors=True)
    text = (ROOT / "deploy/macos/Info.plist.in").read_text().replace("@VERSION@", "0.1.0").replace("@BUILD@", "7")
    info = plistlib.loads(text.encode()) | keys
    for name, data in files.items():
        (app / "Contents" / name).parent.mkdir(parents=True, exist_ok=True)
        (app / "Contents" / name).write_bytes(data)
    (app / "Contents/Info.plist").write_bytes(plistlib.dumps({k: v for k, v in info.items() if v is not None}))
    return app


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        sys.argv = ["bundle.py", *map(str, arguments)]
        status = tool.main()
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def expect(files, words, *arches, **keys):
    result = run("check", make(FOLDER, files, **keys), *arches)
    assert (result.returncode == 0) == (words is None), result
    assert words is None or words in result.stderr, (words, result.stderr)


def main():
    main_file, library = "MacOS/MLXDash", "Frameworks/libzmq.5.dylib"
    there, system = "@executable_path/../Frameworks/libzmq.5.dylib", "/usr/lib/libSystem.B.dylib"
    arm = program("arm64", "14.0", [there, system])
    intel = program("x86_64", "14.0", [there, system])
    lib_arm = program("arm64", "13.0", [system])
    lib_intel = program("x86_64", "14.0", [system])
    good = {main_file: fat(arm, intel), library: fat(lib_arm, lib_intel)}
    expect(good, None, "arm64", "x86_64")
    expect({main_file: arm, library: lib_arm}, None, "arm64")
    expect({main_file: arm, library: lib_arm}, "MacOS/MLXDash is not built for x86_64", "arm64", "x86_64")
    newer = program("arm64", "15.4", [system])
    expect({main_file: arm, library: newer}, "libzmq.5.dylib (arm64) needs macOS 15.4, the app promises 14.0")
    expect({main_file: arm, library: newer}, None, LSMinimumSystemVersion="15.4")
    expect({main_file: arm}, "needs @executable_path/../Frameworks/libzmq.5.dylib, which the app does not carry")
    brewed = program("arm64", "14.0", ["/opt/homebrew/lib/libzmq.5.dylib"])
    expect({main_file: brewed}, "needs /opt/homebrew/lib/libzmq.5.dylib")
    expect(good, "Info.plist has no NSPrincipalClass", NSPrincipalClass=None)
    expect({main_file: arm[:60], library: lib_arm}, "MacOS/MLXDash: it is cut off")
    expect({main_file: b"#!/bin/sh\n" * 9, library: lib_arm}, "no program for a Mac")
    for cut in range(0, 220, 17): # whatever is cut: words, not a traceback
        result = run("check", make(FOLDER, {main_file: arm[:cut], library: lib_arm}))
        assert "Traceback" not in result.stderr, (cut, result.stderr)

    listed = FOLDER / "libraries"
    listed.write_text("libzmq.5.dylib zeromq 4.3.5_2 MPL-2.0\n")
    bill = json.loads(run("sbom", make(FOLDER, good), listed).stdout)
    zmq = next(entry for entry in bill["components"] if entry["name"] == "zeromq")
    assert zmq["purl"] == "pkg:brew/zeromq@4.3.5_2" and zmq["licenses"] == [{"expression": "MPL-2.0"}], zmq
    assert bill["metadata"]["component"]["version"] == "0.1.0"
    listed.write_text("")
    assert "libzmq.5.dylib" in run("sbom", make(FOLDER, good), listed).stderr
    print("swift: deploy/macos: what is wrong with a bundle is found")


with tempfile.TemporaryDirectory() as temporary:
    FOLDER = Path(temporary)
    main()

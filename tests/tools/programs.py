#!/usr/bin/env python3
"""Every outside program that a script or a test starts comes from a package that deploy/lib/packages.sh
installs: on a machine with nothing but the minimal system, a test that finds no program is a test that
is skipped or fails.

    tests/tools/programs.py            check this tree
    tests/tools/programs.py --list     print each program, its package, and who starts it

Programs are found where they are named: command words of shell scripts, the first word of what Python
hands to subprocess or shutil.which, and of what C hands to system, popen and the exec family.
"""
import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Debian's and Ubuntu's minimal system (debootstrap --variant=minbase) has these.
MINIMAL = set("""apt-cache apt-get awk base64 basename bash cat chmod chown chroot cmp cp cut date dd df diff dirname
dpkg-query du env expr false find fold grep getconf head hostname id install ldd ln ls mkdir mkfifo mktemp mv
nice nproc od paste printenv readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat stdbuf tail tar
tee timeout touch tr true truncate uname uniq wc xargs gzip perl login getent sync""".split())

# What the packages of deploy/lib/packages.sh bring, package by package.
PACKAGES = {
    "apache2-utils": "htpasswd", "btrfs-progs": "mkfs.btrfs", "chromium": "chromium", "clang": "clang",
    "clang-tidy": "clang-tidy", "cmake": "cmake ctest", "ninja-build": "ninja",
    "dbus": "dbus-daemon dbus-run-session dbus-send", "docker-registry": "docker-registry",
    "e2fsprogs": "chattr mkfs.ext4", "fish": "fish", "gcc": "gcc cc nm gcov objdump readelf", "gcovr": "gcovr", "git": "git",
    "groff-base": "groff", "imagemagick": "convert import", "iproute2": "ip", "mount": "mount umount",
    "openssh-client": "ssh-keygen", "openssl": "openssl", "pkg-config": "pkg-config",
    "procps": "free pgrep pkill ps", "prometheus": "prometheus promtool", "python3": "python3",
    "strace": "strace", "systemd": "busctl systemctl systemd-analyze systemd-run", "tmux": "tmux",
    "util-linux": "flock setpriv setsid unshare", "valgrind": "valgrind", "xdotool": "xdotool",
    "xfce4-panel": "xfce4-panel", "xfsprogs": "mkfs.xfs", "xvfb": "Xvfb", "zsh": "zsh",
}

# Not installed by us: parts that are skipped, with a word, where these are missing; a Mac's own; and
# what only benchmarks use.
ELSEWHERE = set("""chromium-browser google-chrome node nvidia-smi ollama sudo brew nginx
swift swiftc swift-symbolgraph-extract docc install_name_tool
codesign ditto hdiutil iconutil launchctl otool plutil security sips spctl sw_vers xcrun
PlistBuddy open mlxctl""".split())

WORDS_OF_SHELL = set("""if then elif else fi for in while until do done case esac select time function { } ! [ [[ ]] ]
: . alias bg break cd command continue declare echo eval exec exit export fg getopts hash jobs kill let
local mapfile printf pwd read readonly return set shift shopt source test times trap type typeset ulimit
umask unalias unset wait""".split())
BEFORE_A_NAME_AND_COMMAND = {"quietly", "part"} # of tests/run and tests/swift/run.sh
BEFORE_A_COMMAND = {"if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "exec", "command",
                    "env", "nice", "nohup", "setsid", "xargs", "sudo", "as_root"}


def git_files(*patterns):
    out = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in out.stdout.split("\0") if name]


# ---- shell ----

def code_of(text):
    """TEXT without comments, here-documents and quoted words; what $(...) in quotes runs stays."""
    text = re.sub(r"<<-?\s*['\"]?(\w+)['\"]?([^\n]*)\n.*?\n\s*\1\n", r"\2\n", text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    out, at = [], 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
        elif char == "'":
            at = text.find("'", at + 1) + 1 or len(text)
            out.append("_")
        elif char == '"':
            at, inner = quoted(text, at + 1)
            out.append("_" + inner)
        elif char == "#" and (at == 0 or text[at - 1] in " \t\n;"):
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        else:
            out.append(char)
            at += 1
    return "".join(out)


def quoted(text, at):
    """From after an opening double quote: (where it goes on after the closing one, the code inside)."""
    inner, depth = [], 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == '"' and depth == 0:
            return at + 1, "".join(inner)
        if text.startswith("$(", at):
            depth += 1
            inner.append(" $(")
            at += 2
            continue
        if depth:
            if text[at] == "'":
                at = text.find("'", at + 1) + 1 or len(text)
                inner.append("_")
                continue
            if text[at] == '"':
                at, more = quoted(text, at + 1)
                inner.append("_" + more)
                continue
            depth += (text[at] == "(") - (text[at] == ")")
            inner.append(text[at])
        at += 1
    return at, "".join(inner)


def functions_of(code):
    return set(re.findall(r"^\s*(?:function\s+)?([\w-]+)\s*\(\)", code, flags=re.M))


def shell_programs(text):
    """The command words of a shell script."""
    code = code_of(text)
    functions = functions_of(code)
    code = re.sub(r"\[\[ .*? \]\]|[\w-]+\s*\(\)", "", code)
    code = re.sub(r"\$\(\(.*?\)\)", "_", code)
    code = re.sub(r"(^|\bin\b|;;)\s*[^\s()$]+(?:\s*\|\s*[^\s()]+)*\)", r"\n", code, flags=re.M)  # of case
    code = re.sub(r"\w+\+?=\((?!\()[^()]*(?:\$\([^)]*\)[^()]*)*\)", "_=_", code, flags=re.S)  # lists
    found = set(re.findall(r"\bcommand -v +([a-z][\w.-]*)", code))
    for piece in re.split(r"\n|;;|;|&&|\|\||\||&(?!\d)|\$\(|\(|`|<\(", code):
        words, xargs = piece.split(), False # which has options with values, too
        while words and (words[0] in BEFORE_A_COMMAND or re.match(r"\w+=", words[0]) or
                         words[0].startswith("-") or xargs and re.match(r"[_$\d]", words[0])):
            xargs = words.pop(0) == "xargs" or xargs
        if words and words[0] in BEFORE_A_NAME_AND_COMMAND:
            words = words[2:]
        if not words or words[0].endswith(")") and "(" not in words[0] or words[0] in ("for", "case", "in"):
            continue
        found.add(words[0].rstrip(")"))
    return {word for word in found - functions - WORDS_OF_SHELL
            if re.fullmatch(r"[A-Za-z][\w.-]+", word) and not word.isupper()}


# ---- Python and C ----

def python_programs(text):
    found = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name not in ("run", "Popen", "check_call", "check_output", "which", "map") or not node.args:
            continue
        if name == "run" and getattr(getattr(node.func, "value", None), "id", "") != "subprocess":
            continue
        first = node.args[1] if name == "map" and len(node.args) > 1 else node.args[0]
        items = first.elts if isinstance(first, (ast.List, ast.Tuple)) else [first]
        if name == "map" and "which" not in ast.dump(node.args[0]):
            continue
        for item in items if name == "map" else items[:1]:
            if isinstance(item, ast.Constant) and isinstance(item.value, str):
                found.add(item.value)
    return {name for name in found if re.fullmatch(r"[A-Za-z][\w.-]+", name)}


def c_programs(text):
    found = set(re.findall(r'\bexec[lv]pe?\(\s*"([\w.-]+)"', text))
    found.update(re.findall(r'\bhas_program\("([\w.-]+)"\)', text))
    strings = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
    for pattern in (r"\b(?:system|popen)\(\s*" + strings, r"snprintf\(\s*(?:command|line|make|remove|end|clean|count)"
                    r"\s*,[^,]*,\s*" + strings):
        for literal in re.findall(pattern, text):
            script = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal))
            script = re.sub(r"%[-\w]*", "_", script.replace("%%", "%")).replace('\\"', '"').replace("\\n", "\n")
            found.update(shell_programs(script))
    return found


def started():
    """{program: files that start it}"""
    by = {}
    own = {Path(name).name for name in git_files("tests", "deploy", "templates")}
    for library in ("deploy/lib/packages.sh", "deploy/lib/manage.sh", "tests/cache/box.sh"):
        own |= functions_of((ROOT / library).read_text())
    for name in git_files("tests", "deploy", "templates", ".ci", ".github", "tools", "services", "common"):
        path = ROOT / name
        if name.startswith("tests/fixtures/") or not path.is_file():
            continue
        if name.endswith(".c"):
            found = c_programs(path.read_text())
        elif name.endswith(".py"):
            found = python_programs(path.read_text())
        elif name.endswith((".sh", ".sh.in", "supervise.in")) or path.read_bytes()[:13] == b"#!/usr/bin/en":
            text = path.read_text()
            found = shell_programs(text) if "python" not in text.split("\n", 1)[0] else python_programs(text)
        else:
            continue
        for program in found - own:
            by.setdefault(program, []).append(name)
    return by


def installed_packages():
    script = '. deploy/lib/packages.sh; echo $apt_build $apt_test $apt_peers'
    out = subprocess.run(["bash", "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(out.stdout.split())


def self_test():
    script = 'A=1 jq . <x | tee "$(xxd y)"; if ! ip a; then :; fi\nf() { lsof; }; f # gdb\ncase a in b) nc ;; esac\n' \
             "awk '{ rsync }'; cat <<E\nunzip\nE\ncommand -v socat >/dev/null && x=$(file z)\n"
    got = shell_programs(script)
    assert got == {"jq", "tee", "xxd", "ip", "lsof", "nc", "awk", "cat", "socat", "file"}, got
    assert python_programs('subprocess.run(["jq", a]); shutil.which("xxd"); thing.run("no")') == {"jq", "xxd"}
    assert c_programs('execlp("jq", "jq"); system("xxd a | file b"); snprintf(command, 3, "ip %s", a);') == \
        {"jq", "xxd", "file", "ip"}


def main():
    self_test()
    package_of = {program: package for package, programs in PACKAGES.items() for program in programs.split()}
    packages, problems = installed_packages(), 0
    for program, files in sorted(started().items()):
        package = package_of.get(program)
        if "--list" in sys.argv:
            print(f"{program:20} {package or ('minimal' if program in MINIMAL else 'elsewhere'):18} {' '.join(files[:3])}")
        if program in MINIMAL or program in ELSEWHERE or package in packages:
            continue
        problems += 1
        print(f"{files[0]}: starts {program}, and " + (
            f"its package {package} is not in deploy/lib/packages.sh" if package else
            "tests/tools/programs.py does not know which package brings it"))
    sys.exit(1 if problems else 0)


main()

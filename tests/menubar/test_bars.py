"""The recipes of deploy/bars, each held against the format of the program that reads it, and what they start: the line
that each of their commands prints without a bus. tmux is asked itself, with its own parser.
"""
import configparser
import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

BIN = Path(os.environ["MLX_BIN"])
RECIPES = Path(sys.argv[1])
HOME = Path(tempfile.mkdtemp(prefix="mlx-bars-"))
# No bus, and no desktop: every format has a line for that.
ENV = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(HOME), "MLX_RUNTIME_DIR": str(HOME / "run"), "LC_ALL": "C.UTF-8"}
ENV.update({k: v for k, v in os.environ.items() if k.startswith(("ASAN", "UBSAN", "LSAN", "GCOV"))})


def first_line(command):
    """What COMMAND of a recipe prints first."""
    with subprocess.Popen(shlex.split(command), env=ENV, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        process.kill()
    return line


def ini(name):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((RECIPES / name).read_text())
    return parser


def check_waybar():
    text = re.sub(r"^\s*//.*$", "", (RECIPES / "waybar.jsonc").read_text(), flags=re.M)
    module = json.loads(text)["custom/mlx"]
    assert module["return-type"] == "json"
    update = json.loads(first_line(module["exec"]))
    assert {"text", "tooltip", "class"} <= update.keys(), update
    for action in ("on-click", "on-click-right"):
        assert module[action].split()[1:] in (["--do", "history"], ["--do", "benchmark"])


def check_i3blocks():
    block = ini("i3blocks.conf")["mlx"]
    assert (block["interval"], block["format"]) == ("persist", "json")
    assert "full_text" in json.loads(first_line(block["command"]))


def check_polybar():
    module = ini("polybar.ini")["module/mlx"]
    assert (module["type"], module["tail"]) == ("custom/script", "true")
    assert first_line(module["exec"]).strip()


def check_starship():
    module = tomllib.loads((RECIPES / "starship.toml").read_text())["custom"]["mlx"]
    assert module["when"] is True and "$output" in module["format"]
    assert first_line(module["command"]).strip()


def check_scripts():
    """Both find the program in the reader's home."""
    (HOME / ".local").mkdir()
    (HOME / ".local/bin").symlink_to(BIN)
    swiftbar, xbar = RECIPES / "mlx.sh", RECIPES / "mlx.5s.sh"
    assert "<swiftbar.type>streamable</swiftbar.type>" in swiftbar.read_text()
    assert first_line(str(swiftbar)) == "~~~\n"  # begins an update of a stream
    shown = subprocess.run([str(xbar)], env=ENV, capture_output=True, text=True, check=True).stdout
    assert "\n---\n" in shown, shown


def check_tmux():
    """tmux reads the recipe, runs its command and draws the line. It does so for a terminal only."""
    label = first_line("mlx-menubar -f short --once").strip().encode()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("tmux", ["tmux", "-u", "-S", str(HOME / "tmux"), "-f", str(RECIPES / "tmux.conf"),
                            "new-session", "sleep 60"], ENV | {"TERM": "xterm-256color"})
    drawn = b""
    try:
        while label not in drawn:
            ready, _, _ = select.select([terminal], [], [], 30)
            assert ready, f"tmux draws {drawn!r}, without {label!r}"
            drawn += os.read(terminal, 65536)
    finally:
        subprocess.run(["tmux", "-S", str(HOME / "tmux"), "kill-server"], check=False)
        os.close(terminal)
        os.waitpid(pid, 0)


def check_desktop_packages():
    """GNOME's extension and KDE's applet: what their packages must say, and JavaScript that is read by node and run with
    a headline; the shells themselves are not here."""
    tools = Path(__file__).parents[2] / "tools"
    extension = json.loads((tools / "gnome-shell/metadata.json").read_text())
    applet = json.loads((tools / "plasma/org.mlx.status/metadata.json").read_text())
    assert {"uuid", "name", "description", "shell-version"} <= extension.keys() and "@" in extension["uuid"]
    assert applet["KPackageStructure"] == "Plasma/Applet" and applet["KPlugin"]["Id"] == "org.mlx.status"
    words = tools / "plasma/org.mlx.status/contents/code/headline.mjs"
    assert words.read_text() == (tools / "gnome-shell/headline.js").read_text()
    qml = re.sub(r"//.*|`[^`]*`|\"[^\"]*\"", "", (tools / "plasma/org.mlx.status/contents/ui/main.qml").read_text())
    assert all(qml.count(a) == qml.count(b) for a, b in ("{}", "()", "[]")), "brackets do not match"
    if not (node := shutil.which("node")):
        return
    subprocess.run([node, "--input-type=module", "--check"], input=(tools / "gnome-shell/extension.js").read_text(),
                   text=True, check=True, timeout=60)
    headline = {"connection": {"state": "live"}, "tokens_per_second": 42.3, "model": "a\x1b[2J\n\u202eb", "memory_used": 1e9,
                "memory_total": 4e9, "warnings": [{"text": "hot"}, None, 7], "work": "x"}
    script = f"import {{title, lines}} from {json.dumps(words.as_uri())}; " \
             f"console.log(JSON.stringify([title(null), title({json.dumps(headline)}), lines({json.dumps(headline)})]))"
    said = json.loads(subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, check=True,
                                     timeout=60).stdout)
    assert said == ["MLX off", "42 tok/s", ["! hot", "Model: a [2J  b", "Memory: 1.0 GB of 4.0 GB (25 %)"]], said


try:
    for check in (check_desktop_packages, check_waybar, check_i3blocks, check_polybar, check_starship, check_scripts, check_tmux):
        check()
        print(f"{check.__name__}: ok")
finally:
    subprocess.run(["rm", "-rf", str(HOME)], check=False)

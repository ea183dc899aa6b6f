"""A program in a real terminal (tmux), and its screen as text or as an SVG picture."""
import html
import os
import re
import subprocess
import tempfile
import time


class Terminal:
    def __init__(self, command, environment, columns, rows, term="xterm-256color", locale="C.UTF-8"):
        self.directory = tempfile.TemporaryDirectory(prefix="mlx-tmux-", dir="/tmp")
        self.socket = os.path.join(self.directory.name, "tmux")
        self.environment = {**environment, "LC_ALL": locale, "TERM": "xterm-256color"}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", str(columns), "-y", str(rows),
                  f"TERM={term}; export TERM; {command}; echo ended with $?; exec cat")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *arguments], env=self.environment,
                              capture_output=True, text=True, timeout=20, check=True).stdout

    def keys(self, *keys):
        self.tmux("send-keys", "-t", "t", *keys)

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "t")

    def screen_with(self, pattern, timeout=15):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            screen = self.screen()
            if re.search(pattern, screen):
                return screen
            time.sleep(0.05)  # the screen is polled; the deadline is above
        raise AssertionError(f"no {pattern!r} on the screen:\n{screen}")

    def svg(self, title):
        return svg(self.tmux("capture-pane", "-e", "-p", "-t", "t"), title)

    def close(self):
        self.tmux("kill-server")
        self.directory.cleanup()


PALETTE = ("#3b4252", "#f87171", "#4ade80", "#fbbf24", "#7aa5ff", "#c084fc", "#22d3ee", "#e8ebf0")
TEXT, BACK = "#e8ebf0", "#0f1216"
CELL, LINE, SIZE = 8.4, 18, 14


def colour(number):
    """The colour of an index of 256."""
    if number < 16:
        return PALETTE[number % 8]
    if number >= 232:
        return "#" + f"{8 + (number - 232) * 10:02x}" * 3
    levels = (0, 95, 135, 175, 215, 255)
    return "#" + "".join(f"{levels[(number - 16) // step % 6]:02x}" for step in (36, 6, 1))


def restyle(style, codes):
    """STYLE after the numbers of one SGR sequence."""
    numbers = [int(code or 0) for code in re.split("[;:]", codes)]
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            style = {}
        elif number in (1, 2, 7):
            style = {**style, {1: "bold", 2: "dim", 7: "reverse"}[number]: True}
        elif 30 <= number <= 37 or 90 <= number <= 97:
            style = {**style, "fore": PALETTE[number % 10]}
        elif number in (38, 48):
            key, kind = ("fore" if number == 38 else "back"), numbers.pop(0)
            value = colour(numbers.pop(0)) if kind == 5 else "#%02x%02x%02x" % tuple(numbers.pop(0) for _ in range(3))
            style = {**style, key: value}
        elif 40 <= number <= 47:
            style = {**style, "back": PALETTE[number - 40]}
        elif number in (22, 27, 39, 49):
            gone = {22: ("bold", "dim"), 27: ("reverse",), 39: ("fore",), 49: ("back",)}[number]
            style = {key: value for key, value in style.items() if key not in gone}
    return style


def runs(ansi):
    """Per line the parts of one style: (column, text, style)."""
    style = {}
    for line in ansi.rstrip("\n").split("\n"):
        column, parts = 0, []
        for part in re.split(r"(\x1b\[[\d;:]*m|\x1b\(B|\x0e|\x0f)", line):
            if part.startswith("\x1b[") and part.endswith("m"):
                style = restyle(style, part[2:-1])
            elif part and part[0] not in "\x1b\x0e\x0f":
                parts.append((column, part, style))
                column += len(part)
        yield parts


def svg(ansi, title):
    """The picture of a terminal whose text, with its colours, is ANSI."""
    lines, shapes, words = list(runs(ansi)), [], []
    columns = max([column + len(text) for line in lines for column, text, _style in line] + [1])
    for number, line in enumerate(lines):
        for column, text, style in line:
            fore, back = style.get("fore", TEXT), style.get("back")
            if style.get("reverse"):
                fore, back = back or BACK, fore
            x, y, width = 12 + column * CELL, 12 + number * LINE, len(text) * CELL
            if back:
                shapes.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LINE}" fill="{back}"/>')
            # A viewer may fold spaces: none but single ones are in a text.
            for word in re.finditer(r"\S+(?: \S+)*", text):
                x, width = 12 + (column + word.start()) * CELL, len(word[0]) * CELL
                more = ' font-weight="700"' * bool(style.get("bold")) + ' opacity=".6"' * bool(style.get("dim"))
                words.append(f'<text x="{x:.1f}" y="{y + 13}" fill="{fore}" textLength="{width:.1f}"{more}>'
                             f'{html.escape(word[0])}</text>')
    width, height = columns * CELL + 24, len(lines) * LINE + 24
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{SIZE}">',
        f"<title>{html.escape(title)}</title>", f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>',
        *shapes, *words, "</svg>", ""))

"""`mlxctl top` in a real terminal (tmux): 80 x 24, resized, small, and left by q."""
import os
import re
import signal
import time

from suite import BIN, Suite, run
from terminal import Terminal


def test_top_shows_live_values_and_follows_the_size():
    with Suite("bus", "sampler", "watcher") as suite:
        suite.ctl("status", "--wait", "20")
        terminal = Terminal(f"{BIN}/mlxctl top", suite.environment, 80, 24)
        for wanted in (r"services 3/3 up", r"idle +no model loaded", r"CPU +\[", r"MEM +\[.*B / .*B", r"MODEL +RUNTIME",
                       r"tok/s n/a", r"memory \d+%", r"q quit"):
            screen = terminal.screen_with(wanted)
        assert len(screen.rstrip("\n").split("\n")) == 24
        terminal.screen_with("[\u2801-\u28ff]")  # the memory plot begins to grow
        terminal.tmux("resize-window", "-t", "t", "-x", "140", "-y", "40")
        wide = terminal.screen_with(r" {100,}.*services 3/3 up|q quit.{60,}services 3/3 up")
        assert len(wide.rstrip("\n").split("\n")) == 40, wide
        terminal.tmux("resize-window", "-t", "t", "-x", "30", "-y", "6")
        terminal.screen_with(r"q quit")
        terminal.tmux("send-keys", "-t", "t", "q")
        terminal.screen_with(r"ended with 0")
        terminal.close()


def test_top_keeps_how_it_looks():
    with Suite("bus", "sampler") as suite:
        suite.ctl("status", "--wait", "20")
        terminal = Terminal(f"{BIN}/mlxctl top", suite.environment, 100, 32)
        terminal.screen_with(r"─ machine ")
        for keys, wanted in (("t", r"theme: dark"), ("2", r"layout: plots"), ("u", r"select a model first"),
                             ("/", r"filter: _"), ("x", r"filter: x_"), ("Enter", r"filter: x  "), ("Escape", r"b benchmark"),
                             ("?", r"t +theme: terminal, dark, light")):
            terminal.keys(keys)
            terminal.screen_with(wanted)
        terminal.keys("q")
        terminal.screen_with(r"ended with 0")
        terminal.close()
        kept = os.path.join(suite.environment["MLX_STATE_DIR"], "top.json")
        assert '"theme":"dark"' in open(kept).read() and '"layout":"plots"' in open(kept).read()
        with open(kept, "w") as file:
            file.write('{"theme": "\\u001b[2J"}')
        for size, kind in (((20, 10), "linux"), ((80, 24), "vt100")):
            terminal = Terminal(f"{BIN}/mlxctl top", suite.environment, *size, term=kind, locale="C")
            screen = terminal.screen_with(r"q quit")
            assert screen.isascii(), screen
            if size[0] == 80:
                assert "settings ignored" in screen, screen
            terminal.keys("q")
            terminal.screen_with(r"ended with 0")
            terminal.close()


def test_top_tells_when_its_bus_is_silent():
    with Suite("bus", "sampler") as suite:
        suite.ctl("status", "--wait", "20")
        terminal = Terminal(f"{BIN}/mlxctl top", suite.environment, 80, 24)
        terminal.screen_with(r"services 2/2 up")
        suite.processes["bus"].send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        terminal.screen_with(r"no data for \d+ s: the bus does not answer", timeout=6)
        took = time.monotonic() - begin
        terminal.tmux("send-keys", "-t", "t", "b")
        terminal.screen_with(r"benchmark: no data for \d+ s", timeout=5)
        suite.processes["bus"].send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 10
        while "does not answer" in terminal.screen_with(r"CPU").split("\n")[1]:
            assert time.monotonic() < deadline, "top does not recover"
        suite.kill("bus")
        terminal.tmux("send-keys", "-t", "t", "b")  # before anybody could know
        terminal.screen_with(r"benchmark: (?!starting)", timeout=6)
        terminal.screen_with(r"no data for \d+ s: the bus does not answer", timeout=6)
        terminal.tmux("send-keys", "-t", "t", "q")
        terminal.screen_with(r"ended with 0")
        terminal.close()
        return f"after {took:.1f} s"


def test_top_without_a_terminal_says_what_to_use():
    with Suite("bus") as suite:
        suite.subscribe("").until(lambda *_: True, 10)
        result = suite.ctl("top", check=False)
        assert result.returncode == 2 and "mlxctl status" in result.stderr, result


run(test_top_shows_live_values_and_follows_the_size,
    test_top_keeps_how_it_looks,
    test_top_tells_when_its_bus_is_silent,
    test_top_without_a_terminal_says_what_to_use)

"""The README's pictures: the demo through `mlxctl status`, `mlxctl top` and the page. See deploy/pictures/make.

    MLX_BIN=... pictures.py RECORDING FOLDER
"""
import os
import re
import subprocess
import sys
import time

from suite import BIN, Suite
from terminal import Terminal

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gateway"))
from browser import Browser  # noqa: E402

SHOWN = "simulated-macbook-pro"  # the machine in the recording
SIZE = (1280, 1000)
PLAYED = 84  # seconds: past its pause, two answers at once


def double(log):
    """The simulated server on a free port; its process and its address."""
    process = subprocess.Popen([f"{BIN}/mlx-ollama-double", "--runner", "--autoplay", "--model", "simulated:demo"],
                               stdout=log, stderr=log)
    while not (said := re.search(r"127\.0\.0\.1:\d+", open(log.name).read())):
        time.sleep(0.05)
    return process, said[0]


def terminals(suite, folder):
    for name, command, size, wanted in (
            ("status", f"mlxctl status --host {SHOWN}; tput civis", (96, 42), "ended with 0"),
            ("top", f"mlxctl top --host {SHOWN}", (110, 40), "qwen3-coder")):
        terminal = Terminal(f"export PATH={BIN}:$PATH; clear; {command}", suite.environment, *size)
        terminal.screen_with(wanted)
        time.sleep(3)  # for the eye only: a second look of each figure
        picture = terminal.svg(command.split(";")[0])
        with open(os.path.join(folder, f"{name}.svg"), "w") as file:
            file.write(re.sub(r"<text[^>]*>ended with 0</text>\n", "", picture))
        terminal.close()


def page(suite, browser, folder):
    port = re.search(r"listening on http://127\.0\.0\.1:(\d+)/", suite.log("gateway"))[1]
    browser.open(f"http://127.0.0.1:{port}/")
    browser.until("document.querySelectorAll('#machines button').length > 1")
    browser.run(f"document.querySelector('#machines [data-host=\"{SHOWN}\"]').click()")
    for _ in range(PLAYED):  # the page's events are read meanwhile
        browser.run("1")
        time.sleep(1)
    for name, scheme in (("page", "light"), ("page-dark", "dark")):
        browser.scheme(scheme)
        time.sleep(1.5)
        browser.screenshot(os.path.join(folder, f"{name}.png"), whole=False)


def main():
    recording, folder = sys.argv[1:]
    with Suite("bus", "recorder", config="host: studio\n") as suite, Browser(*SIZE) as browser:
        with open(os.path.join(suite.directory, "double.log"), "w") as log:
            server, address = double(log)
        suite.environment["OLLAMA_HOST"] = address
        for name in ("sampler", "watcher"):
            suite.start(name)
        suite.start("gateway", "--set", "gateway.listen=127.0.0.1:0")
        demo = subprocess.Popen([f"{BIN}/mlxctl", "replay", "--loop", recording], env=suite.environment,
                                stdout=subprocess.DEVNULL)
        try:
            suite.ctl("status", "--wait", "20", "--host", "studio")
            page(suite, browser, folder)
            terminals(suite, folder)
        finally:
            for process in (demo, server):
                process.terminate()
                process.wait(20)


main()

"""Headless Chromium, driven over its DevTools protocol (chromedevtools.github.io/devtools-protocol).

    with Browser() as browser:
        browser.open(url)
        browser.run("document.title")
"""
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from websockets.sync.client import connect


def find():
    return next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
                 if path), None)


def remove(folder):
    """Remove FOLDER, into which processes that are just ending may still write."""
    deadline = time.monotonic() + 20
    while os.path.exists(folder):
        shutil.rmtree(folder, ignore_errors=True)
        assert time.monotonic() < deadline, f"{folder} cannot be removed"


class Browser:
    def __init__(self, width=1280, height=900):
        self.profile = tempfile.mkdtemp(prefix="mlx-chromium-")
        self.log = open(f"{self.profile}/log", "w+")
        self.process = subprocess.Popen(
            [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0",
             "--hide-scrollbars", f"--user-data-dir={self.profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
            # Killed, it leaves its temporary files: they go with the profile.
            env={**os.environ, "TMPDIR": self.profile}, start_new_session=True)
        self.number, self.events = 0, []
        # Nobody reads the socket while a test waits: a beat that goes unanswered means nothing.
        self.socket = connect(self.address(), max_size=None, open_timeout=30, ping_interval=None)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(width, height)

    def address(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with open(self.log.name) as log:
                found = re.search(r"DevTools listening on (ws://\S+)", log.read())
            if found:
                return found[1]
            time.sleep(0.05)
        raise AssertionError("chromium does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.log.close()
        remove(self.profile)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            reply = json.loads(self.socket.recv(timeout=60))
            if reply.get("id") == self.number:
                assert "error" not in reply, f"{method}: {reply['error']}"
                return reply["result"]
            self.events.append(reply)

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, url):
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, f"{script}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def until(self, script, timeout=15):
        """The first true value of SCRIPT."""
        deadline = time.monotonic() + timeout
        while True:
            value = self.run(script)
            if value:
                return value
            assert time.monotonic() < deadline, f"not within {timeout} s: {script}"
            time.sleep(0.02)

    def problems(self):
        """Everything that the console would show in red."""
        self.run("1")
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"].get("exception", {}).get("description"))
            elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
                found.append(str(params["args"]))
        return found

    def received(self):
        """Bytes on the wire of each path requested, headers included."""
        self.run("1")
        paths, sizes = {}, {}
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Network.requestWillBeSent":
                paths[params["requestId"]] = params["request"]["url"]
            elif event.get("method") == "Network.loadingFinished" and params["requestId"] in paths:
                url = paths[params["requestId"]]
                sizes[url] = sizes.get(url, 0) + params["encodedDataLength"]
        return sizes

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, selector):
        x, y = self.run(f"""(() => {{ const n = document.querySelector({json.dumps(selector)});
            n.scrollIntoView({{block: "center", behavior: "instant"}}); const r = n.getBoundingClientRect();
            return [r.x + r.width / 2, r.y + r.height / 2]; }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def key(self, key, **more):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **more)

    def screenshot(self, path, whole=True):
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

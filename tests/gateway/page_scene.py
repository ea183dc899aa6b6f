"""A stand with a machine at work on it and a browser that looks at the page, for the tests of the page."""
import atexit
import json
import math
import os
import threading
import time

from browser import Browser
from stand import MACHINE, Stand

SHOTS = os.environ.get("MLX_SHOTS")


class Life(threading.Thread):
    """Publishes a machine at work, over and over."""

    def __init__(self, stand):
        super().__init__(daemon=True)
        self.stand, self.ending, self.speed = stand, threading.Event(), 42.0
        self.lock = threading.Lock()
        self.start()

    def run(self):
        step = 0
        while not self.ending.wait(0.5):
            step += 1
            for topic, data in MACHINE.items():
                data = dict(data)
                if "utilization" in data:
                    data["utilization"] = 0.5 + 0.3 * math.sin(step / 5)
                if "tokens_per_second" in data:
                    data["tokens_per_second"] = self.speed
                with self.lock:
                    self.stand.publish(topic, data)

    def end(self):
        self.ending.set()
        self.join(5)


class Scene:
    """A stand, a life on it and a browser that looks at it. The browser is the same for all scenes of a process."""
    browser = None

    def __init__(self, recorder=True, life=True):
        self.stand = Stand("sampler", recorder=recorder)
        self.life = Life(self.stand) if life else None
        if not Scene.browser:
            Scene.browser = Browser()
            atexit.register(Scene.browser.__exit__)
        self.browser.size(1280, 900)
        self.browser.scheme("")
        self.browser.open(self.stand.url + "/")

    def __enter__(self):
        return self.stand, self.browser, self.life

    def __exit__(self, kind, *_):
        problems = self.browser.problems() if kind is None else []
        self.browser.call("Network.setCacheDisabled", cacheDisabled=False)
        self.browser.open("about:blank")
        if self.life:
            self.life.end()
        self.stand.__exit__()
        assert not problems, problems


def text(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)}).textContent")


def plot(title):
    return f"[...document.querySelectorAll('.plot')].find(p => p.querySelector('h3').textContent === '{title}')"


def span(browser):
    """Width of the shown range in seconds, from the page's own state."""
    return browser.run("import('/history.js').then(h => (h.view().to - h.view().from) / 1000)")


def shot(browser, name, width):
    if not SHOTS:
        return
    os.makedirs(SHOTS, exist_ok=True)
    browser.size(width, browser.run("document.documentElement.scrollHeight"))
    time.sleep(0.7)  # for the eye only: plots are drawn again after the change of size
    browser.screenshot(os.path.join(SHOTS, name))
    browser.size(width, 900)


def everywhere(browser, name):
    """The page as it is now in every width and colour: nothing may be wider than the window."""
    for width in (360, 800, 1440):
        browser.size(width, 900)
        wide = browser.run("document.documentElement.scrollWidth")
        assert wide <= width, f"{name}: {wide} at {width}"
    for theme in ("dark", "light", "contrast") if os.environ.get("MLX_SHOTS_EVERYWHERE") else ():
        browser.run(f"document.documentElement.dataset.theme = '{theme}'")
        for width in (360, 800, 1440):
            shot(browser, f"{name}-{theme}-{width}.png", width)
    browser.size(1280, 900)


def tick(browser, run_id, wanted=True):
    """Tick a run, or untick it, as a person does who looks again: a tile that grows may move the box away once."""
    box = f"#bench tr[data-id='{run_id}'] input"
    for _ in range(5):
        browser.click(box)
        if browser.run(f'document.querySelector("{box}").checked') == wanted:
            return
    raise AssertionError(f"{run_id} cannot be ticked")


def play(stand, name):
    """Publish the messages of a file of tests/fixtures/faces once."""
    with open(os.path.join(os.path.dirname(__file__), "..", "fixtures", "faces", name)) as file:
        messages = json.load(file)
    for message in messages:
        stand.publish(message["topic"], message.get("data") or message["d"])


FAKE_MODELS = """
    window.sent = []; window.answers = [];
    const real = window.fetch;
    window.fetch = async (path, options) => {
        if (path === '/api/token') return new Response(JSON.stringify({token: 'f'.repeat(64)}));
        if (!['/api/models', '/api/actions'].includes(path)) return real(path, options);
        window.sent.push([options.method, options.headers['X-MLX-Token'].length, JSON.parse(options.body)]);
        const [status, body] = await window.answers.shift();
        return new Response(JSON.stringify(body), {status});
    }"""


def ask_and_answer(browser, button, yes=True):
    """Press BUTTON, and answer its question; what grows above the button may move it away."""
    for _ in range(5):
        browser.click(button)
        if browser.run("document.querySelector('#question').open"):
            break
    browser.until("document.querySelector('#question').open")
    browser.click("#question-yes" if yes else "#question-no")
    browser.until("!document.querySelector('#question').open")

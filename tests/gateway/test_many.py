"""Two hundred open pages: what they cost, what they get, and that a page which reads nothing harms no one."""
import json
import socket
import time

from stand import MACHINE, Stand, eventually, run

PAGES = 200
SANITIZED_MAX = 200e6


class Page:
    """A client of /api/events."""

    def __init__(self, stand, window=None):
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", stand.port))
        self.socket.sendall(f"GET /api/events HTTP/1.1\r\nHost: localhost:{stand.port}\r\n\r\n".encode())
        self.text = b""

    def read(self):
        self.socket.settimeout(0)
        try:
            while piece := self.socket.recv(1 << 20):
                self.text += piece
        except BlockingIOError:
            pass
        return self.text

    def events(self, kind):
        """The data of every event KIND so far; chunk headers are dropped."""
        self.read()
        body = self.text.split(b"\r\n\r\n", 1)[1] if b"\r\n\r\n" in self.text else b""
        text = b""
        while body:
            size, _, rest = body.partition(b"\r\n")
            text += rest[:int(size, 16)] if size else b""
            body = rest[int(size, 16) + 2:] if size else b""
        blocks = [block for block in text.decode().split("\n\n") if block.startswith(f"event: {kind}\n")]
        return [json.loads(block.split("data: ", 1)[1]) for block in blocks]


def sanitized(stand):
    with open(f"/proc/{stand.process.pid}/maps") as maps:
        return "libasan" in maps.read()


def test_many_pages_are_cheap():
    with Stand("sampler", "watcher") as stand:
        for topic, data in MACHINE.items():
            stand.publish(topic, data)
        limit = SANITIZED_MAX if sanitized(stand) else 10e6
        time.sleep(6)  # until it has settled
        alone = stand.memory()
        pages = [Page(stand) for _ in range(PAGES)]
        for page in pages:
            eventually(lambda page=page: page.events("headline"))
        idle = [socket.create_connection(("127.0.0.1", stand.port)) for _ in range(50)]
        time.sleep(3)
        used = stand.memory()
        assert used < limit, f"{used} bytes with {PAGES} pages"
        assert stand.get("/metrics")[0] == 200
        for client in [page.socket for page in pages] + idle:
            client.close()
        eventually(lambda: stand.suite.descriptors("gateway") < 40, 15)
        return f"{alone / 1e6:.1f} MB alone, {used / 1e6:.1f} MB with {PAGES} pages{' (sanitized)' if limit > 10e6 else ''}"


def test_events_come_at_once():
    with Stand() as stand:
        page = Page(stand)
        eventually(lambda: page.events("headline"))
        worst = 0
        for i in range(20):
            begin = time.monotonic()
            stand.publish("runtime.ollama.local.activity", {"busy": True, "tokens_per_second": 40.0 + i})
            eventually(lambda: any(e["headline"].get("tokens_per_second") == 40.0 + i for e in page.events("headline")))
            worst = max(worst, time.monotonic() - begin)
        assert worst < 1, f"{worst:.2f} s"
        return f"at worst {worst * 1000:.0f} ms from publication to client"


def test_newest_wins_and_silence_is_broken():
    with Stand() as stand:
        lazy, awake = Page(stand, window=4096), Page(stand)
        eventually(lambda: awake.events("headline"))
        before = stand.memory()
        for i in range(3000):
            stand.publish("sensor.gpu.0", {"name": "x" * 300, "utilization": (i % 100) / 100, "memory_used": i})
        eventually(lambda: any(m["d"].get("memory_used") == 2999 for m in awake.events("message")), 20)
        grown = stand.memory() - before
        assert grown < 3e6 or sanitized(stand), f"grew by {grown}"
        got = [m["d"]["memory_used"] for m in lazy.events("message") if m["topic"] == "sensor.gpu.0"]
        eventually(lambda: lazy.events("message")[-1]["d"].get("memory_used") == 2999 or
                   any(m["d"].get("memory_used") == 2999 for m in lazy.events("message")), 20)
        assert len(got) < 1000, "a slow reader gets everything"
        for page in (lazy, awake):  # with nothing new on the bus each still hears something
            heard = len(page.read())
            eventually(lambda page=page, heard=heard: len(page.read()) > heard, 7)
        return f"{len(got)} of 3000 values to a reader that slept"


run(test_many_pages_are_cheap, test_events_come_at_once, test_newest_wins_and_silence_is_broken)

"""Put the seed's screen on the bus, once a second: play_screen.py RUN_DIR."""
import os
import sys
import time

import msgpack
import zmq

HOST = os.environ.get("MLX_HOST", "demo")
SCREEN = {
    "sensor.memory": {"used": 14200000000, "total": 48000000000},
    "sensor.gpu.0": {"utilization": 0.67, "temperature": 48.0},
    "runtime.ollama.local.models": {
        "kind": "ollama",
        "url": "http://127.0.0.1:11434",
        "reachable": True,
        "models": [{"name": "deepseek-r1:14b", "size": 9000000000}],
    },
    "runtime.ollama.local.activity": {
        "busy": True,
        "model": "deepseek-r1:14b",
        "tokens_per_second": 42.3,
        "source": "runner",
    },
    "cache.status": {"bytes": 21500000000, "saved": 43000000000},
}


def main():
    socket = zmq.Context().socket(zmq.PUB)
    socket.connect(f"ipc://{sys.argv[1]}/publish.sock")
    sequence = 0
    while True:
        for topic, data in SCREEN.items():
            sequence += 1
            body = {
                "v": 1,
                "host": HOST,
                "src": "sampler",
                "boot": "0123456789abcdef",
                "seq": sequence,
                "t": int(time.time() * 1e6),
                "d": data,
            }
            socket.send_multipart([topic.encode(), msgpack.packb(body)])
        time.sleep(1)


if __name__ == "__main__":
    main()

"""A subscriber of the bus that knows only its catalogue page: a SUB socket, msgpack, nothing else."""

import time
from pathlib import Path

import msgpack
import zmq


class Subscriber:
    def __init__(self, run_dir, prefix):
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt_string(zmq.SUBSCRIBE, prefix)
        self.socket.connect(f"ipc://{Path(run_dir) / 'subscribe.sock'}")

    def close(self):
        self.socket.close()

    def messages(self, seconds):
        """(topic, message) until SECONDS have passed."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.socket.poll(left * 1000):
                topic, body = self.socket.recv_multipart()
                yield topic.decode(), msgpack.unpackb(body)

    def wait(self, topic_end, accept, seconds):
        """The first message whose topic ends so and whose data ACCEPT takes."""
        for topic, message in self.messages(seconds):
            if topic.endswith(topic_end) and accept(message["d"]):
                return message
        raise TimeoutError(f"no message …{topic_end} as wanted within {seconds} s")

"""What is on the wire: two frames a message, verbs of commands, and where the sockets are."""
from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
from collections import OrderedDict
from typing import Any, Dict, Mapping, Optional, Tuple

import msgpack  # type: ignore[import-untyped]

VERSION = 1
BODY_MAX = 16 * 1024 * 1024
SEEN_MAX = 100_000
TOPIC_MAX = 192


class BusError(Exception):
    """A command that failed. CODE is the suite's: usage, not_found, unavailable, busy, ..."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.code, self.message, self.hint = code, message, hint


@dataclasses.dataclass(frozen=True)
class Message:
    """One message. TIME: seconds since 1970 at its source. DATA: see mlx_bus.catalogue and `mlxctl topics`."""
    topic: str
    host: str
    source: str
    boot: str
    sequence: int
    time: float
    data: Dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Keys:
    """A pair of keys of ours and the public key of the other side, in Z85 as `mlxctl keys` prints them."""
    public: bytes
    secret: bytes
    server: bytes

    @staticmethod
    def load(path: str, server: str) -> "Keys":
        """From a secret certificate; SERVER is the other machine's public key."""
        import zmq.auth
        public, secret = zmq.auth.load_certificate(pathlib.Path(path).expanduser())
        if not secret:
            raise ValueError(f"{path} holds no secret key")
        return Keys(public, secret, server.encode())


def run_dir() -> str:
    """Where this user's bus has its sockets."""
    own = os.environ.get("MLX_RUNTIME_DIR")
    if own:
        return own
    try:
        said = subprocess.run(["mlxctl", "config", "--run-dir"], check=True, capture_output=True, text=True, timeout=10)
        return said.stdout.strip()
    except (OSError, subprocess.SubprocessError) as problem:
        where = os.environ.get("XDG_RUNTIME_DIR")
        if where:
            return os.path.join(where, "mlx")
        raise BusError("unavailable", f"where the bus is cannot be found out: {problem}",
                       "set MLX_RUNTIME_DIR, or put mlxctl on the PATH") from problem


def socket_of(name: str) -> str:
    return f"ipc://{run_dir()}/{name}.sock"


def unpack(data: bytes) -> Dict[str, Any]:
    """A msgpack map from outside; ValueError where it is anything else."""
    if len(data) > BODY_MAX:
        raise ValueError("too large")
    try:
        tree = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except Exception as problem:  # msgpack has many kinds
        raise ValueError(str(problem)) from problem
    if not isinstance(tree, dict):
        raise ValueError("not a map")
    return tree


def read(topic: bytes, body: bytes) -> Optional[Message]:
    """The message in two frames, or None: malformed, or of a catalogue that we do not know."""
    try:
        tree = unpack(body)
        name = topic.decode("ascii")
    except ValueError:
        return None
    if tree.get("v") != VERSION or len(name) > TOPIC_MAX:
        return None
    texts = [tree.get(key) for key in ("host", "src", "boot")]
    numbers = [tree.get(key) for key in ("seq", "t")]
    if not all(isinstance(text, str) for text in texts) or not isinstance(tree.get("d"), dict):
        return None
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        return None
    host, source, boot = (str(text) for text in texts)
    return Message(name, host, source, boot, int(tree["seq"]), int(tree["t"]) / 1e6, tree["d"])


class Seen:
    """Retained values are sent again whenever somebody subscribes: what is not newer is dropped."""

    def __init__(self) -> None:
        self._newest: "OrderedDict[Tuple[str, str, str], Tuple[str, int]]" = OrderedDict()

    def is_new(self, message: Message) -> bool:
        key = (message.host, message.source, message.topic)
        before = self._newest.get(key)
        if before and before[0] == message.boot and message.sequence <= before[1]:
            return False
        self._newest[key] = (message.boot, message.sequence)
        self._newest.move_to_end(key)
        if len(self._newest) > SEEN_MAX:
            self._newest.popitem(last=False)
        return True


def pack_call(command: str, arguments: Optional[Mapping[str, Any]]) -> bytes:
    given = {key: value for key, value in (arguments or {}).items() if value is not None}
    packed = msgpack.packb({"cmd": command, "args": given})
    assert isinstance(packed, bytes)
    return packed


def problem_of(body: Dict[str, Any]) -> BusError:
    return BusError(str(body.get("code", "failed")), str(body.get("message", "")), str(body.get("hint", "")))


def set_up(socket: Any, keys: Optional[Keys]) -> None:
    """Options of each socket."""
    import zmq
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, BODY_MAX)
    if keys:
        socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = keys.public, keys.secret, keys.server

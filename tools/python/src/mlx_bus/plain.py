"""The bus without asyncio: messages and progress as iterators."""
from __future__ import annotations

import time
from typing import Any, Dict, Generic, Iterator, List, Mapping, Optional, TypeVar, cast

import zmq

from .wire import BusError, Keys, Message, Seen, pack_call, problem_of, read, set_up, socket_of, unpack

R = TypeVar("R")


class Subscription:
    """Messages whose topic begins with one of PREFIXES. Ends when nothing came for TIMEOUT seconds, if that is given."""

    def __init__(self, *prefixes: str, timeout: Optional[float] = None, endpoint: Optional[str] = None,
                 keys: Optional[Keys] = None) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._timeout, self._seen = timeout, Seen()
        set_up(self._socket, keys)
        for prefix in prefixes or ("",):
            self._socket.setsockopt_string(zmq.SUBSCRIBE, prefix)
        self._socket.connect(endpoint or socket_of("subscribe"))

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close(linger=0)
        self._context.term()

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            wait = None if deadline is None else max(0, int((deadline - time.monotonic()) * 1000))
            if not self._socket.poll(wait):
                raise StopIteration
            frames = self._socket.recv_multipart()
            message = read(*frames) if len(frames) == 2 else None
            if message and self._seen.is_new(message):
                return message


def subscribe(*prefixes: str, timeout: Optional[float] = None, endpoint: Optional[str] = None,
              keys: Optional[Keys] = None) -> Subscription:
    """Messages of the bus: `for m in subscribe("runtime.", "sensor.gpu"): ...`"""
    return Subscription(*prefixes, timeout=timeout, endpoint=endpoint, keys=keys)


class Call(Generic[R]):
    """A command under way: iterate for its progress, then read its result. Leaving the block early cancels it."""

    def __init__(self, service: str, command: str, arguments: Optional[Mapping[str, Any]] = None,
                 timeout: float = 600) -> None:
        self._service, self._ended, self._result = service.encode(), False, cast(Optional[R], None)
        self._deadline = time.monotonic() + timeout
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        set_up(self._socket, None)
        self._socket.connect(socket_of("command"))
        self._socket.send_multipart([b"call", self._service, b"1", pack_call(command, arguments)])

    def __enter__(self) -> "Call[R]":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended:
            self.cancel()
        self._socket.close(linger=200)
        self._context.term()

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return self

    def __next__(self) -> Dict[str, Any]:
        while not self._ended:
            wait = int((self._deadline - time.monotonic()) * 1000)
            if wait <= 0 or not self._socket.poll(wait):
                raise BusError("unavailable", f"no answer from {self._service.decode()}", "see `mlxctl services`")
            step = self._take(self._socket.recv_multipart())
            if step is not None:
                return step
        raise StopIteration

    def _take(self, frames: List[bytes]) -> Optional[Dict[str, Any]]:
        if len(frames) != 3 or frames[1] != b"1":  # a ping
            return None
        body = unpack(frames[2])
        if frames[0] == b"progress":
            return body
        self._ended = True
        if frames[0] != b"done":
            raise problem_of(body)
        self._result = cast(R, body)
        return None

    @property
    def result(self) -> R:
        """What the command returned, waited for if need be. BusError where it failed."""
        for _step in self:
            pass
        if self._result is None:
            raise BusError("failed", "the command failed before")
        return self._result

    def cancel(self) -> None:
        """Ask the service to stop."""
        self._socket.send_multipart([b"cancel", self._service, b"1"])


def call(service: str, command: str, arguments: Optional[Mapping[str, Any]] = None, timeout: float = 600) -> Call[Dict[str, Any]]:
    """Any command: `with call("bencher", "bench.run", {"budget": 30}) as run: ...`"""
    return Call(service, command, arguments, timeout)

"""The bus with asyncio: the same messages and progress as asynchronous iterators."""
from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Dict, Mapping, Optional

import zmq
import zmq.asyncio

from .wire import BusError, Keys, Message, Seen, pack_call, problem_of, read, set_up, socket_of, unpack


async def subscribe(*prefixes: str, timeout: Optional[float] = None, endpoint: Optional[str] = None,
                    keys: Optional[Keys] = None) -> AsyncIterator[Message]:
    """Messages whose topic begins with one of PREFIXES; ends when nothing came for TIMEOUT seconds."""
    context, seen = zmq.asyncio.Context(), Seen()
    socket = context.socket(zmq.SUB)
    try:
        set_up(socket, keys)
        for prefix in prefixes or ("",):
            socket.setsockopt_string(zmq.SUBSCRIBE, prefix)
        socket.connect(endpoint or socket_of("subscribe"))
        while True:
            try:
                frames = await asyncio.wait_for(socket.recv_multipart(), timeout)
            except asyncio.TimeoutError:
                return
            message = read(*frames) if len(frames) == 2 else None
            if message and seen.is_new(message):
                yield message
    finally:
        socket.close(linger=0)
        context.term()


class Call:
    """A command under way: `async for step in run`, then `await run.result()`."""

    def __init__(self, service: str, command: str, arguments: Optional[Mapping[str, Any]] = None,
                 timeout: float = 600) -> None:
        self._service, self._command, self._arguments, self._timeout = service.encode(), command, arguments, timeout
        self._result: Optional[Dict[str, Any]] = None
        self._ended = False

    async def __aenter__(self) -> "Call":
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        set_up(self._socket, None)
        self._socket.connect(socket_of("command"))
        await self._socket.send_multipart([b"call", self._service, b"1", pack_call(self._command, self._arguments)])
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._ended:
            await self.cancel()
        self._socket.close(linger=200)
        self._context.term()

    def __aiter__(self) -> AsyncIterator[Dict[str, Any]]:
        return self

    async def __anext__(self) -> Dict[str, Any]:
        while not self._ended:
            try:
                frames = await asyncio.wait_for(self._socket.recv_multipart(), self._timeout)
            except asyncio.TimeoutError:
                raise BusError("unavailable", f"no answer from {self._service.decode()}", "see `mlxctl services`") from None
            if len(frames) != 3 or frames[1] != b"1":  # a ping
                continue
            body = unpack(frames[2])
            if frames[0] == b"progress":
                return body
            self._ended = True
            if frames[0] != b"done":
                raise problem_of(body)
            self._result = body
        raise StopAsyncIteration

    async def result(self) -> Dict[str, Any]:
        """What the command returned, waited for if need be. BusError where it failed."""
        async for _step in self:
            pass
        if self._result is None:
            raise BusError("failed", "the command failed before")
        return self._result

    async def cancel(self) -> None:
        """Ask the service to stop."""
        await self._socket.send_multipart([b"cancel", self._service, b"1"])


def call(service: str, command: str, arguments: Optional[Mapping[str, Any]] = None, timeout: float = 600) -> Call:
    """Any command: `async with call("bencher", "bench.run") as run: ...`"""
    return Call(service, command, arguments, timeout)

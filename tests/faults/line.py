"""A TCP line that can be cut, reset, stalled, slowed and half opened, in the middle of a message.

It runs in a thread of its own and passes bytes between all connections to its port and one target.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress

PIECE = 64 * 1024
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: close() sends RST."""


class Line:
    """The line; its methods may be called from any thread."""

    def __init__(self, port: int, target: int) -> None:
        self.connections = 0
        """Connections so far."""
        self.bytes = 0
        """Bytes that it has passed on towards the target."""
        self._target = target
        self._pairs: set[Pair] = set()
        self._ready = threading.Event()
        self._port = port
        self.rate = 0
        """Bytes a second; 0 = as fast as can be."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    def end(self, how: str, after: int, seconds: float) -> None:
        """End the connection by "cut", "reset" or "half-open" after so many more bytes towards the
        target, or after some seconds if not so many come."""
        self._call(self._end, how, after, seconds)

    def stall(self, yes: bool) -> None:
        """Pass nothing on, or go on."""
        self._call(self._gate.clear if yes else self._gate.set)

    def close(self) -> None:
        """End everything."""
        self._call(self._stop.set)
        self._thread.join(60)

    def _call(self, call, *args) -> None:
        self._loop.call_soon_threadsafe(call, *args)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._gate, self._stop = asyncio.Event(), asyncio.Event()
        self._gate.set()
        with socket.create_server(("127.0.0.1", self._port), backlog=100) as listener:
            listener.setblocking(False)
            self._ready.set()
            accepting = asyncio.create_task(self._accept(listener))
            await self._stop.wait()
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
        for pair in list(self._pairs):
            pair.end("cut")
        await asyncio.gather(*(one.done for one in list(self._pairs)), return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            near, _ = await self._loop.sock_accept(listener)
            near.setblocking(False)
            self.connections += 1
            pair = Pair(self, near)
            self._pairs.add(pair)
            pair.done = asyncio.create_task(self._pass(pair))

    async def _pass(self, pair: Pair) -> None:
        try:
            await self._gate.wait()
            await pair.run(self._target)
        finally:
            pair.close()
            self._pairs.discard(pair)

    def _end(self, how: str, after: int, seconds: float) -> None:
        for pair in self._pairs:
            pair.ending = (how, after)
            self._loop.call_later(seconds, pair.end_if, how)

    async def passing(self, size: int) -> None:
        """Wait while the line is stalled, and for as long as so many bytes take."""
        if self.rate:
            await asyncio.sleep(size / self.rate)
        await self._gate.wait()


class Pair:
    """One connection through the line."""

    done: asyncio.Task[None]

    def __init__(self, line: Line, near: socket.socket) -> None:
        self.ending: tuple[str, int] | None = None
        self._line = line
        self._near = near
        self._far = socket.socket()
        self._far.setblocking(False)
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.swallows = False

    async def run(self, target: int) -> None:
        """Pass bytes in both directions until one side or the line ends it."""
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(self._far, ("127.0.0.1", target))
        except OSError:
            return
        ways = ((self._near, self._far, True), (self._far, self._near, False))
        self._tasks = [asyncio.create_task(self._pump(*one)) for one in ways]
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait([*self._tasks, over], return_when=asyncio.FIRST_COMPLETED)
        if self.swallows:
            await asyncio.wait([self._tasks[0], over], return_when=asyncio.FIRST_COMPLETED)
        for task in (*self._tasks, over):
            task.cancel()
        await asyncio.gather(*self._tasks, over, return_exceptions=True)

    async def _pump(self, source: socket.socket, sink: socket.socket, onward: bool) -> None:
        loop, line = asyncio.get_running_loop(), self._line
        with suppress(OSError):
            while data := await loop.sock_recv(source, PIECE):
                await line.passing(len(data))
                if onward and self.swallows:
                    continue
                if onward and self.ending is not None:
                    how, left = self.ending
                    self.ending = how, left - len(data)
                    data = data[:left] if left < len(data) else data
                await loop.sock_sendall(sink, data)
                if onward:
                    line.bytes += len(data)
                    if self.ending is not None and self.ending[1] <= 0:
                        self.end(self.ending[0])
                        if not self.swallows:
                            return

    def end_if(self, how: str) -> None:
        """End it, if that is still to be done."""
        if self.ending is not None and not self.swallows:
            self.end(how)

    def end(self, how: str) -> None:
        """End it now; half open, the near side is not told, and what it sends is thrown away."""
        if how == "half-open":
            self.swallows = True
            self._tasks[1:] and self._tasks[1].cancel()
            self._far.close()
            return
        if how == "reset":
            for one in (self._near, self._far):
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._over.set()

    def close(self) -> None:
        """Close both sides."""
        self._near.close()
        self._far.close()

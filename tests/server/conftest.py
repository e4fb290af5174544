"""For tests of the server: clients that ask by HTTP with bytes, and a count of the loop's turns."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Client:
    """Sends to one Unix socket, given by its path, or to one TCP port."""

    place: Path | int

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.place, int):
            return await asyncio.open_connection("127.0.0.1", self.place)
        return await asyncio.open_unix_connection(str(self.place))

    async def begin(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send bytes, and wait for nothing."""
        reader, writer = await self.open()
        writer.write(data)
        return reader, writer

    async def send(self, data: bytes) -> tuple[int, Any]:
        """Send bytes: the code and the value that come back."""
        return await self.received(*await self.begin(data))

    async def received(self, reader: Any, writer: Any) -> tuple[int, Any]:
        """What a client gets; a connection that is closed without an answer is code 0."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(re.search(rb"Content-Length: (\d+)", head)[1])
            body = await reader.readexactly(size)
            kind = b"application/json" in head
            return int(head.split()[1]), json.loads(body) if kind else body.decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, None
        finally:
            writer.transport.abort()

    async def ask(self, line: str, headers: str = "Host: localhost\r\n") -> tuple[int, Any]:
        """One request without a body."""
        return await self.send(f"{line} HTTP/1.1\r\n{headers}\r\n".encode())


@pytest.fixture
def client():
    """A client of a place."""
    return Client


class LoopTurns:
    """How often the loop has turned, and so done other work, since `async with` began."""

    number = 0

    async def __aenter__(self) -> "LoopTurns":
        self._task = asyncio.ensure_future(self._count())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _count(self) -> None:
        while True:
            self.number += 1
            await asyncio.sleep(0)


@pytest.fixture
def turns() -> LoopTurns:
    """A count of the turns of the loop."""
    return LoopTurns()

"""What the services of the shop say to each other: one JSON object a line, each answered by one.

A request may be repeated: one that changes something carries an id that its client has chosen.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

from ccproxy.service import Plug
from ccproxy.service.aio import AsyncPlug, AsyncSession

Line = dict[str, Any]

REQUEST_TIMEOUT = 30.0
"""Seconds until a request has failed for good."""
RETRY_INTERVAL = 0.05
"""Seconds between two attempts."""


def write(line: Line) -> bytes:
    """An object as a line."""
    return json.dumps(line).encode() + b"\n"


def read(data: bytes) -> Line:
    """A line as an object; EOFError if it is not whole."""
    if not data.endswith(b"\n"):
        raise EOFError("the far side closed before it answered")
    found: Line = json.loads(data)
    return found


async def ask(plug: AsyncPlug, request: Line) -> Line:
    """Ask over a session; again over another one if that breaks. OSError after REQUEST_TIMEOUT."""
    end = time.monotonic() + REQUEST_TIMEOUT
    while True:
        try:
            async with plug.unit(end - time.monotonic()) as session:
                session.writer.write(write(request))
                return read(await session.reader.readline())
        except (OSError, EOFError) as error:
            if time.monotonic() > end:
                raise OSError(f"no answer from {plug.name}: {error}") from None
            await asyncio.sleep(RETRY_INTERVAL)


def ask_blocking(plug: Plug, request: Line) -> Line:
    """The same for threads."""
    end = time.monotonic() + REQUEST_TIMEOUT
    while True:
        try:
            with plug.unit(end - time.monotonic()) as session:
                session.sock.sendall(write(request))
                return read(read_line(session.sock))
        except (OSError, EOFError) as error:
            if time.monotonic() > end:
                raise OSError(f"no answer from {plug.name}: {error}") from None
            time.sleep(RETRY_INTERVAL)


def read_line(sock: socket.socket) -> bytes:
    """The next line; only a part of it if the far side closes."""
    data = bytearray()
    while not data.endswith(b"\n") and (part := sock.recv(65536)):
        data += part
    return bytes(data)


async def next_line(session: AsyncSession) -> bytes:
    """The next request of a session; empty if the session ends or has to be closed."""
    return await session.unless_closing(session.reader.readline(), b"")

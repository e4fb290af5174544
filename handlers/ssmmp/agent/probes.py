"""The ports of an instance: free before it starts; when it is ready, they accept and are its own.

This module must never give up by itself: the engine kills what is not ready in time.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

RETRY_INTERVAL = 0.05
"""Seconds between two attempts."""
FOREIGN_INTERVAL = 0.5
"""Seconds between two attempts while another program listens: looking at owners takes longer."""
CONNECT_TIMEOUT = 1.0
"""Seconds an attempt may take."""


class PortTaken(OSError):
    """A port of an instance that is to start belongs to another socket."""


async def require_free(address: str, ports: Iterable[int]) -> None:
    """PortTaken if another socket has one of these ports.

    An address that is not one of this machine is not looked at, nor is a port for which the agent
    has no rights: only the program itself finds out.
    """
    loop = asyncio.get_running_loop()
    for port in ports:
        try:
            server = await loop.create_server(asyncio.Protocol, address, port, start_serving=False)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(f"port {port} of {address} is taken") from None
            continue
        server.close()


@dataclass(frozen=True, slots=True)
class PortQuestions:
    """What the caller knows: `wanted` says whether it still wants to know, `owned` whether the
    listener on a port belongs to the instance."""

    wanted: Callable[[], bool]
    owned: Callable[[int], Awaitable[bool]]


async def accepting(address: str, ports: Iterable[int], ask: PortQuestions) -> bool:
    """Wait until the instance itself accepts on all ports; False as soon as the caller does not
    want to know any more."""
    for port in ports:
        while True:
            accepts = await _accepts(address, port)
            if accepts and await ask.owned(port):
                break
            if not ask.wanted():
                return False
            await asyncio.sleep(FOREIGN_INTERVAL if accepts else RETRY_INTERVAL)
    return ask.wanted()


async def _accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True

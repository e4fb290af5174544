"""Readiness by port: connect until all ports of an instance accept.

It must never give up by itself: the agent kills what is not ready in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

PAUSE = 0.05
"""Seconds between two attempts."""
PATIENCE = 1.0
"""Seconds an attempt may take."""


async def accepting(address: str, ports: Iterable[int], wanted: Callable[[], bool]) -> bool:
    """Wait until all ports accept; False as soon as that is not `wanted` any more."""
    for port in ports:
        while not await _accepts(address, port):
            if not wanted():
                return False
            await asyncio.sleep(PAUSE)
    return wanted()


async def _accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True

"""Readiness by port: connect until all ports of an instance accept.

This module must never give up by itself: the engine kills what is not ready in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

RETRY_INTERVAL = 0.05
"""Seconds between two attempts."""
CONNECT_TIMEOUT = 1.0
"""Seconds an attempt may take."""


async def accepting(address: str, ports: Iterable[int], wanted: Callable[[], bool]) -> bool:
    """Wait until all ports accept; False as soon as the caller does not want to know any more."""
    for port in ports:
        while not await _accepts(address, port):
            if not wanted():
                return False
            await asyncio.sleep(RETRY_INTERVAL)
    return wanted()


async def _accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True

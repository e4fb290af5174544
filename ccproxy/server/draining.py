"""Handlers that a reload has replaced, until what they have under way is done.

The reload does not wait for them. It must never delay a stopping server: that ends all of them at
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ccproxy.server.coroutines import awaited


class Draining:
    """Waits for each of these handlers in a task, and then ends it."""

    def __init__(self, failed: Callable[[str, BaseException], None]) -> None:
        """`failed` is called with the name of a handler and the exception of its `drain`."""
        self._failed = failed
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, name: str, done: Awaitable[None], end: Callable[[], Awaitable[None]]) -> None:
        """Call `end` when `done` has ended or failed, or when the server stops."""
        task = asyncio.create_task(self._wait(name, done, end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End all of them now."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _wait(
        self, name: str, done: Awaitable[None], end: Callable[[], Awaitable[None]]
    ) -> None:
        waits = [
            asyncio.ensure_future(awaited(lambda: done)),
            asyncio.ensure_future(self._stopping.wait()),
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        found, _ = await asyncio.gather(*waits, return_exceptions=True)
        if isinstance(found, Exception):
            self._failed(name, found)
        await end()

"""Handlers that a reload has replaced, until what they have under way is done.

Nobody waits for them: the reload is over, the others go on. It must never keep a stopping server
waiting for more than a handler's grace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Draining:
    """Each leaves on its own."""

    def __init__(self, failed: Callable[[str, BaseException], None]) -> None:
        """`failed` hears the name of a handler and why waiting for it went wrong."""
        self._failed = failed
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, name: str, done: Awaitable[None], end: Callable[[], Awaitable[None]]) -> None:
        """Call `end` when `done` is, whatever became of it, or when the server stops."""
        task = asyncio.create_task(self._leave(name, done, end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End all of them now."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _leave(
        self, name: str, done: Awaitable[None], end: Callable[[], Awaitable[None]]
    ) -> None:
        ways = [asyncio.ensure_future(done), asyncio.ensure_future(self._stopping.wait())]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        found, _ = await asyncio.gather(*ways, return_exceptions=True)
        if isinstance(found, Exception):
            self._failed(name, found)
        await end()

"""What the loop's side of a spool has to say to the thread, once in a turn of the loop.

It must never wait for the thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from ccproxy.spool.file import SpoolFile
from ccproxy.spool.rows import OfferedRun
from ccproxy.spool.work import SpoolWork


class Handover:
    """Work that comes together in one turn of the loop."""

    def __init__(self, told: Callable[[], None]) -> None:
        """`told` is called each time that work goes to the thread."""
        self.work = SpoolWork()
        self.queue: SimpleQueue[SpoolWork] = SimpleQueue()
        """What the thread takes from, as soon as it runs."""
        self._told = told
        self._scheduled = self._closed = False

    def schedule(self) -> None:
        """Hand over at the end of this turn of the loop what has come together in it."""
        if not self._scheduled and not self._closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    async def call(self, function: Callable[[SpoolFile], Any]) -> Any:
        """What a function returns or raises that the thread calls with the file."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.work.calls.append((function, future))
        self.schedule()
        return await future

    def close(self) -> None:
        """Hand over the last work; the thread ends after it."""
        if not self._closed:
            self._closed = self.work.stop = True
            self._hand_over()

    def rest(self) -> list[OfferedRun]:
        """The messages that no thread has taken."""
        return [item for _ in range(self.queue.qsize()) for item in self.queue.get().items]

    def _hand_over(self) -> None:
        self._scheduled = False
        work, self.work = self.work, SpoolWork()
        self.queue.put(work)
        self._told()

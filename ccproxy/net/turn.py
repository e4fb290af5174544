"""One write per destination and loop turn: who has something to send is flushed at its end.

It must never know what is sent; it only remembers who asked.
"""

from __future__ import annotations

import asyncio

from ccproxy.handler import Flushable


class Turn:
    """The flushes due at the end of this turn of the loop."""

    __slots__ = ("_due", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[Flushable] = []

    def flush_later(self, one: Flushable) -> None:
        """Flush `one` at the end of this turn; the caller asks once per turn."""
        if not self._due:
            self._loop.call_soon(self._end)
        self._due.append(one)

    def _end(self) -> None:
        due, self._due = self._due, []
        for one in due:
            one.flush()

"""One write per destination and loop turn: who has something to send is flushed at its end.

Behind a turn in which something was sent the loop can stay awake for a moment: an answer that comes
soon then finds it running, and not asleep. It must never know what is sent, or who waits for it.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Protocol


class Flushable(Protocol):
    """Something that writes what it has when asked."""

    def flush(self) -> None:
        """Write now."""


class FlushQueue:
    """The flushes due at the end of this turn of the loop."""

    __slots__ = ("_polling", "_due", "_loop", "_until", "busy_poll")

    def __init__(self, loop: asyncio.AbstractEventLoop, busy_poll: float = 0.0) -> None:
        self.busy_poll = busy_poll
        """Seconds the loop stays awake after the last flush; it costs a processor that long."""
        self._loop = loop
        self._due: list[Flushable] = []
        self._polling = False
        self._until = 0.0

    def flush_later(self, one: Flushable) -> None:
        """Flush `one` at the end of this turn; the caller asks once per turn."""
        if not self._due:
            self._loop.call_soon(self._end)
        self._due.append(one)

    def _end(self) -> None:
        due, self._due = self._due, []
        for one in due:
            one.flush()
        if self.busy_poll:
            self._until = perf_counter() + self.busy_poll
            if not self._polling:
                self._polling = True
                self._loop.call_soon(self._busy_poll)

    def _busy_poll(self) -> None:
        """A loop that has something to run looks at its sockets without waiting for them."""
        self._polling = perf_counter() < self._until
        if self._polling:
            self._loop.call_soon(self._busy_poll)

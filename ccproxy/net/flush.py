"""One write per destination and turn of the loop: what has bytes to send is flushed at its end.

After a turn in which something was sent the loop can go on without sleeping for a short time
(`busy-poll`), so that an answer which comes soon is read at once. It must never know what is sent,
or to which peer.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Protocol

PART = 32
"""Flushes between two looks at the clock."""
TURN = 0.003
"""Seconds after which the other flushes wait for the next turn of the loop."""


class Flushable(Protocol):
    """An object that can be told to write the bytes it holds."""

    def flush(self) -> None:
        """Write the bytes now."""


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
        end = perf_counter() + TURN if len(due) > PART else 0.0
        for number, one in enumerate(due, 1):
            one.flush()
            if number % PART == 0 and number < len(due) and perf_counter() > end:
                if not self._due:
                    self._loop.call_soon(self._end)
                self._due = due[number:] + self._due
                break
        if self.busy_poll:
            self._until = perf_counter() + self.busy_poll
            if not self._polling:
                self._polling = True
                self._loop.call_soon(self._busy_poll)

    def _busy_poll(self) -> None:
        """Schedule this call again: while one is due, the loop polls without sleeping."""
        self._polling = perf_counter() < self._until
        if self._polling:
            self._loop.call_soon(self._busy_poll)

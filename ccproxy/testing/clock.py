"""A clock that moves only when it is told to, and the calls that wait for it.

It must never read the time of the machine.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class ManualClock:
    """Seconds since the start, and timers."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def advance(self, seconds: float) -> None:
        """Move on; make the calls that become due, each at its time and in order."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            at, _, call = heapq.heappop(self._due)
            self.now = max(self.now, at)
            call()
        self.now = end

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Make a call when so many seconds have passed."""
        heapq.heappush(self._due, (self.now + seconds, next(self._order), call))

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Make a call again and again; the first one is one period from now."""

        def again() -> None:
            self.every(seconds, call)
            call()

        self.call_later(seconds, again)

"""Looks at every peer of a listener from time to time, at a few of them in each turn of the loop.

One timer for all peers instead of one for each: a read then costs no timer. It must never take a
turn of the loop for long, whatever the number of peers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

INTERVAL = 0.5
"""Seconds between two sweeps, and how much later than its limit a peer may be found."""
AT_ONCE = 500
"""Peers looked at in one turn of the loop: about a millisecond."""

Member = TypeVar("Member")


class Sweep(Generic[Member]):
    """Calls `look` with each member and the time of the loop's clock, about every `INTERVAL`."""

    def __init__(
        self, members: Callable[[], Collection[Member]], look: Callable[[Member, float], None]
    ) -> None:
        """`members` are asked for at the begin of a sweep; `look` may remove some of them."""
        self._members = members
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None

    @property
    def active(self) -> bool:
        """True while there were members at the last sweep."""
        return self._timer is not None

    def start(self) -> None:
        """Begin to look, unless it has begun: a member has come."""
        if self._timer is None:
            self._timer = self._loop.call_later(INTERVAL, self._begin)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._some(list(self._members()))

    def _some(self, left: list[Member]) -> None:
        """Look at the last ones of `left`, then at the others in the next turn."""
        now = self._loop.time()
        for member in left[-AT_ONCE:]:
            self._look(member, now)
        del left[-AT_ONCE:]
        if left:
            self._timer = self._loop.call_soon(self._some, left)
        elif self._members():
            self._timer = self._loop.call_later(INTERVAL, self._begin)
        else:
            # Without members there is nothing to look at; the next one starts the sweep again.
            self._timer = None

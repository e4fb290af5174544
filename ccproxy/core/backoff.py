"""How long to wait before the next attempt: doubling, bounded, with jitter.

It must never read a clock or wait.
"""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Waits in seconds: `first`, then twice as long each time up to `most`.

    Each wait is reduced to a random part between half of it and all of it, so that many links
    that lost one server do not all connect again at the same time. `random` gives numbers from 0
    to 1.
    """

    __slots__ = ("_first", "_most", "_next", "_random")

    def __init__(self, first: float, most: float, random: Callable[[], float]) -> None:
        self._first = first
        self._most = max(first, most)
        self._random = random
        self._next = first

    def next(self) -> float:
        """The next wait."""
        wait = self._next
        self._next = min(2 * wait, self._most)
        return wait * (0.5 + self._random() / 2)

    def reset(self) -> None:
        """Start again with the first wait, because the last attempt succeeded."""
        self._next = self._first

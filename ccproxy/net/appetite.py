"""How much to read from one peer at a time: less from who keeps the loop busy with it.

A read of 256 KiB holds thousands of small messages. Passing them on takes a millisecond; handlers
that look at each need up to half a second for them, in which nobody else is served. It must never
look at a clock.
"""

from __future__ import annotations

MOST = 256 * 1024
"""Bytes of one read."""
LEAST = 4 * 1024
LONG = 0.004
"""Seconds for one read from which on the next one is smaller."""


class Appetite:
    """The bytes to ask for next."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = MOST

    def took(self, seconds: float) -> None:
        """Dealing with the last read took so long."""
        if seconds > LONG:
            self.bytes = max(LEAST, self.bytes // 4)
        elif self.bytes < MOST and seconds < LONG / 4:
            self.bytes *= 2

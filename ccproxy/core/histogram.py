"""Times of many events in few numbers: how many were no longer than each of some bounds.

It must never read a clock: times are arguments.
"""

from __future__ import annotations

from bisect import bisect_left

BOUNDS = (
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 60.0,
)  # fmt: skip
"""Seconds: from the shortest way of a message through the server to a minute in a queue."""


class Histogram:
    """Counts by bound, each without those of smaller bounds; the last one is of longer times."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one time."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

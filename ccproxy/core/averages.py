"""Averages of counters over the last minutes, made from samples of their totals.

It must never read a clock: the caller calls `sample` at the right times.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

SAMPLE_INTERVAL = 5
"""Seconds between two samples."""
WINDOWS = (60, 300, 900)
"""Lengths of the time windows that averages are made for, in seconds."""
MOST_COUNTERS = 20_000


class Average(NamedTuple):
    """One counter in one window: its total, and its rate per `SAMPLE_INTERVAL` and per second."""

    name: str
    total: float
    per_period: float
    per_second: float


class Averages:
    """The samples of the longest window; counts after the last sample are not included.

    A sample holds 8 bytes a counter. Counters beyond the first `MOST_COUNTERS` have no averages.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._samples: deque[array[float]] = deque(
            [array("d")], maxlen=max(WINDOWS) // SAMPLE_INTERVAL + 1
        )

    def sample(self, totals: Mapping[str, int]) -> None:
        """Store the totals since the start, as the caller does every `SAMPLE_INTERVAL` seconds."""
        places = self._places
        for name in totals:
            if name not in places and len(places) < MOST_COUNTERS:
                places[name] = len(places)
        self._samples.append(array("d", [totals.get(name, 0) for name in places]))

    def over(self, window: int) -> Iterator[Average]:
        """The counters that changed within the last `window` seconds, by name."""
        back = min(window // SAMPLE_INTERVAL, len(self._samples) - 1)
        last, first = self._samples[-1], self._samples[-1 - back]
        for name in sorted(self._places):
            place = self._places[name]
            total = last[place] - (first[place] if place < len(first) else 0)
            if total:
                yield Average(name, total, total * SAMPLE_INTERVAL / window, total / window)

"""Counters over the last minutes, from samples of their totals. Pure: the caller keeps the time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

PERIOD = 5
"""Seconds between two samples."""
WINDOWS = (60, 300, 900)
"""Seconds the averages are taken over."""


class Average(NamedTuple):
    """One counter in one window: its total there, per `PERIOD` seconds, per second."""

    name: str
    total: float
    per_period: float
    per_second: float


class Averages:
    """The samples of the longest window; what came after the last sample is left out."""

    def __init__(self) -> None:
        self._samples: deque[Counter[str]] = deque([Counter()], maxlen=max(WINDOWS) // PERIOD + 1)

    def sample(self, totals: Mapping[str, int]) -> None:
        """Remember the totals since the start; to be called every `PERIOD` seconds."""
        self._samples.append(Counter(totals))

    def over(self, window: int) -> Iterator[Average]:
        """The counters that moved within the last `window` seconds, by name."""
        back = min(window // PERIOD, len(self._samples) - 1)
        last, first = self._samples[-1], self._samples[-1 - back]
        for name in sorted(last):
            total = last[name] - first[name]
            if total:
                yield Average(name, total, total * PERIOD / window, total / window)

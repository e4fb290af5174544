"""A rate limit for log lines that repeat: which are written, and how many were not.

It is pure: time is an argument. It must never write a line itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Reported:
    at: float
    unreported: int = 0


class RateLimit:
    """Decides whether a line is written: at most once per key in `seconds`; others are summed up.

    At most `keys` keys are remembered. While all of them are younger than `seconds`, a line with a
    new key is only counted in `overflow`, so that a sender that invents keys fills neither the
    memory nor the log.
    """

    def __init__(self, seconds: float = 10.0, keys: int = 1024) -> None:
        self.seconds = seconds
        self.keys = keys
        self.overflow = 0
        self._reported: dict[Hashable, _Reported] = {}

    def ask(self, key: Hashable, now: float, amount: int = 1) -> int | None:
        """The amount to report now, including what was not reported before; None = no line."""
        reported = self._reported.get(key)
        if reported is None:
            return self._first(key, now, amount)
        if now - reported.at < self.seconds:
            reported.unreported += amount
            return None
        del self._reported[key]  # insert it again at the end: the table is in order of time
        self._reported[key] = _Reported(now)
        return reported.unreported + amount

    def expire(self, now: float) -> list[tuple[Hashable, int]]:
        """Forget keys whose time is over; return those with unreported amounts, and these."""
        over = []
        for key, reported in list(self._reported.items()):
            if now - reported.at < self.seconds:
                break
            del self._reported[key]
            if reported.unreported:
                over.append((key, reported.unreported))
        return over

    def _first(self, key: Hashable, now: float, amount: int) -> int | None:
        if len(self._reported) >= self.keys:
            oldest = next(iter(self._reported))
            if now - self._reported[oldest].at < self.seconds:
                self.overflow += amount
                return None
            self.overflow += self._reported.pop(oldest).unreported
        self._reported[key] = _Reported(now)
        return amount

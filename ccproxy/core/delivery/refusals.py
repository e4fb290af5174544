"""The messages that a far side has refused and not acknowledged yet, and the bytes of some of them.

The effort for each refused message must not depend on how many there are, or on the size of the run
that it stands in: a far side may refuse every second one. This module must never decide what
becomes of them.
"""

from __future__ import annotations

from bisect import bisect_left

from ccproxy.core.ledger import FATES
from ccproxy.core.spans import skip
from ccproxy.wire.zmtp.delivery import UNKNOWN

OTHER = "other"
REASONS = frozenset((*FATES, "cut", "damaged", "memory", "old", "operator", "unused", UNKNOWN))
"""The reasons that are counted by themselves: those of a ccserver's fates and queues. What only a
receipt may say is none of them: behind `stop` the server in front would wait for ever."""
MOST_REFUSALS = 10_000
"""Ranges of messages that are refused and not released; a far side that refuses more of them
without an acknowledgement is not believed."""


def counted_reason(reason: str) -> str:
    """A reason that a far side has said, as it is counted: a far side that makes up reasons must
    not make this server remember them all."""
    return reason if reason in REASONS else OTHER


class Refusals:
    """Ranges of numbers with a reason, in the order of the numbers of each epoch."""

    def __init__(self) -> None:
        self._ranges: dict[int, list[tuple[int, int, str]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, epoch: int, first: int, count: int, reason: str) -> None:
        """The far side has not taken these messages. If there are too many ranges, those of the
        epoch that was named first are forgotten, and then no more are added."""
        if self._count >= MOST_REFUSALS and next(iter(self._ranges)) != epoch:
            self._count -= len(self._ranges.pop(next(iter(self._ranges))))
        if count <= 0 or self._count >= MOST_REFUSALS:
            return
        ranges, one = self._ranges.setdefault(epoch, []), (first, first + count - 1, reason)
        place = bisect_left(ranges, one)
        if ranges[place : place + 1] != [one]:
            ranges.insert(place, one)
            self._count += 1

    def among(self, epoch: int, first: int, last: int) -> tuple[int, int, str]:
        """The first of these messages that are refused, and why; (last + 1, last, "") if none are.

        What is in front of them is forgotten.
        """
        ranges = self._ranges.get(epoch, [])
        while ranges and ranges[0][1] < first:
            del ranges[0]
            self._count -= 1
        if not ranges:
            self._ranges.pop(epoch, None)
        if not ranges or ranges[0][0] > last:
            return last + 1, last, ""
        begin, end, reason = ranges[0]
        return max(begin, first), min(end, last), reason


class RunParts:
    """Parts of one run of messages, each behind the one before."""

    def __init__(self, data: bytes, first: int) -> None:
        """`first` is the number of the first message."""
        self._data, self._number, self._at = data, first, 0

    def cut(self, first: int, last: int) -> bytes:
        """The messages with these numbers."""
        begin, _ = skip(self._data, self._at, first - self._number)
        self._at, _ = skip(self._data, begin, last - first + 1)
        self._number = last + 1
        return self._data[begin : self._at]

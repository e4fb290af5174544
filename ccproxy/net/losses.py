"""Losses: of each type, section or user that lost messages lately, how many, why, and when.

The ledger counts all losses and forgets when they were. This remembers the latest kinds of them, in
bounded memory, for the verb `why`. It must never be asked on the hot path: it learns of runs of
lost messages, and of drops once a second.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_LOSSES = 500
"""Kinds of losses that are remembered; the one whose last loss is the longest ago goes first."""


@dataclass(frozen=True, slots=True)
class Loss:
    """`messages` of one type, or at one section, were lost for one reason; `age` is how many
    seconds ago the last of them was, `first_age` the first."""

    place: str
    reason: str
    messages: int
    first_age: float
    age: float


class Losses:
    """The latest kinds of losses."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        """By place and reason: messages, and when the first and the last of them were lost."""

    def add(self, place: str, reason: str, messages: int) -> None:
        """Some messages were lost now."""
        now = self._clock()
        found = self._known.setdefault((place, reason), [0, now, now])
        found[0] += messages
        found[2] = now
        self._known.move_to_end((place, reason))
        if len(self._known) > MOST_LOSSES:
            self._known.popitem(last=False)

    def latest(self) -> list[Loss]:
        """All that are remembered, the latest first."""
        now = self._clock()
        return [
            Loss(place, reason, int(messages), now - first, now - last)
            for (place, reason), (messages, first, last) in reversed(self._known.items())
        ]

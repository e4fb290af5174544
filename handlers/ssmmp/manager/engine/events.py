"""What happened lately, for operators: the latest notices, and how many lines the log may take.

It must never log; whoever holds it does.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ...notices import Notice

KEPT = 500
"""Events that are remembered."""
LINES = 50
"""Lines of the log in a second; what is more is only counted."""


class Events:
    """Events are numbered from 1 on in each process."""

    def __init__(self) -> None:
        self.last = 0
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._second = 0
        self._lines = 0
        self._silent = 0

    def add(self, now: float, notice: Notice) -> dict[str, Any]:
        """Remember a notice; it is returned as an event."""
        self.last += 1
        event = {
            "event": self.last, "time": round(now, 3), "what": notice.what,
            "subject": notice.subject, "detail": notice.detail, "alarm": notice.alarm,
        }  # fmt: skip
        self._kept.append(event)
        return event

    def since(self, number: int, most: int) -> list[dict[str, Any]]:
        """The first events after a number."""
        found = [one for one in self._kept if one["event"] > number]
        return found[:most]

    def latest(self, most: int) -> list[dict[str, Any]]:
        """The last ones."""
        return list(self._kept)[-most:]

    def loud(self, now: float) -> bool:
        """True if one more line may be logged in this second."""
        if int(now) != self._second:
            self._second, self._lines = int(now), 0
        self._lines += 1
        self._silent += self._lines > LINES
        return self._lines <= LINES

    def unsaid(self) -> int:
        """How many lines were not logged since the last call."""
        silent, self._silent = self._silent, 0
        return silent

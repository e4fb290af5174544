"""What happened lately, for operators: the latest notices, and how many lines the log may take.

It must never write a log: its owner asks whether a line may be logged.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ..notices import Notice

MAX_EVENTS = 500
"""Events that are remembered."""
MAX_LINES = 50
"""Lines of the log in a second; more are only counted."""


class EventLog:
    """Events are numbered from 1 on in each process."""

    def __init__(self) -> None:
        self.last = 0
        self._events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self._second = 0
        self._lines = 0
        self._not_logged = 0

    def add(self, now: float, notice: Notice) -> dict[str, Any]:
        """Remember a notice; it is returned as an event."""
        self.last += 1
        event = {
            "event": self.last, "time": round(now, 3), "what": notice.what,
            "subject": notice.subject, "detail": notice.detail, "alarm": notice.alarm,
        }  # fmt: skip
        self._events.append(event)
        return event

    def since(self, number: int, most: int) -> list[dict[str, Any]]:
        """The first events after a number."""
        found = [one for one in self._events if one["event"] > number]
        return found[:most]

    def latest(self, most: int) -> list[dict[str, Any]]:
        """The last ones."""
        return list(self._events)[-most:]

    def may_log(self, now: float) -> bool:
        """True if one more line may be logged in this second."""
        if int(now) != self._second:
            self._second, self._lines = int(now), 0
        self._lines += 1
        self._not_logged += self._lines > MAX_LINES
        return self._lines <= MAX_LINES

    def take_not_logged(self) -> int:
        """How many lines were not logged since the last call."""
        count, self._not_logged = self._not_logged, 0
        return count

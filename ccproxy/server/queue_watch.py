"""A look at every queue once a second: what it drops, how full it is, how long messages wait in it.

There may be very many queues, of which a few are looked at in each turn of the loop. It must never
change what a queue holds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ccproxy.core.counted_queue import CountedQueue
from ccproxy.net.notices import ServerLog
from ccproxy.server.events import Events
from ccproxy.server.pages import slices

DROPS = ("full", "old", "memory", "refused", "failed", "malformed", "too-big", "unused")
"""Reasons of drops that are said while the server runs; the others go with their connection."""
AT_ONCE = 200
"""Queues that are looked at in one turn of the loop: at most about a millisecond."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The worst of some queues: seconds that the oldest message waits, part of the limit in use."""

    age: float = 0.0
    fill: float = 0.0

    def worse(self, age: float, fill: float) -> QueueState:
        """The same with one queue more."""
        return QueueState(max(self.age, age), max(self.fill, fill))


EMPTY = QueueState()


class QueueWatch:
    """Looks at the queues of one server; `states` is what the last look found, by section."""

    def __init__(self, log: ServerLog) -> None:
        self.states: Mapping[str, QueueState] = {}
        """Of sections in whose queues something waits; those of a listener are its peers'."""
        self.events: Events | None = None
        """Is told what queues drop."""
        self._log = log
        self._dropped: dict[tuple[str, str], int] = {}

    def state(self, section: str) -> QueueState:
        """The worst of the queues of a section."""
        return self.states.get(section, EMPTY)

    @property
    def worst(self) -> QueueState:
        """The worst of all queues."""
        found = EMPTY
        for one in self.states.values():
            found = found.worse(one.age, one.fill)
        return found

    async def look(self, boxes: Sequence[CountedQueue]) -> None:
        """Take samples of all queues, and say what was dropped since the last look."""
        dropped: dict[tuple[str, str], int] = {}
        events = self.events
        own = events.own_drops() if events is not None else {}
        fresh: Counter[tuple[str, str]] = Counter()
        states: dict[str, QueueState] = {}
        async for some in slices(boxes, AT_ONCE):
            now = time.monotonic()
            for box in some:
                box.sample(now)
                if box.waiting:
                    section = box.destination
                    states[section] = states.get(section, EMPTY).worse(box.age(now), box.fill)
                if box.dropped:
                    for reason, count in self._say(box, dropped):
                        section = box.destination
                        fresh[section, reason] += max(0, count - own.get(section, 0))
        self._dropped, self.states = dropped, states
        if events is not None:
            events.queues(+fresh)

    def _say(
        self, box: CountedQueue, known: dict[tuple[str, str], int]
    ) -> Iterator[tuple[str, int]]:
        """Say what one queue has dropped, if that is more than before: reason and number."""
        for reason in DROPS:
            if reason not in box.dropped:
                continue
            key, total = (box.name, reason), box.dropped[reason]
            known[key] = total
            if (fresh := total - self._dropped.get(key, 0)) > 0:
                self._log.dropped(box, reason, fresh)
                yield reason, fresh

"""Events of the server as messages that routes may carry, such as `event.link.down`.

An event is made only if a route leads its type somewhere by name: `*` alone does not. It is a CC
message without a sender, and ends in a fate like all others. The same event of a section comes at
most once in `INTERVAL`, with the sum. It must never hold text of strangers, nor cause itself: what
the queues that events go to drop because of events makes no event, nor does a handler that raises
because of one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ccproxy.config.plan import Plan, RoutePlan
from ccproxy.core.message import Message
from ccproxy.core.routes import Routes
from ccproxy.core.switch import Switch
from ccproxy.process.rate_limit import RateLimit
from ccproxy.protocol import Listener

LINK_UP, LINK_DOWN = "event.link.up", "event.link.down"
QUEUE_FULL, PEER_REFUSED = "event.queue.full", "event.peer.refused"
HANDLER_FAILED = "event.handler.failed"
RELOAD = "event.reload"
EVENTS = {
    LINK_UP: "a link is connected",
    LINK_DOWN: "a link is not connected any more, or was refused; the reason is its new state",
    QUEUE_FULL: "queues of a section have dropped messages; the reason is full, old (drop-old), "
    "memory or refused",
    PEER_REFUSED: "a listener has refused or closed peers; the reason is the word that "
    "`status FILE listeners` counts",
    HANDLER_FAILED: "a handler has raised, and the message was not at fault; the reason is failed",
    RELOAD: "the configuration was read again; the reason is adopted or failed",
}
"""Every event, and what it says."""
FIRST = "event"
INTERVAL = 10.0
"""Seconds between two events of the same type, section and reason."""
MOST_KEYS = 1000
MOST_PENDING = 1000
"""Events that wait for the end of a turn of the loop; more are lost, as the log says."""
NO_REFUSALS = ("accepted", "peers", "handed-over", "idle")
"""What listeners count besides."""
SERVER = "ccserver"
UP = "up"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event; `reason` is a word of ours."""

    type: str
    section: str
    reason: str
    count: int = 1


class _Key(NamedTuple):
    """What events have in common that are summed up."""

    type: str
    section: str
    reason: str


class Events:
    """Makes the events of one server into messages, on the loop."""

    def __init__(self, switch: Switch, clock: Callable[[], float] = time.monotonic) -> None:
        self._switch = switch
        self._clock = clock
        self._wanted: frozenset[str] = frozenset()
        self._limit = RateLimit(INTERVAL, MOST_KEYS)
        self._pending: deque[ServerEvent] = deque()
        self._refused: dict[str, Counter[str]] = {}
        self._offered: Counter[str] = Counter()
        """Events that each section was offered since the last look at what queues drop."""
        self._name = ""

    def configure(self, plan: Plan) -> None:
        """Make the events that routes of this plan name."""
        self._wanted = wanted(plan.routes)
        self._name = plan.job_name

    def stop(self) -> None:
        """Make no more."""
        self._wanted = frozenset()
        self._pending.clear()

    def link(self, section: str, state: str, before: str) -> None:
        """A link has another state."""
        if state == UP:
            self.tell(LINK_UP, section, UP)
        elif before == UP or state != "connecting":
            self.tell(LINK_DOWN, section, state)

    def reload(self, adopted: bool) -> None:
        """A reload is over."""
        self.tell(RELOAD, SERVER, "adopted" if adopted else "failed")

    def handler_failed(self, section: str, type: str) -> None:
        """A handler has raised because of a message of this type."""
        if type.partition(".")[0] != FIRST:
            self.tell(HANDLER_FAILED, section, "failed")

    def own_drops(self) -> Mapping[str, int]:
        """By section, how many messages any of its queues may have dropped because of events since
        this was asked last."""
        offered, self._offered = self._offered, Counter()
        return offered

    def queues(self, dropped: Mapping[tuple[str, str], int]) -> None:
        """By section and reason, what queues have dropped, besides events."""
        for (section, reason), count in dropped.items():
            self.tell(QUEUE_FULL, section, reason, count)

    def listeners(self, found: Iterable[Listener]) -> None:
        """Look at what listeners have counted since the last time."""
        if PEER_REFUSED not in self._wanted:
            self._refused.clear()
            return
        known, self._refused = self._refused, {}
        for listener in found:
            counts = Counter(listener.acceptor.counts)
            before = known.get(listener.name, counts)  # what was counted before it was looked at
            self._refused[listener.name] = counts
            for reason, count in (counts - before).items():
                if reason not in NO_REFUSALS:
                    self.tell(PEER_REFUSED, listener.name, reason, count)

    def summarise(self) -> None:
        """Tell what the limit has held back, once its time is over."""
        for key, count in self._limit.expire(self._clock()):
            assert isinstance(key, _Key)
            self._add(ServerEvent(key.type, key.section, key.reason, count))

    def tell(self, type: str, section: str, reason: str, count: int = 1) -> None:
        """Something has happened; its message is made at the end of this turn of the loop."""
        if type not in self._wanted:
            return
        total = self._limit.ask(_Key(type, section, reason), self._clock(), count)
        if total is not None:
            self._add(ServerEvent(type, section, reason, total))

    def _add(self, event: ServerEvent) -> None:
        if event.type not in self._wanted or len(self._pending) >= MOST_PENDING:
            return
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._emit)
        self._pending.append(event)

    def _emit(self) -> None:
        """Pass on what has happened; not within the call that told it, which may be one of the
        switch itself."""
        while self._pending:
            event = self._pending.popleft()
            value = {
                "server": self._name, "section": event.section, "reason": event.reason,
                "count": event.count,
            }  # fmt: skip
            codec = self._switch.codec
            payload = codec.encode(event.type, value, None)
            target = self._switch.targets(event.type, False)[0]
            self._offered.update(dict.fromkeys(target.places.sections, 1))
            self._switch.take(Message(event.type, (), payload, codec, FIRST))


def wanted(routes: Iterable[RoutePlan]) -> frozenset[str]:
    """The events that routes name, whole or by a prefix."""
    named = Routes((one.prefix, one.sections) for one in routes if one.prefix != "*")
    return frozenset(type for type in EVENTS if named.sections(type))

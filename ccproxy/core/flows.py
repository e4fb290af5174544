"""Flows: the compiled answer for one exact message type, and the bounded table that holds them.

A Target is what the hot function obeys; types that go to the same places share one Target, so that
a mixed stream still travels in whole chunks. It must never decide anything: that is the handlers'
business, asked once per type by the switch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ccproxy.core.outbox import Outbox
from ccproxy.core.verdict import Receiver

SIZE = 128
"""Bytes of a type, on average, that the table has room for."""


class Target:
    """Where messages go: outboxes to append to, handlers that see each message, else a fate."""

    __slots__ = ("blocking", "boxes", "fate", "handlers", "reason")

    def __init__(
        self,
        boxes: tuple[Outbox, ...] = (),
        handlers: tuple[Receiver, ...] = (),
        fate: str = "discarded",
        reason: str = "",
    ) -> None:
        self.boxes = boxes
        self.blocking = tuple(box for box in boxes if box.limits.policy == "block")
        self.handlers = handlers
        self.fate = fate
        self.reason = reason


class Flow:
    """One message type: its target, and how much of it has passed, if it is `gone`."""

    __slots__ = ("bytes", "count", "gone", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.count = 0
        self.bytes = 0
        self.gone = False


class FlowTable:
    """Type (the bytes on the wire) -> Flow; bounded, oldest out, so hostile names cost nothing."""

    def __init__(self, limit: int, compile: Callable[[bytes], Target | None]) -> None:
        self.limit = limit
        self.bytes = 0
        """Of all types in the table; at most `SIZE` for each that fits in."""
        self.flows: dict[bytes, Flow] = {}
        self.other = Flow(Target())
        self._compile = compile
        # A dict finds its oldest key by stepping over all that were removed before it.
        self._order: deque[bytes] = deque()
        self._targets: dict[tuple[object, ...], Target] = {}

    def miss(self, type: bytes) -> Flow | None:
        """Make the flow of a type that is not in the table; None if it is no valid type."""
        target = self._compile(type)
        if target is None:
            return None
        if target.boxes or target.handlers:
            key = (target.fate, *map(id, target.boxes), 0, *map(id, target.handlers))
            target = self._targets.setdefault(key, target)
        self.bytes += len(type)
        while self.flows and (len(self.flows) >= self.limit or self.bytes > SIZE * self.limit):
            self._forget()
        flow = self.flows[type] = Flow(target)
        self._order.append(type)
        return flow

    def clear(self) -> None:
        """Every type is asked for again; the counts of the old flows go to `other`."""
        while self.flows:
            self._forget()
        self._targets.clear()

    def _forget(self) -> None:
        type = self._order.popleft()
        self.bytes -= len(type)
        gone = self.flows.pop(type)
        gone.gone = True
        self.other.count += gone.count
        self.other.bytes += gone.bytes

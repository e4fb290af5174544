"""Flows: the compiled decision for one exact message type, and the bounded table that holds them.

The hot function carries out a Target. Types that go to the same places share one Target, so that
a mixed stream is still passed on in whole chunks. It must never decide anything: the handlers
decide, and the switch asks them once for each type.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable

from ccproxy.core.runs import Distributor, Fates, Run, Stepwise, best, offered
from ccproxy.core.sinks import Sink
from ccproxy.core.type_totals import WORDS, TypeTotals
from ccproxy.core.verdict import Receiver

TYPE_SIZE = 128
"""Average length of a type, in bytes, for which the table has room."""


class Target:
    """Where messages go: outboxes to append to, handlers that see each message, or else a fate."""

    __slots__ = (
        "blocking", "boxes", "counters", "crashes", "distributors", "fate", "handlers", "reason",
        "sinks", "stepwise",
    )  # fmt: skip

    def __init__(
        self,
        sinks: tuple[Sink, ...] = (),
        handlers: tuple[Receiver, ...] = (),
        fate: str = "discarded",
        reason: str = "",
        counters: tuple[str, ...] = (),
    ) -> None:
        """`counters` are those of the verdicts, see `core.verdict`."""
        self.sinks = sinks
        self.blocking = tuple(sink for sink in sinks if sink.may_block)
        self.distributors = tuple(sink for sink in sinks if isinstance(sink, Distributor))
        self.boxes = tuple(sink for sink in sinks if not isinstance(sink, Distributor))
        self.stepwise = tuple(sink for sink in sinks if isinstance(sink, Stepwise))
        self.handlers = handlers
        self.fate = fate
        self.reason = reason
        self.counters = counters
        self.crashes: dict[int, tuple[str, ...]] = {}
        """By the `id` of a handler, what is counted if it raises: see `Deliver.crashes`."""

    def take(self, run: Run) -> Fates:
        """Put a run into all sinks, of which there is one at least; what became of each message."""
        several = [sink.take(run) for sink in self.distributors]
        if self.boxes:
            chunk, messages = run.envelopes, run.messages
            taken = max([sink.offer(chunk, messages) for sink in self.boxes])
            several.append(offered(messages, taken))
        return best(several)

    def reach(self, chunk: bytes, start: int) -> int:
        """How many messages of a chunk to give to all sinks at a time, see `Stepwise`."""
        return min([one.reach(chunk, start) for one in self.stepwise], default=sys.maxsize)

    @property
    def word(self) -> str:
        """What becomes of messages here, as far as it is the same for all: `ok` if they have a
        destination, as in the original, which counted what a queue drops without its type."""
        return "ok" if self.sinks or self.handlers else WORDS[self.fate]


class Flow:
    """One message type: its target and counts; `gone` once the table has forgotten it."""

    __slots__ = ("bytes", "count", "gone", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.count = 0
        self.bytes = 0
        self.gone = False


class FlowTable:
    """Type (its bytes on the wire) -> Flow.

    The table is bounded and forgets the oldest flow first, so that a peer which invents types
    without end takes no more memory.
    """

    def __init__(
        self, limit: int, compile: Callable[[bytes], Target | None], named: int = 1000
    ) -> None:
        """`named` types have counts that stay when their flows are forgotten."""
        self.limit = limit
        self.totals = TypeTotals(named)
        self.bytes = 0
        """Length of all types in the table; at most `TYPE_SIZE` times the limit of flows."""
        self.flows: dict[bytes, Flow] = {}
        self.views: list[dict[bytes, Flow]] = []
        """Parts of `flows`, for peers that may not use all of them, see `core.rights`."""
        self.other = Flow(Target())
        self.watchers: list[Callable[[], None]] = []
        """Called after all flows have been forgotten, because handlers may answer otherwise now."""
        self._compile = compile
        # The types in order of age: a dict would have to step over every removed key to find its
        # oldest one.
        self._order: deque[bytes] = deque()
        self._targets: dict[tuple[object, ...], Target] = {}

    def miss(self, type: bytes) -> Flow | None:
        """Make the flow of a type that is not in the table; None if the type is invalid."""
        target = self._compile(type)
        if target is None:
            return None
        if target.sinks or target.handlers:
            places = (*map(id, target.sinks), 0, *map(id, target.handlers))
            key = (target.fate, target.counters, *places)
            target = self._targets.setdefault(key, target)
        self.bytes += len(type)
        while self.flows and (len(self.flows) >= self.limit or self.bytes > TYPE_SIZE * self.limit):
            self._forget()
        flow = self.flows[type] = Flow(target)
        self._order.append(type)
        self.totals.admit(type)
        return flow

    def clear(self) -> None:
        """Forget all flows, so that handlers are asked again; their counts go to `other`."""
        while self.flows:
            self._forget()
        self._targets.clear()
        for call in list(self.watchers):
            call()

    def _forget(self) -> None:
        type = self._order.popleft()
        self.bytes -= len(type)
        gone = self.flows.pop(type)
        for view in self.views:
            view.pop(type, None)
        gone.gone = True
        self.other.count += gone.count
        self.other.bytes += gone.bytes
        self.totals.place(type).add(gone.target.word, gone.count, gone.bytes)
        for counter in gone.target.counters:
            self.totals.verdicts.add(counter, gone.count, gone.bytes)

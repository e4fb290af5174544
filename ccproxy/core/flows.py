"""Flows: the compiled decision for one exact message type, and the bounded table that holds them.

The hot function carries out a Target. Types that go to the same places share one Target, so that
a mixed stream is still passed on in whole chunks. It must never decide anything: the handlers
decide, and the switch asks them once for each type.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable

from ccproxy.core.runs import Fates, Run, best, confirms, distributes, is_stepwise, offered
from ccproxy.core.sinks import Sink
from ccproxy.core.taps import Passing, Places, Tap, no_frames
from ccproxy.core.type_totals import WORDS, TypeTotals
from ccproxy.core.verdict import Receiver

TYPE_SIZE = 128
"""Average length of a type, in bytes, for which the table has room."""


class Target:
    """Where messages go: outboxes to append to, handlers that see each message, or else a fate."""

    __slots__ = (
        "blocking", "boxes", "confirming", "counters", "crashes", "distributors", "fate",
        "handlers", "indirect", "reason", "single", "sinks", "stepwise", "taps", "untapped",
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
        accepting = [getattr(one, "accepted", None) for one in handlers]
        self.blocking = (
            *(sink for sink in sinks if sink.may_block),
            *(one for one in accepting if one is not None and getattr(one, "may_block", False)),
        )
        self.distributors = tuple(sink for sink in sinks if distributes(sink))
        self.single = self.distributors[0] if len(self.distributors) == len(sinks) == 1 else None
        """The only sink, if it is a distributor."""
        self.boxes = tuple(sink for sink in sinks if not distributes(sink))
        self.confirming = tuple(sink for sink in sinks if confirms(sink))
        """The sinks that say when messages are safe."""
        self.stepwise = tuple(sink for sink in sinks if is_stepwise(sink))
        self.handlers = handlers
        self.fate = fate
        self.reason = reason
        self.counters = counters
        self.crashes: dict[int, tuple[str, ...]] = {}
        """By the `id` of a handler, what is counted if it raises: see `Deliver.crashes`."""
        self.taps: tuple[Tap, ...] = ()
        self.untapped: Target | None = None
        """The target without taps, of one that has some."""
        self.indirect = bool(self.distributors)
        """True if a run needs more than to be joined and appended: distributors or taps."""

    def take(self, run: Run) -> Fates:
        """Put a run into all sinks, of which there is one at least; what became of each message."""
        if self.single is not None:
            return self.single.take(run)
        several = [sink.take(run) for sink in self.distributors]
        if self.boxes:
            chunk, messages = run.envelopes, run.messages
            taken = max([sink.offer(chunk, messages) for sink in self.boxes])
            several.append(offered(messages, taken))
        return best(several)

    @property
    def places(self) -> Places:
        """Where messages go, for people."""
        names = [sink.name.partition(" ")[0] for sink in self.sinks]
        return Places((*names, *(one.name for one in self.handlers)), self.fate)

    def tapped(self, taps: tuple[Tap, ...]) -> Target:
        """A target that does the same, and names these taps."""
        made = Target.__new__(Target)  # `copy` takes ten times as long, and there may be many
        for name in Target.__slots__:
            setattr(made, name, getattr(self, name))
        made.taps, made.untapped, made.indirect = taps, self, True
        return made

    def show(self, passing: Passing) -> None:
        """Let the taps look at messages, before anything becomes of them."""
        for tap in self.taps:
            tap.see(passing)

    def show_value(self, listener: str, type: str, size: int) -> None:
        """The same for one message whose frames are not known, because it came as a value."""
        self.show(Passing(listener, "", self.places, 1, no_frames, type, size))

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
        self.taps: tuple[Tap, ...] = ()
        self._compile = compile
        # The types in order of age: a dict would have to step over every removed key to find its
        # oldest one.
        self._order: deque[bytes] = deque()
        self._targets: dict[tuple[object, ...], Target] = {}
        self._tapped: dict[tuple[object, ...], Target] = {}

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
        flow = self.flows[type] = Flow(self._with_taps(type, target) if self.taps else target)
        self._order.append(type)
        self.totals.admit(type)
        return flow

    def clear(self) -> None:
        """Forget all flows, so that handlers are asked again; their counts go to `other`."""
        while self.flows:
            self._forget()
        self._targets.clear()
        self._tapped.clear()
        for call in list(self.watchers):
            call()

    def tap(self, taps: tuple[Tap, ...]) -> None:
        """Have these taps, for flows that are made from now on; see `retarget` for the others."""
        self.taps = taps
        self._tapped.clear()

    def retarget(self, types: Iterable[bytes]) -> None:
        """Give the flows of these types the taps that want them now."""
        for type in types:
            old = self.flows.get(type)
            if old is None:
                continue
            target = self._with_taps(type, old.target.untapped or old.target)
            if target is not old.target:
                self._replace(type, old, target)

    def _with_taps(self, type: bytes, target: Target) -> Target:
        """The target of a flow with the taps that want its type; types share such targets, too."""
        name, places = type.decode("ascii", "replace"), target.places
        taps = tuple(tap for tap in self.taps if tap.wants(name, places))
        if not taps:
            return target
        made = self._tapped.get((target, *taps))
        if made is None:
            made = target.tapped(taps)
            if target.sinks or target.handlers:  # of others each type has one, without end
                self._tapped[target, *taps] = made
        return made

    def _replace(self, type: bytes, old: Flow, target: Target) -> None:
        """A flow with the same counts: what remembers the old one, as fast paths do, asks again."""
        flow = self.flows[type] = Flow(target)
        flow.count, flow.bytes, old.gone = old.count, old.bytes, True
        for view in self.views:
            if type in view:
                view[type] = flow

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

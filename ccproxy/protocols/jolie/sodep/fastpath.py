# cython: language_level=3, wraparound=False, nonecheck=True, annotation_typing=False
"""The hot functions of sodep to sodep: a call straight to its service, an answer to its caller.

The first call of a path and operation goes the slow path: listener, switch, handler. If the handler
would do the same with all that follow, a `FastRoute` is stored: from then on `forward` takes such
calls out of what a caller sent and puts them, with a new id and path, on an `Upstream`, and
`deliver` brings the answers back. The owner of an upstream sees each call in flight on it, so
timeouts, faults and relocation treat the calls of both paths alike.

The same file is compiled by Cython as `_fastpath` where a C compiler is at hand, with the types of
`_fastpath.pxd`; `compiled` imports the better of the two. It must never decode a value, look at a
socket, or keep a call from its answer: a call that the fast path cannot take goes the slow path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

from ccproxy.core.flows import Flow
from ccproxy.core.ledger import Ledger

NO_COPY_SIZE = 4096
"""Bytes from which on a message is written from where it was read, and not copied."""
NEWEST_WEIGHT = 1 / 32
"""Of the newest answer in the average time that answers take."""
MAX_PIECES = 64
"""Pieces that are written as they are; more are joined."""

Piece = bytes | memoryview


class FastPathStats:
    """Counts the calls of one route where the switch would have counted them.

    When its `flow` is `gone`, the handlers have to be asked again.
    """

    __slots__ = ("_ledger", "flow")

    def __init__(self, flow: Flow, ledger: Ledger) -> None:
        self.flow = flow
        self._ledger = ledger

    def count(self, calls: int, size: int) -> None:
        """So many calls of so many bytes took the fast path."""
        self.flow.count += calls
        self.flow.bytes += size
        self._ledger.receive(calls, size)
        self._ledger.end("consumed", calls, size)


class UpstreamLoad:
    """The calls in flight to one target, on both paths together, and how many there may be.

    `took` is how many seconds answers take, on average of those that were `timed`.
    """

    __slots__ = ("bytes", "calls", "most_bytes", "most_calls", "timed", "took")

    def __init__(self, most_calls: int, most_bytes: int) -> None:
        self.calls = 0
        self.bytes = 0
        self.most_calls = most_calls
        self.most_bytes = most_bytes
        self.timed = 0
        self.took = 0.0

    def time(self, seconds: float) -> None:
        """An answer took so long."""
        self.timed += 1
        self.took += (seconds - self.took) * NEWEST_WEIGHT

    def full(self, size: int) -> bool:
        """True if a call of `size` bytes is too much; a single one may have any size."""
        return self.calls >= self.most_calls or (
            self.calls > 0 and self.bytes + size > self.most_bytes
        )


class AnswerBuffer:
    """The answers to one caller that are to be written, and how many calls are `open`.

    `wake` is called once when there is something to write, until `due` is reset.
    """

    __slots__ = ("due", "open", "parts", "wake")

    def __init__(self) -> None:
        self.parts: list[Piece] = []
        self.open = 0
        self.due = False
        self.wake: Callable[[], None] = _no_wake

    def take(self) -> list[Piece]:
        """The bytes to be written since the last time; none if nothing is."""
        self.due = False
        return _taken(self.parts)


class Upstream:
    """One connection to a service. `wake` is called once when there is something to write.

    `heard` is when the last answer came; `last` is true once the connection takes no more calls.
    """

    __slots__ = ("due", "heard", "ids", "last", "load", "open", "parts", "wake", "written")

    def __init__(self, ids: Iterator[int], load: UpstreamLoad) -> None:
        self.ids = ids
        self.load = load
        self.open: dict[int, InFlight] = {}
        self.written: list[int] = []
        self.heard = 0.0
        self.last = False
        self.parts: list[Piece] = []
        self.due = False
        self.wake: Callable[[], None] = _no_wake

    def take(self) -> tuple[list[Piece], list[int]]:
        """The bytes to be written since the last time, and the calls that are in them."""
        ids = self.written
        self.written = []
        self.due = False
        return _taken(self.parts), ids

    def end(self, id: int) -> InFlight | None:
        """Remove a call that will be answered in another way; None if no such call is in flight."""
        found = self.open.pop(id, None)
        if found is not None:
            self.load.calls -= 1
            self.load.bytes -= found.size
        return found


class UpstreamPool:
    """Connections to one target; none is `usable` while every call has to go the slow path."""

    __slots__ = ("charset", "clock", "timeout", "usable")

    def __init__(self, charset: str, timeout: float, clock: Callable[[], float]) -> None:
        self.charset = charset
        self.timeout = timeout
        self.clock = clock
        self.usable: list[Upstream] = []


class FastRoute:
    """Where calls of one path and operation go; `head` is the path field that the service gets."""

    __slots__ = ("head", "operation", "stats", "upstreams")

    def __init__(
        self, upstreams: UpstreamPool, head: bytes, operation: str, stats: FastPathStats
    ) -> None:
        self.upstreams = upstreams
        self.head = head
        self.operation = operation
        self.stats = stats


class InFlight:
    """A call on an upstream: `id` as its caller wrote it, `sent` in seconds of the clock."""

    __slots__ = ("answers", "id", "route", "sent", "size")

    def __init__(
        self, answers: AnswerBuffer, id: bytes, route: FastRoute, size: int, sent: float
    ) -> None:
        self.answers = answers
        self.id = id
        self.route = route
        self.size = size
        self.sent = sent

    @property
    def deadline(self) -> float:
        """When it will have waited too long."""
        return self.sent + self.route.upstreams.timeout


def forward(
    data: bytes, ends: list[int], routes: dict[bytes, FastRoute], answers: AnswerBuffer
) -> int:
    """Put calls on their upstreams, in order, up to the first that has to go the slow path.

    `data` begins with whole messages that end at `ends`. What is returned is the offset of the
    first message that was not taken.
    """
    view: Any = None
    last: Any = None
    route: Any = None
    upstream: Any = None
    load: Any = None
    now = 0.0
    start = done = calls = total = 0
    for end in ends:
        path = start + 12 + (data[start + 9] << 16 | data[start + 10] << 8 | data[start + 11])
        operation = path + 4 + (data[path + 1] << 16 | data[path + 2] << 8 | data[path + 3])
        route = routes.get(data[start + 8 : operation])
        if route is None:
            break
        if route is not last:
            if calls:
                _settle(last, upstream, calls, total)
                calls = total = 0
            last = route
            usable = route.upstreams.usable
            if not usable or route.stats.flow.gone:
                break
            if len(usable) > 1:
                usable.append(usable.pop(0))
            upstream = usable[0]
            load = upstream.load
            now = route.upstreams.clock()
        size = end - path
        if load.full(size):
            break
        id = next(upstream.ids)
        upstream.open[id] = InFlight(answers, data[start : start + 8], route, size, now)
        upstream.written.append(id)
        load.calls += 1
        load.bytes += size
        upstream.parts.append(id.to_bytes(8, "big"))
        upstream.parts.append(route.head)
        if size < NO_COPY_SIZE:
            upstream.parts.append(data[path:end])
        else:
            if view is None:
                view = memoryview(data)
            upstream.parts.append(view[path:end])
        done += 1
        calls += 1
        total += size
        start = end
    if calls:
        _settle(last, upstream, calls, total)
    answers.open += done
    return start


def deliver(data: bytes, ends: list[int], upstream: Upstream) -> tuple[bytes, list[int]]:
    """Give answers to the callers they belong to; answers to other calls are returned."""
    others: list[bytes] = []
    timed = False
    load = upstream.load
    waiting = upstream.open
    view: Any = None
    start = 0
    for end in ends:
        call = waiting.pop(int.from_bytes(data[start : start + 8], "big", signed=True), None)
        if call is None:
            others.append(data[start:end])
            start = end
            continue
        if not timed:
            timed = True
            load.time(call.route.upstreams.clock() - call.sent)
        load.calls -= 1
        load.bytes -= call.size
        answers = call.answers
        answers.open -= 1
        answers.parts.append(call.id)
        if end - start < NO_COPY_SIZE:
            answers.parts.append(data[start + 8 : end])
        else:
            if view is None:
                view = memoryview(data)
            answers.parts.append(view[start + 8 : end])
        start = end
        if not answers.due:
            answers.due = True
            answers.wake()
    if not others:
        return b"", []
    return b"".join(others), list(accumulate(map(len, others)))


def _settle(route: FastRoute, upstream: Upstream, calls: int, size: int) -> None:
    """Count the calls of a route that were put on an upstream, and have them written."""
    route.stats.count(calls, size)
    if not upstream.due:
        upstream.due = True
        upstream.wake()


def _taken(parts: list[Piece]) -> list[Piece]:
    """All parts, in as many pieces as are written best; `parts` is empty afterwards."""
    if not parts:
        return []
    few = len(parts) <= MAX_PIECES and max(map(len, parts)) >= NO_COPY_SIZE
    taken: list[Piece] = parts[:] if few else [b"".join(parts)]
    parts.clear()
    return taken


def _no_wake() -> None:
    """Do nothing: the owner, which would write, has not set its `wake` yet."""

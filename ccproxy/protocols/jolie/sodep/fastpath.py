# cython: language_level=3, wraparound=False, nonecheck=True, annotation_typing=False
"""The hot functions of sodep to sodep: a call straight to its service, an answer to its caller.

The first call of a path and operation goes the slow path: listener, switch, handler. If the handler
would do the same with all that follow, a `FastRoute` is stored: from then on `forward` takes such
calls out of what a caller sent and puts them, with a new id and path, on an `Upstream`, and
`deliver` brings the answers back. The owner of an upstream sees each call in flight on it, so
timeouts, faults and relocation treat the calls of both paths alike.

What is cut out of `text`, which is the same as `data`, is a pointer when compiled, and is cut in a
third of the time.

The same file is compiled by Cython as `_fastpath` where a C compiler is at hand, with the types of
`_fastpath.pxd`; `compiled` imports the better of the two. It must never decode a value, look at a
socket, or keep a call from its answer: a call that the fast path cannot take goes the slow path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from struct import Struct
from typing import Any

from ccproxy.core.flows import Flow
from ccproxy.core.ledger import Ledger

NO_COPY_SIZE = 4096
"""Bytes from which on a message is written from where it was read, and not copied."""
NEWEST_WEIGHT = 1 / 32
"""Of the newest answer in the average time that answers take."""
MAX_PIECES = 64
"""Pieces that are written as they are; more are joined."""

SLOW_ANSWER = 0.001
"""Seconds: if answers take longer on average, more connections may help."""
_packed = Struct(">q").pack

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
        self._ledger.pass_by("consumed", calls, size)


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
    `flush` writes through `send`; `unsent` gets the ids of calls that it did not take, and `watch`
    is called before `watched`, a time by which the first of the calls must have an answer.
    """

    __slots__ = (
        "deadline", "due", "heard", "ids", "last", "load", "open", "parts", "send", "unsent",
        "wake", "watch", "watched", "written",
    )  # fmt: skip

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
        self.send: Callable[[list[Piece]], int] = _no_send
        self.unsent: Callable[[list[int]], None] = _no_unsent
        self.watch: Callable[[], None] = _no_wake
        self.watched = 0.0
        self.deadline = 0.0

    def flush(self) -> None:
        """Write the calls; the flush queue calls it at the end of a turn of the loop."""
        if not self.due:
            return
        ids = self.written
        self.written = []
        self.due = False
        if not self.send(_taken(self.parts)):
            self.unsent(ids)
        if self.deadline < self.watched:
            self.watch()

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
    text = data
    view: Any = None
    last: Any = None
    route: Any = None
    call: Any = None
    upstream: Any = None
    load: Any = None
    now = 0.0
    start = done = calls = total = 0
    for end in ends:
        path = start + 12 + (text[start + 9] << 16 | text[start + 10] << 8 | text[start + 11])
        operation = path + 4 + (text[path + 1] << 16 | text[path + 2] << 8 | text[path + 3])
        route = routes.get(text[start + 8 : operation])
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
            upstream.deadline = now + route.upstreams.timeout
        size = end - path
        if load.full(size):
            break
        id = next(upstream.ids)
        call = InFlight.__new__(InFlight)
        call.answers = answers
        call.id = text[start : start + 8]
        call.route = route
        call.size = size
        call.sent = now
        upstream.open[id] = call
        upstream.written.append(id)
        load.calls += 1
        load.bytes += size
        upstream.parts.append(_packed(id))
        upstream.parts.append(route.head)
        if size < NO_COPY_SIZE:
            upstream.parts.append(text[path:end])
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
    text = data
    timed = False
    load = upstream.load
    waiting = upstream.open
    view: Any = None
    start = 0
    for end in ends:
        # Our ids are positive: a negative one, read without its sign, is none of them.
        id = text[start] << 24 | text[start + 1] << 16 | text[start + 2] << 8 | text[start + 3]
        id = id << 8 | text[start + 4]
        id = id << 8 | text[start + 5]
        id = id << 8 | text[start + 6]
        id = id << 8 | text[start + 7]
        call = waiting.pop(id, None)
        if call is None:
            others.append(data[start:end])
            start = end
            continue
        if not timed:
            timed = True
            upstream.heard = call.route.upstreams.clock()
            load.time(upstream.heard - call.sent)
        load.calls -= 1
        load.bytes -= call.size
        answers = call.answers
        answers.open -= 1
        answers.parts.append(call.id)
        if end - start < NO_COPY_SIZE:
            answers.parts.append(text[start + 8 : end])
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


def _no_send(pieces: list[Piece]) -> int:
    """Take nothing: the owner has not set its `send` yet."""
    return 0


def _no_unsent(ids: list[int]) -> None:
    """Do nothing: the owner has not set its `unsent` yet."""


def _no_wake() -> None:
    """Do nothing: the owner, which would write, has not set its `wake` yet."""

# cython: language_level=3, wraparound=False, nonecheck=True, annotation_typing=False
"""The hot functions of sodep to sodep: a call straight to its service, an answer to its caller.

The first call of a path and operation goes the long way: listener, switch, handler. If the handler
would do the same with all that follow, it says so, and a `Lane` is kept: from then on `forward`
takes such calls out of what a caller sent and puts them, with a new id and path, on a `Trunk`, and
`deliver` brings the answers back. Whoever keeps a trunk also knows each call that is under way on
it, so that timeouts, faults and relocation do not care which way a call went.

The same file is compiled by Cython as `_fastpath` where a C compiler is at hand, with the types of
`_fastpath.pxd`. It must never decode a value, look at a socket, or keep a call from its answer: a
call that cannot go straight is left to the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Protocol

LARGE = 4096
"""Bytes from which on a message is written from where it was read, and not copied."""
SHARE = 1 / 32
"""Of the newest answer in the average time they take."""
PIECES = 64
"""Pieces that are written as they are; more are joined."""

Piece = bytes | memoryview


class Flow(Protocol):
    """Calls of one kind; `gone` once has to be asked again where they go."""

    gone: bool


class Account(Protocol):
    """Who counts the calls of one lane."""

    @property
    def flow(self) -> Flow:
        """What the calls belong to."""

    def count(self, calls: int, size: int) -> None:
        """So many calls of so many bytes went straight."""


class Load:
    """What is under way to one target, on all its trunks and off them, and what may be.

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
        self.took += (seconds - self.took) * SHARE

    def full(self, size: int) -> bool:
        """True if a call of `size` bytes is too much; a single one may have any size."""
        return self.calls >= self.most_calls or (
            self.calls > 0 and self.bytes + size > self.most_bytes
        )


class Returns:
    """The way back to one caller: pieces of answers, and how many are owed.

    `wake` is called once when there is something to write, until `due` is reset.
    """

    __slots__ = ("due", "open", "parts", "wake")

    def __init__(self) -> None:
        self.parts: list[Piece] = []
        self.open = 0
        self.due = False
        self.wake: Callable[[], None] = _nobody

    def take(self) -> list[Piece]:
        """The bytes to be written since the last time; none if nothing is."""
        self.due = False
        return _taken(self.parts)


class Trunk:
    """One connection to a service. `wake` is called once when there is something to write.

    `heard` is when the last answer came; `last`: it takes no more calls.
    """

    __slots__ = ("due", "heard", "ids", "last", "load", "open", "parts", "wake", "written")

    def __init__(self, ids: Iterator[int], load: Load) -> None:
        self.ids = ids
        self.load = load
        self.open: dict[int, Passed] = {}
        self.written: list[int] = []
        self.heard = 0.0
        self.last = False
        self.parts: list[Piece] = []
        self.due = False
        self.wake: Callable[[], None] = _nobody

    def take(self) -> tuple[list[Piece], list[int]]:
        """The bytes to be written since the last time, and the calls that are in them."""
        ids = self.written
        self.written = []
        self.due = False
        return _taken(self.parts), ids

    def end(self, id: int) -> Passed | None:
        """Take one call off, as it will be answered in another way; None if it is none of these."""
        found = self.open.pop(id, None)
        if found is not None:
            self.load.calls -= 1
            self.load.bytes -= found.size
        return found


class Trunks:
    """The connections to one target that calls may take, `usable` none while there is a reason."""

    __slots__ = ("charset", "clock", "timeout", "usable")

    def __init__(self, charset: str, timeout: float, clock: Callable[[], float]) -> None:
        self.charset = charset
        self.timeout = timeout
        self.clock = clock
        self.usable: list[Trunk] = []


class Lane:
    """Calls of one path and operation; `head` is the path field that the service gets."""

    __slots__ = ("account", "head", "operation", "trunks")

    def __init__(self, trunks: Trunks, head: bytes, operation: str, account: Account) -> None:
        self.trunks = trunks
        self.head = head
        self.operation = operation
        self.account = account


class Passed:
    """One call under way on a trunk: `id` as its caller has it, `sent` in seconds of the clock."""

    __slots__ = ("id", "lane", "returns", "sent", "size")

    def __init__(self, returns: Returns, id: bytes, lane: Lane, size: int, sent: float) -> None:
        self.returns = returns
        self.id = id
        self.lane = lane
        self.size = size
        self.sent = sent

    @property
    def deadline(self) -> float:
        """When it will have waited too long."""
        return self.sent + self.lane.trunks.timeout


def forward(data: bytes, ends: list[int], lanes: dict[bytes, Lane], returns: Returns) -> int:
    """Put calls on their trunks, in order, up to the first that has to go the long way.

    `data` begins with whole messages that end at `ends`; where the first begins that was not taken.
    """
    view: Any = None
    last: Any = None
    lane: Any = None
    trunk: Any = None
    load: Any = None
    now = 0.0
    start = done = calls = total = 0
    for end in ends:
        path = start + 12 + (data[start + 9] << 16 | data[start + 10] << 8 | data[start + 11])
        operation = path + 4 + (data[path + 1] << 16 | data[path + 2] << 8 | data[path + 3])
        lane = lanes.get(data[start + 8 : operation])
        if lane is None:
            break
        if lane is not last:
            if calls:
                _settle(last, trunk, calls, total)
                calls = total = 0
            last = lane
            usable = lane.trunks.usable
            if not usable or lane.account.flow.gone:
                break
            if len(usable) > 1:
                usable.append(usable.pop(0))
            trunk = usable[0]
            load = trunk.load
            now = lane.trunks.clock()
        size = end - path
        if load.full(size):
            break
        id = next(trunk.ids)
        trunk.open[id] = Passed(returns, data[start : start + 8], lane, size, now)
        trunk.written.append(id)
        load.calls += 1
        load.bytes += size
        trunk.parts.append(id.to_bytes(8, "big"))
        trunk.parts.append(lane.head)
        if size < LARGE:
            trunk.parts.append(data[path:end])
        else:
            if view is None:
                view = memoryview(data)
            trunk.parts.append(view[path:end])
        done += 1
        calls += 1
        total += size
        start = end
    if calls:
        _settle(last, trunk, calls, total)
    returns.open += done
    return start


def deliver(data: bytes, ends: list[int], trunk: Trunk) -> tuple[bytes, list[int]]:
    """Give answers to the callers they belong to; what answers none of them comes back."""
    others: list[bytes] = []
    timed = False
    load = trunk.load
    waiting = trunk.open
    view: Any = None
    start = 0
    for end in ends:
        passed = waiting.pop(int.from_bytes(data[start : start + 8], "big", signed=True), None)
        if passed is None:
            others.append(data[start:end])
            start = end
            continue
        if not timed:
            timed = True
            load.time(passed.lane.trunks.clock() - passed.sent)
        load.calls -= 1
        load.bytes -= passed.size
        returns = passed.returns
        returns.open -= 1
        returns.parts.append(passed.id)
        if end - start < LARGE:
            returns.parts.append(data[start + 8 : end])
        else:
            if view is None:
                view = memoryview(data)
            returns.parts.append(view[start + 8 : end])
        start = end
        if not returns.due:
            returns.due = True
            returns.wake()
    if not others:
        return b"", []
    return b"".join(others), list(accumulate(map(len, others)))


def _settle(lane: Lane, trunk: Trunk, calls: int, size: int) -> None:
    """Count the calls of a lane that were put on a trunk, and have them written."""
    lane.account.count(calls, size)
    if not trunk.due:
        trunk.due = True
        trunk.wake()


def _taken(parts: list[Piece]) -> list[Piece]:
    """All parts, in as many pieces as are written best; `parts` is empty afterwards."""
    if not parts:
        return []
    few = len(parts) <= PIECES and max(map(len, parts)) >= LARGE
    taken: list[Piece] = parts[:] if few else [b"".join(parts)]
    parts.clear()
    return taken


def _nobody() -> None:
    """Nobody is there yet to write."""

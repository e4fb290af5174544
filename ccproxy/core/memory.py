"""One account for the bytes that all queues and unfinished messages of a server hold together.

    used        0 -------- low -------- alarm --- near --- limit
    above alarm it is tight, below low no more:
      senders to a queue that holds more than its share are not read, for `PATIENCE` seconds; then
      such a queue drops what comes, by its policy
    above near also:
      a connection that holds more than the share of an unfinished message is not read until there
      is room, then one after the other; the largest is closed when none could go on for `PATIENCE`
    above limit also:
      a queue over its share takes nothing more, and the share of connections is the least one

The share gets smaller while `used` is above the limit, and grows again. So a few that hold much are
slowed down and cut first, and the others go on. This module must never read a clock: `tick` is
told the time. It knows connections only as `ReadingHalf`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

UNLIMITED = sys.maxsize
LEAST_SHARE = 16 * 1024
"""Bytes that a queue or a connection may hold in any case."""
PART = 64
"""The share is the limit divided by this, before it gets smaller."""
PATIENCE = 5.0
"""Seconds for which senders are held back before anything is dropped or closed."""
READ = 256 * 1024
"""Bytes asked for in one read while there is memory."""
CHUNK_COST = 96
"""Bytes that a chunk in a queue costs beside its content."""


class Queue(Protocol):
    """An outbox."""

    bytes: int

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when it has room."""

    def relieve(self) -> None:
        """Make the calls of `wait`, unless it still has no room."""


class ReadingHalf(Protocol):
    """The reading half of a connection."""

    name: str

    def read_on(self) -> None:
        """Read again."""

    def give_up(self) -> None:
        """Close the connection, and subtract what it holds."""


class Memory:
    """The account. Its numbers are changed by queues and connections, see the module."""

    __slots__ = (
        "alarm", "closed", "held_back", "limit", "low", "most", "near", "patient", "pressed",
        "read", "share", "tight", "used", "waited", "wake", "_held_since", "_since",
    )  # fmt: skip

    def __init__(self, limit: int = UNLIMITED) -> None:
        self.used = 0
        """Bytes held now."""
        self.tight = False
        self.patient = True
        """False once senders were held back for long enough."""
        self.pressed: Queue | None = None
        """A queue over its share that has got more: its sender has to wait for it."""
        self.waited: set[Queue] = set()
        """Queues for which senders wait."""
        self.held_back: dict[ReadingHalf, int] = {}
        """Connections that are not read, and what they hold."""
        self.closed = 0
        """Connections that were closed."""
        self.wake: Callable[[], object] = bool
        """Called when memory gets tight: `tick` is needed often."""
        self._since: float | None = None
        self._held_since: float | None = None
        self.configure(limit)

    def configure(self, limit: int) -> None:
        """A new limit in bytes, which holds at once."""
        self.limit = limit
        self.low, self.alarm, self.near = limit // 2, limit // 4 * 3, limit // 8 * 7
        self.share = self._first_share()
        self.most = UNLIMITED
        """Bytes that a queue may hold now, whatever its own limit says; an empty one takes any
        message, because that has been in memory before."""
        self.read = READ
        """Bytes to ask for in one read now."""

    @property
    def state(self) -> str:
        """free, tight or full."""
        return "full" if self.used > self.limit else "tight" if self.tight else "free"

    def press(self, queue: Queue) -> None:
        """A queue is to get more although `used` is above `alarm`."""
        self._tighten()
        if self.patient and queue.bytes > self.share:
            self.pressed = queue

    def crowded(self, held: int, resumed: bool = False) -> bool:
        """True if a connection that holds so much of an unfinished message must not be read.

        One that was `resumed` has the room up to the limit, so that its message becomes whole.
        """
        if self.used <= (self.limit if resumed else self.near):
            return False
        self._tighten()
        return held > (self.share if self.used <= self.limit else LEAST_SHARE)

    def tick(self, now: float) -> ReadingHalf | None:
        """Go on after some time; a connection that is to be given up, if there is one."""
        if not self.tight:
            return None
        self._since = now if self._since is None else self._since
        if self.used < self.low and not self.held_back:
            self._relax()
            return None
        if self.used > self.limit:
            self.share = max(LEAST_SHARE, self.share // 2)
        elif self.used <= self.near:
            self.share = min(self._first_share(), 2 * self.share)
        self.pressed = None
        if self.patient and now - self._since >= PATIENCE:
            self.patient = False
            self._relieve()
        self._restrict()
        return self._readers(now)

    def _tighten(self) -> None:
        if not self.tight:
            self.tight = True
            self.wake()
        self._restrict()

    def _restrict(self) -> None:
        """What queues and reads may take, as the numbers are now."""
        over = self.used > self.limit
        self.read = LEAST_SHARE if over else READ
        self.most = self.share if over or not self.patient else UNLIMITED

    def _relax(self) -> None:
        self.tight, self.patient, self.pressed = False, True, None
        self._since = None
        self.most, self.read, self.share = UNLIMITED, READ, self._first_share()
        self._relieve()

    def _relieve(self) -> None:
        waited, self.waited = self.waited, set()
        for queue in waited:
            queue.relieve()

    def _readers(self, now: float) -> ReadingHalf | None:
        """Read from some connections again, or give up the one that holds the most."""
        if not self.held_back:
            self._held_since = None
            return None
        self._held_since = now if self._held_since is None else self._held_since
        if self.used <= self.near:
            self._held_since = None
            reader = next(iter(self.held_back))
            del self.held_back[reader]
            reader.read_on()
            return None
        if now - self._held_since < PATIENCE:
            return None
        self.closed += 1
        largest = max(self.held_back, key=self.held_back.__getitem__)
        del self.held_back[largest]
        return largest

    def _first_share(self) -> int:
        return max(LEAST_SHARE, self.limit // PART)

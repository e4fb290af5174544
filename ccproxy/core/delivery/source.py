"""The engine of a source: what a link with acknowledged delivery sends next, and when.

    closed --connected--> greeted --have--> sending --disconnected--> closed
                 |
                 +--> doubtful: another far side, with `on-doubt = wait`

Runs of the store go out in order, as many as the window has room for. Before a run whose number
does not follow from what was sent, the number is announced, and before that everything that was
sent must be on the wire. It must never touch a socket: what is to be done comes back as actions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from ccproxy.core.delivery.refusals import counted_reason
from ccproxy.core.delivery.store import LinkStore, MessageNumber, Stored

CLOSED, GREETED, SENDING, DOUBTFUL = "closed", "greeted", "sending", "doubtful"
WAIT, RESEND = "wait", "resend"
REFUSED = "refused"
"""Why a message is dropped that the far side has ended too many connections for."""


class ReplayMark(NamedTuple):
    """The runs from here on are replays, or they are not."""

    on: bool


SourceAction = Stored | MessageNumber | ReplayMark
"""A run to be sent, or what is to be announced before it: the number of the next message, or that
replays begin or end."""


class SourceLimits(NamedTuple):
    """`window` are the bytes that may be unacknowledged, `attempts` the ends of connections that
    one message may cause, `on_doubt` is wait or resend."""

    window: int = 4 * 1024 * 1024
    attempts: int = 5
    on_doubt: str = RESEND


class _Flight(NamedTuple):
    """A run that the far side may have: its numbers and its size."""

    epoch: int
    first: int
    last: int
    size: int


class SourceEngine:
    """One source; see the module."""

    def __init__(self, store: LinkStore, limits: SourceLimits) -> None:
        self.store = store
        self.limits = limits
        self.state = CLOSED
        self.in_flight = 0
        """Bytes that the far side may have and has not acknowledged."""
        self.confirmed = self.resent = 0
        """Messages that a far side has acknowledged, and those that were sent once more."""
        self.doubts = 0
        """Times that another far side was found while messages were unacknowledged."""
        self.ends = 0
        """Connections in a row that the far side has ended by an ERROR at the same message."""
        self._server = b""
        self._next: MessageNumber | None = None
        self._replay = False
        self._fetched: deque[Stored | MessageNumber] = deque()
        self._flights: deque[_Flight] = deque()
        self._begun = self._blamed = False
        self._sent_to: dict[int, int] = {}
        """The highest number of each epoch that was sent while messages are unacknowledged."""
        self._first: MessageNumber | None = None
        """The first message that the far side did not have when the connection began."""

    @property
    def idle_wanted(self) -> bool:
        """True if `step` is needed as soon as everything that was sent is on the wire."""
        return bool(self._fetched)

    def connected(self, server: bytes) -> str:
        """The handshake with a far side is done: greeted, or doubtful."""
        store = self.store
        if store.unacknowledged and store.server not in (b"", server):
            self.doubts += 1
            if self.limits.on_doubt == WAIT:
                self.state = DOUBTFUL
                return self.state
        self.state = GREETED
        self._server = server
        return self.state

    def have(self, epochs: Mapping[int, int]) -> None:
        """The far side has said what it has of this link; `step` begins to send."""
        if self.state != GREETED:
            return
        self.store.rewind(epochs)
        kept = [
            one._replace(last=min(one.last, epochs[one.epoch]))
            for one in self._flights
            if one.first <= epochs.get(one.epoch, 0)
        ]
        self._flights = deque(kept)
        self.in_flight = sum(one.size for one in kept)
        self.state = SENDING

    def step(self, idle: bool) -> list[SourceAction]:
        """What to send now; `idle`: everything that was sent before is on the wire."""
        actions: list[SourceAction] = []
        while self.state == SENDING and (self._fetched or self._fetch()):
            one = self._fetched[0]
            announced = MessageNumber(one.epoch, one.first) if isinstance(one, Stored) else one
            if announced != self._next:
                if not idle:
                    break
                actions.append(announced)
                self._next = announced
            if isinstance(one, Stored) and one.replay != self._replay:
                if not idle:
                    break
                actions.append(ReplayMark(one.replay))
                self._replay = one.replay
            self._fetched.popleft()
            if isinstance(one, Stored):
                actions.append(one)
                self._sent(one)
                idle = False
        return actions

    def acknowledged(self, to: MessageNumber) -> None:
        """The far side is responsible for everything up to this message."""
        flights = self._flights
        if any(one.epoch == to.epoch for one in flights):
            while flights and flights[0].epoch != to.epoch:
                self.in_flight -= flights.popleft().size
            while flights and flights[0].epoch == to.epoch and flights[0].last <= to.number:
                self.in_flight -= flights.popleft().size
        before = self.store.sent
        self.store.release(to)
        self.confirmed += self.store.sent - before
        if not self.store.unacknowledged:
            self.store.server = b""
            self._sent_to.clear()

    def refused(self, epoch: int, first: int, messages: int, reason: str) -> None:
        """The far side has not taken these messages."""
        self.store.refuse(epoch, first, messages, counted_reason(reason))

    def disconnected(self, blamed: bool = False) -> None:
        """The connection is over; `blamed`: the far side has said an ERROR, so that it may be the
        fault of the first message that it does not have."""
        if self.state == SENDING:
            self._blamed = blamed
        self.state, self._next, self._begun, self._replay = CLOSED, None, False, False
        self._fetched.clear()

    def _fetch(self) -> bool:
        """Take the next runs from the store, if the window has room; False if there are none."""
        room = self.limits.window - self.in_flight
        if room <= 0:
            return False
        self.store.server = self._server
        self._fetched.extend(self.store.fetch(room))
        if self._fetched and not self._begun:
            self._begun = True
            self._look_at_first()
        return bool(self._fetched)

    def _look_at_first(self) -> None:
        """The first message of a connection: drop it if it has ended too many of them."""
        run = self._fetched[0]
        assert isinstance(run, Stored)
        first, before = MessageNumber(run.epoch, run.first), self._first
        self.ends = (self.ends if first == before else 0) + self._blamed
        self._first, self._blamed = first, False
        if self.ends < self.limits.attempts:
            return
        self.ends = 0
        self.store.refuse(run.epoch, run.first, 1, REFUSED)
        _, rest = run.split(run.first)
        self._fetched.popleft()
        if rest is not None:
            self._fetched.appendleft(rest)
        self._fetched.appendleft(MessageNumber(run.epoch, run.first + 1))

    def _sent(self, run: Stored) -> None:
        before = self._sent_to.get(run.epoch, 0)
        if before >= run.first:
            self.resent += min(before, run.last) + 1 - run.first
        self._sent_to[run.epoch] = max(before, run.last)
        self._next = MessageNumber(run.epoch, run.last + 1)
        self.in_flight += len(run.data)
        self._flights.append(_Flight(run.epoch, run.first, run.last, len(run.data)))

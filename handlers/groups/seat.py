"""A member of a running group, with its section, the senders that wait for room at members, and the
receipt of a run that went to several.

It must never choose among members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ccproxy import Member, Receipt, Sink
from ccproxy.core.delivery.store import REPLAYED, UNNUMBERED, RunOrigin
from ccproxy.core.runs import FULL, Fates, Run, confirms, distributes, offered, singles


class Seat:
    """One member of a running group."""

    weight = 1
    """What it costs to pass messages on to it, see `core.walk`."""

    def __init__(self, section: str, member: Member) -> None:
        self.section = section
        self.member = member
        self.watched = False
        """True while a sender waits for it."""

    @property
    def sink(self) -> Sink:
        """Where its messages are put."""
        return self.member.sink

    def take(self, run: Run) -> Fates:
        """Give it a run; what became of the messages."""
        sink = self.member.sink
        if distributes(sink):
            return sink.take(run)
        return offered(run.messages, sink.offer(run.envelopes, run.messages))

    def accept(self, chunk: bytes, messages: int, origin: RunOrigin, receipt: Receipt) -> int:
        """Give it messages of another link, without their numbers, which other members have some
        of; how many it took. The receipt is told when it has them safe, as far as it can know."""
        sink = self.member.sink
        if confirms(sink):
            return sink.accept(chunk, messages, REPLAYED if origin.replay else UNNUMBERED, receipt)
        return sink.offer(chunk, messages, receipt)


def described(seat: Seat) -> str:
    """The state of a member, and why it is so, for the log."""
    member = seat.member
    return f"{member.state}: {member.reason}" if member.reason else member.state


class RoomWaiters:
    """The senders that wait for room at members. They go on as soon as one of these has some, or
    when others get messages: a member that is away may stay full for as long."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []

    def wait(self, call: Callable[[], None], seats: Iterable[Seat]) -> None:
        """Call `call` once, when one of these has room, or with `relieve`."""
        self._calls.append(call)
        for seat in seats:
            if not seat.watched:
                seat.watched = True
                seat.sink.wait(partial(self._has_room, seat))

    def relieve(self) -> None:
        """Let all of them look again."""
        calls, self._calls = self._calls, []
        for call in calls:
            call()

    def _has_room(self, seat: Seat) -> None:
        seat.watched = False
        self.relieve()


class SplitReceipt:
    """Collects the outcomes of all parts, and tells them in the order of the messages once the last
    one is known. It never says more than the members have said."""

    def __init__(self, order: Sequence[tuple[Seat, int]], receipt: Receipt) -> None:
        """`order` has the member of each message, and how many that follow are its own."""
        self._order = order
        self._receipt = receipt
        self._missing = sum([messages for _, messages in order])
        self._outcomes: dict[Seat, list[tuple[str, int]]] = {}
        self._refused: dict[Seat, list[tuple[str, int]]] = {}

    def note(self, seat: Seat, messages: int, outcome: str) -> None:
        """The next messages of a member have this outcome."""
        self._add(self._outcomes, seat, messages, outcome)

    def not_taken(self, seat: Seat, messages: int) -> None:
        """A member has not taken its last messages; the outcome of those before may come later."""
        self._add(self._refused, seat, messages, FULL)

    def _add(
        self,
        outcomes: dict[Seat, list[tuple[str, int]]],
        seat: Seat,
        messages: int,
        outcome: str,
    ) -> None:
        if not messages:  # how it is with those whose outcome comes later
            self._receipt(0, outcome)
            return
        outcomes.setdefault(seat, []).append((outcome, messages))
        self._missing -= messages
        if self._missing:
            return
        seats = {seat for seat, _ in self._order}
        parts = {one: self._outcomes.get(one, []) + self._refused.get(one, []) for one in seats}
        each = {seat: singles(outcomes) for seat, outcomes in parts.items()}
        for one, messages in self._order:
            for _ in range(messages):
                self._receipt(1, next(each[one]))

"""The sinks of a group that balances: they choose the member of a run, or of each message.

A member that has no room is passed over while another one has some. With keys that cannot be: a
message of a full member has to wait for it, or is dropped by its policy. It must never keep a
message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ccproxy import MovedRun, Receipt
from ccproxy.core.delivery.store import UNNUMBERED, RunOrigin
from ccproxy.core.runs import FORWARDED, Fates, Run, offer_to, singles
from ccproxy.core.spans import by_name, by_topic, cut, parted, payloads
from ccproxy.wire.zmtp.frames import frame

from .keys import LONGEST_KEY, REMEMBERED, KeyOf, field_of, first_frame, owner
from .seat import RoomWaiters, Seat, SplitReceipt

NO_KEY = b""


def _behind_names(chunk: bytes) -> bytes:
    """Requests without the name of the asker in front."""
    return b"".join([frames for _, frames, _, _ in by_name(chunk)])


PAYLOADS: dict[str, Callable[[bytes], bytes]] = {
    "cc": payloads, "payload": bytes, "request": _behind_names,
}  # fmt: skip
"""The form of what a member gives back -> the same messages without what stands in front."""


class ShareSink:
    """A Distributor that gives a whole run to one member."""

    def __init__(self, name: str, seats: Sequence[Seat]) -> None:
        self.name = name
        self.present = list(seats)
        self.waiters = RoomWaiters()
        self._seats = seats

    @property
    def may_block(self) -> bool:
        """True if one of the members can block."""
        return any(one.sink.may_block for one in self._seats)

    @property
    def blocked(self) -> bool:
        """True while all members are full and make their senders wait."""
        return all(one.sink.blocked for one in self.present)

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when one of them has room, or others are there."""
        self.waiters.wait(call, self.present)

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take messages with envelopes; the number that members have taken."""
        if receipt is not None:
            return self.accept(chunk, messages, UNNUMBERED, receipt)
        return offer_to(self, chunk, messages, None)

    def accept(self, chunk: bytes, messages: int, origin: RunOrigin, receipt: Receipt) -> int:
        """The same for messages of another link, whose receipt is told when members have them safe.
        Their numbers mean nothing here: other members have some of them."""
        seat = self.choose(self.present, len(chunk), messages)
        return seat.accept(chunk, messages, origin, receipt)

    def take(self, run: Run) -> Fates:
        """Give a run to the member that is chosen."""
        size = len(run.envelopes)
        return self.choose(self.present, size, run.messages).take(run)

    def choose(self, seats: Sequence[Seat], size: int, messages: int) -> Seat:
        """One of these for so many bytes and messages."""
        raise NotImplementedError

    def turn_to(self, seats: Sequence[Seat]) -> None:
        """Choose among these from now on."""
        self.present = list(seats)
        self.waiters.relieve()

    def hand_out(self, run: MovedRun, takers: Sequence[Seat]) -> None:
        """Give messages to one of these, whatever its limits are."""
        self.choose(takers, len(run.chunk), run.messages).member.put_all([run])

    def status(self) -> dict[str, Any]:
        """Nothing of its own."""
        return {}


class TurnSink(ShareSink):
    """The next member in turn that has room."""

    def __init__(self, name: str, seats: Sequence[Seat]) -> None:
        super().__init__(name, seats)
        self._turn = 0

    def choose(self, seats: Sequence[Seat], size: int, messages: int) -> Seat:
        """The next one with room for all; without one, the next."""
        self._turn += 1
        for number in range(len(seats)):
            seat = seats[(self._turn + number) % len(seats)]
            if seat.member.has_room(size, messages):
                self._turn += number
                return seat
        return seats[self._turn % len(seats)]


class LeastSink(ShareSink):
    """The member with the fewest bytes waiting; in turn among those that have none."""

    def __init__(self, name: str, seats: Sequence[Seat]) -> None:
        super().__init__(name, seats)
        self._turn = 0

    def choose(self, seats: Sequence[Seat], size: int, messages: int) -> Seat:
        """That with the fewest bytes, if it has room."""
        self._turn += 1
        turn = self._turn % len(seats)
        turned = [*seats[turn:], *seats[:turn]]
        fitting = [one for one in turned if one.member.has_room(size, messages)]
        return min(fitting or turned, key=lambda one: one.member.waiting[1])


class _Entry:
    """The member of a key, as long as `version` is that of the table; see `by_topic`."""

    __slots__ = ("place", "version")

    def __init__(self, place: Seat, version: int) -> None:
        self.place = place
        self.version = version


class HashSink(ShareSink):
    """Each message goes to the member that its key belongs to; a KeyTable of `by_topic`."""

    longest = LONGEST_KEY

    def __init__(self, name: str, seats: Sequence[Seat], key: KeyOf) -> None:
        super().__init__(name, seats)
        self.version = 0
        self.entries: dict[bytes, _Entry] = {}
        self.without_key = 0
        """Messages that do not have the field."""
        self._key = key

    @property
    def blocked(self) -> bool:
        """True while one member is full and makes its senders wait: the next key may be its own."""
        return any(one.sink.blocked for one in self.present)

    def turn_to(self, seats: Sequence[Seat]) -> None:
        """Choose among these from now on."""
        self.version += 1
        self.entries.clear()
        super().turn_to(seats)

    def resolve(self, key: bytes) -> _Entry:
        """The entry of a key."""
        if len(self.entries) >= REMEMBERED:
            self.entries.clear()
        found = self.entries[key] = _Entry(owner(key, self.present), self.version)
        return found

    def take(self, run: Run) -> Fates:
        """Give each message to its member; a run whose messages belong to one goes there whole."""
        by_type = self._key.kind == "type"
        spans = self._spans(types(run.envelopes) if by_type else run.payloads)
        if len({id(seat) for seat, _ in spans}) == 1:
            return spans[0][0].take(run)
        chunk = run.envelopes if run.has_envelopes else run.payloads
        given: dict[Seat, Fates] = {}
        for seat, parts in _shares(spans, chunk).items():
            given[seat] = seat.take(_part(run, parts))
        if all(len(fates) == 1 and fates[0][0] == FORWARDED for fates in given.values()):
            return ((FORWARDED, run.messages),)
        each = {seat: singles(fates) for seat, fates in given.items()}
        return [(next(each[seat]), 1) for seat, messages in spans for _ in range(messages)]

    def accept(self, chunk: bytes, messages: int, origin: RunOrigin, receipt: Receipt) -> int:
        """Give each message to its member; the receipt is told of all of them in order, once the
        last one is safe."""
        by_type = self._key.kind == "type"
        spans = self._spans(types(chunk) if by_type else payloads(chunk))
        if len({id(seat) for seat, _ in spans}) == 1:
            return spans[0][0].accept(chunk, messages, origin, receipt)
        split = SplitReceipt(spans, receipt)
        for seat, parts in _shares(spans, chunk).items():
            count = len(parts)
            taken = seat.accept(b"".join(parts), count, origin, partial(split.note, seat))
            if taken < count:
                split.not_taken(seat, count - taken)
        return messages

    def hand_out(self, run: MovedRun, takers: Sequence[Seat]) -> None:
        """Give each message to its member."""
        form = takers[0].member.form
        by_type = self._key.kind == "type"
        bodies = types(run.chunk) if by_type and form == "cc" else PAYLOADS[form](run.chunk)
        spans = self._spans(bodies)
        split = None if run.receipt is None else SplitReceipt(spans, run.receipt)
        for seat, parts in _shares(spans, run.chunk).items():
            taker = seat if seat in takers else takers[0]
            told = None if split is None else partial(split.note, seat)
            taker.member.put_all([MovedRun(b"".join(parts), len(parts), told, run.replay)])

    def status(self) -> dict[str, Any]:
        """Messages that do not have the field."""
        return {"without-key": self.without_key} if self._key.kind == "field" else {}

    def _spans(self, bodies: bytes) -> list[tuple[Seat, int]]:
        """The member of each message, and how many follow each other that are its own.

        `bodies` are the messages with the frame in front that the key is in.
        """
        if self._key.kind != "field":
            return [(seat, count) for seat, _, _, count in by_topic(bodies, 0, self, sys.maxsize)]
        spans = []
        for body in cut(bodies):
            key = field_of(body, self._key.field)
            if key is None:
                self.without_key += 1
                key = NO_KEY
            spans.append(((self.entries.get(key) or self.resolve(key)).place, 1))
        return spans


def types(envelopes: bytes) -> bytes:
    """The type of each message, as messages of one frame."""
    return b"".join([frame(first_frame(type)) for _, type, _ in parted(envelopes)])


def _shares(spans: Sequence[tuple[Seat, int]], chunk: bytes) -> dict[Seat, list[bytes]]:
    """The messages of each member, in their order."""
    shares: dict[Seat, list[bytes]] = {}
    messages = iter(cut(chunk))
    for seat, count in spans:
        share = shares.setdefault(seat, [])
        share += [next(messages) for _ in range(count)]
    return shares


def _part(run: Run, parts: list[bytes]) -> Run:
    """Some messages of a run, as a run."""
    chunk = b"".join(parts)
    if run.has_envelopes:
        return Run(run.source, len(parts), envelopes=chunk)
    made = Run(run.source, len(parts), chunk, None, run.head)
    made.stack = run.stack
    return made

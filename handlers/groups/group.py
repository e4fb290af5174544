"""What groups have in common: their members, who of them is there, and what moves between them.

A member that has left gives back what was never written, and the others get it. A group must never
touch what a member has written, even in part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, ClassVar, Protocol

from ccproxy import (
    Context,
    Forward,
    Handler,
    Member,
    MovedRun,
    Onward,
    Plan,
    Problem,
    Sink,
    kinds,
    option,
)

from .checks import faults
from .presence import Presence
from .seat import RoomWaiters, Seat, described

UP = "up"
FAILED = frozenset({"refused", "wrong-key", "in-doubt", "paused", "gone"})
"""States of a member that is not about to be up: at the start it is not waited for."""


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """The members, and when one leaves and comes back."""

    to: tuple[str, ...] = option(kinds.sections, help="the members: sections with a link, in order")
    leave_after: float = option(
        kinds.duration("s"), default=0.0,
        help="time that a member may be down before the others get its messages",
    )  # fmt: skip
    back_after: float = option(
        kinds.duration("s"), default=10.0,
        help="time that a member has to be up again before it gets messages again",
    )  # fmt: skip


class GroupSink(Sink, Protocol):
    """Where messages for a group go."""

    waiters: RoomWaiters


class Group(Handler, ABC):
    """Base class of the groups."""

    Options: ClassVar[type] = GroupOptions

    step: ClassVar[int]
    """Bytes that are moved in one turn of the loop, so that the loop stays free."""

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.seats: list[Seat] = []
        self.sink: GroupSink
        self.moved = 0
        """Messages that one member gave back and another one got."""
        self._presence = Presence(0, 0.0, 0.0, 0.0)
        self.watchers: list[Callable[[], None]] = []
        """Called after a look at the members."""
        self._planned = False
        self._alarm = 0
        self._wakes_at = inf

    # What a group does in its own way

    @abstractmethod
    def turn_to(self, present: Sequence[Seat]) -> None:
        """These members get messages from now on; without one messages have to wait."""

    @abstractmethod
    def hand_out(self, runs: Sequence[MovedRun], takers: Sequence[Seat]) -> None:
        """Give what a member gave back to some of these, whatever their limits are."""

    @abstractmethod
    def made(self) -> GroupSink:
        """The sink of messages for the group; its members are known."""

    # The contract of handlers

    def check(self, plan: Plan) -> Iterator[Problem]:
        """Members can be members, are named once, and belong to this group alone."""
        return faults(self, self.options.to, plan)

    @property
    def joins_groups(self) -> bool:
        """A group can be a member of another."""
        return True

    def member(self) -> GroupMember:
        """All its members together."""
        return GroupMember(self)

    async def start(self, ctx: Context) -> None:
        """Look at the members, which have started before."""
        self.ctx = ctx
        options: GroupOptions = self.options
        for section in options.to:
            self.seats.append(Seat(section, ctx.handler(section).member()))
        now = ctx.now()
        self._presence = Presence(len(self.seats), options.leave_after, options.back_after, now)
        for seat in self.seats:
            seat.member.watch(self._changed)
        self.sink = self.made()
        self.look()

    def decide(self, type: str) -> Forward:
        """Every type goes to the same members."""
        return Forward(self.sink)

    def follow(self, type: str) -> Onward:
        """Who gets messages now, and why the others do not."""
        to = ", ".join(self.status()["to"])
        away = [one for at, one in enumerate(self.seats) if not self._presence.up(at)]
        said = [f"not to {one.section}, which is {described(one)}" for one in away]
        text = "; ".join([f"gives them to {to}", *said])
        if not self.takers:
            text = f"has no member that is up: {GroupMember(self).reason}"
        return Onward(text, tuple(self.sections), not self.takers)

    @property
    def sections(self) -> Iterator[str]:
        """The members, and those of groups among them."""
        for seat in self.seats:
            yield seat.section
            handler = self.ctx.handler(seat.section)
            if isinstance(handler, Group):
                yield from handler.sections

    def drain(self) -> None:
        """A reload has made another group of this section: senders go on there, and it gets what
        members that it does not have would lose."""
        self.sink.waiters.relieve()
        try:
            successor = self.ctx.handler(self.name)
        except KeyError:
            return
        if isinstance(successor, Group) and successor is not self:
            kept = [one.sink for one in successor.seats]
            for seat in self.seats:
                if not any(seat.sink is one for one in kept):
                    while successor.adopt(seat.member, successor.takers or successor.seats):
                        pass

    async def stop(self) -> None:
        """Hear no more of the members."""
        for seat in self.seats:
            seat.member.unwatch(self._changed)

    def status(self) -> dict[str, Any]:
        """Who is there, why the others are not, and what waits."""
        members = []
        for number, seat in enumerate(self.seats):
            messages, size = seat.member.waiting
            members.append({
                "section": seat.section, "state": seat.member.state, "reason": seat.member.reason,
                "there": self._presence.is_present(number),
                "waiting": messages, "bytes": size,
            })  # fmt: skip
        return {"moved": self.moved, "members": members}

    # Who is there

    def look(self) -> None:
        """Find out who is there, and move what waits for members that have left."""
        self._planned = False
        now, presence = self.ctx.now(), self._presence
        for number, seat in enumerate(self.seats):
            state = seat.member.state
            presence.told(number, state == UP, now)
            if state in FAILED:
                presence.refused(number, now)
        again = presence.look(now)
        self.turn_to([self.seats[number] for number in presence.present])
        for number, seat in enumerate(self.seats):
            away = not presence.is_present(number) and not presence.up(number)
            if away and self.adopt(seat.member, self.takers):
                self._changed()  # there may be more
        for call in list(self.watchers):
            call()
        if again is not None and now + again < self._wakes_at:
            self._wakes_at = now + again
            self._alarm += 1
            self.ctx.call_later(again, partial(self._woken, self._alarm))

    @property
    def takers(self) -> list[Seat]:
        """The members that are there and can send now."""
        presence = self._presence
        return [self.seats[one] for one in presence.present if presence.up(one)]

    def adopt(self, leaving: Member, takers: Sequence[Seat]) -> bool:
        """Give some of what a member gives back to those of these that can have it; False if
        nothing was moved."""
        form = leaving.form
        takers = [one for one in takers if form and one.member.form == form]
        runs = leaving.give_back(self.step) if takers and leaving.waiting[0] else []
        if not runs:
            return False
        self.moved += sum([one.messages for one in runs])
        self.hand_out(runs, takers)
        return True

    def _woken(self, alarm: int) -> None:
        if alarm == self._alarm:  # a timer may come early: `look` sets it again then
            self._wakes_at = inf
            self.look()

    def _changed(self) -> None:
        """Look at the end of this turn: the news may come from within a write."""
        if not self._planned:
            self._planned = True
            self.ctx.call_later(0.0, self.look)


class GroupMember:
    """A group as a member of another; see `ccproxy.Member`."""

    def __init__(self, group: Group) -> None:
        self._group = group
        forms = {one.member.form for one in group.seats}
        self.form = forms.pop() if len(forms) == 1 else ""

    @property
    def sink(self) -> Sink:
        """That of the group."""
        return self._group.sink

    @property
    def state(self) -> str:
        """up while one of its members is there and up."""
        return UP if self._group.takers else "no-members"

    @property
    def reason(self) -> str:
        """Why none is up."""
        if self._group.takers:
            return ""
        return "; ".join(f"{one.section} is {described(one)}" for one in self._group.seats)

    @property
    def waiting(self) -> tuple[int, int]:
        """What waits at all of them."""
        found = [one.member.waiting for one in self._group.seats]
        return sum(messages for messages, _ in found), sum(size for _, size in found)

    def has_room(self, size: int, messages: int) -> bool:
        """True if one that is there has room."""
        return any(one.member.has_room(size, messages) for one in self._group.takers)

    def watch(self, call: Callable[[], None]) -> None:
        """Call after each look at its members."""
        self._group.watchers.append(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more."""
        if call in self._group.watchers:
            self._group.watchers.remove(call)

    def give_back(self, most: int) -> list[MovedRun]:
        """Take back what waits at the first member where something does."""
        for one in self._group.seats:
            if taken := one.member.give_back(most):
                return taken
        return []

    def put_all(self, runs: Sequence[MovedRun]) -> None:
        """Hand it out."""
        self._group.hand_out(runs, self._group.takers or self._group.seats)

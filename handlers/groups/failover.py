"""The handler `failover`: messages go to the first of its members that is up.

The switch appends to the queue of that member, so nothing is done for each message here. It must
never give one message to two members.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from ccproxy import MovedRun, Plan, Receipt
from ccproxy.core.delivery.store import RunOrigin
from ccproxy.core.runs import Fates, Run, distributes

from .group import Group
from .seat import RoomWaiters, Seat, described


class FailoverSink:
    """The sink of a group of links: that of the member whose turn it is."""

    def __init__(self, name: str, seats: Sequence[Seat]) -> None:
        self.name = name
        self.active = seats[0]
        self.waiters = RoomWaiters()
        self._seats = seats

    @property
    def may_block(self) -> bool:
        """True if one of the members can block."""
        return any(one.sink.may_block for one in self._seats)

    @property
    def blocked(self) -> bool:
        """True while the member is full and makes its senders wait."""
        return self.active.sink.blocked

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when that member has room, or when it is the turn of another one."""
        self.waiters.wait(call, [self.active])

    def turn_to(self, seat: Seat) -> None:
        """It is the turn of this member from now on."""
        self.active = seat
        self.waiters.relieve()

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Give messages to the member."""
        return self.active.sink.offer(chunk, messages, receipt)

    def accept(self, chunk: bytes, messages: int, origin: RunOrigin, receipt: Receipt) -> int:
        """The same for messages of another link, whose receipt is told when the member has them
        safe. Their numbers mean nothing here: other members have some of them."""
        return self.active.accept(chunk, messages, origin, receipt)


class FailoverDistributor(FailoverSink):
    """The same for members of which one at least is a Distributor."""

    def take(self, run: Run) -> Fates:
        """Give a run to the member."""
        return self.active.take(run)


class Failover(Group):
    """Gives all messages to the first member that is up, and what was never written along."""

    sink: FailoverSink
    step = sys.maxsize
    """All at once: chunks are only passed on, and stay in front of what comes now."""

    def made(self) -> FailoverSink:
        """That of the member whose turn it is."""
        mixed = any(distributes(one.sink) for one in self.seats)
        return (FailoverDistributor if mixed else FailoverSink)(self.name, self.seats)

    def turn_to(self, present: Sequence[Seat]) -> None:
        """Give messages to the first of these once it is up; until then nothing changes."""
        before = self.sink.active
        if not present or present[0] is before or present[0] not in self.takers:
            return
        self.sink.turn_to(present[0])
        self.ctx.log.warning(
            "messages go to member=%s, no more to %s, which is %s", present[0].section,
            before.section, described(before),
        )  # fmt: skip

    def hand_out(self, runs: Sequence[MovedRun], takers: Sequence[Seat]) -> None:
        """Give messages to the first."""
        takers[0].member.put_all(runs)

    def explain(self, type: str, plan: Plan) -> str:
        """The order of the members."""
        members = ", ".join(self.options.to)
        return (
            f"goes to the first of {members} that is up; what was never written moves along, "
            f"and back after {self.options.back_after:g} s"
        )

    def status(self) -> dict[str, Any]:
        """The member whose turn it is, and those of `Group`."""
        return {"to": [self.sink.active.section], **super().status()}

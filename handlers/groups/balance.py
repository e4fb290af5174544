"""The handler `balance`: each message goes to one of its members.

The messages of one read stay together with `by = turn` and `by = least-waiting`: a whole run goes
to one member. With `by = hash of ...` each message goes to the member that its key belongs to. It
must never give one message to two members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ccproxy import Forward, MovedRun, Plan, kinds, option
from ccproxy.config.options import Kind

from .group import Group, GroupOptions
from .keys import KeyOf, owner
from .seat import Seat
from .shares import HashSink, LeastSink, ShareSink, TurnSink

TURN, LEAST, HASH = "turn", "least-waiting", "hash of "
EXPECTED = "turn, least-waiting, hash of type, hash of topic, or hash of field NAME"


def _by(text: str) -> str | KeyOf:
    text = " ".join(text.split())
    if text in (TURN, LEAST):
        return text
    kind, _, name = text.removeprefix(HASH).partition(" ")
    known = kind in ("type", "topic") if not name else kind == "field"
    if text.startswith(HASH) and known:
        return KeyOf(kind, name)
    raise kinds.wrong(text, EXPECTED)


def _shown(value: str | KeyOf) -> str:
    return value if isinstance(value, str) else f"{HASH}{value}"


BY = Kind("turn | least-waiting | hash of type | hash of topic | hash of field NAME", _by, _shown)


class Balance(Group):
    """Gives each message to one member: the next in turn, the least busy, or by a key."""

    @dataclass(frozen=True, slots=True)
    class Options(GroupOptions):
        """How a member is chosen."""

        by: str | KeyOf = option(BY, default=TURN, help="how the member of a message is found")

    sink: ShareSink
    step = 128 * 1024

    def made(self) -> ShareSink:
        """Chooses a member for each run, or for each message."""
        by = self.options.by
        if isinstance(by, KeyOf):
            return HashSink(self.name, self.seats, by)
        return (TurnSink if by == TURN else LeastSink)(self.name, self.seats)

    def decide(self, type: str) -> Forward:
        """With `hash of type` the queue of one member, else the sink that chooses."""
        if self.options.by == KeyOf("type"):
            return Forward(owner(type.encode(), self.sink.present).sink)
        return Forward(self.sink)

    def turn_to(self, present: Sequence[Seat]) -> None:
        """Choose among these; while all are away messages wait at all of them."""
        members = list(present) or self.seats
        if members == self.sink.present:
            return
        self.sink.turn_to(members)
        names = ", ".join(one.section for one in members)
        self.ctx.log.warning("messages go to members=%s", names)
        if self.options.by == KeyOf("type"):
            self.ctx.flows_changed()

    def hand_out(self, runs: Sequence[MovedRun], takers: Sequence[Seat]) -> None:
        """Give messages to the members that would get them now."""
        for run in runs:
            self.sink.hand_out(run, takers)

    def explain(self, type: str, plan: Plan) -> str:
        """How a member is chosen, and which one if that is known."""
        by, members = self.options.by, ", ".join(self.options.to)
        if by == KeyOf("type"):
            return f"goes to one of {members} by the hash of its type, while all are up to this one"
        return f"goes to one of {members}: {_shown(by)}"

    def status(self) -> dict[str, Any]:
        """Who is chosen from, how, and the facts of `Group`."""
        to = [one.section for one in self.sink.present]
        return {"to": to, "by": _shown(self.options.by), **self.sink.status(), **super().status()}

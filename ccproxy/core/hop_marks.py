"""Messages that come back: a server marks what leaves by its links, and drops what bears its mark.

A link that carries a mark gives itself an identity that begins with it, so each server it leads to
puts the mark into the route of every message, as it does with any identity. Sites may therefore
forward to each other in a ring, and each gets a message once. It must never look into what stands
behind the empty frame.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccproxy.core.ingress import Ingress
from ccproxy.core.runs import PeerInput
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import cut, whole
from ccproxy.core.stops import MORE
from ccproxy.core.switch import Switch
from ccproxy.wire.zmtp.frames import span

MARK_SIZE = 12
"""Bytes of a mark; the first is not zero, as in every identity that a peer gives itself."""
LOOPED = "looped"


class MarkedIngress(Ingress):
    """An Ingress that drops messages which have passed this server already."""

    __slots__ = ("_mark",)

    def __init__(self, switch: Switch, input: PeerInput, mark: bytes) -> None:
        super().__init__(switch, input)
        self._mark = mark

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """As Ingress: the mark is looked for in the whole read, and seldom there."""
        if self._mark not in data:
            return super().feed(data)
        end, _, stop = whole(data, self._limits)
        done = 0
        for message in cut(data[:end]):
            if self._passed_here(message):
                self._switch.ledger.pass_by(LOOPED, 1, len(message))
            else:
                taken, halted, wait = super().feed(message)
                if halted != MORE or not taken:
                    return done + taken, halted, wait
            done += len(message)
        return done, stop, ()

    def _passed_here(self, message: bytes) -> bool:
        """True if the mark begins a frame of the route."""
        at = 0
        while (found := span(message, at)) is not None:
            flags, start, at = found
            if message.startswith(self._mark, start) and start < at:
                return True
            if start == at or not flags & 1:
                return False
        return False

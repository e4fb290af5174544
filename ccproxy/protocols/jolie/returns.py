"""The way back for replies of CC to the calls of one connection.

It must never answer a call itself: it finds out which call a reply belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.wire.cc import split
from ccproxy.wire.zmtp import boundaries, unpack

if TYPE_CHECKING:
    from ccproxy.protocols.jolie.caller import Caller


class Returns(Outbox):
    """Stands in the switch's table of peers for a caller: turns CC replies into answers."""

    __slots__ = ("_caller",)

    def __init__(self, caller: Caller, limits: Limits) -> None:
        super().__init__("returns", limits)
        self._caller = caller

    def offer(self, chunk: bytes, messages: int) -> int:
        """Answer the calls whose numbers stand in front; how many were waited for."""
        start = taken = 0
        for end in boundaries(chunk):
            taken += self._answer(unpack(chunk[start:end]))
            start = end
        return taken

    def _answer(self, frames: list[bytes]) -> bool:
        try:
            route, type, payload = split(frames)
        except ValueError:
            return False
        number = route[0] if route else b""
        return self._caller.give(number, cccall.read_reply(type, payload)) == "replied"

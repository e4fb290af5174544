"""What the responder proxy says of messages that it cannot deliver; CAMEO's own said nothing.

Lines are limited in number and summed up. It must never write a payload.
"""

from __future__ import annotations

from ccproxy import Context
from ccproxy.process.rate_limit import RateLimit
from ccproxy.wire.text import OperatorText, shortened

from .peers import ANONYMOUS

LOG_INTERVAL = 10.0
"""Seconds in which a line about one address is written at most once, with the sum."""
LINES = 50
"""Addresses in that time that have lines of their own: a client can make them up."""
LATE = "a client that is gone"
"""The key of all ids that were made here: such an answer came too late."""


class Undelivered:
    """Counts and names the messages of one section that no peer gets."""

    def __init__(self, ctx: Context) -> None:
        self.unknown = 0
        self.late = 0
        self.short = 0
        self._ctx = ctx
        self._limit = RateLimit(LOG_INTERVAL, LINES)
        ctx.every(LOG_INTERVAL, self._summarise)

    def undelivered(self, sender: str, address: bytes, messages: int) -> None:
        """No peer has this address."""
        if address.startswith(ANONYMOUS):
            self.late += messages
            text = f"dropping messages for {LATE}"
        else:
            self.unknown += messages
            shown = shortened(address.decode("utf-8", "backslashreplace"))
            text = f"dropping messages for {shown or 'an empty address'}: no such peer"
        self._say(text, sender, messages)

    def too_short(self, sender: str, messages: int) -> None:
        """Messages of fewer than four frames."""
        self.short += messages
        self._say("dropping messages of fewer than four frames", sender, messages)

    def status(self) -> dict[str, int]:
        """The counts."""
        return {"unknown": self.unknown, "late": self.late, "short": self.short}

    def _say(self, text: str, sender: str, messages: int) -> None:
        total = self._limit.ask(text, self._ctx.now(), messages)
        if total is not None:
            self._ctx.log.warning("%s messages=%d from=%s", OperatorText(text), total, sender)

    def _summarise(self) -> None:
        """Say what the limit left unsaid."""
        for text, unsaid in self._limit.expire(self._ctx.now()):
            again = "repeated in the last %g s: %s messages=%d"
            self._ctx.log.warning(again, LOG_INTERVAL, OperatorText(text), unsaid)
        overflow, self._limit.overflow = self._limit.overflow, 0
        if overflow:
            self._ctx.log.warning("dropping messages for many other addresses: %d", overflow)

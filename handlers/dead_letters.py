"""Dead letters: what a far side will not take goes to another handler, with the reason.

    route | empty | dead-letter.TYPE | JSON | empty | the frames behind the type, as they were

The JSON has `section`, `type` and `reason`. A dead letter that the other handler does not take, or
that is given up once more, is counted and dropped: dead letters never go in a circle.
"""

from __future__ import annotations

from functools import partial
from platform import node

from ccproxy import Context, Message
from ccproxy.wire import cc
from ccproxy.wire.zmtp.frames import boundaries, unpack

PREFIX = "dead-letter."
"""In front of the type."""
TAKEN = frozenset({"forwarded", "replied", "consumed"})
"""Fates of a dead letter that has arrived."""
LOG_INTERVAL = 10.0
"""Seconds between two log lines about dead letters that were dropped."""
WAITING = 1000
"""Dead letters that may wait for the end of this turn; more are counted and dropped."""


class DeadLetters:
    """What one link gives up goes to one section."""

    def __init__(self, ctx: Context, section: str) -> None:
        self._ctx = ctx
        self._section = section
        self._codec = cc.CcCodec(node(), ctx.time)
        self._waiting = self._dropped = 0

    def take(self, chunk: bytes, messages: int, reason: str) -> None:
        """Send messages on, at the end of this turn: a connection may be about to end in it."""
        start = 0
        for end in boundaries(chunk):
            if self._waiting >= WAITING:
                self._lost("too many at a time")
            else:
                self._waiting += 1
                self._ctx.call_later(0.0, partial(self._send, chunk[start:end], reason))
            start = end

    def _send(self, raw: bytes, reason: str) -> None:
        self._waiting -= 1
        try:
            route, type, payload = cc.split(unpack(raw))
        except ValueError as error:  # no message of this format
            self._lost(str(error))
            return
        if type.startswith(PREFIX):
            self._lost(f"given up a second time: {reason}")
            return
        value = {"section": self._ctx.name, "type": type, "reason": reason}
        head = self._codec.encode(PREFIX + type, value)
        letter = Message(PREFIX + type, route, (*head, *payload), self._codec, self._ctx.name)
        fate = self._ctx.dispatch(self._ctx.handler(self._section), letter)
        if fate in TAKEN:
            self._ctx.count("dead-letters.sent")
        else:
            self._lost(f"[{self._section}] did not take it: {fate}")

    def _lost(self, why: str) -> None:
        self._ctx.count("dead-letters.lost")
        self._dropped += 1
        if self._dropped == 1:
            self._ctx.log.warning("dead letter dropped to=%s: %s", self._section, why)
            self._ctx.call_later(LOG_INTERVAL, self._report)

    def _report(self) -> None:
        """Say how many were dropped since the first one."""
        if self._dropped > 1:
            more = self._dropped - 1
            self._ctx.log.warning("dead letters dropped to=%s more=%d", self._section, more)
        self._dropped = 0

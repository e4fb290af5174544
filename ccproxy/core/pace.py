"""Whether a peer sends what it has begun, or anything at all: figures and the time in, a fault out.

A message that has begun must be whole within a time, unless it comes at `MIN_RATE`: so a peer that
sends a byte now and then is found, and a large message over a slow line goes on. Time in which the
server itself does not read never counts against the peer. This module must never read a clock, and
knows no protocol: what a connection holds is told as `Pending`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MIN_RATE = 1024
"""Bytes in a second, on average over each `PaceLimits.message`, at which a message may take longer
than that. Apache's mod_reqtimeout asks for half of this."""

SLOW, SILENT, IDLE = "slow", "silent", "idle"


class Pending(NamedTuple):
    """What a connection has read of its peer and not passed on yet."""

    held: int = 0
    """Bytes."""
    message: int = 0
    """The number of the message that has begun and is not whole: another one for each message, 0
    between two of them."""
    waits: bool = False
    """True while the peer waits for an answer, so that it has nothing to say."""


NOTHING = Pending()


class Traffic(NamedTuple):
    """What has passed over a connection so far."""

    received: int
    """Bytes that the peer has sent."""
    sent: int
    """Messages sent to it."""
    waiting: int
    """Bytes that wait for it."""
    paused: bool
    """True while the server does not read from it."""


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """Seconds a peer has; 0 = no limit."""

    message: float
    """From the beginning of a message to its end, or for each `MIN_RATE * message` bytes of it."""
    silent: float = 0.0
    """From the beginning of the connection to the first byte."""
    idle: float = 0.0
    """Without a byte in either direction, while it waits for no answer. A peer that does not read
    what waits for it is idle as well."""


FAULTS = {
    SLOW: "a message that has begun is not whole within {0.message:g} s",
    SILENT: "nothing was sent within {0.silent:g} s",
    IDLE: "idle for {0.idle:g} s",
}
"""What is said of a peer that is closed, by the word under which it is counted."""


class Pace:
    """The pace of one peer, looked at from time to time."""

    __slots__ = ("_active", "_bytes", "_message", "_opened", "_quiet", "_since")

    def __init__(self, now: float) -> None:
        self._opened = self._quiet = self._since = now
        self._message = self._bytes = 0
        self._active = (0, 0, 0)

    def look(self, now: float, traffic: Traffic, pending: Pending, limits: PaceLimits) -> str:
        """What is wrong with the peer, a key of `FAULTS`, or ""."""
        if self._slow(now, traffic, pending, limits.message):
            return SLOW
        if traffic.received == 0 and 0 < limits.silent <= now - self._opened:
            return SILENT
        active = (traffic.received, traffic.sent, traffic.waiting)
        held_back = traffic.paused and not traffic.waiting
        if active != self._active or held_back or pending.waits:
            self._active, self._quiet = active, now
        elif 0 < limits.idle <= now - self._quiet:
            return IDLE
        return ""

    def _slow(self, now: float, traffic: Traffic, pending: Pending, seconds: float) -> bool:
        begun = pending.message
        if not begun or begun != self._message or traffic.paused:
            self._message, self._since, self._bytes = begun, now, traffic.received
        elif now - self._since >= seconds:
            if traffic.received - self._bytes < MIN_RATE * seconds:
                return True
            self._since, self._bytes = now, traffic.received
        return False

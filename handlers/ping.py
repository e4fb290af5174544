"""Watching a far side by pings: the state machine, and what connects it to a link.

`Pinger` is pure: it gets the time as an argument and returns what is worth a log line. `Watch`
gives it a link, a log and counters; proxy and echo use it. Neither must ever act on its findings:
no reconnect, no redirection.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from ccproxy import Context, LinkOptions, Message, Send
from ccproxy.wire import cc

PERIOD = 1.0
"""Seconds from one ping to the next."""
PATIENCE = 5.0
"""Seconds without a pong before the log says so; an older pong is too late."""
TRACE = 5


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a log line; `word` is the counter that goes with it."""

    level: int
    word: str
    text: str


class Pinger:
    """When the far side was asked, when it answered, and how long that took. Times in seconds."""

    def __init__(self, target: str, time: float) -> None:
        self.target = target
        self.last_ping = time
        self.last_pong = time
        self.round_trip: float | None = None

    @property
    def silence(self) -> float:
        """Seconds between the last pong and the last ping; negative if all is answered."""
        return self.last_ping - self.last_pong

    @property
    def healthy(self) -> bool:
        """False after more than `PATIENCE` seconds without a pong."""
        return self.silence <= PATIENCE

    def ping(self, time: float) -> Note | None:
        """A ping is due now, sent or not; the note complains about missing pongs."""
        # A clock that is set back would hide a dead link for as long as it went back.
        if time < self.last_ping:
            self.last_pong += time - self.last_ping
            self.last_ping = time
        silence, healthy = self.silence, self.healthy
        self.last_ping = time
        if healthy:
            return None
        return Note(logging.WARNING, "missing", f"no pong from {self.target} for {silence:f} s")

    def pong(self, type: str, value: dict[str, Any], time: float) -> Note:
        """A message without route came back; KeyError or ValueError if its fields are wrong."""
        if type != "echo.response":
            return Note(logging.WARNING, "unknown", f"unknown msg: {type}")
        target = cc.text(value, "orig_target")
        if target != self.target:
            return Note(logging.WARNING, "unknown", f"unknown pong: {cc.one_line(target)}")
        asked = cc.number(value, "orig_time")
        self.last_pong, self.round_trip = time, time - asked
        took = f"pong: {self.round_trip:f} s ({self.target})"
        if asked == self.last_ping:
            return Note(TRACE, "pong", took)
        if self.round_trip <= PATIENCE:
            return Note(logging.DEBUG, "late", f"late {took}")
        return Note(logging.INFO, "too-late", f"too late {took}")


class Watch:
    """A link of its own making, pinged by `ping` and watched."""

    def __init__(self, ctx: Context, address: str, options: LinkOptions) -> None:
        self.ctx = ctx
        self.link = ctx.link(address, options, self.receive)
        self.pinger = Pinger(self.link.address, ctx.time())

    def ping(self) -> None:
        """Send a ping if the link is up: none waits in the queue to be out of date later."""
        self.note(self.pinger.ping(self.ctx.time()))
        if self.link.state != "up":
            return
        fields = {"target": self.pinger.target, "time": self.pinger.last_ping}
        self.ctx.act(Send(self.link, "echo.request", fields))
        self.ctx.count("ping.sent")

    def receive(self, message: Message) -> None:
        """Take what comes back without a route: pongs; ValueError, KeyError on a broken one."""
        known = message.type == "echo.response"
        value = message.value() if known else {}
        self.note(self.pinger.pong(message.type, value, self.ctx.time()))

    def note(self, note: Note | None) -> None:
        """Log and count what the state machine found."""
        if note is None:
            return
        self.ctx.log.log(note.level, "%s", note.text)
        self.ctx.count(f"ping.{note.word}")

    def status(self) -> dict[str, Any]:
        """What a status page shows; times in seconds since 1970, the round trip in seconds."""
        pinger = self.pinger
        return {
            "address": pinger.target,
            "state": self.link.state,
            "healthy": pinger.healthy,
            "last-ping": pinger.last_ping,
            "last-pong": pinger.last_pong,
            "round-trip": pinger.round_trip,
        }

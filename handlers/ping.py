"""Watching a far side by pings: the state machine, and its connection to a link.

`Pinger` is pure: it gets the time as an argument and returns what belongs in the log. `Watch`
gives it a link, a log and counters; the handlers proxy and echo use it. Neither must ever act on
what it finds, for example reconnect.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from ccproxy import Context, LinkOptions, Message, Send
from ccproxy.wire import cc
from ccproxy.wire.text import shortened

PING_INTERVAL = 1.0
"""Seconds from one ping to the next."""
PONG_TIMEOUT = 5.0
"""Seconds without a pong after which the log says so; a pong that takes longer is too late."""
LONGEST_SILENCE = 3600.0
"""Seconds between two lines about the same silence, at most."""
TRACE = 5


@dataclass(frozen=True, slots=True)
class Note:
    """A text for the log, or an empty one for nothing; `word` is the name of its counter."""

    level: int
    word: str
    text: str


class Pinger:
    """When the far side was pinged, when it answered, and how long that took. Times in seconds."""

    def __init__(self, target: str, time: float) -> None:
        self.target = target
        self.last_ping = time
        self.last_pong = time
        self.round_trip: float | None = None
        self.connected = True
        """False as long as there was no connection to ping on."""
        self._missing = 0
        self._wait = PONG_TIMEOUT
        self._said: float | None = None

    @property
    def silence(self) -> float:
        """Seconds from the last pong to the last ping; negative if the last ping is answered."""
        return self.last_ping - self.last_pong

    @property
    def healthy(self) -> bool:
        """False after more than `PONG_TIMEOUT` seconds without a pong."""
        return self.silence <= PONG_TIMEOUT

    def ping(self, time: float) -> Note | None:
        """Record that a ping is due now, sent or not; return a note if pongs are missing.

        It has a text when the silence begins, and then after intervals that double up to
        `LONGEST_SILENCE`.
        """
        # If the system clock was set back, the silence would seem shorter by that time.
        if time < self.last_ping:
            self.last_pong += time - self.last_ping
            self.last_ping = time
        silence, healthy = self.silence, self.healthy
        self.last_ping = time
        if healthy:
            return None
        self._missing += 1
        text = f"no pong from {self.target} for {silence:f} s"
        if not self.connected:
            text += ", the link was never up"
        if self._said is None:
            self._said = silence
            return Note(logging.WARNING, "missing", text)
        if silence < self._said + self._wait:
            return Note(logging.WARNING, "missing", "")
        self._said, self._wait = silence, min(2 * self._wait, LONGEST_SILENCE)
        return Note(logging.WARNING, "missing", f"{text} ({self._missing} times)")

    def back(self) -> Note | None:
        """What the log says when the far side answers again; None if it never was silent."""
        if self._said is None or not self.healthy:
            return None
        missing, self._missing = self._missing, 0
        self._said, self._wait = None, PONG_TIMEOUT
        return Note(
            logging.INFO, "back", f"pongs from {self.target} are back after {missing} missing ones"
        )

    def pong(self, type: str, value: dict[str, Any], time: float) -> Note:
        """Take a message without route; KeyError or ValueError if its fields are wrong."""
        if type != "echo.response":
            return Note(logging.WARNING, "unknown", f"unknown msg: {type}")
        target = cc.text(value, "orig_target")
        if target != self.target:
            return Note(logging.WARNING, "unknown", f"unknown pong: {shortened(target)}")
        asked = cc.number(value, "orig_time")
        self.last_pong, self.round_trip = time, time - asked
        took = f"pong: {self.round_trip:f} s ({self.target})"
        if asked == self.last_ping:
            return Note(TRACE, "pong", took)
        if self.round_trip <= PONG_TIMEOUT:
            return Note(logging.DEBUG, "late", f"late {took}")
        return Note(logging.INFO, "too-late", f"too late {took}")


class Watch:
    """A link that is made here, pinged by `ping`, and watched."""

    def __init__(self, ctx: Context, address: str, options: LinkOptions) -> None:
        self.ctx = ctx
        self.link = ctx.link(address, options, self.receive)
        self.pinger = Pinger(self.link.address, ctx.time())
        self.pinger.connected = False

    def ping(self) -> None:
        """Send a ping if the link is up, so that no ping grows old in the link's queue."""
        self.pinger.connected = self.pinger.connected or self.link.state == "up"
        self.note(self.pinger.ping(self.ctx.time()))
        if self.link.state != "up":
            return
        fields = {"target": self.pinger.target, "time": self.pinger.last_ping}
        self.ctx.act(Send(self.link, "echo.request", fields))
        self.ctx.count("ping.sent")

    def receive(self, message: Message) -> None:
        """Take a message without route, such as a pong; ValueError or KeyError if it is broken."""
        self.pinger.connected = True
        known = message.type == "echo.response"
        value = message.value() if known else {}
        self.note(self.pinger.pong(message.type, value, self.ctx.time()))
        self.note(self.pinger.back())

    def note(self, note: Note | None) -> None:
        """Log and count what the state machine found."""
        if note is None:
            return
        if note.text:
            self.ctx.log.log(note.level, "%s", note.text)
        self.ctx.count(f"ping.{note.word}")

    def status(self) -> dict[str, Any]:
        """The values for a status page, where ages are written as those of queues are."""
        pinger, now = self.pinger, self.ctx.time()
        took = pinger.round_trip
        return {
            "address": pinger.target,
            "state": self.link.state,
            "healthy": pinger.healthy,
            "last-ping": f"{max(0.0, now - pinger.last_ping):.1f} s ago",
            "last-pong": f"{max(0.0, now - pinger.last_pong):.1f} s ago",
            "round-trip": None if took is None else f"{1000 * took:.1f} ms",
        }

"""Heartbeats: when to send PING, and after how much silence the peer is taken to be gone.

Times are seconds of any clock that never goes back, given with every call. It must never read a
clock or close anything.

The caller
- calls `dead` only while it reads from the peer. If reading is paused because an outbox is full,
  silence says nothing about the peer; call `heard` when reading goes on. A libzmq peer whose
  program does not read answers no PING either [seen], so the timeout must be longer than the
  program's longest pause;
- calls `due` and `dead` at the time that `next` gives, and `heard` once per read, which is cheap.
"""

from __future__ import annotations

from ccproxy.wire.zmtp.commands import Ping, ping, pong

PING_SINCE = (3, 1)
"""PING is part of ZMTP from this version on; libzmq 4.1.6 passes a PING to its program as a message
[seen]."""
MAX_TTL = 655
"""In tenths of a second. libzmq 4.3.5 stores milliseconds in 16 bits: it takes 70 s for 4.5 s
[seen]."""


class Heartbeat:
    """PING, PONG and TTL of one connection."""

    def __init__(
        self, interval: float, timeout: float, ttl: float, version: tuple[int, int]
    ) -> None:
        """Times are seconds, 0 = off. `ttl` is what the peer is told; `version` is the peer's."""
        self._interval = interval
        self._timeout = timeout
        self._ping = ping(_tenths(ttl, interval))
        self._understood = version >= PING_SINCE
        self._heard: float | None = None
        self._pinged = 0.0
        self._asked: float | None = None
        self._peer_ttl = 0.0

    def heard(self, now: float) -> None:
        """Record that something came from the peer."""
        self._begin(now)
        self._heard = now
        self._asked = None

    def ping(self, now: float, command: Ping) -> bytes:
        """Take a PING of the peer; return the PONG to send. Its TTL is valid until the next PING.

        libzmq 4.2.0 to 4.3.2 announces ZMTP 3.0 but knows PING: a peer that sends PING gets it.
        """
        self.heard(now)
        self._understood = True
        self._peer_ttl = command.ttl / 10
        return pong(command.context)

    def due(self, now: float) -> bytes:
        """The PING to send now; empty if none is due."""
        self._begin(now)
        if not self._pinging or now < self._pinged + self._interval:
            return b""
        self._pinged = now
        if self._asked is None:
            self._asked = now
        return self._ping

    def dead(self, now: float) -> str:
        """Why the peer is taken to be gone; empty if it is not."""
        self._begin(now)
        if self._asked is not None and 0 < self._timeout <= now - self._asked:
            return f"no answer to PING in {self._timeout:g} s"
        if self._heard is not None and 0 < self._peer_ttl <= now - self._heard:
            return f"silent for its own TTL of {self._peer_ttl:g} s"
        return ""

    def next(self, now: float) -> float | None:
        """When to call `due` and `dead` next; None if there is nothing to wait for."""
        heard = self._begin(now)
        times: list[float] = []
        if self._pinging:
            times.append(self._pinged + self._interval)
        if self._asked is not None and self._timeout > 0:
            times.append(self._asked + self._timeout)
        if self._peer_ttl > 0:
            times.append(heard + self._peer_ttl)
        return min(times, default=None)

    @property
    def last_heard(self) -> float:
        """When something came from the peer; 0 before anything did."""
        return self._heard or 0.0

    @property
    def understood(self) -> bool:
        """True if the peer knows commands; libzmq 4.1.6 would give an ERROR to its program."""
        return self._understood

    @property
    def _pinging(self) -> bool:
        return self._interval > 0 and self._understood

    def _begin(self, now: float) -> float:
        """Start the measurement at the first call of any method."""
        if self._heard is None:
            self._heard = self._pinged = now
        return self._heard


def _tenths(ttl: float, interval: float) -> int:
    """The TTL on the wire; 0 if pings at this interval would come too late for it."""
    tenths = min(round(ttl * 10), MAX_TTL)
    return tenths if tenths > interval * 10 else 0

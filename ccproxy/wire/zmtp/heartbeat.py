"""Is the peer still there: when to send PING, and when silence means that it is gone.

Times are seconds of any clock that never goes back, given with every call. It must never read a
clock or close anything.

Who uses it
- asks `dead` only while it reads from the peer: silence that we made ourselves (reading is paused
  because an outbox is full) says nothing. Call `heard` when reading goes on. A libzmq peer whose
  user does not read answers no PING either [seen], so a timeout must outlast its longest pause;
- asks `due` and `dead` when the time `next` named has come; `heard` is cheap, once per read.
"""

from __future__ import annotations

from ccproxy.wire.zmtp.commands import Ping, ping, pong

SINCE = (3, 1)
"""PING is part of ZMTP from here on; libzmq 4.1.6 gives it to its user as a message [seen]."""
TTL_SAFE = 655
"""Tenths of a second. libzmq 4.3.5 counts milliseconds in 16 bits: 70 s are 4.5 s to it [seen]."""


class Heartbeat:
    """PING, PONG and TTL of one connection."""

    def __init__(
        self, interval: float, timeout: float, ttl: float, version: tuple[int, int]
    ) -> None:
        """Seconds, 0 = off; `ttl` is what we ask of the peer; `version` is the peer's."""
        self._interval = interval
        self._timeout = timeout
        self._ping = ping(_tenths(ttl, interval))
        self._understood = version >= SINCE
        self._heard: float | None = None
        self._pinged = 0.0
        self._asked: float | None = None
        self._peer_ttl = 0.0

    def heard(self, now: float) -> None:
        """Anything at all came from the peer."""
        self._begin(now)
        self._heard = now
        self._asked = None

    def ping(self, now: float, command: Ping) -> bytes:
        """The peer's PING: the PONG to send. Its TTL holds until the next one.

        libzmq 4.2.0 to 4.3.2 announces ZMTP 3.0 and knows PING: who sends it is sent it.
        """
        self.heard(now)
        self._understood = True
        self._peer_ttl = command.ttl / 10
        return pong(command.context)

    def due(self, now: float) -> bytes:
        """The PING to send now, or nothing."""
        self._begin(now)
        if not self._pinging or now < self._pinged + self._interval:
            return b""
        self._pinged = now
        if self._asked is None:
            self._asked = now
        return self._ping

    def dead(self, now: float) -> str:
        """Why the peer is to be taken for gone, or nothing."""
        self._begin(now)
        if self._asked is not None and 0 < self._timeout <= now - self._asked:
            return f"no answer to PING in {self._timeout:g} s"
        if self._heard is not None and 0 < self._peer_ttl <= now - self._heard:
            return f"silent for its own TTL of {self._peer_ttl:g} s"
        return ""

    def next(self, now: float) -> float | None:
        """When `due` or `dead` may have something to say; None if never, as things stand."""
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
    def _pinging(self) -> bool:
        return self._interval > 0 and self._understood

    def _begin(self, now: float) -> float:
        """The first call, whichever it is, starts the clock."""
        if self._heard is None:
            self._heard = self._pinged = now
        return self._heard


def _tenths(ttl: float, interval: float) -> int:
    """The TTL on the wire; 0 if what can be said is too short to be kept with this interval."""
    tenths = min(round(ttl * 10), TTL_SAFE)
    return tenths if tenths > interval * 10 else 0

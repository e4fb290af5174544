"""When the socket of a peer is read: on, off, or at rest because its reads bring next to nothing.

A turn of the loop costs some microseconds however few bytes it reads, so a peer that sends each
byte by itself would cost seconds of processor time per MB. Reads that end inside a message must
bring `FAIR_READ` bytes on average, but for a number of them that does not matter. Otherwise the
socket rests for a moment, in which the kernel collects what comes. A read that ends with a whole
message never causes a rest: a small message is as small as it is.

It also says how much to ask for in a read: what can be dealt with in a short turn of the loop, so
that a peer with thousands of small messages in the kernel's buffer does not delay the others. It
must never read, or know what a message is.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from ccproxy.core.memory import READ

FAIR_READ = 128
"""Bytes that reads which end inside a message must bring on average."""
ALLOWANCE = 16 * FAIR_READ
"""Bytes that the reads of a peer may be short of that before its socket rests: 16 single bytes."""
FORGOTTEN = 25 * FAIR_READ
"""Bytes of this shortage that are forgotten in a second."""
FIRST_REST = 0.001
"""Seconds of a first rest; they double with each, and halve with each read that ends a message."""
SMALLEST_READ = 4096
"""Bytes of the smallest read that is asked for; READ is the largest one."""
SMALLEST_EVEN = 65536
"""Bytes of the smallest read that is worth the effort to let it end with a message."""
LONGEST_TURN = 0.004
"""Seconds that the bytes of one read may take; of what takes longer less is read the next time."""
LONGEST_REST = 0.064
"""Seconds of the longest rest: a thousand such peers together cause 16,000 reads a second."""


class SocketReading:
    """The registration of one socket for reading; `start` and `stop` may be called repeatedly."""

    __slots__ = (
        "_collected", "_loop", "_noted", "_readable", "_sock", "_timer", "active", "rest", "short",
        "size", "unit",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, readable: Callable[[], None]) -> None:
        """`readable` is called by the loop when there is something to read."""
        self.active = False
        """True between `start` and `stop`, also at rest."""
        self.short = 0.0
        """Bytes that the latest reads were short of the average; see `account`."""
        self.rest = FIRST_REST
        """Seconds of the next rest."""
        self.size = 4 * SMALLEST_READ
        """Bytes to ask for in a read, at most."""
        self.unit = 0
        """Bytes of a message of the peer, if all seem to have the same size; 0 = they do not."""
        self._sock = sock
        self._readable = readable
        self._loop = asyncio.get_running_loop()
        self._noted = 0.0
        self._collected = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Read from now on, or when the rest is over."""
        if not self.active:
            self.active = True
            if self._timer is None:
                self._loop.add_reader(self._sock.fileno(), self._readable)

    def stop(self) -> None:
        """Do not read."""
        if self.active:
            self.active = False
            if self._timer is None:
                self._loop.remove_reader(self._sock.fileno())

    def close(self) -> None:
        """Stop for good; to be called before the socket is closed."""
        self.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def account(self, size: int, partial: bool) -> None:
        """Note a read of `size` bytes, which ended inside a message if it is `partial`.

        A caller may leave out reads of `FAIR_READ` bytes or more while `short` is 0.
        """
        if not partial:
            self.rest = max(FIRST_REST, self.rest / 2)
            return
        now = self._loop.time()
        kept = max(0.0, self.short - FORGOTTEN * (now - self._noted))
        gain = FAIR_READ - size
        if gain < 0 and self._collected:
            gain = 0  # what came in a rest says nothing about the peer
        self._collected = False
        self.short = max(0.0, kept + gain)
        self._noted = now
        if self.short > ALLOWANCE and self._timer is None:
            if self.active:
                self._loop.remove_reader(self._sock.fileno())
            self._timer = self._loop.call_later(self.rest, self._rested)
            self.rest = min(2 * self.rest, LONGEST_REST)

    def even(self, most: int, held: int) -> int:
        """How much to ask for instead of `most`, or an eighth more, with `held` bytes of a message
        read already, so that a read ends with a message: nothing is left to be joined with what
        comes next."""
        unit = self.unit
        if most < SMALLEST_EVEN or not held <= unit <= most:
            return most
        return (most * 9 // 8 + held) // unit * unit - held

    def timed(self, size: int, seconds: float) -> None:
        """Note how long it took to deal with a read of `size` bytes.

        A caller may leave out reads of less than `SMALLEST_READ` bytes.
        """
        if seconds > LONGEST_TURN:
            self.size = max(SMALLEST_READ, int(size * LONGEST_TURN / 2 / seconds))
        elif 2 * size >= self.size and seconds < LONGEST_TURN / 4:
            self.size = min(2 * self.size, READ)

    def _rested(self) -> None:
        self._timer = None
        self._collected = True
        if self.active:
            self._loop.add_reader(self._sock.fileno(), self._readable)

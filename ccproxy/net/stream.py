"""A byte stream over a non-blocking socket, accepted or dialled: for every protocol but ZMTP.

    (handshake ->) open -> finishing: what waits is written -> half closed: the other side must
    close -> closed

Its owner takes the bytes that come and writes whole units. It must never know what a unit means.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from socket import SHUT_WR
from time import perf_counter
from typing import Any, Protocol

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.pace import Pace, PaceLimits, Pending, Traffic
from ccproxy.net.input_account import COUNTED, InputAccount
from ccproxy.net.reading import FAIR_READ, SMALLEST_READ, SocketReading
from ccproxy.net.sealing import opened
from ccproxy.net.sender import BUFFERS, CLOSED, Sender
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import DRAIN_SIZE, reason_of
from ccproxy.wire.seal import StreamSeal

try:
    from ccproxy.net._hot import HotReader
except ImportError:
    from ccproxy.net.hot import HotReader

CLOSE_TIMEOUT = 2.0
"""Seconds the other side has to take what was written and to close. If a socket is closed with
unread bytes, the kernel throws away what it has not delivered yet."""

UNOPENED = -1
"""Stands for the number of a message of which a sealed piece has begun to come."""


class StreamOwner(Protocol):
    """The object that is told what happens with a stream."""

    def received(self, stream: Stream, data: bytes) -> None:
        """Bytes came; `b""` means that the other side will send no more."""

    def closed(self, stream: Stream, reason: str) -> None:
        """The stream is over: nothing is sent any more, and the socket is closed."""

    @property
    def lingers(self) -> bool:
        """True if the stream stays open for answers although the other side sends no more."""

    def pending(self) -> Pending:
        """What was received and not passed on; `NOTHING` if the owner keeps no bytes."""


class StreamOpening(Protocol):
    """A handshake that comes before everything else; it calls `protect` when it is done."""

    def received(self, data: bytes) -> None:
        """Bytes came; `b""` means that the other side will send no more."""

    def stop(self) -> None:
        """The stream is closed."""


class Stream(HotReader):
    """One connection: bytes in, whole units out through a bounded outbox."""

    __slots__ = (
        "_closing", "_due", "_ended", "_ending", "_flush_queue", "_graceful", "_loop",
        "_no_reading", "_over", "_pace", "box", "heard", "name", "send",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        name: str,
        owner: StreamOwner,
        kit: Kit,
        limits: Limits,
    ) -> None:
        self.sock = sock
        self.name = name
        self.closed = False
        """True once nothing is sent or told any more."""
        self.received = 0
        """Bytes read so far, sealed or not."""
        self.heard: Callable[[], object] = bool
        """Called once, when the first bytes come."""
        self._memory = kit.memory
        self._input = InputAccount(self._memory, name, self.pause, self.resume, self.close)
        self.box = Outbox(name, limits, whole=True, memory=self._memory)
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(self._loop.time())
        self._sender = Sender(sock, kit.flush_queue, self.close, self._unwritable)
        self.send = self._sender.send
        """As `write`, at the end of a turn, for a unit in pieces: it is written now."""
        self._flush_queue = kit.flush_queue
        self._latencies = kit.flush_queue.latencies
        self._seal: StreamSeal | None = None
        self._opening: StreamOpening | None = None
        self.pass_on, self.remains = None, _nothing
        self._due = False
        self._reading = SocketReading(sock, self._readable)
        self._no_reading = self._ended = self._graceful = self._over = False
        self._ending = ""
        self._closing: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> str:
        """The other side in logs: HOST:PORT, or NAME@HOST:PORT once it has proven a name."""
        return self.name.rpartition(" ")[2]

    def open(self) -> None:
        """Begin to read and write."""
        self._sender.attach(self.box)
        # Units are flushed here: once a turn of the loop, or at once by `send`.
        self.box.wake = None
        self.resume()

    def begin(self, opening: StreamOpening) -> None:
        """Give what comes to a handshake; nothing else can be written before `protect`."""
        self._opening = opening
        self.send = _not_open

    def handshake(self, data: bytes) -> None:
        """Write bytes of the handshake."""
        self._sender.command(data)

    def protect(self, seal: StreamSeal) -> None:
        """Seal what is written and open what is read, from now on."""
        self._opening = None
        self._seal = seal
        self.send = self._sender.send
        self._sender.protect(seal, BUFFERS)

    def go_on(self) -> None:
        """Read again after the handshake, and pass on what has come with its last bytes."""
        self.resume()
        if self._seal is None or self.closed:
            return
        data = opened(self._seal, b"", self.close)
        if self._seal.ended:
            self._last(data)
            self._cut(0, False)
        elif data:
            self._pass(data)

    def write(self, unit: bytes) -> bool:
        """Queue one whole unit; False if there is no room for it, and it is dropped."""
        if self.closed or self._opening is not None or not self.box.offer(unit, 1):
            return False
        if not self._due:
            self._due = True
            self._flush_queue.flush_later(self)
        return True

    def send_apart(self, units: Sequence[bytes | memoryview]) -> bool:
        """Queue whole units, which are sealed one by one; False if there is no room for one."""
        return all([self.write(bytes(one)) for one in units])

    def flush(self) -> None:
        """Write what was queued in this turn."""
        self._due = False
        self._sender.flush()

    def divert(self, pass_on: Callable[[bytes], Any], remains: Callable[[Any], None]) -> None:
        """Give bytes that come to `pass_on` and not to the owner, unless they are sealed or tell of
        an end; what it returns goes to `remains`, but for None, which is nothing to speak of."""
        self.pass_on, self.remains = pass_on, remains

    def pause(self) -> None:
        """Read no more for now."""
        self._reading.stop()

    def resume(self) -> None:
        """Read again after `pause`, but not after `stop_reading`."""
        if not self._no_reading and not self.closed:
            self._reading.start()

    def look(self, now: float, limits: PaceLimits) -> str:
        """What is wrong with the pace of the other side, a key of `FAULTS`, or "".

        A reset that came while nothing is read or written is found here: no event tells of it.
        """
        if not (self._reading.active or self.closed) and (gone := self._sender.connection_error()):
            self.close(reason_of(gone))
            return ""
        box = self.box
        if self._ending:  # it has nothing to do but to read the rest
            limits = PaceLimits(limits.message, idle=limits.message)
        traffic = Traffic(self.received, box.sent, box.bytes, not self._reading.active)
        pending = self._owner.pending()
        self._input.count(pending.held)
        if self._seal is not None and self._seal.held and not pending.message:
            pending = Pending(self._seal.held, UNOPENED, pending.waits)
        return self._pace.look(now, traffic, pending, limits)

    @property
    def finishing(self) -> bool:
        """True once it is to be closed: what still comes is not to be obeyed."""
        return bool(self._ending)

    def stop_reading(self) -> None:
        """Never read again."""
        self.pause()
        self._no_reading = True

    def finish(self, reason: str) -> None:
        """Stop reading, and close when everything that waits is written."""
        if self._ending:
            return
        self.stop_reading()
        self._ending = reason
        if self.box.waiting:
            self.box.wait(self._written)
        else:
            self._end()

    def close_gracefully(self, reason: str) -> None:
        """As `finish`, but wait up to `CLOSE_TIMEOUT` for what was written to arrive."""
        self._graceful = not self._ended
        self.finish(reason)

    def close(self, reason: str) -> None:
        """Close now; what waits is dropped."""
        if self._over:
            return
        self.stop_reading()
        if self._closing is not None:
            self._closing.cancel()
            self._loop.remove_reader(self.sock.fileno())
        if self._opening is not None:
            self._opening.stop()
        self._say_end()
        self._over = self.closed = True
        self._reading.close()
        self._sender.detach()
        self.sock.close()
        self._input.end()
        self.box.clear("gone")
        self._owner.closed(self, reason)

    def _unopened(self, size: int, broken: int) -> None:
        """Only part of a sealed piece came: that ends nothing, but an error does."""
        if broken and not self.closed:
            self.close(reason_of(broken))
        elif not self.closed:
            self._reading.account(size, partial=True)

    def _account(self, size: int) -> None:
        held, message, _ = self._owner.pending()
        self._reading.account(size, partial=bool(held or message))

    def _unwritable(self, reason: str) -> None:
        """A write failed: read what came before. The loop does not report the error again."""
        if self._reading.active:
            self._loop.call_soon(self._readable)
        else:
            self.close(self._ending or reason)

    def _written(self) -> None:
        if self.box.waiting:
            self.box.wait(self._written)
        else:
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        """Everything is written: close, or close only our half and wait for the other side."""
        if self.closed:
            return
        if self._graceful:
            self._half_close()
        else:
            self.close(self._ending)

    def _say_end(self) -> None:
        """Tell the other side under the seal that nothing more comes, unless bytes are dropped."""
        if self._seal is not None and not self.closed:
            self._sender.end(self._seal.close())

    def _half_close(self) -> None:
        self._say_end()
        self.closed = True
        self._reading.close()
        self._sender.detach()
        try:
            self.sock.shutdown(SHUT_WR)
        except OSError:
            self.close(self._ending)
            return
        self._loop.add_reader(self.sock.fileno(), self._drain_input)
        self._closing = self._loop.call_later(CLOSE_TIMEOUT, self.close, self._ending)

    def _drain_input(self) -> None:
        """Throw away what comes after our half is closed, until the other side closes."""
        try:
            if self.sock.recv(DRAIN_SIZE):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass  # a reset ends the connection as well
        self.close(self._ending)

    def _pass(self, data: bytes) -> None:
        """Give the owner what came; count what it keeps."""
        self._owner.received(self, data)
        if self.closed:
            return
        if self._input.held or len(data) >= COUNTED:
            self._input.count(self._owner.pending().held)
        if self._memory.pressed is not None:
            self._input.yield_to()

    def _unread(self, error: OSError) -> None:
        if not isinstance(error, BlockingIOError | InterruptedError):
            self.close(reason_of(error.errno or 0))
        elif self._sender.write_error:
            self.close(reason_of(self._sender.write_error))

    def _came(self, data: bytes, most: int) -> None:
        if data and not self.received:
            self.heard()
        self.received += len(data)
        if self._opening is not None:
            self._opening.received(data)
            return
        broken = self._sender.connection_error() if data else self._sender.write_error
        size, full, begun, ended = len(data), len(data) == most, perf_counter(), not data
        if data and self._seal is not None:
            data = opened(self._seal, data, self.close)
            ended = self._seal.ended
            if not data and not ended:
                self._unopened(size, broken)
                return
        if ended:
            self._last(data)
        else:
            self._pass(data)
        if self.closed:
            return
        if size < FAIR_READ or self._reading.short:
            self._account(size)
        elif size >= SMALLEST_READ:
            self._reading.timed(size, perf_counter() - begun)
        if begun >= self._latencies.reads.due:
            self._latencies.take_read(begun)
        if broken or ended:
            self._cut(broken, full)

    def _last(self, data: bytes) -> None:
        """Pass on the last bytes, if any, and that nothing more comes."""
        self._ended = True
        self.stop_reading()
        if data:
            self._pass(data)
        if not self.closed:
            self._pass(b"")

    def _cut(self, broken: int, full: bool) -> None:
        """The kernel has an error for the connection, or nothing more comes."""
        if broken:
            if full and not self._ending:
                self._loop.call_soon(self._readable)
            else:
                self.close(reason_of(broken))
        elif not self._ending and not self._owner.lingers:
            self.finish(CLOSED)


def _not_open(pieces: Sequence[bytes | memoryview], messages: int = 1) -> int:
    """Write nothing: the handshake is under way."""
    return 0


def _nothing(rest: Any) -> None:
    """Do nothing: what comes is not diverted."""

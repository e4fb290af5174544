"""The writing half of a connection: writes commands and the messages of the outbox to the socket.

It must never put a command into the middle of a message, nor hold bytes of messages that the
outbox does not count.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from socket import SO_ERROR, SOL_SOCKET
from typing import cast

from ccproxy.core.outbox import Outbox
from ccproxy.net.flush import FlushQueue
from ccproxy.net.sealing import SealedQueue
from ccproxy.net.sockets import reached
from ccproxy.wire.seal import Seal

try:
    from ccproxy.net._hot import HotWriter
except ImportError:
    from ccproxy.net.hot import HotWriter

CLOSED = "closed by the peer"
"""The ordinary end of a connection."""
SAID_NOTHING = "closed by the peer, which has said nothing"
"""The end after a look whether the port is open: nothing is wrong with that either."""
BUFFERS = 64
"""Chunks handed to the kernel in one write."""
LARGE_UNIT = 256 * 1024
"""Bytes of a unit that is not joined in order to be queued."""
ROUNDS = 16
"""Writes in one turn of the loop, so that a fast reader cannot starve the others."""
ENOUGH = 1024 * 1024
"""Bytes behind which the rest waits for the next turn: the kernel copies a megabyte in 0.3 ms."""
SEALED_AHEAD = 64 * 1024
"""Bytes of an outbox that are sealed for one write, if nothing of it may be dropped meanwhile."""
CONTROL = 256 * 1024
"""Bytes of commands that may wait; a peer that asks for more answers does not read any."""


class Sender(HotWriter):
    """Writes to one socket. `on_error` is called with the reason to give the connection up."""

    __slots__ = (
        "_chunks", "_control", "_failed", "_flush_queue", "_late", "_loop", "_on_error",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        flush_queue: FlushQueue,
        on_error: Callable[[str], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """`failed` is called once if a write fails: it must read on, and close the connection."""
        self.box: Outbox | None = None
        self.closed = False
        self._sock = sock
        self._flush_queue = flush_queue
        self._on_error = on_error
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._control = b""
        self._waiting = False
        self._sealed: SealedQueue | None = None
        self._chunks = 1
        self._late: tuple[int, float] | None = None
        """How many messages have to leave the outbox, and when the read began that is timed."""
        self.write_error = 0
        """The error of a write that failed; nothing is written after it."""

    def protect(self, seal: Seal, chunks: int = 1) -> None:
        """Seal everything that is written from now on, up to so many chunks of the outbox ahead."""
        self._sealed = SealedQueue(seal)
        self._chunks = chunks

    def attach(self, box: Outbox) -> None:
        """Send the messages that wait in this outbox, and those that are put into it later."""
        self.box = box
        box.wake = self._wake
        box.write = self.send
        self._wake(box)

    def detach(self) -> None:
        """Write no more: the socket will be closed. A half sent message waits as a whole again."""
        self.closed, self._late = True, None
        self._loop.remove_writer(self._sock.fileno())
        if self.box is not None:
            self.settle()
            self.box.wake = self.box.write = None
            self.box.rewind()
            self.box.held = False

    def note_when_gone(self, gone: int, begun: float) -> None:
        """Tell the latencies when so many messages have left the outbox."""
        if self._late is None:
            self._late = gone, begun

    def settle(self) -> None:
        """Count what the kernel has of a sealed piece; nothing of it is written after that."""
        if self._sealed is not None and self.box is not None:
            self.box.advance(self._sealed.settle())

    def command(self, data: bytes) -> None:
        """Send a command, or a part of the handshake, as soon as no message is half sent."""
        if data and not self.closed and self._queued(data):
            self.flush()

    def command_later(self, data: bytes) -> None:
        """As `command`, but at the end of this turn of the loop, with others in one write."""
        idle = not self._control
        if data and not self.closed and self._queued(data) and idle:
            self._flush_queue.flush_later(self)

    def _queued(self, data: bytes) -> bool:
        """Queue a command; False if too much waits, for which the connection is given up."""
        if len(self._control) > CONTROL:
            self._on_error("asks for answers and does not read them")
            return False
        self._control += data
        return True

    @property
    def reached(self) -> bool:
        """True if the peer's system has all that was written, see `sockets.reached`."""
        return not self.closed and not self.write_error and reached(self._sock)

    def connection_error(self) -> int:
        """The error that ended this connection, 0 if there is none; ask for it at each read.

        libuv reports a reset once: if bytes came with it, no later read fails.
        """
        if not self.write_error:
            self.write_error = self._sock.getsockopt(SOL_SOCKET, SO_ERROR)
        return self.write_error

    def flush(self) -> None:
        """Write until nothing waits or the kernel takes no more."""
        if self.closed or self._waiting or self.write_error:
            return
        try:
            self._write()
        except OSError as error:
            # The bytes that the peer sent before it closed are still to be read.
            self.write_error = error.errno or errno.EPIPE
            if self._failed is not None:
                self._failed(f"write failed: {error.strerror or error}")
        except ValueError as error:
            self._on_error(f"cannot be sealed: {error}")

    def _queue(
        self, pieces: Sequence[bytes | memoryview], size: int, sent: int, messages: int
    ) -> int:
        box = self.box
        if box is None or not (taken := _offered(box, pieces, size, messages)):
            return 0
        if sent:
            box.advance(sent)
        self.flush()
        return taken

    def end(self, data: bytes) -> None:
        """Write the end of a sealed stream behind everything else, if the kernel takes it at once:
        the far side has to understand an end without it as well."""
        waits = self._control or self._sealed or (self.box is not None and self.box.waiting)
        if not (waits or self.closed or self.write_error):
            with suppress(OSError):
                self._sock.send(data)

    def _wake(self, _: Outbox) -> None:
        self._flush_queue.flush_later(self)

    def _write(self) -> None:
        """Write in rounds; if the kernel takes no more, wait until the socket is writable."""
        sealed = self._sealed
        total = 0
        for _ in range(ROUNDS):
            sent = self._write_plain() if sealed is None else self._write_sealed(sealed)
            if sent is None:
                return
            total += sent
            if not sent or total > ENOUGH:
                break
        self._waiting = True
        self._loop.add_writer(self._sock.fileno(), self._writable)

    def _write_plain(self) -> int | None:
        """Write once; the bytes that the kernel took, None if nothing waits any more."""
        box = self.box
        if self._control and (box is None or not box.half_sent):
            sent = self._send([self._control])
            self._control = self._control[sent:]
            return sent
        if box is None or not box.waiting:
            return None
        sent = self._send(box.peek(BUFFERS))
        box.advance(sent)
        return sent if box.waiting or self._control else None

    def _write_sealed(self, sealed: SealedQueue) -> int | None:
        """Write once through a seal: commands first, then one chunk of the outbox at a time."""
        box = self.box
        if not sealed and self._control:
            sealed.add(self._control, counted=False)
            self._control = b""
        elif not sealed and box is not None and box.waiting:
            self._seal_some(sealed, box)
        if not sealed:
            return None
        sent = self._send(sealed.peek(BUFFERS))
        done = sealed.advance(sent)
        if box is not None:
            box.held = bool(sealed)
            if done:
                box.advance(done)
        return sent

    def _seal_some(self, sealed: SealedQueue, box: Outbox) -> None:
        """Seal the first chunk, and those behind it unless the outbox may drop them."""
        box.held = True
        size = 0
        for chunk in box.peek(1 if box.limits.policy == "drop-old" else self._chunks):
            taken = sealed.add(chunk, counted=True)
            size += taken
            if taken < len(chunk) or size >= SEALED_AHEAD:
                return

    def _send(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Hand bytes to the kernel; how many it took."""
        try:
            if len(buffers) == 1:
                return self._sock.send(buffers[0])
            return self._sock.sendmsg(buffers)
        except (BlockingIOError, InterruptedError):
            return 0

    def _writable(self) -> None:
        self._loop.remove_writer(self._sock.fileno())
        self._waiting = False
        self.flush()
        if self._late is not None and self.box is not None and self.box.gone >= self._late[0]:
            self._flush_queue.latencies.written(self._late[1])
            self._late = None


def _offered(box: Outbox, pieces: Sequence[bytes | memoryview], size: int, messages: int) -> int:
    """Queue units in pieces; large ones are not joined, unless some may be dropped now or later.

    Returns how many are taken.
    """
    kept = box.whole and box.limits.policy != "drop-old"
    if size < LARGE_UNIT or not kept or not box.goes_straight(size, messages):
        return box.offer(b"".join(pieces), messages)
    memory = box.memory
    if memory.used > memory.alarm:
        memory.press(box)
    *front, last = pieces
    for piece in front:
        box.put(cast(bytes, piece), 0)
    box.put(cast(bytes, last), messages)
    return messages

# cython: language_level=3, wraparound=False, nonecheck=True, annotation_typing=False
"""The hot parts of streams: a read, a write, and the flushes at the end of a turn of the loop.

A unit of a stream costs a few microseconds of system calls, and would cost many more of Python. So
what every read and every write does stands here in three classes, from which `Stream` and `Sender`
inherit; what happens once in the life of a connection stands there. Cython compiles this file as
`_hot`, with the types of `_hot.pxd`; those that inherit import the better of the two. It must never
know what a unit means.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextvars import copy_context
from time import perf_counter
from typing import Any, Protocol

from ccproxy.core.outbox import Outbox
from ccproxy.net.input_account import COUNTED, InputAccount
from ccproxy.net.latencies import Latencies
from ccproxy.net.reading import FIRST_REST, SMALLEST_READ, SocketReading

PART = 32
"""Flushes between two looks at the clock."""
TURN = 0.003
"""Seconds after which the other flushes wait for the next turn of the loop."""

Pieces = Sequence[bytes | memoryview]


class Flushable(Protocol):
    """An object that can be told to write the bytes it holds."""

    def flush(self) -> None:
        """Write the bytes now."""


class FlushQueue:
    """The flushes due at the end of this turn of the loop."""

    __slots__ = ("_context", "_due", "_loop", "_polling", "_until", "busy_poll", "latencies")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        busy_poll: float = 0.0,
        latencies: Latencies | None = None,
    ) -> None:
        self.busy_poll = busy_poll
        """Seconds the loop stays awake after the last flush; it costs a processor that long."""
        self.latencies = latencies or Latencies()
        """How long messages take to here; of a few reads that are timed."""
        self._loop = loop
        self._context = copy_context()
        self._due: list[Flushable] = []
        self._polling = False
        self._until = 0.0

    def flush_later(self, one: Flushable) -> None:
        """Flush `one` at the end of this turn; the caller asks once per turn."""
        if not self._due:
            self._loop.call_soon(self._end, context=self._context)
        self._due.append(one)

    def _end(self) -> None:
        due = self._due
        self._due = []
        end = perf_counter() + TURN if len(due) > PART else 0.0
        for number, one in enumerate(due, 1):
            one.flush()
            if number % PART == 0 and number < len(due) and perf_counter() > end:
                if not self._due:
                    self._loop.call_soon(self._end, context=self._context)
                self._due = due[number:] + self._due
                break
        if self.latencies.begun:
            self.latencies.flushed(due)
        if self.busy_poll:
            self._until = perf_counter() + self.busy_poll
            if not self._polling:
                self._polling = True
                self._loop.call_soon(self._busy_poll)

    def _busy_poll(self) -> None:
        """Schedule this call again: while one is due, the loop polls without sleeping."""
        self._polling = perf_counter() < self._until
        if self._polling:
            self._loop.call_soon(self._busy_poll)


class HotFlush:
    """Something that is flushed often, with a border around it: `wake` has it flushed.

    `failed` gets what the flush raises.
    """

    __slots__ = ("_failed", "_one", "_queue")

    def __init__(
        self, queue: FlushQueue, one: Flushable, failed: Callable[[BaseException], None]
    ) -> None:
        self._queue = queue
        self._one = one
        self._failed = failed

    def wake(self) -> None:
        """Flush at the end of this turn; the caller asks once per turn."""
        self._queue.flush_later(self)

    def flush(self) -> None:
        """Flush now."""
        try:
            self._one.flush()
        except BaseException as error:
            self._failed(error)


class HotWriter:
    """What a sender does for every unit; see `Sender`, which makes the attributes."""

    __slots__ = ("_sealed", "_sock", "_waiting", "box", "closed", "write_error")

    _sealed: Any
    _sock: socket.socket
    _waiting: bool
    box: Outbox | None
    closed: bool
    write_error: int

    def send(self, pieces: Pieces, messages: int = 1) -> int:
        """Write whole messages now; bytes that the kernel does not take wait in the outbox.

        Returns how many messages are taken: those that it has no room for are dropped.
        """
        box: Any = self.box
        if box is None or self.closed:
            return 0
        size = 0
        sent = 0
        for piece in pieces:
            size += len(piece)
        free = not (self._waiting or self.write_error or self._sealed is not None)
        limits = box.limits
        if free and not box.waiting and size <= limits.bytes and not 0 < limits.messages < messages:
            try:
                if len(pieces) == 1:
                    sent = self._sock.send(pieces[0])
                else:
                    sent = self._sock.sendmsg(pieces)
            except OSError:
                # The error is raised again when the unit is flushed, and `flush` deals with it.
                sent = 0
            if sent == size:
                box.queued += messages
                box.sent += messages
                return messages
        return self._queue(pieces, size, sent, messages)

    def _queue(self, pieces: Pieces, size: int, sent: int, messages: int) -> int:
        """Queue messages, of which so many bytes are sent already; how many are taken."""
        raise NotImplementedError


class HotReader:
    """What a stream does at every read; see `Stream`, which makes the attributes."""

    __slots__ = (
        "_input", "_latencies", "_memory", "_opening", "_owner", "_reading", "_seal", "_sender",
        "closed", "pass_on", "received", "remains", "sock",
    )  # fmt: skip

    pass_on: Callable[[bytes], Any] | None
    """Takes what comes in the place of `received` of the owner, unless it is sealed. None: all of
    it is dealt with, and nothing is held back. What else it returns is given to `remains`."""
    remains: Callable[[Any], None]
    sock: socket.socket
    closed: bool
    received: int
    _input: InputAccount
    _latencies: Latencies
    _memory: Any
    _opening: Any
    _owner: Any
    _reading: SocketReading
    _seal: Any
    _sender: Any

    def _readable(self) -> None:
        """Read once; the loop calls it when bytes are there."""
        if self.closed:
            return
        reading = self._reading
        most = min(reading.size, self._memory.read)
        try:
            data = self.sock.recv(most)
        except OSError as error:
            self._unread(error)
            return
        pass_on = self.pass_on
        sealed = self._opening is not None or self._seal is not None
        if pass_on is None or sealed or not data or not self.received:
            self._came(data, most)
            return
        size = len(data)
        self.received += size
        broken = self._sender.connection_error()
        begun = perf_counter()
        rest = pass_on(data)
        if rest is not None:
            self.remains(rest)
        if self.closed:
            return
        if self._input.held or size >= COUNTED:
            self._input.count(self._owner.pending().held)
        if self._memory.pressed is not None:
            self._input.yield_to()
        if size >= SMALLEST_READ:
            reading.timed(size, perf_counter() - begun)
        if rest is not None or reading.short or reading.rest > FIRST_REST:
            self._account(size)
        if begun >= self._latencies.reads.due:
            self._latencies.take_read(begun)
        if broken:
            self._cut(broken, size == most)

    def _came(self, data: bytes, most: int) -> None:
        """Deal with a read of at most so many bytes in the ordinary way."""
        raise NotImplementedError

    def _unread(self, error: OSError) -> None:
        """A read failed."""
        raise NotImplementedError

    def _account(self, size: int) -> None:
        """Note a read of so many bytes that may have ended inside a message."""
        raise NotImplementedError

    def _cut(self, broken: int, full: bool) -> None:
        """The kernel has an error for the connection; `full`: there may be more to read."""
        raise NotImplementedError

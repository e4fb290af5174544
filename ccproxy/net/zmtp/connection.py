"""One ZMTP connection over a non-blocking socket: handshake, reads, commands, heartbeats, its end.

Listener and link make these and say what happens with them (`ConnectionOwner`). The socket is read
and written directly, not by an asyncio transport: a transport has a queue of its own and cannot say
at the end how much of it the kernel took, so the counts of the outbox would be guesses. It must
never look into a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from time import perf_counter
from typing import Protocol

from ccproxy.core.memory import READ
from ccproxy.core.outbox import RESETS_PER_REFUSAL, Outbox
from ccproxy.core.pace import Pace, PaceLimits, Pending, Traffic
from ccproxy.core.spans import skip
from ccproxy.core.stops import BLOCKED, BROKEN, COMMAND, TIRED, TOO_BIG
from ccproxy.net.input_account import InputAccount
from ccproxy.net.reading import FAIR_READ, SMALLEST_EVEN, SMALLEST_READ, SocketReading
from ccproxy.net.sender import CLOSED, Sender
from ccproxy.net.sockets import reason_of
from ccproxy.net.zmtp.commands import CommandHandler
from ccproxy.net.zmtp.opening import Opening
from ccproxy.net.zmtp.role import ConnectionConfig, MessageSink
from ccproxy.wire.seal import Seal
from ccproxy.wire.zmtp import Handshake, Peer, ZmtpError
from ccproxy.wire.zmtp.gather import Gather, MessageTooBig
from ccproxy.wire.zmtp.heartbeat import Heartbeat
from ccproxy.wire.zmtp.mechanism import Credential

HANDLERS_TIME = 0.004
"""Seconds for which handlers may take messages of one peer before the loop serves other peers."""
GATHER = 32 * 1024
"""A message that is still incomplete with more bytes than this is collected in a `Gather`."""


class ConnectionOwner(Protocol):
    """The listener or link that made a connection and decides about it."""

    def ready(self, connection: Connection, peer: Peer) -> str:
        """The handshake is done: call `connection.use`. A reason to close it instead, or ""."""

    def closed(self, connection: Connection, reason: str) -> None:
        """The connection is over; its outbox is detached already."""


class Connection:
    """A peer: one connection, accepted or dialled."""

    __slots__ = (
        "_begun", "_feed", "_gather", "_input", "_latencies", "_loop", "_memory", "_no_reading",
        "_opening", "_owner", "_pace", "_passed", "_paused", "_commands", "_reading", "_rest",
        "_seal", "_sender", "_sock", "_config", "closed", "credential", "name", "refused",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        name: str,
        handshake: Handshake,
        owner: ConnectionOwner,
        config: ConnectionConfig,
    ) -> None:
        self.name = name
        self.closed = False
        self.credential: Credential | None = None
        """What the peer has proven."""
        self.refused = b""
        """The message that the peer has refused so often that it was set aside."""
        self._sock = sock
        self._owner = owner
        self._config = config
        self._latencies = config.flush_queue.latencies
        self._loop = asyncio.get_running_loop()
        self._reading = SocketReading(sock, self._readable)
        self._sender = Sender(sock, config.flush_queue, self.close, self._unwritable)
        self._opening: Opening | None = Opening(handshake, self, self._sender, config)
        self._feed: MessageSink | None = None
        self._commands: CommandHandler | None = None
        self._gather: Gather | None = None
        self._begun = 0.0
        self._memory = config.memory
        self._input = InputAccount(config.memory, name, self._pause, self._resume_soon, self.close)
        self._pace = Pace(self._loop.time())
        self._passed = 0
        self._seal: Seal | None = None
        self._rest = b""
        self._paused = self._no_reading = False

    @property
    def outbox(self) -> Outbox | None:
        """What is sent here; None before the handshake is done."""
        return self._sender.box

    def open(self) -> None:
        """Start the handshake on a connected socket."""
        assert self._opening is not None
        self.read(True)
        self._opening.start()

    def use(self, feed: MessageSink, outbox: Outbox) -> None:
        """Set the sink of this peer's messages, and the outbox of the messages for it."""
        self._feed = feed
        self._sender.attach(outbox)

    def look(self, now: float, limits: PaceLimits) -> str:
        """What is wrong with the pace of the peer since its handshake, a key of `FAULTS`, or ""."""
        box = self.outbox
        if self.closed or box is None:
            return ""
        held = self._held()
        # The bytes in front of a message are different for each message, so they are its number.
        pending = Pending(held, self._passed + 1 if held else 0)
        stopped = self._paused or self._no_reading
        traffic = Traffic(self._passed + held, box.sent, box.bytes, stopped)
        return self._pace.look(now, traffic, pending, limits)

    def stop_reading(self) -> None:
        """Read no more; what waits is still written."""
        if not self.closed:
            self._no_reading = True
            self._reading.stop()

    def read(self, yes: bool) -> None:
        """Read, unless `stop_reading` was called, or do not for a time."""
        if not yes:
            self._reading.stop()
        elif not self._no_reading:
            self._reading.start()

    def half_close(self) -> None:
        """Send nothing more and tell the peer so; what it has sent is read to its end."""
        if self.closed or self._sender.closed:
            return
        if self._commands is not None:
            self._commands.stop()
        self._sender.detach()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._broken(error.errno or 0)

    def close(self, reason: str) -> None:
        """Close now; what waits stays in the outbox, a half sent message as a whole."""
        if not self.closed:
            self.release(reason).close()

    def release(self, reason: str) -> socket.socket:
        """As `close`, but the socket stays open and is returned; the caller must close it."""
        self.closed = True
        if self._opening is not None:
            self._opening.stop()
        if self._commands is not None:
            self._commands.stop()
        self._reading.close()
        self._sender.detach()
        self._input.end()
        self._rest, self._gather = b"", None
        self._owner.closed(self, reason)
        return self._sock

    def _readable(self) -> None:
        if self.closed:
            return
        most = min(self._reading.size, self._memory.read)
        if self._reading.unit and self._seal is None:
            most = self._reading.even(most, self._held())
        try:
            data = self._sock.recv(most)
        except (BlockingIOError, InterruptedError):
            if self._sender.write_error:
                self._broken(self._sender.write_error)
            return
        except OSError as error:
            self._broken(error.errno or 0)
            return
        if not data:
            self._hung_up()
            return
        broken = self._sender.connection_error()
        size, full = len(data), len(data) == most
        begun = perf_counter()
        if self._opening is not None:
            self._opening.receive(data)
        else:
            assert self._commands is not None
            self._commands.heard()
            self._traffic(data if self._seal is None else self._unsealed(self._seal, data))
        if size >= SMALLEST_READ:
            self._reading.timed(size, perf_counter() - begun)
        if begun >= self._latencies.reads.due:
            self._latencies.take_read(begun)
        if (size < FAIR_READ or self._reading.short) and not self.closed:
            self._reading.account(size, self._opening is not None or self._held() > 0)
        if broken and full:
            self._loop.call_soon(self._readable)
        elif broken and not self._paused:
            self._broken(broken)

    def _unwritable(self, reason: str) -> None:
        """A write failed: read what came before. The loop does not report the error again."""
        if not self._paused and not self._no_reading:
            self._loop.call_soon(self._readable)

    def opened(self, peer: Peer, seal: Seal | None, rest: bytes) -> None:
        """The handshake is done: messages follow."""
        self._opening = None
        self.credential = peer.credential
        if seal is not None:
            self._seal = seal
            self._sender.protect(seal)
        refusal = self._owner.ready(self, peer)
        if refusal:
            self.close(refusal)
            return
        pings = self._config.options.pings
        heartbeat = Heartbeat(pings.interval, pings.timeout, pings.ttl, peer.version)
        self._commands = CommandHandler(heartbeat, self._sender, self.close, self._ended)
        self._commands.serve(self._feed)
        if rest and not self.closed:
            self._traffic(rest if seal is None else self._unsealed(seal, rest))

    def _unsealed(self, seal: Seal, data: bytes) -> bytes:
        """The plain bytes of a read; b"" if they end the connection."""
        try:
            return seal.open(data)
        except MessageTooBig as error:
            self._traffic(error.opened)
            self._refuse_size()
        except ValueError as error:
            self.close(f"cannot be opened: {error}")
        return b""

    def _held(self) -> int:
        """Bytes of messages that are read and not passed on."""
        sealed = 0 if self._seal is None else self._seal.held
        return sealed + len(self._rest) + (0 if self._gather is None else self._gather.size)

    def tired(self) -> bool:
        """True if handlers have had this peer's messages for long enough in this turn."""
        return perf_counter() - self._begun > HANDLERS_TIME

    def _traffic(self, data: bytes) -> None:
        """Take bytes behind the handshake, cut anywhere. An error closes the connection."""
        self._begun = perf_counter()
        try:
            self._deal(data)
        except ZmtpError as error:
            self._refuse(f"not ZMTP: {error}")
        except Exception as error:
            self.close(f"internal error: {error!r}")
            raise
        if self._memory.pressed is not None:
            self._input.yield_to()
        if not self.closed and ((held := self._held()) or self._input.held):
            self._input.count(held)

    def _deal(self, data: bytes) -> None:
        """Take the messages of a read; a loop, as many of them may need a step of their own."""
        steps = 0
        while data and not self.closed:
            steps += 1
            if steps > 16 and not self._paused and self.tired():
                self._pause_a_turn()
            if self._paused:
                self._rest += data
                return
            if self._gather is not None:
                data = self._collect(self._gather, data)
                continue
            rest, self._rest = self._rest, b""
            if len(rest) > GATHER and len(rest) > 4 * len(data):
                # Joining them with each small read would take time with the square of the size.
                self._gather = Gather(*self._config.options.frame_limits)
                data = rest + data
                continue
            data = self._pass(rest + data)

    def _pass(self, data: bytes) -> bytes:
        """Give whole messages to the message sink; the bytes to look at next are returned."""
        feed, commands = self._feed, self._commands
        assert feed is not None and commands is not None
        done, stop, wait = feed.feed(data)
        self._passed += done
        if stop == COMMAND and (after := commands.obey(data, done)) > done:
            return data[after:]
        if stop == BLOCKED:
            self._pause()
            wait[0].wait(self._resume_soon)
        elif stop == TIRED:
            self._pause_a_turn()
        elif stop == TOO_BIG:
            self._refuse_size()
        if done == len(data) or self.closed:
            return b""
        if done >= SMALLEST_EVEN:
            self._reading.unit = skip(data, 0, 1)[0]
        return self._keep(data[done:], stop)

    def _keep(self, rest: bytes, stop: int) -> bytes:
        """Keep a cut message until more of it arrives; bytes to be collected are returned."""
        if stop == BROKEN or (len(rest) >= READ and stop not in (BLOCKED, TIRED)):
            self._gather = Gather(*self._config.options.frame_limits)
            return rest
        self._rest = rest
        return b""

    def _collect(self, gather: Gather, data: bytes) -> bytes:
        """Collect a message in pieces, or with commands inside (libzmq); what follows it."""
        assert self._commands is not None
        try:
            found = gather.feed(data)
            for command in gather.take_commands():
                self._commands.handle(command)
        except MessageTooBig:
            self._refuse_size()
            return b""
        except ZmtpError as error:
            self._refuse(f"not ZMTP: {error}")
            return b""
        if found is None or self.closed:
            return b""
        self._gather = None
        message, rest = found
        return self._pass(message) + rest

    def _refuse_size(self) -> None:
        self._config.too_big()
        reason = f"message larger than max-message = {self._config.options.max_message} bytes"
        self._refuse(reason, "" if self._paused else "too-big")

    def _refuse(self, reason: str, fate: str = "") -> None:
        """Say why, and close in order: the peer is to know that it was no cut of the connection."""
        if self._commands is not None:
            self._commands.refuse(reason, fate)
        if not self.closed:
            with self.release(reason) as sock, contextlib.suppress(OSError):
                # Closing alone would be a reset, if there are bytes that nothing has read yet.
                sock.shutdown(socket.SHUT_WR)

    def _pause(self) -> None:
        """Stop reading until `_resume`."""
        if self.closed:
            return
        self._paused = True
        if self._commands is not None:
            self._commands.paused = True
        self._reading.stop()

    def _pause_a_turn(self) -> None:
        self._pause()
        self._resume_soon()

    def _resume_soon(self) -> None:
        self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if self.closed or self._no_reading:
            return
        self._paused = False
        if self._commands is not None:
            # We did not read, so the peer was not silent: its timeout begins anew.
            self._commands.paused = False
            self._commands.heard()
        self._reading.start()
        rest, self._rest = self._rest, b""
        if rest:
            self._traffic(rest)

    def _hung_up(self) -> None:
        """Nothing more comes. The end was in order unless a write has failed by a reset."""
        in_order = self._sender.connection_error() in (0, errno.EPIPE)
        self._ended(CLOSED, RESETS_PER_REFUSAL if in_order else 1)

    def _broken(self, error: int) -> None:
        """The kernel has an error for the connection.

        EPIPE means that the peer had closed in order, and reset only what we sent after that.
        """
        if error == errno.EPIPE:
            self._ended(CLOSED)
        elif error == errno.ECONNRESET:
            self._ended(reason_of(error), resets=1)
        else:
            self.close(reason_of(error))

    def _ended(self, reason: str, resets: int = RESETS_PER_REFUSAL) -> None:
        """The connection was ended, and not by us: the peer may refuse what it was being sent.

        That is likely after an end in order, and seldom so after a reset (`resets` = 1).
        """
        if self.outbox is not None and not self.closed:
            self._sender.settle()
            self.refused = self.outbox.refuse(resets)
        self.close(reason if self._opening is None else self._opening.meaning_of_end(reason))

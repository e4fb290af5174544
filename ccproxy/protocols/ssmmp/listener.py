"""A listener whose peers speak SSMMP as plain text, in any of its framings.

Each message becomes one of the type `ssmmp.<message type>` and goes through the routes. A handler
that stores a message can write to its peer at any later time, by answering it. It must never
depend on what a message means.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

from ccproxy.core.message import Message, NativeAnswer, Reply
from ccproxy.core.pace import NOTHING, PaceLimits, Pending
from ccproxy.net.stream import Stream
from ccproxy.net.stream_listener import MessagePeer, StreamListener
from ccproxy.protocols.ssmmp import (
    FIELD,
    MESSAGE_TIMEOUT,
    PREFIX,
    Malformed,
    Reader,
    SsmmpCodec,
    dialect_of,
    format,
    parse,
)

MAX_UNREADABLE = 10
"""A connection is closed after this number of messages without a readable type or id."""
MAX_MALFORMED = 100
"""A connection is closed after this number of bad messages without a good one between them."""


class TextListener(StreamListener["TextPeer"]):
    """One address on which SSMMP is spoken as text."""

    @property
    def pace(self) -> PaceLimits:
        """The protocol gives a message less time than the default of `handshake-timeout`."""
        limits = self.options.pace
        return replace(limits, message=min(limits.message, MESSAGE_TIMEOUT))

    def make(self, sock: socket.socket, peer: str) -> TextPeer:
        """A peer that was just accepted."""
        return TextPeer(self, sock, peer)


class TextPeer(MessagePeer):
    """One connection."""

    def __init__(self, listener: TextListener, sock: socket.socket, peer: str) -> None:
        super().__init__(listener, sock, peer)
        self._reader = Reader()
        self._codec: SsmmpCodec | None = None
        self._unreadable = self._malformed = 0

    def received(self, stream: Stream, data: bytes) -> None:
        """Take bytes of messages; empty bytes mean that the peer sends no more."""
        for unit in self._reader.feed(data):
            if self.stream.finishing:
                break  # what follows the message that closes the connection is not obeyed
            self._take(unit)
        if self._reader.broken:
            self.malformed(0, self._reader.broken)
            self._finish(self._reader.broken)

    def pending(self) -> Pending:
        """The message that is not whole yet."""
        reader = self._reader
        return Pending(reader.held, reader.units + 1) if reader.partial else NOTHING

    def answer(self, message: Message, answer: Reply | NativeAnswer) -> str:
        """Write to the peer, or close it after the waiting bytes if a `NativeAnswer` is empty.

        A `NativeAnswer` holds the text of a message in any framing, or bytes that are written as
        they are.
        """
        if not isinstance(answer, NativeAnswer) or self.stream.closed:
            return super().answer(message, answer)
        if answer.content:
            return super().answer(message, NativeAnswer(self._unit(message, answer.content)))
        self._finish("closed by a handler")
        return "replied"

    def _unit(self, message: Message, content: str | bytes) -> bytes:
        if isinstance(content, bytes):
            return content
        [unit] = message.codec.encode(message.type, {FIELD: content}, None)
        return unit

    def _take(self, unit: bytes) -> None:
        if self._codec is None:
            self._codec = SsmmpCodec(dialect_of(unit))
        try:
            parsed = parse(unit)
        except Malformed as error:
            self._refuse(unit, error)
            return
        self._malformed = 0
        # The parsed message is passed on behind the text, so that no handler parses it again; the
        # codec reads only the text.
        self.take(PREFIX + parsed.type, unit, parsed, size=len(unit), codec=self._codec)

    def _refuse(self, unit: bytes, error: Malformed) -> None:
        """Count and log a message that cannot be read, and answer it if that is possible."""
        self.malformed(len(unit), str(error))
        answer = error.answer
        if answer is not None and self._codec is not None:
            self.stream.write(format(answer, self._codec.dialect))
        self._unreadable += error.unreadable
        self._malformed += 1
        if self._unreadable >= MAX_UNREADABLE:
            self._finish(f"{MAX_UNREADABLE} messages that cannot be read")
        elif self._malformed >= MAX_MALFORMED:
            self._finish(f"{MAX_MALFORMED} bad messages in a row")

    def _finish(self, reason: str) -> None:
        """Close after writing the waiting bytes, or after a time if the peer does not read them."""
        self.stream.finish(reason)
        asyncio.get_running_loop().call_later(MESSAGE_TIMEOUT, self.stream.close, reason)

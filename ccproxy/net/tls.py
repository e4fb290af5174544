"""TLS of streams: the contexts of a listener, and the handshake of one connection.

The steps of all handshakes share what `Handshakes` gives them in a turn of the loop, so that a
flood of connections does not delay those that are open. A connection costs nothing before its first
byte, and one that is no TLS costs no handshake. It must never decide which certificate is trusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ccproxy.config.tls import ListenerTlsOptions, listener_context, seen, slow_key
from ccproxy.net.handshakes import Handshakes
from ccproxy.net.sender import SAID_NOTHING
from ccproxy.net.stream import Stream
from ccproxy.wire.tls import HANDSHAKE, TlsError, TlsSession, TlsStep

MOST_SESSIONS = 1000
"""Sessions of TLS 1.2 that OpenSSL may keep for a listener, 1.1 KiB each, in case the client comes
again; it would keep 20,480 and has no option in Python."""
NO_TLS = "no-tls"
"""What is counted for a peer that speaks something else."""
HTTP_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"PRI ")
_TEXT = b"This port speaks TLS; use https:// for it.\n"
PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_TEXT), _TEXT)
)
"""The answer to a plain HTTP request."""


@dataclass(frozen=True, slots=True)
class TlsWork:
    """One step of a handshake, for `Handshakes`."""

    run: Callable[[], TlsStep]
    slow: bool = False


class ListenerTls:
    """The certificate of one listener, as it was when the listener or a reload read its files."""

    def __init__(self, options: ListenerTlsOptions) -> None:
        """KeyFault if a file cannot be used."""
        self.reread(options)

    def reread(self, options: ListenerTlsOptions) -> None:
        """Read the files again, for connections to come; KeyFault leaves all as it was."""
        self._context = listener_context(options)
        self.slow = slow_key(options)
        """True if a handshake takes longer than a turn of the loop may."""
        self._options = options
        self._seen = seen(options)

    def session(self) -> TlsSession:
        """The server's side of a new connection."""
        if self._context.session_stats()["number"] >= MOST_SESSIONS and self._same():
            # Nothing but a new context empties the cache; it is read of the same files.
            self._context = listener_context(self._options)
        return TlsSession(self._context)

    def _same(self) -> bool:
        return self._seen == seen(self._options)


class OpeningOwner(Protocol):
    """The object that is told how a handshake ends."""

    def secured(self, stream: Stream, session: TlsSession) -> None:
        """It is done; what comes now and what is written is under TLS."""

    def unsecured(self, stream: Stream, reason: str, word: str) -> None:
        """It has failed, and the stream is closed; `word` is what to count, "" for silence."""


@dataclass(frozen=True, slots=True)
class OpeningLimits:
    """The seconds that a handshake may take, and whether a step of it takes too long for the loop,
    so that a thread has to do it."""

    seconds: float
    slow: bool = False


class TlsOpening:
    """The handshake of one stream; see `ccproxy.net.stream.StreamOpening`."""

    __slots__ = ("_handshakes", "_make", "_owner", "_session", "_slow", "_stream", "_timer")

    def __init__(
        self,
        stream: Stream,
        make: Callable[[], TlsSession],
        handshakes: Handshakes,
        owner: OpeningOwner,
        limits: OpeningLimits,
    ) -> None:
        """`make` gives the session when it is needed."""
        self._stream = stream
        self._make = make
        self._slow = limits.slow
        self._handshakes = handshakes
        self._owner = owner
        self._session: TlsSession | None = None
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(limits.seconds, self._too_slow, limits.seconds)
        stream.begin(self)

    def start(self) -> None:
        """Speak first: this is the side of the client."""
        self._session = self._make()
        self._step(self._session)

    def stop(self) -> None:
        """The stream is closed."""
        self._timer.cancel()

    def received(self, data: bytes) -> None:
        """Bytes came; `b""` is the end of the connection."""
        session = self._session
        if not data:
            self._fail(
                "closed by the peer in the handshake of TLS" if session else SAID_NOTHING, b""
            )
            return
        if session is None:
            if data[0] != HANDSHAKE:
                self._refuse(data)
                return
            session = self._session = self._make()
        session.receive(data)
        self._step(session)

    def _step(self, session: TlsSession) -> None:
        """Have one step done; nothing is read before."""
        self._stream.pause()
        self._handshakes.do(TlsWork(session.step, self._slow), self._done)

    def _done(self, outcome: Callable[[], TlsStep]) -> None:
        stream, session = self._stream, self._session
        if stream.closed or stream.finishing or session is None:
            return
        try:
            step = outcome()
        except TlsError as error:
            self._fail(f"TLS: {error}", error.alert)
            return
        except ValueError as error:
            self._fail(f"TLS: {error}", b"")
            return
        stream.handshake(step.transmit)
        if not step.done:
            stream.resume()
            return
        self._timer.cancel()
        stream.protect(session)
        self._owner.secured(stream, session)
        stream.go_on()

    def _refuse(self, data: bytes) -> None:
        """Refuse a peer that speaks no TLS; a client of HTTP is told why."""
        http = data.startswith(HTTP_METHODS)
        what = "plain HTTP" if http else f"no TLS: its first byte is {data[0]:#04x}"
        self._fail(f"it speaks {what}, where TLS is expected", PLAIN_HTTP if http else b"", NO_TLS)

    def _too_slow(self, seconds: float) -> None:
        self._fail(f"no handshake of TLS within {seconds:g} s", b"")

    def _fail(self, reason: str, last: bytes, word: str = "handshake-failed") -> None:
        stream = self._stream
        self._timer.cancel()
        self._owner.unsecured(stream, reason, word)
        if last:
            stream.handshake(last)
            stream.close_gracefully(reason)
        else:
            stream.close(reason)

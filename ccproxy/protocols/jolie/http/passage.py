"""The service's end of an exchange: the request goes out, the response comes back, in pieces.

    start -> bind (the caller's body follows) -> feed, until it is True: the response is whole

It must never hold more of a body than the piece that it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ccproxy.protocols.jolie.http.exchange import Exchange, PassedResponse
from ccproxy.protocols.jolie.http.messages import HttpLimits, Sending
from ccproxy.protocols.jolie.http.pass_client import PassClient
from ccproxy.protocols.jolie.http.pass_server import BodyData

MOST_WAITING = 256 * 1024
"""Bytes that may wait for an end before the other end is not read for a time."""


class PassWire(Protocol):
    """What a passage needs of the connection to the service."""

    @property
    def waiting(self) -> int:
        """Bytes that wait to be written."""

    def write(self, data: bytes) -> bool:
        """Queue bytes."""

    def when_sent(self, call: Callable[[], None]) -> None:
        """Call once, when some of them are written."""

    def pause(self) -> None:
        """Do not read for now."""

    def resume(self) -> None:
        """Read again."""

    def abandon(self) -> None:
        """End the connection; its call is lost."""


@dataclass(frozen=True, slots=True)
class PassedSending(Sending):
    """The request of a call whose value is an exchange; its body is not here."""

    exchange: Exchange = field(kw_only=True)
    place: tuple[str, str] = field(kw_only=True)
    """Host and path of the location."""


class Passage:
    """One request to a service; see `ServiceEnd`."""

    def __init__(self, request: PassedSending, limits: HttpLimits) -> None:
        self.client = PassClient(limits)
        self._exchange = request.exchange
        self._place = request.place
        self._caller = request.exchange.caller
        self._wire: PassWire | None = None
        self._over = False
        self.held = False
        """True while the service is not read, because the caller has no room."""

    def start(self) -> bytes:
        """The head of the request; the path of the location is in front of the target."""
        host, path = self._place
        head = self._exchange.request
        if path != "/" and head.target != b"*":
            head = head._replace(target=path.rstrip("/").encode("ascii") + head.target)
        return self.client.request(head, host)

    def bind(self, wire: PassWire) -> None:
        """The head is written: let the body follow."""
        self._wire = wire
        self._exchange.attach(self)

    def feed(self, data: bytes) -> bool:
        """Take bytes of the service, b"" for the end of the connection; True if all is here."""
        for event in self.client.feed(data):
            if isinstance(event, PassedResponse):
                self._caller.respond(event)
            elif not isinstance(event, BodyData):
                self._over = True
                self._caller.end()
            elif not self._caller.data(event.data) and self._wire is not None:
                self.held = True
                self._wire.pause()
        return self._over

    # End of the service

    def data(self, data: bytes) -> None:
        """Write a piece of the request's body."""
        self._write(self.client.data(data))

    def end(self) -> None:
        """The request is whole."""
        self._write(self.client.end())

    def resume(self) -> None:
        """The caller has room again."""
        self.held = False
        if self._wire is not None and not self._over:
            self._wire.resume()

    def abandon(self) -> None:
        """The caller is gone."""
        if self._wire is not None and not self._over:
            self._over = True
            self._wire.abandon()

    def _write(self, data: bytes) -> None:
        wire = self._wire
        if wire is None or self._over or not data:
            return
        wire.write(data)
        if wire.waiting > MOST_WAITING:
            self._caller.pause()
            wire.when_sent(self._sent)

    def _sent(self) -> None:
        wire = self._wire
        if wire is None or self._over:
            return
        if wire.waiting > MOST_WAITING // 2:
            wire.when_sent(self._sent)
        else:
            self._caller.resume()

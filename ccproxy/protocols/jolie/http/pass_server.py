"""One accepted HTTP/1.1 connection whose requests are passed as they are: bytes in, events out,
responses in, bytes out.

A head is checked as in `server` before h11 parses it, so that no request hides in another one. A
body comes in pieces; it is never held. One request is given out at a time. It must never raise for
what a peer sent: it returns a `RefusedRequest`.
"""

from __future__ import annotations

from typing import NamedTuple

import h11

from ccproxy.protocols.jolie.http.access import WebAccess
from ccproxy.protocols.jolie.http.authority import located
from ccproxy.protocols.jolie.http.chunks import EMPTY, ChunkedBody
from ccproxy.protocols.jolie.http.exchange import (
    Headers,
    PassedRequest,
    PassedResponse,
    end_to_end,
)
from ccproxy.protocols.jolie.http.heads import HeadReader
from ccproxy.protocols.jolie.http.messages import HttpLimits, RefusedRequest, header_map, plain

PIECE = 64 * 1024
"""Bytes of a body in one event."""
UNLIMITED = 1 << 62
"""Bytes of a body that is passed."""


class BodyData(NamedTuple):
    """A piece of a body."""

    data: bytes


class BodyEnd(NamedTuple):
    """The body, and with it the request, is whole."""


PassEvent = PassedRequest | BodyData | BodyEnd | RefusedRequest


class PassServer:
    """The side of HTTP that sends responses."""

    def __init__(self, limits: HttpLimits, access: WebAccess | None = None) -> None:
        self.closing = False
        """True if no further request is read; close the connection when all is written."""
        self.unwelcome = False
        """True if that is because of a request that can be read and is not obeyed."""
        self._access = access
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)
        self._in = bytearray()
        self._heads = HeadReader(limits.head)
        self._left = 0
        self._chunked: ChunkedBody | None = None
        self._reading = self._busy = self._bodiless = self._only_head = False

    @property
    def held(self) -> int:
        """Bytes of a head that is not whole, or of what was sent ahead."""
        return len(self._in)

    @property
    def begun(self) -> bool:
        """True if a request has begun and its body is not whole."""
        return self._reading or (bool(self._in) and not self._busy)

    @property
    def busy(self) -> bool:
        """True from the head of a request to the end of its response."""
        return self._busy

    @property
    def unanswered(self) -> bool:
        """True if a response may begin."""
        return self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE)

    @property
    def crowded(self) -> bool:
        """True if so much was sent ahead of a response that no more should be read."""
        return not self._reading and self._busy and len(self._in) > PIECE

    def feed(self, data: bytes) -> PassEvent | None:
        """The next event, to be asked for with b"" until there is none."""
        self._in += data
        if self._bodiless:
            self._bodiless = False
            return BodyEnd()
        if self.closing and not self._reading:
            return None
        try:
            if self._reading:
                return self._body()
            return None if self._busy else self._head()
        except h11.RemoteProtocolError as reason:
            return self._refuse(RefusedRequest(reason.error_status_hint, plain(reason)))

    def keep(self, data: bytes) -> None:
        """Take bytes whose turn has not come."""
        self._in += data

    def body_of(self, body: bytes) -> bytes:
        """The whole body of a response of ours; nothing if the request is a HEAD."""
        return b"" if self._only_head else self.data(body)

    def proceed(self) -> bytes:
        """100 Continue, if the caller waits for it before it sends the body."""
        if not self._h11.they_are_waiting_for_100_continue:
            return b""
        return self._h11.send(h11.InformationalResponse(status_code=100, headers=[])) or b""

    def respond(self, head: PassedResponse) -> bytes:
        """The head of a response."""
        headers = list(head.headers)
        if self._reading or self.closing:
            # What is left of the request would be taken for the next one.
            self.closing = True
            headers.append((b"Connection", b"close"))
        event = h11.Response(status_code=head.status, headers=headers, reason=head.reason)
        return self._h11.send(event) or b""

    def data(self, data: bytes) -> bytes:
        """A piece of its body."""
        return self._h11.send(h11.Data(data=data)) or b""

    def end(self) -> bytes:
        """The end of the response; the next request may come."""
        written = self._h11.send(h11.EndOfMessage()) or b""
        self._busy = self._bodiless = self._only_head = False
        both = (self._h11.our_state, self._h11.their_state)
        if self._reading or both != (h11.DONE, h11.DONE):
            self.closing = True
        else:
            self._h11.start_next_cycle()
        return written

    def _head(self) -> PassEvent | None:
        self._heads.skip(self._in)
        if not self._in:
            return None
        head = self._heads.take(self._in)
        if head is None:
            return None
        if isinstance(head, RefusedRequest):
            return self._refuse(head)
        self._h11.receive_data(head)
        event = self._h11.next_event()
        assert isinstance(event, h11.Request), event
        return self._begin(event)

    def _begin(self, request: h11.Request) -> PassEvent:
        raw: Headers = tuple(request.headers.raw_items())
        named = header_map(raw)
        self._busy = self._reading = True
        self._only_head = request.method == b"HEAD"
        self._chunked = ChunkedBody(UNLIMITED) if "transfer-encoding" in named else None
        self._left = 0 if self._chunked else int(named.get("content-length", "0"))
        target, access = request.target, self._access
        secure = access is not None and access.secure
        found = located(request.method.decode("ascii"), target.decode("ascii"), secure)
        if isinstance(found, RefusedRequest):
            return self._unwelcome(found)
        if found.host:
            # The header says nothing then, and the service gets the host of the target (3.2.2).
            raw, target = renamed(raw, found.host), found.target.encode("ascii")
            named["host"] = found.host
        if refused := websocket(raw) or (access and access.refusal(named)):
            return self._unwelcome(refused)
        if self._chunked is None and not self._left:
            self._h11.next_event()
            self._reading, self._bodiless = False, True
        headers = end_to_end(raw)
        if self._chunked is not None:
            headers = (*headers, (b"Transfer-Encoding", b"chunked"))
        host = named.get("host", "").encode("latin-1")
        return PassedRequest(request.method, target, headers, host)

    def _unwelcome(self, refused: RefusedRequest) -> RefusedRequest:
        self.unwelcome = refused.status != 400
        return self._refuse(refused)

    def _body(self) -> PassEvent | None:
        """The next piece of the body, and nothing of what is behind it."""
        if self._chunked is not None:
            return self._chunks(self._chunked)
        piece = bytes(self._in[: min(self._left, PIECE)])
        del self._in[: len(piece)]
        self._left -= len(piece)
        if piece:
            self._give(piece)
            return BodyData(piece)
        return None if self._left else self._finish()

    def _chunks(self, body: ChunkedBody) -> PassEvent | None:
        taken = body.feed(bytes(self._in[:PIECE]))
        del self._in[:taken]
        if body.refused:
            return self._refuse(body.refused)
        if piece := body.take():
            return BodyData(piece)
        if not body.whole:
            return None
        self._give(EMPTY)
        return self._finish()

    def _give(self, data: bytes) -> None:
        """Let h11 see a piece of a body, and its end behind the last one."""
        self._h11.receive_data(data)
        while isinstance(self._h11.next_event(), h11.Data):
            pass

    def _finish(self) -> BodyEnd:
        self._reading = False
        return BodyEnd()

    def _refuse(self, refused: RefusedRequest) -> RefusedRequest:
        self.closing = self._busy = True
        self._reading = False
        return refused


def renamed(headers: Headers, host: str) -> Headers:
    """The headers with this host in the place of what they name."""
    rest = [one for one in headers if one[0].lower() != b"host"]
    return ((b"Host", host.encode("ascii")), *rest)


def websocket(headers: Headers) -> RefusedRequest | None:
    """What is not passed: a change of the protocol."""
    asked = b",".join([value for name, value in headers if name.lower() == b"upgrade"]).lower()
    if b"websocket" in asked:
        return RefusedRequest(501, "a WebSocket: connections are not upgraded here")
    return None

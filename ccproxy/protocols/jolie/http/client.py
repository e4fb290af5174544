"""One HTTP/1.1 connection to a service: a request in, bytes out, bytes in, its response out.

Framing is h11's; one request at a time. It must never raise for what a service sent: `broken`
says why it cannot be read on.
"""

from __future__ import annotations

import h11

from ccproxy.protocols.jolie.http.messages import (
    HttpLimits,
    HttpResponse,
    Sending,
    header_list,
    header_map,
    plain,
)

_START = b"HTTP/1."
_CUT_OFF = "the service closed the connection before its answer was whole"


class HttpClient:
    """The side of HTTP that sends requests."""

    def __init__(self, limits: HttpLimits) -> None:
        self.closing = False
        """True if the service ends the connection: send no further request."""
        self.broken = ""
        """Why the connection cannot be read on."""
        self._limits = limits
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.head)
        self._response: h11.Response | None = None
        self._body = bytearray()
        self._start = b""

    def send(self, sending: Sending) -> bytes:
        """The bytes of a request; RuntimeError while another one is outstanding."""
        if self._h11.our_state is not h11.IDLE:
            raise RuntimeError("an HTTP connection carries one request at a time")
        headers = [*header_list(sending), (b"Content-Length", b"%d" % len(sending.body))]
        events = [
            h11.Request(method=sending.method, target=sending.target, headers=headers),
            h11.Data(data=sending.body),
            h11.EndOfMessage(),
        ]
        return b"".join(self._h11.send(event) or b"" for event in events)

    def feed(self, data: bytes) -> HttpResponse | None:
        """The response once it is whole. Bytes without a request break the connection."""
        if self.broken or not data:
            return None
        return self._receive(data)

    def eof(self) -> HttpResponse | None:
        """The response that ends with the connection, if there is one."""
        self.closing = True
        # A service that sent nothing broke nothing: the owner of a call that is lost says so.
        if self.broken or not self._start:
            return None
        try:
            self._h11.receive_data(b"")
            return self._next()
        except h11.ProtocolError:
            self.broken = _CUT_OFF
            return None

    def _receive(self, data: bytes) -> HttpResponse | None:
        if self._h11.our_state is h11.IDLE:
            self.broken = "a response without a request"
            return None
        # h11 would wait for a whole head before it finds that this is not HTTP.
        self._start = (self._start + data)[: len(_START)]
        if not _START.startswith(self._start):
            self.broken = f"no HTTP response: it starts with {self._start!r}"
            return None
        try:
            self._h11.receive_data(data)
            return self._next()
        except h11.ProtocolError as reason:
            self.broken = f"no HTTP response: {self._words(reason)}"
            return None

    def _words(self, reason: h11.ProtocolError) -> str:
        if reason.error_status_hint == 431:
            return f"a head of more than {self._limits.head} bytes"
        return plain(reason)

    def _next(self) -> HttpResponse | None:
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > self._limits.body:
                    self.broken = f"a body of more than {self._limits.body} bytes"
                    return None
            elif isinstance(event, h11.EndOfMessage):
                return self._whole()
            elif not isinstance(event, h11.InformationalResponse):
                return None

    def _whole(self) -> HttpResponse:
        found, body = self._response, bytes(self._body)
        assert found is not None
        self._response, self._body, self._start = None, bytearray(), b""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            if self._h11.trailing_data[0]:
                self.broken = "bytes behind a response"
            self._h11.start_next_cycle()
        else:
            self.closing = True
        return HttpResponse(found.status_code, header_map(found.headers), body)

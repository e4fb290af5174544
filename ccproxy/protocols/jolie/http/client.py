"""One HTTP/1.1 connection to a service: a request in, bytes out, bytes in, its response out.

Framing is h11's, but for messages in the simplest form (`simple`); one request at a time. It must
never raise for what a service sent: `broken` says why it cannot be read on.
"""

from __future__ import annotations

from typing import cast

import h11

from ccproxy.protocols.jolie.http.messages import (
    HttpLimits,
    HttpResponse,
    Sending,
    collected,
    header_list,
    header_map,
    plain,
)
from ccproxy.protocols.jolie.http.simple import SimpleHead, read_response, write_request
from ccproxy.protocols.jolie.pieces import to_write

_START = b"HTTP/1."
_BEHIND = "bytes behind a response"
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
        self._sent: Sending | None = None
        """The request without response, if h11 has not seen it."""
        self._head: SimpleHead | None = None
        """The head of its response, if h11 does not see that."""
        self._response: h11.Response | None = None
        self._body = bytearray()
        self._start = b""

    def send(self, sending: Sending) -> list[bytes | memoryview]:
        """The pieces of a request; RuntimeError while another one is outstanding."""
        if self._waiting:
            raise RuntimeError("an HTTP connection carries one request at a time")
        written = write_request(sending.method, sending.target, sending.headers, sending.body)
        if written is None:
            return self._send(sending)
        self._sent = sending
        return written

    @property
    def _waiting(self) -> bool:
        return self._sent is not None or self._h11.our_state is not h11.IDLE

    def _send(self, sending: Sending) -> list[bytes | memoryview]:
        headers = [*header_list(sending), (b"Content-Length", b"%d" % len(sending.body))]
        events = [
            h11.Request(method=sending.method, target=sending.target, headers=headers),
            h11.Data(data=cast(bytes, sending.body)),
            h11.EndOfMessage(),
        ]
        written: list[bytes | memoryview] = []
        for event in events:
            for one in self._h11.send_with_data_passthrough(event) or ():
                written += to_write(one)
        return written

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
        if self._head is not None:
            self.broken = _CUT_OFF
            return None
        try:
            self._h11.receive_data(b"")
            return self._next()
        except h11.ProtocolError:
            self.broken = _CUT_OFF
            return None

    def _receive(self, data: bytes) -> HttpResponse | None:
        if not self._waiting:
            self.broken = "a response without a request"
            return None
        if self._sent is not None and not self._start:
            self._head = read_response(data, self._limits)
        if self._head is not None:
            return self._simple_body(self._head, data)
        # h11 would wait for a whole head before it finds that this is not HTTP.
        self._start = (self._start + data)[: len(_START)]
        if not _START.startswith(self._start):
            self.broken = f"no HTTP response: it starts with {self._start!r}"
            return None
        try:
            if self._sent is not None:
                self._send(self._sent)
                self._sent = None
            self._h11.receive_data(data)
            return self._next()
        except h11.ProtocolError as reason:
            self.broken = f"no HTTP response: {self._words(reason)}"
            return None

    def _simple_body(self, head: SimpleHead, data: bytes) -> HttpResponse | None:
        self._body += data if self._start else data[head.size :]
        self._start = _START
        if len(self._body) < head.length:
            return None
        if len(self._body) > head.length:
            self.broken = _BEHIND
        body = bytes(self._body[: head.length])
        self._sent = self._head = None
        self._body, self._start = bytearray(), b""
        return HttpResponse(head.status, head.headers, body)

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
        found, body = self._response, collected(self._body)
        assert found is not None
        self._response, self._body, self._start = None, bytearray(), b""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            if self._h11.trailing_data[0]:
                self.broken = _BEHIND
            self._h11.start_next_cycle()
        else:
            self.closing = True
        return HttpResponse(found.status_code, header_map(found.headers), body)

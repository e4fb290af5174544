"""One accepted HTTP/1.1 connection: bytes in, whole requests out, responses in, bytes out.

Framing is h11's, but for requests in the simplest form (`simple`), with their responses, and for
bodies in chunks (`chunks`). It gets no byte before the head it belongs to was checked (`heads`),
and none of a later request. One request is given out at a time; what is sent ahead waits, up to a
limit. It must never raise for what a peer sent: it returns a `RefusedRequest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import h11

from ccproxy.core.pace import Pending
from ccproxy.protocols.jolie.http.access import WebAccess
from ccproxy.protocols.jolie.http.authority import located
from ccproxy.protocols.jolie.http.chunks import EMPTY, ChunkedBody
from ccproxy.protocols.jolie.http.heads import HeadReader, told
from ccproxy.protocols.jolie.http.messages import (
    Body,
    HttpLimits,
    HttpRequest,
    RefusedRequest,
    Sending,
    collected,
    header_list,
    header_map,
    plain,
)
from ccproxy.protocols.jolie.http.simple import SimpleHead, read_request, write_response
from ccproxy.protocols.jolie.pieces import to_write

CUT_OFF = "a request that is cut off"
PIECE = 64 * 1024
"""Bytes of a body that are taken at a time; those behind a chunked one are looked at again."""


class HttpServer:
    """The side of HTTP that sends responses."""

    def __init__(self, limits: HttpLimits, access: WebAccess | None = None) -> None:
        """Without `access` every request is obeyed."""
        self.closing = False
        """True if no further request is read; close the connection when `out` is written."""
        self.broken = ""
        """Why, if the peer broke the protocol."""
        self.too_big = False
        """True if the reason is that a body is larger than it may be."""
        self.unwelcome = False
        """True if the reason is that it is no request to obey (`WebAccess`)."""
        self._limits = limits
        self._access = access
        self._h11 = self._fresh()
        self._in = bytearray()
        self._heads = HeadReader(limits.head)
        self._left = 0
        self._chunked: ChunkedBody | None = None
        self._requests = 0
        self._out: list[bytes | memoryview] = []
        self._request: h11.Request | None = None
        self._simple: SimpleHead | None = None
        """The request, if h11 does not see it."""
        self._headers: Mapping[str, str] = {}
        self._target = ""
        self._body = bytearray()
        self._waiting = False
        self._ended = False
        self._draining = False

    @property
    def crowded(self) -> bool:
        """True while so much was sent ahead that no more should be read."""
        return 2 * len(self._in) > self._limits.ahead

    @property
    def waiting(self) -> bool:
        """True while a request waits for its response."""
        return self._waiting

    @property
    def has_output(self) -> bool:
        """True if there are bytes to be written."""
        return bool(self._out)

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the request that waits; of a head that is refused what says its form."""
        known = self._request is not None or self._simple is not None
        return self._headers if known else told(self._in)

    def pending(self) -> Pending:
        """The request that is not whole yet; what was sent ahead of a response has no hurry."""
        held = len(self._in) + len(self._body)
        if self._chunked is not None:
            held += len(self._chunked.content)
        begun = not self._waiting and bool(held or self._request or self._simple)
        return Pending(held, self._requests + 1 if begun else 0, self._waiting)

    def feed(self, data: bytes) -> HttpRequest | RefusedRequest | None:
        """The next request once it is whole; none while one waits for its response."""
        if self.closing:
            return None
        self._in += data
        if self._waiting:
            self._hold()
            return None
        try:
            if self._simple is not None:
                return self._simple_body(self._simple)
            return self._head() if self._request is None else self._next()
        except h11.RemoteProtocolError as reason:
            return self._refuse(RefusedRequest(reason.error_status_hint, plain(reason)))

    def eof(self) -> None:
        """The caller sends no more; a request that waits still gets its response."""
        self._ended = True
        if not self._waiting:
            self.closing = True

    def drain(self, reason: str) -> RefusedRequest | None:
        """Take no further request: the next response is the last, also if its request is half here.

        It is returned as refused, to be responded to.
        """
        if self._draining or self.closing:
            return None
        self._draining = True
        if self._waiting:
            return None
        if self._request is None and self._simple is None and not self._in:
            self.closing = True
            return None
        self._waiting = True
        return RefusedRequest(503, reason)

    def exceed(self, reason: str) -> None:
        """The body of the request that waits is too large once it is unpacked."""
        self.broken = reason
        self.too_big = True

    def respond(self, sending: Sending) -> None:
        """Send the response of the request that waits; ignored if there is none."""
        if not self._waiting:
            return
        self._waiting = False
        last = self._draining or bool(self.broken)
        if self._simple is not None:
            self._respond_simply(sending, last)
            return
        headers = header_list(sending)
        if sending.status != 204:
            headers.append((b"Content-Length", b"%d" % len(sending.body)))
        if last:
            headers.append((b"Connection", b"close"))
        self._send(h11.Response(status_code=sending.status, headers=headers))
        head = self._request is not None and self._request.method == b"HEAD"
        if sending.body and not head:
            self._send(h11.Data(data=cast(bytes, sending.body)))
        self._send(h11.EndOfMessage())
        self._flush_queue()

    def out(self) -> list[bytes | memoryview]:
        """The pieces to be written since the last time."""
        data, self._out = self._out, []
        return data

    def _fresh(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head)

    def _hold(self) -> None:
        if len(self._in) > self._limits.ahead:
            self.broken = f"more than {self._limits.ahead} bytes sent ahead of a response"
            self.closing = True

    def _head(self) -> HttpRequest | RefusedRequest | None:
        """Find a whole head; if it is not simple, check it: then h11 may parse it."""
        self._heads.skip(self._in)
        if not self._in:
            self.closing = self._ended
            return None
        simple = read_request(self._in, self._limits)
        if simple is not None:
            return self._begin_simply(simple)
        head = self._heads.take(self._in)
        if head is None and self._ended:
            head = RefusedRequest(400, CUT_OFF)
        if head is None:
            return None
        if isinstance(head, RefusedRequest):
            return self._refuse(head)
        self._h11.receive_data(head)
        return self._next()

    def _begin_simply(self, head: SimpleHead) -> HttpRequest | RefusedRequest | None:
        self._simple, self._headers = head, head.headers
        self._heads.passed()
        del self._in[: head.size]
        return self._located(head.method, head.target) or self._simple_body(head)

    def _simple_body(self, head: SimpleHead) -> HttpRequest | RefusedRequest | None:
        if len(self._in) < head.length:
            return self._refuse(RefusedRequest(400, CUT_OFF)) if self._ended else None
        body = bytes(self._in[: head.length])
        del self._in[: head.length]
        return self._whole(head.method, body)

    def _respond_simply(self, sending: Sending, last: bool) -> None:
        self._simple = None
        written = write_response(sending.status, sending.headers, sending.body, last)
        self.closing = self.closing or last or written is None
        self._out += written or ()

    def _next(self) -> HttpRequest | RefusedRequest | None:
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Request):
                if refused := self._begin(event):
                    return refused
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                found, body = self._request, collected(self._body)
                assert found is not None
                return self._whole(found.method.decode("ascii"), body)
            elif not self._give():
                return self._unfinished()
            if refused := self._too_big():
                return refused

    def _begin(self, request: h11.Request) -> RefusedRequest | None:
        self._request = request
        self._headers = header_map(request.headers)
        chunked = "transfer-encoding" in self._headers
        self._chunked = ChunkedBody(self._limits.body) if chunked else None
        self._left = 0 if chunked else int(self._headers.get("content-length", "0"))
        return self._located(request.method.decode("ascii"), request.target.decode("ascii"))

    def _located(self, method: str, target: str) -> RefusedRequest | None:
        """Take the target of a request and the host that holds; why it is not obeyed, or None."""
        self._target, access = target, self._access
        if target[0] != "/" or method == "CONNECT":
            found = located(method, target, access is not None and access.secure)
            if isinstance(found, RefusedRequest):
                return self._unwelcome(found)
            self._target = found.target
            if found.host:
                self._headers = {**self._headers, "host": found.host}
        refused = access.refusal(self._headers) if access else None
        return self._unwelcome(refused) if refused else None

    def _unwelcome(self, refused: RefusedRequest) -> RefusedRequest:
        self.unwelcome = refused.status != 400
        return self._refuse(refused)

    def _give(self) -> bool:
        """Take more of the body, and nothing of what is behind it; False if it is not there."""
        if self._chunked is not None:
            return self._give_chunks(self._chunked)
        wanted = min(self._left, PIECE)
        if len(self._in) < wanted and not self._ended:
            # A body that comes in small reads is given in pieces: what h11 does costs 9 us a piece.
            return False
        data = bytes(self._in[:wanted])
        if not data and not self._ended:
            return False
        self._h11.receive_data(data)
        self._left -= len(data)
        del self._in[: len(data)]
        return True

    def _give_chunks(self, body: ChunkedBody) -> bool:
        while not (body.whole or body.refused):
            taken = body.feed(bytes(self._in[:PIECE]))
            del self._in[:taken]
            if not taken:
                break
        if body.whole:
            self._body = body.content
            self._h11.receive_data(EMPTY)
            return True
        if self._ended and not body.refused:
            self._h11.receive_data(b"")
            return True
        return False

    def _unfinished(self) -> RefusedRequest | None:
        """More of the body must come, unless it is refused."""
        if self._chunked is None or self._chunked.refused is None:
            self._continue()
            return None
        self.too_big = self._chunked.refused.status == 413
        return self._refuse(self._chunked.refused)

    def _too_big(self) -> RefusedRequest | None:
        limit = self._limits.body
        if max(self._left, len(self._body)) <= limit:
            return None
        self.too_big = True
        return self._refuse(RefusedRequest(413, f"a body of more than {limit} bytes"))

    def _continue(self) -> None:
        if self._h11.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _whole(self, method: str, body: Body) -> HttpRequest:
        self._body = bytearray()
        self._waiting = True
        self._requests += 1
        return HttpRequest(method, self._target, self._headers, body)

    def _refuse(self, refused: RefusedRequest) -> RefusedRequest:
        self.broken = refused.reason
        self._waiting = True
        self._body = bytearray()
        self._chunked = None
        return refused

    def _send(self, event: h11.Event) -> None:
        try:
            # A body comes back as it is, and is not copied.
            for one in self._h11.send_with_data_passthrough(event) or ():
                self._out += to_write(one)
        except h11.LocalProtocolError:
            # The peer broke the protocol at a place where HTTP allows no response.
            self.closing = True

    def _flush_queue(self) -> None:
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            self.closing = True
            return
        self._request = None
        if self._h11.trailing_data[0]:
            self._h11 = self._fresh()
        else:
            self._h11.start_next_cycle()

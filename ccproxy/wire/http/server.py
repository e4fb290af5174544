"""One accepted HTTP/1.1 connection: bytes in, whole requests out, responses in, bytes out.

Framing is h11's. One request is given out at a time; what a caller sends ahead waits, up to a
limit. It must never raise for what a peer sent: that is a `Refused`, to be responded to.
"""

from __future__ import annotations

from typing import NamedTuple

import h11

from ccproxy.wire.http.messages import Limits, Request, Sending, header_list, header_map


class Refused(NamedTuple):
    """A request that cannot be read on; after its response the connection is closed."""

    status: int
    reason: str


class Server:
    """The side of HTTP that answers."""

    def __init__(self, limits: Limits) -> None:
        self.closing = False
        """No further request is read; close when `out` is written."""
        self.broken = ""
        """Why, if the peer is to blame."""
        self._limits = limits
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)
        self._ahead = bytearray()
        self._out: list[bytes] = []
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._waiting = False
        self._ended = False

    def feed(self, data: bytes) -> Request | Refused | None:
        """The next request once it is whole; none while one waits for its response."""
        if self.closing:
            return None
        if self._waiting:
            self._hold(data)
            return None
        if self._ahead:
            data = bytes(self._ahead) + data
            self._ahead = bytearray()
        try:
            if data:
                self._h11.receive_data(data)
            if self._ended:
                self._h11.receive_data(b"")
            return self._next()
        except h11.RemoteProtocolError as reason:
            return self._refuse(reason.error_status_hint, str(reason))

    def eof(self) -> None:
        """The caller sends no more; a request that waits still gets its response."""
        self._ended = True
        if not self._waiting:
            self.closing = True

    def respond(self, sending: Sending) -> None:
        """Send the response of the request that waits; ignored if there is none."""
        if not self._waiting:
            return
        self._waiting = False
        headers = header_list(sending)
        if sending.status != 204:
            headers.append((b"Content-Length", b"%d" % len(sending.body)))
        if self.broken:
            headers.append((b"Connection", b"close"))
        self._send(h11.Response(status_code=sending.status, headers=headers))
        head = self._request is not None and self._request.method == b"HEAD"
        if sending.body and not head:
            self._send(h11.Data(data=sending.body))
        self._send(h11.EndOfMessage())
        self._turn()

    def out(self) -> bytes:
        """The bytes to be written since the last time."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _hold(self, data: bytes) -> None:
        self._ahead += data
        if len(self._ahead) > self._limits.ahead:
            self.broken = f"more than {self._limits.ahead} bytes sent ahead of a response"
            self.closing = True

    def _next(self) -> Request | Refused | None:
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Request):
                self._request = event
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return self._whole()
            elif isinstance(event, h11.ConnectionClosed):
                self.closing = True
                return None
            else:
                self._continue()
                return None
            if refused := self._too_big():
                return refused

    def _too_big(self) -> Refused | None:
        limit = self._limits.body
        announced = 0
        if self._request is not None and not self._body:
            announced = int(header_map(self._request.headers).get("content-length", "0"))
        if max(announced, len(self._body)) <= limit:
            return None
        return self._refuse(413, f"a body of more than {limit} bytes")

    def _continue(self) -> None:
        if self._h11.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _whole(self) -> Request:
        found, body = self._request, bytes(self._body)
        assert found is not None
        self._body = bytearray()
        self._waiting = True
        method = found.method.decode("ascii")
        return Request(method, found.target.decode("ascii"), header_map(found.headers), body)

    def _refuse(self, status: int, reason: str) -> Refused:
        self.broken = reason
        self._waiting = True
        self._body = bytearray()
        return Refused(status, reason)

    def _send(self, event: h11.Event) -> None:
        try:
            self._out.append(self._h11.send(event) or b"")
        except h11.LocalProtocolError:
            # The peer broke the protocol where HTTP leaves no room for a response.
            self.closing = True

    def _turn(self) -> None:
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            self._request = None
        else:
            self.closing = True

"""One HTTP/1.1 connection to a service for requests that are passed as they are: the request in
pieces, bytes out, bytes in, the response in pieces.

Framing is h11's. It must never raise for what a service sent: `broken` says why it cannot be read
on.
"""

from __future__ import annotations

import h11

from ccproxy.protocols.jolie.http.exchange import PassedRequest, PassedResponse, end_to_end
from ccproxy.protocols.jolie.http.messages import HttpLimits, plain
from ccproxy.protocols.jolie.http.pass_server import BodyData, BodyEnd

CUT_OFF = "the service closed the connection before its response was whole"


class PassClient:
    """The side of HTTP that sends requests; one object for one request."""

    def __init__(self, limits: HttpLimits) -> None:
        self.closing = False
        """True if no further request may follow on the connection."""
        self.broken = ""
        """Why the connection cannot be read on."""
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.head)

    def request(self, head: PassedRequest, host: str) -> bytes:
        """The head of a request; `host` is what the service is told if the caller named none."""
        headers = list(head.headers)
        if all(name.lower() != b"host" for name, _ in headers):
            headers.insert(0, (b"Host", host.encode("ascii")))
        event = h11.Request(method=head.method, target=head.target, headers=headers)
        return self._h11.send(event) or b""

    def data(self, data: bytes) -> bytes:
        """A piece of its body."""
        return self._h11.send(h11.Data(data=data)) or b""

    def end(self) -> bytes:
        """The end of the request."""
        return self._h11.send(h11.EndOfMessage()) or b""

    def feed(self, data: bytes) -> list[PassedResponse | BodyData | BodyEnd]:
        """What has come of the response; b"" is the end of the connection."""
        if self.broken:
            return []
        try:
            self._h11.receive_data(data)
            return self._events()
        except h11.ProtocolError as reason:
            self.broken = CUT_OFF if not data else f"no HTTP response: {plain(reason)}"
            return []

    def _events(self) -> list[PassedResponse | BodyData | BodyEnd]:
        found: list[PassedResponse | BodyData | BodyEnd] = []
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Response):
                found.append(self._head(event))
            elif isinstance(event, h11.Data):
                found.append(BodyData(bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                found.append(BodyEnd())
                self._whole()
                return found
            elif isinstance(event, h11.InformationalResponse):
                continue
            else:
                if event is h11.PAUSED:
                    self.broken = "the service changes the protocol"
                return found

    def _head(self, response: h11.Response) -> PassedResponse:
        raw = tuple(response.headers.raw_items())
        headers = end_to_end(raw)
        if any(name.lower() == b"transfer-encoding" for name, _ in raw):
            # The length says nothing then; a service that sends both is not asked again on the
            # connection (RFC 9112, 6.3).
            rest = tuple(one for one in headers if one[0].lower() != b"content-length")
            self.closing = self.closing or rest != headers
            headers = rest
        return PassedResponse(response.status_code, response.reason, headers)

    def _whole(self) -> None:
        both = (self._h11.our_state, self._h11.their_state)
        if self._h11.trailing_data[0]:
            self.broken = "bytes behind a response"
        self.closing = self.closing or both != (h11.DONE, h11.DONE)

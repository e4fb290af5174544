"""One HTTP request that is passed to a service as it is, and its response: the two ends and the
value that brings them together.

    caller  --head, data, end-->  Exchange  --> service        calls of `ServiceEnd`
    caller  <--head, data, end--  Exchange  <-- service        calls of `CallerEnd`

The head crosses the switch as the value of a call; the body follows between the two ends, piece by
piece, and never as a whole. Each end says when it has enough, and the other stops reading. Nothing
here touches a connection.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ccproxy.protocols.jolie.values import Tree, Unportable, Value

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade expect".split()
)
"""Headers that concern one connection (RFC 9110, 7.6.1), besides those that Connection names."""
KEPT = frozenset({b"host", b"content-length"})
"""Headers that reach the other end even if Connection names them: without them a service would get
another request, or one without its body."""

Headers = tuple[tuple[bytes, bytes], ...]


class PassedRequest(NamedTuple):
    """The head of a request with the headers for the service."""

    method: bytes
    target: bytes
    headers: Headers
    host: bytes
    """As the caller wrote it, empty if it did not."""


class PassedResponse(NamedTuple):
    """The head of a response with the headers for the caller."""

    status: int
    reason: bytes
    headers: Headers


class CallerEnd(Protocol):
    """The connection of the caller."""

    @property
    def gone(self) -> bool:
        """True if the caller has left."""

    def attached(self) -> None:
        """The request is on its way: read its body."""

    def pause(self) -> None:
        """Read no more of the body for now."""

    def resume(self) -> None:
        """Read the body again."""

    def respond(self, head: PassedResponse) -> None:
        """Write the head of the response."""

    def data(self, data: bytes) -> bool:
        """Write a piece of its body; False if no more should come before `ServiceEnd.resume`."""

    def end(self) -> None:
        """The response is whole."""


class ServiceEnd(Protocol):
    """The connection to the service."""

    def data(self, data: bytes) -> None:
        """Write a piece of the request's body."""

    def end(self) -> None:
        """The request is whole."""

    def resume(self) -> None:
        """The caller has room again."""

    def abandon(self) -> None:
        """The caller has left, or broke the protocol: end the connection."""


class Exchange(Value):
    """A request under way, as the value of its call."""

    __slots__ = ("_abandoned", "caller", "request", "service")

    def __init__(self, request: PassedRequest, caller: CallerEnd) -> None:
        self.request = request
        self.caller = caller
        self.service: ServiceEnd | None = None
        self._abandoned = False

    def tree(self) -> Tree:
        """Nothing that another protocol has a form for: Unportable."""
        raise Unportable("a request that is passed as it is; its listener has http = pass")

    def attach(self, service: ServiceEnd) -> None:
        """The head is on its way to a service."""
        self.service = service
        if self._abandoned or self.caller.gone:
            service.abandon()
        else:
            self.caller.attached()

    def abandon(self) -> None:
        """The caller waits no longer; a service that takes the request now must not answer it."""
        self._abandoned = True
        if self.service is not None:
            self.service.abandon()


def end_to_end(headers: Headers) -> Headers:
    """The headers that are meant for the other end of the chain."""
    dropped = HOP_BY_HOP
    named = b",".join([value for name, value in headers if name.lower() == b"connection"])
    if named:
        dropped = HOP_BY_HOP | ({one.strip().lower() for one in named.split(b",")} - KEPT)
    return tuple([one for one in headers if one[0].lower() not in dropped])


def forwarded(headers: Headers, peer: str, scheme: str, host: bytes) -> Headers:
    """The headers with the caller's address behind those that earlier proxies have added.

    They come from the caller: a service may trust the last entry only.
    """
    kept, seen = [], {b"x-forwarded-for": b"", b"forwarded": b""}
    for name, value in headers:
        lower = name.lower()
        if lower in seen:
            seen[lower] = seen[lower] + b", " + value if seen[lower] else value
        elif lower != b"x-forwarded-proto":
            kept.append((name, value))
    address = peer.encode("ascii", "replace")
    node = b'"[%s]"' % address if b":" in address else address
    mine = b"for=%s;proto=%s" % (node or b"unknown", scheme.encode())
    if host and not set(host) & set(b'"\\'):
        mine += b';host="%s"' % host
    both = (b"X-Forwarded-For", seen[b"x-forwarded-for"], address or b"unknown"), (
        b"Forwarded", seen[b"forwarded"], mine,
    )  # fmt: skip
    kept += [(name, before + b", " + added if before else added) for name, before, added in both]
    kept.append((b"X-Forwarded-Proto", scheme.encode()))
    return tuple(kept)

"""Messages of HTTP in their simplest form, read and written without h11.

    POST /sum HTTP/1.1               one Host, each header once, in printable ASCII, on one line;
    Host: localhost                  no body, or one whose length is said; a connection that stays
    Content-Length: 7

Of everything else nothing is read: h11 has to say what it is. What is read here h11 reads alike,
and what is written here it would write byte by byte, but a call takes 15 us in the place of 190.
Pure; it must never guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ccproxy.protocols.jolie.http.heads import MAX_HEADERS
from ccproxy.protocols.jolie.http.messages import HttpLimits
from ccproxy.protocols.jolie.json_check import LARGE
from ccproxy.protocols.jolie.pieces import Pieces, to_write

LONGEST_HEAD = 4096
"""Bytes of a head."""
LONGEST_BODY = 64 * 1024
"""Bytes of a body; it is held as a whole."""

_HEADERS = rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++: [!-~](?:[ -~]*[!-~])?\r\n)*+)\r\n"
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_REQUEST = re.compile(
    rb"(%b) ([!-~]++) HTTP/1\.1\r\n%b" % ("|".join(_METHODS).encode(), _HEADERS)
).match
_RESPONSE = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [ -~]*)?\r\n" + _HEADERS).match
_WRITTEN = re.compile(
    rb"[^\0\r\n]+\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:(?: [^\0\s]+(?:[ \t]+[^\0\s]+)*| )\r\n)*\r\n"
).fullmatch
_LENGTH = re.compile(r"[0-9]{1,9}").fullmatch
_TARGET = re.compile("[!-~]+").fullmatch
_SPECIAL = frozenset({"transfer-encoding", "expect", "upgrade"})
"""Headers that make more of a message than this module knows."""
_NO_BODY = frozenset({204, 304})
"""Statuses of responses that have no body, whatever their headers say."""

HeaderPairs = Iterable[tuple[str, str]]


class SimpleHead(NamedTuple):
    """A head that was read."""

    method: str
    """Of a request."""
    target: str
    status: int
    """Of a response."""
    headers: Mapping[str, str]
    """Names in lower case."""
    size: int
    """Bytes of the head."""
    length: int
    """Bytes of the body."""


def read_request(data: bytes | bytearray, limits: HttpLimits) -> SimpleHead | None:
    """The head of a request at the front of `data`; None unless it is simple, whole and within the
    limits."""
    found = _REQUEST(data, 0, min(LONGEST_HEAD, limits.head))
    if found is None:
        return None
    headers = _headers(found[3])
    if headers is None or "host" not in headers:
        return None
    length = _length(headers, limits, "0")
    if length < 0:
        return None
    return SimpleHead(found[1].decode(), found[2].decode(), 0, headers, found.end(), length)


def read_response(data: bytes | bytearray, limits: HttpLimits) -> SimpleHead | None:
    """As `read_request`, the head of a response to a method that is not HEAD or CONNECT."""
    found = _RESPONSE(data, 0, min(LONGEST_HEAD, limits.head))
    if found is None:
        return None
    headers = _headers(found[2])
    status = int(found[1])
    if headers is None or status in _NO_BODY:
        return None
    length = _length(headers, limits)
    if length < 0:
        return None
    return SimpleHead("", "", status, headers, found.end(), length)


def write_request(
    method: str, target: str, headers: HeaderPairs, body: bytes | memoryview | Pieces
) -> list[bytes | memoryview] | None:
    """The pieces of a request, of whose headers Host is the first; None if it is no valid one."""
    if method not in _METHODS or not _TARGET(target):
        return None
    return _written(f"{method} {target} HTTP/1.1", headers, body, f"Content-Length: {len(body)}")


def write_response(
    status: int, headers: HeaderPairs, body: bytes | memoryview | Pieces, last: bool = False
) -> list[bytes | memoryview] | None:
    """As `write_request`, a response, behind which the connection is closed if it is the last; one
    with a body and a status that has none is not valid."""
    if status in _NO_BODY and body:
        return None
    more = [] if status == 204 else [f"Content-Length: {len(body)}"]
    if last:
        more.append("Connection: close")
    return _written(f"HTTP/1.1 {status} ", headers, body, *more)


def _headers(lines: bytes | bytearray) -> dict[str, str] | None:
    """The headers of these lines; None if one stands there twice or needs more than to be known."""
    pairs = [line.split(": ", 1) for line in lines.decode("ascii").split("\r\n")[:-1]]
    headers = {name.lower(): value for name, value in pairs}
    if not len(headers) == len(pairs) <= MAX_HEADERS or not _SPECIAL.isdisjoint(headers):
        return None
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    return headers


def _length(headers: Mapping[str, str], limits: HttpLimits, default: str = "") -> int:
    """The length of a body; -1 if that is not plain, or more than may be held here."""
    text = headers.get("content-length", default)
    length = int(text) if _LENGTH(text) else -1
    return length if length <= min(LONGEST_BODY, limits.body) else -1


def _written(
    first: str, headers: HeaderPairs, body: bytes | memoryview | Pieces, *more: str
) -> list[bytes | memoryview] | None:
    lines = [first, *[f"{name}: {value}" for name, value in headers], *more, "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    if not _WRITTEN(head):
        return None
    if isinstance(body, Pieces) or len(body) > LARGE:
        return [head, *to_write(body)]
    return [head + body]

"""The head of an HTTP request before it is parsed: refused if it can be read in two ways.

If a server in front of this one reads a head otherwise, its callers can hide a second request in
the first one and so pass its checks (RFC 9112, 11.2). h11 finds what breaks the standard; this
module finds what h11 accepts and another server may read differently. Pure; it must never change a
byte of a head. Empty lines in front of a request are no part of it (RFC 9112, 2.2).
"""

from __future__ import annotations

import re

from ccproxy.protocols.jolie.http.messages import RefusedRequest

LONGEST_LINE = 8192
"""Bytes of a request line; the name of a resource is cut into parts at every slash."""
MAX_HEADERS = 256
"""Headers of a request: what h11 does costs 2 us a header, however small."""
MAX_EMPTY_LINES = 4
"""Empty lines in front of a request that are ignored; some programs send one behind a body."""
_SPOKEN = (b" HTTP/1.1", b" HTTP/1.0")
_OTHER = re.compile(rb" (HTTP/[02-9]\.[0-9])$")
_PRINTABLE = 0x21
_FORM = re.compile(rb"(?mi)^(content-type|accept|soapaction|x-jolie-operation):([^\r\n]*)")
_FORM_BYTES = 16 * 1024
"""Of a head that is refused, at most, are looked at for what says its form."""


class HeadReader:
    """Takes the heads of one connection off the front of what has come."""

    __slots__ = ("_empty", "_limit", "_searched")

    def __init__(self, limit: int) -> None:
        """`limit` is the most bytes of a head."""
        self._empty = 0
        self._limit = limit
        self._searched = 0

    def skip(self, data: bytearray) -> None:
        """Remove the empty lines in front of a request, as many as are ignored."""
        while data[:2] == b"\r\n" and self._empty < MAX_EMPTY_LINES:
            del data[:2]
            self._empty += 1
            self._searched = 0

    def take(self, data: bytearray) -> bytes | RefusedRequest | None:
        """The head that `data` begins with, which is removed; None if it is not whole.

        `data` is what the last call left, with more bytes behind it, after `skip`.
        """
        if data == b"\r" and self._empty < MAX_EMPTY_LINES:
            return None
        end = end_of(data, self._searched)
        self._searched = len(data)
        if not end:
            return unfinished(data, self._limit)
        head = bytes(data[:end])
        if refused := unfinished(head, self._limit) or ambiguous(head):
            return refused
        del data[:end]
        self.passed()
        return head

    def passed(self) -> None:
        """A head was taken, here or elsewhere: what is there now was not searched."""
        self._empty = self._searched = 0


def end_of(data: bytearray, start: int) -> int:
    """Where the head ends, 0 if it is not whole; bytes before `start` were searched already.

    The end is where h11 sees it, also if a line ends with LF alone.
    """
    start = max(0, start - 3)
    usual, bare = data.find(b"\n\r\n", start), data.find(b"\n\n", start)
    if usual >= 0 and (bare < 0 or usual < bare):
        return usual + 3
    return bare + 2 if bare >= 0 else 0


def unfinished(data: bytes | bytearray, limit: int) -> RefusedRequest | None:
    """What is wrong with a head, be it whole or not: how it begins, and its size."""
    if data and data[0] < _PRINTABLE:
        return RefusedRequest(400, f"no HTTP request: it starts with {bytes(data[:8])!r}")
    line = min(limit, LONGEST_LINE)
    if len(data) > line and data.find(b"\n", 0, line) < 0:
        return RefusedRequest(414, f"a request line of more than {line} bytes")
    return RefusedRequest(431, f"a head of more than {limit} bytes") if len(data) > limit else None


def told(data: bytes | bytearray) -> dict[str, str]:
    """What a head that cannot be read says of the form in which its caller wants an answer."""
    found = _FORM.findall(bytes(data[:_FORM_BYTES]))
    return {name.decode().lower(): text.decode("latin-1").strip() for name, text in found}


def ambiguous(head: bytes) -> RefusedRequest | None:
    """What another server may read differently in a whole head, or too many headers, or None."""
    lines = head.count(b"\r\n")
    if head.count(b"\n") != lines or head.count(b"\r") != lines:
        return RefusedRequest(400, "a CR or LF alone in the head; expected CRLF")
    if lines > MAX_HEADERS + 2:
        return RefusedRequest(431, f"more than {MAX_HEADERS} headers")
    if b"\r\n " in head or b"\r\n\t" in head:
        return RefusedRequest(400, "a header that is folded onto a second line")
    line = head[: head.index(b"\r\n")]
    if not line.endswith(_SPOKEN) and (found := _OTHER.search(line)):
        return RefusedRequest(505, f"{found[1].decode()}; expected HTTP/1.1")
    small = head.lower()
    if b"\r\ntransfer-encoding:" not in small:
        return None
    if b"\r\ncontent-length:" in small:
        return RefusedRequest(
            400, "both Content-Length and Transfer-Encoding; expected one of them"
        )
    if line.endswith(b" HTTP/1.0"):
        return RefusedRequest(400, "Transfer-Encoding in HTTP/1.0; expected Content-Length")
    return None

"""HTTP messages as values, and their bodies: content codings, charsets, limits. Pure.

It must never unpack more of a body than its limit, whatever the packed size says.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ccproxy.net.work import Steps, result
from ccproxy.protocols.jolie.json_check import LARGE, utf8
from ccproxy.protocols.jolie.pieces import Pieces
from ccproxy.protocols.jolie.values import Unportable

TYPE = "application/json; charset=utf-8"
"""The content type of JSON."""
JSON = "application/json"
XML_TYPE = "text/xml; charset=utf-8"
"""That of XML, as the original has it."""

CHARSETS = frozenset(
    {"utf-8", "utf8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "utf-16"}
)
"""Charsets a body may be declared in."""

PACKED_PIECE, PIECE = 16 * 1024, 64 * 1024
"""Bytes of a packed body that are unpacked in one step, and bytes of what they become."""
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)
_ANY_WRAPPER = 47
_NO_WRAPPER = -15


class BodyTooBig(Unportable):
    """A body that is larger than it may be once it is unpacked."""


Body = bytes | bytearray
"""A body that came; a large one is handed on as it was collected, without a copy."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one HTTP message may be at most, in bytes."""

    head: int = 65536
    """Request or status line and headers."""
    body: int = 64 << 20
    """A body, packed and unpacked."""
    ahead: int = 1 << 20
    """Bytes that a caller may send before its earlier request is answered; from half of them on it
    should not be read."""


class HttpRequest(NamedTuple):
    """One whole request; names of headers in lower case, the last of several of one name."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Body


class HttpResponse(NamedTuple):
    """One whole response; headers as of a request."""

    status: int
    headers: Mapping[str, str]
    body: Body


class RefusedRequest(NamedTuple):
    """A request that cannot be read on; after its response the connection is closed."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sending:
    """A message to be sent; the framing headers are added by the connection."""

    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | memoryview | Pieces = b""
    status: int = 200
    method: str = "POST"
    target: str = "/"
    id: int = field(default=0, kw_only=True)
    """The id of the call that a request carries."""
    operation: str = field(default="", kw_only=True)
    """Its operation, by which the answer is read."""
    again: Callable[[], Sending] | None = field(default=None, kw_only=True, compare=False)
    """Makes the request that is sent if this one was refused before the call was executed."""


def collected(body: bytearray) -> Body:
    """A body that is whole, and to which nothing is added any more."""
    return body if len(body) > LARGE else bytes(body)


def header_map(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as a map."""
    return {name.decode("ascii").lower(): value.decode("latin-1") for name, value in pairs}


def header_list(sending: Sending) -> list[tuple[bytes, bytes]]:
    """The headers of a message to be sent."""
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in sending.headers]


def header(text: str) -> str:
    """Text as a header can carry it, or "": then only another place of the request has it."""
    if not text.isprintable() or text != text.strip():
        return ""
    return text.encode().decode("latin-1")


def plain(reason: Exception) -> str:
    """The text of an h11 error without the bytes of the peer in it, which must not be repeated."""
    return str(reason).partition(": bytearray(")[0].partition(" (received ")[0]


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without its parameters, in lower case; "" if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_xml(headers: Mapping[str, str]) -> bool:
    """True if a body is XML by its content type."""
    media = media_type(headers)
    return media.endswith(("/xml", "+xml"))


def unpacked(headers: Mapping[str, str], body: Body, limit: int) -> Body:
    """The unpacked body; BodyTooBig, or Unportable for other and broken content codings."""
    return result(unpack(headers, body, limit))


def unpack(headers: Mapping[str, str], body: Body, limit: int) -> Steps[Body]:
    """As `unpacked`, in steps."""
    coding = _coding(headers)
    if not coding:
        return body
    try:
        return (yield from _inflate_in_steps(body, _ANY_WRAPPER, limit))
    except zlib.error:
        pass
    try:
        if coding == "deflate":
            return (yield from _inflate_in_steps(body, _NO_WRAPPER, limit))
    except zlib.error:
        pass
    raise Unportable(f"the body is no {coding}")


def charset_of(headers: Mapping[str, str]) -> str:
    """The charset that a body claims; Unportable if it is not one of `CHARSETS`."""
    found = _CHARSET.search(headers.get("content-type", ""))
    charset = found[1].lower() if found else "utf-8"
    if charset not in CHARSETS:
        raise Unportable(f"charset {charset!r:.40}; expected utf-8")
    return charset


def utf8_text(headers: Mapping[str, str], body: Body) -> Steps[Body]:
    """The text of an unpacked body in UTF-8, in steps; errors as of `text`."""
    return (yield from utf8(body, charset_of(headers)))


def read_text(message: HttpRequest | HttpResponse, limit: int) -> Steps[Body]:
    """The body in UTF-8; Unportable if it is not that, BodyTooBig beyond `limit` bytes."""
    body = yield from unpack(message.headers, message.body, limit)
    return (yield from utf8_text(message.headers, body))


def text(headers: Mapping[str, str], body: Body) -> str:
    """The characters of an unpacked body; Unportable if they are not in the charset it claims."""
    charset = charset_of(headers)
    try:
        return body.decode(charset)
    except UnicodeDecodeError as reason:
        raise Unportable(f"the body is not {charset}: byte {reason.start}") from None


def _coding(headers: Mapping[str, str]) -> str:
    """The content coding, "" for none; Unportable if it is not one that is read here."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("identity", ""):
        return ""
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise Unportable(f"content coding {coding!r:.40}; expected gzip or deflate")
    return coding


def _inflate_in_steps(body: Body, wrapper: int, limit: int) -> Steps[Body]:
    inflater = zlib.decompressobj(wrapper)
    made = bytearray()
    end = 0
    while end < len(body) and not inflater.eof:
        rest = body[end : end + PACKED_PIECE]
        end += len(rest)
        while rest and not inflater.eof:
            made += inflater.decompress(rest, PIECE)
            if len(made) > limit:
                raise BodyTooBig(f"a body of more than {limit} bytes unpacked")
            rest = inflater.unconsumed_tail
            yield
    made += inflater.flush()
    if not inflater.eof or inflater.unused_data or end < len(body):
        raise Unportable("a packed body that is cut off or has bytes behind it")
    if len(made) > limit:
        raise BodyTooBig(f"a body of more than {limit} bytes unpacked")
    return bytes(made)

"""Where an HTTP request of Jolie goes: resource path and operation in its target and headers.

    /!/Sum!/sum                    resource path /Sum, operation sum
    /sum + X-Jolie-ServicePath     the same
    /!/Sum/sum                     the same; the original finds no operation in this one

Pure text. It must never decide whether such a resource exists, or write a target that leaves the
path of the service's location.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from ccproxy.protocols.jolie.values import Tree, Unportable

MAX_FIELDS_SIZE = 256 * 1024
"""Characters of all fields together: the escapes of a megabyte take a tenth of a second."""
TOKEN = "!/"
"""Stands in front of a resource path, and of the operation behind one."""

_SAFE = "!$&'()*+,;=:@~"
_SEPARATOR = re.compile(r"[/\\]")
_DOTS = frozenset({".", ".."})


class RequestTarget(NamedTuple):
    """What a request calls; `query` holds the fields behind the question mark."""

    path: str
    operation: str
    query: tuple[tuple[str, str], ...]


def read(target: str, headers: Mapping[str, str]) -> RequestTarget:
    """Read a request target; Unportable if it is not UTF-8 once its escapes are undone.

    A client of the original that sends both headers says there what it means; the headers win.
    """
    where, query = _split(target)
    path, operation = _named(where)
    named, called = headers.get("x-jolie-servicepath", ""), headers.get("x-jolie-operation", "")
    if named and called:
        return RequestTarget(_utf8(named), _utf8(called), query)
    return RequestTarget(
        path if path != "/" else _utf8(named) or "/", operation or _utf8(called), query
    )


def read_without_tokens(target: str, headers: Mapping[str, str]) -> RequestTarget:
    """As `read`, but /A/B/op without a token is the operation op of the resource /A/B."""
    found = read(target, headers)
    path, slash, operation = found.operation.rpartition("/")
    if found.path != "/" or not slash:
        return found
    return found._replace(path=f"/{path}", operation=operation)


def resource(target: str, headers: Mapping[str, str]) -> str:
    """The resource path of a request whose operation stands elsewhere; errors as of `read`."""
    where, _ = _split(target)
    _, token, path = where.partition("/" + TOKEN)
    return f"/{path}" if token else _utf8(headers.get("x-jolie-servicepath", "")) or "/"


def read_plain(target: str) -> str:
    """The path of a target, without its query; Unportable if it is not UTF-8."""
    return _split(target.partition("?")[0])[0]


def write(base: str, path: str, operation: str) -> str:
    """The target of a call to a service at the path `base` of its location."""
    token = "" if path == "/" else TOKEN
    return place(base, path) + token + _quoted(operation)


def place(base: str, path: str) -> str:
    """The target of a resource of a service, without operation."""
    base = base if base.endswith("/") else f"{base}/"
    return base if path == "/" else f"{base}{TOKEN}{_quoted(path[1:], '/')}"


def plain_place(base: str, path: str) -> str:
    """The target of a resource whose names stand in the path like any others."""
    if path == "/":
        return base
    return f"{base.rstrip('/')}{_quoted(path, '/')}"


def fields(pairs: tuple[tuple[str, str], ...]) -> Tree:
    """The value of a query or form: each field a string, several of one name a vector."""
    tree = Tree()
    for name, value in pairs:
        tree.children.setdefault(name, []).append(Tree(value))
    return tree


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """The fields of a query or a form; Unportable if they are not UTF-8, or too long."""
    if len(text) > MAX_FIELDS_SIZE:
        raise Unportable(f"fields of more than {MAX_FIELDS_SIZE} characters; send JSON instead")
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=4096))
    except ValueError as reason:
        raise Unportable(f"the fields cannot be read: {reason}") from None


def _split(target: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    where, _, query = target.partition("?")
    try:
        return unquote(where, errors="strict"), pairs(query)
    except UnicodeDecodeError:
        raise Unportable("the request target is not UTF-8") from None


def _named(where: str) -> tuple[str, str]:
    _, token, path = where.partition("/" + TOKEN)
    if not token:
        return "/", where.removeprefix("/")
    named, token, operation = path.rpartition(TOKEN)
    if not token:
        named, _, operation = path.rpartition("/")
    return f"/{named}", operation


def leaves(text: str) -> bool:
    """True if some server takes a part of it for `.` or `..`; some drop what is behind `;`."""
    return any(one.partition(";")[0] in _DOTS for one in _SEPARATOR.split(text))


def _utf8(header: str) -> str:
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Unportable("a header is not UTF-8") from None


def _quoted(text: str, also: str = "") -> str:
    if leaves(text) or leaves(unquote(text)):
        raise Unportable(
            f"a dot segment in {text!r:.60}, which may lead out of the location's path"
        )
    try:
        return quote(text, safe=_SAFE + also)
    except UnicodeEncodeError:
        raise Unportable("a name holds half of a surrogate pair") from None

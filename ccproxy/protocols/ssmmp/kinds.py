"""The kinds of contents that a line can have: how each is read, and how it is written.

Reading is as tolerant as the reference requires; writing has one form for each punctuation. It
must never depend on which line of which message it reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

FieldValue = int | str | tuple[Any, ...]
"""The value of a field: int, str, or a tuple of names, SocketEntry or PlugEntry."""

NOWHERE = "::"
"""The address of a refused session."""

_INTEGER = re.compile(r"[1-9][0-9]{0,18}")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_STATUS = re.compile(r"[1-9][0-9]{2}")
_NAME = re.compile(r"[A-Za-z0-9_.@-]+(?: +[A-Za-z0-9_.@-]+)*")
_HOST_PORT = re.compile(r"(.+)_([0-9]{1,5})")


class SocketEntry(NamedTuple):
    """One entry of a socket configuration; port 0 = not assigned."""

    name: str
    port: int


class PlugEntry(NamedTuple):
    """One entry of a plug configuration; the base edition does not send the socket."""

    name: str
    service: str
    socket: str = ""


@dataclass(frozen=True, slots=True)
class FieldKind:
    """How contents are read and written; `read` raises a ValueError that says what it expected.

    The arguments of `write` are the value, and whether the punctuation is that of edition 1.1.
    """

    name: str
    read: Callable[[str], FieldValue]
    write: Callable[[Any, bool], str]


def wrong(text: str, expected: str) -> ValueError:
    """The error to raise about contents that cannot be read."""
    return ValueError(f"{text[:80]!r}, expected {expected}")


def _plain(value: object, _: bool) -> str:
    return str(value)


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text) or int(text) >= 2**63:
        raise wrong(text, "a positive integer below 2^63")
    return int(text)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise wrong(text, "a port from 0 to 65535")
    return int(text)


def _status(text: str) -> int:
    if not _STATUS.fullmatch(text):
        raise wrong(text, "a status of three digits")
    return int(text)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise wrong(text, "a name of letters, digits, _ - . @")
    return text


@lru_cache(maxsize=4096)
def host_and_port(text: str) -> tuple[str, int]:
    """The canonical address, and the port (0 if none), of an address as a peer writes it."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if bare.lower() == "localhost":
        return "::1", 0
    try:
        found = ip_address(bare)
    except ValueError:
        return _host_port(text)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found), 0


def _host_port(text: str) -> tuple[str, int]:
    match = _HOST_PORT.fullmatch(text)
    if not match or _HOST_PORT.fullmatch(match[1]) or int(match[2]) > 65535:
        raise wrong(text, "a network address such as fd00::1 or 10.0.0.7")
    return host_and_port(match[1])[0], int(match[2])


def _address(text: str) -> str:
    return host_and_port(text)[0]


def _unwrapped(text: str) -> str:
    """Contents without their outer parentheses; ValueError if parentheses do not match."""
    if "(" not in text and ")" not in text:
        return text
    depth, outer = 0, text.startswith("(")
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
        outer = outer and (depth > 0 or index == len(text) - 1)
    if depth:
        raise wrong(text, "as many closing as opening parentheses")
    return text[1:-1].strip() if outer else text


def _names(text: str) -> tuple[str, ...]:
    inner = _unwrapped(text)
    separator = ";" if ";" in inner else ","
    return tuple(_name(part.strip()) for part in inner.split(separator) if part.strip())


def _write_names(value: Iterable[str], comma: bool) -> str:
    return ", ".join(value) if comma else f"({'; '.join(value)})"


def tuples(text: str) -> list[tuple[str, ...]]:
    """Tuples of texts, in either punctuation: `((a, 1); (b, 2))` or `a, 1 & b, 2 &`."""
    return [tuple(item.strip() for item in part.split(",")) for part in _parts(text)]


def _parts(text: str) -> list[str]:
    inner = _unwrapped(text)
    if "(" in inner:
        between = re.sub(r"\([^()]*\)", "", inner)
        if between.strip(" ;,&"):
            raise wrong(text, "tuples such as ((a, 1); (b, 2))")
        return re.findall(r"\(([^()]*)\)", inner)
    return [part for part in re.split("[&;]", inner) if part.strip()]


def write_tuples(value: Iterable[tuple[Any, ...]], comma: bool = False) -> str:
    """Tuples as contents; `comma` for the punctuation of edition 1.1."""
    parts = [", ".join(map(str, one)) for one in value]
    if comma:
        return " & ".join(parts)
    return f"({'; '.join(f'({part})' for part in parts)})"


def _sockets(text: str) -> tuple[SocketEntry, ...]:
    found = tuples(text)
    if any(len(one) != 2 for one in found):
        raise wrong(text, "pairs of socket and port such as ((S1, 54001); (S2, 54002))")
    return tuple(SocketEntry(_name(name), _port(port)) for name, port in found)


def _plugs(text: str) -> tuple[PlugEntry, ...]:
    found = tuples(text)
    if any(len(one) not in (2, 3) for one in found):
        raise wrong(text, "pairs of plug and service such as ((P1, B1); (P2, B2))")
    return tuple(PlugEntry(_name(one[0]), _name(one[-1]), *map(_name, one[1:-1])) for one in found)


def _write_plugs(value: Iterable[PlugEntry], comma: bool) -> str:
    if comma:
        triples = [(one.name, one.socket, one.service) for one in value]
        return write_tuples([tuple(filter(None, one)) for one in triples], comma)
    return write_tuples([(one.name, one.service) for one in value])


integer = FieldKind("integer", _integer, _plain)
port = FieldKind("port", _port, _plain)
status = FieldKind("status", _status, _plain)
name = FieldKind("name", _name, _plain)
address = FieldKind("address", _address, _plain)
names = FieldKind("list of names", _names, _write_names)
sockets = FieldKind("socket configuration", _sockets, write_tuples)
plugs = FieldKind("plug configuration", _plugs, _write_plugs)

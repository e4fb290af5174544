"""The properties that two peers tell each other in READY: name-value pairs, as bytes.

On the wire each is the length of the name (1 octet), the name, the length of the value
(4 octets, network order), the value (ZMTP 3.1, "metadata"). Nothing here may depend on the meaning
of a property.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping

from ccproxy.wire.zmtp.frames import ZmtpError

NAME_CHARACTERS = frozenset((string.ascii_letters + string.digits + "-_.+").encode())
VALUE_MAX = 0x7FFFFFFF


class Properties(Mapping[bytes, bytes]):
    """Properties by name; a name is found in any letter case and listed as it was given."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[bytes, bytes] | None = None) -> None:
        self._items = {name.lower(): (name, value) for name, value in (items or {}).items()}

    def __getitem__(self, name: bytes) -> bytes:
        return self._items[name.lower()][1]

    def __iter__(self) -> Iterator[bytes]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Properties({dict(self)!r})"


def encode(properties: Mapping[bytes, bytes]) -> bytes:
    """The properties as READY carries them; ValueError if ZMTP cannot carry a name or value."""
    parts: list[bytes] = []
    for name, value in properties.items():
        if not 0 < len(name) <= 255 or not NAME_CHARACTERS.issuperset(name):
            raise ValueError(f"property name {name!r}; 1 to 255 of A-Z a-z 0-9 - _ . + expected")
        if len(value) > VALUE_MAX:
            raise ValueError(f"property {name!r} has {len(value)} bytes, over {VALUE_MAX}")
        parts += (bytes((len(name),)), name, len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


def decode(data: bytes) -> Properties:
    """The properties in the body of READY; ZmtpError if one is cut off.

    As in libzmq, the characters of names are not checked, and of two equal names the last counts.
    """
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        name, at = _take(data, at, 1)
        value, at = _take(data, at, 4)
        found.pop(name, None)
        found[name] = value
    return Properties(found)


def _take(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    start = at + width
    end = start + int.from_bytes(data[at:start], "big")
    if start > len(data) or end > len(data):
        raise ZmtpError(f"metadata cut at offset {at}: {end - len(data)} bytes are missing")
    return data[start:end], end

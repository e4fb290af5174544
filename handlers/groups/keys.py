"""The key of a message, and the member that a key belongs to.

A key belongs to the member with the largest hash of both names (rendezvous hashing): when a member
goes, its keys alone move, evenly to all others, and come back with it. It must never look at what a
key means.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol, TypeVar

from ccproxy.wire.zmtp.frames import span

LONGEST_KEY = 1024
"""Bytes of a key that count."""
LONGEST_JSON = 256 * 1024
"""Bytes of JSON that are looked at for a field: reading them takes 2 ms."""
REMEMBERED = 65_536
"""Keys whose member is remembered."""


class Named(Protocol):
    """A member."""

    section: str


Choice = TypeVar("Choice", bound=Named)


def owner(key: bytes, members: Sequence[Choice]) -> Choice:
    """The member that a key belongs to."""
    if len(members) == 1:
        return members[0]
    return max(members, key=lambda one: _weight(key, one.section.encode()))


def _weight(key: bytes, name: bytes) -> bytes:
    return blake2b(key, digest_size=8, key=name[:64]).digest()


@dataclass(frozen=True, slots=True)
class KeyOf:
    """What `hash of ...` names: type, topic, or a field of the JSON."""

    kind: str
    field: str = ""

    def __str__(self) -> str:
        return f"field {self.field}" if self.kind == "field" else self.kind


def first_frame(payload: bytes) -> bytes:
    """The body of the first frame of a whole message."""
    found = span(payload, 0)
    assert found is not None
    return payload[found[1] : found[2]]


def field_of(payload: bytes, name: str) -> bytes | None:
    """The value of a field in the JSON of a payload, as JSON; None if it has none."""
    text = first_frame(payload)
    if len(text) > LONGEST_JSON:
        return None
    try:
        value = json.loads(text)
        found = value[name] if isinstance(value, dict) and name in value else None
        return None if found is None else json.dumps(found, sort_keys=True).encode()[:LONGEST_KEY]
    except (ValueError, RecursionError):
        return None

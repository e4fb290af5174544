"""What an actor has said of itself: a registration as it is read, kept and compared.

A registration is its bytes: two are the same if they are equal in every field, unknown fields
included. Its topic is made by the rules of `topics`. This module must never keep one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from ccproxy.wire.zmtp.frames import frame, span

from .messages import classes
from .topics import TopicParts, build, split

_MESSAGE = classes("bytes")["Registration"]
_LENGTH = 4
"""Bytes in front of the topic in a key."""


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """What an actor has said of itself, as it goes into an answer, and what it is found by."""

    key: bytes
    """See `key_of`."""
    name: bytes
    host: bytes
    port: int
    frame: bytes
    """Ready for the wire, with more frames behind it."""

    @property
    def body(self) -> bytes:
        """The registration alone."""
        return body_of(self.frame)

    @property
    def owner(self) -> bytes:
        """Topic, name and host, which a removal names."""
        return owner(self.key, self.name, self.host)


def parse(data: bytes) -> Any:
    """An xMsgRegistration whose texts are bytes; ValueError if it is none."""
    try:
        found = _MESSAGE.FromString(data)
    except DecodeError as error:
        raise ValueError(str(error)) from None
    if not found.IsInitialized():
        missing = ", ".join(found.FindInitializationErrors())
        raise ValueError(f"Message missing required fields: {missing}")
    return found


def key_of(found: Any) -> bytes:
    """The length of the domain and the topic of a registration, which together say domain and
    topic; ValueError if it has no domain."""
    topic = build(TopicParts(found.domain, found.subject, found.type))
    return len(found.domain).to_bytes(_LENGTH) + topic


def parts_of(key: bytes) -> TopicParts:
    """The parts of the topic in a key."""
    return split(key[_LENGTH:])


def prefixes(key: bytes) -> Iterator[bytes]:
    """The keys of all topics of the domain which the topic in a key begins with."""
    domain = int.from_bytes(key[:_LENGTH])
    return (key[:length] for length in range(_LENGTH + domain, len(key) + 1))


def owner(key: bytes, name: bytes, host: bytes) -> bytes:
    """Topic, name and host as one key."""
    lengths = len(key).to_bytes(_LENGTH) + len(name).to_bytes(_LENGTH)
    return b"".join((lengths, key, name, host))


def record_of(found: Any) -> TopicRecord:
    """The record of a registration; ValueError if it has no domain."""
    body = found.SerializeToString(deterministic=True)
    made = frame(body, more=True)
    return TopicRecord(key_of(found), found.name, found.host, found.port, made)


def body_of(frame: bytes) -> bytes:
    """What is in the frame of a record."""
    found = span(frame, 0)
    assert found is not None
    return frame[found[1] :]

"""Acknowledged delivery on the wire: a property of READY, and six commands behind it.

The source, whose link it is, names itself by `X-CC-Delivery: 1;link=HEX;opening=HEX`; a far side
that acknowledges has `1;server=HEX`. The commands, all numbers in network order:

    HAVE    far side -> source   (epoch 8, number 8) x n   the last messages it has of this link
    NEXT    source -> far side   epoch 8, number 8         the number of the message that follows
    REPLAY  source -> far side   1 or 0                    messages from here on are replays, or not
    ACK     far side -> source   epoch 8, number 8         it is responsible for all up to this one
    NACK    far side -> source   epoch 8, first 8, count 8, reason       it has not taken these
    FORGET  source -> far side                             this link will not come back

Nothing here may decide what a command leads to.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ccproxy.wire.zmtp.frames import ZmtpError, command

PROPERTY = b"X-CC-Delivery"
MOST_EPOCHS = 32
"""Epochs of one link that a HAVE names; a source that has more unacknowledged ones sends those of
the others again."""
REASON_MAX = 64
UNKNOWN = "unknown"
"""The reason for messages of which the far side does not know any more whether it has taken them:
those in front of the refusals that it remembers."""
ID_SIZE = 16
"""Bytes of the id of a link or a server."""

_SOURCE = re.compile(rb"1;link=([0-9a-f]{32});opening=([0-9a-f]{16})")
_FAR_SIDE = re.compile(rb"1;server=([0-9a-f]{32})")
_PLACE = struct.Struct("!QQ")
_FLAG = struct.Struct("?")
_RANGE = struct.Struct("!QQQ")


@dataclass(frozen=True, slots=True)
class SourceId:
    """What a source says of itself: the id of its link, and the epoch of its present opening."""

    link: bytes
    opening: int


@dataclass(frozen=True, slots=True)
class Have:
    """The last number that the far side has of each epoch."""

    epochs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Next:
    """The next message has this number."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Replay:
    """The messages from here on are sent once more on purpose, or they are not."""

    on: bool


@dataclass(frozen=True, slots=True)
class Ack:
    """Everything up to this message, in the order in which it was sent, has its end."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Nack:
    """The far side has not taken these messages, for this reason."""

    epoch: int
    first: int
    messages: int
    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The source will not use the id of its link again."""


DeliveryCommand = Have | Next | Replay | Ack | Nack | Forget


def source_property(link: bytes, opening: int) -> bytes:
    """The value of the property of a source."""
    return b"1;link=%s;opening=%016x" % (link.hex().encode(), opening)


def server_property(server: bytes) -> bytes:
    """The value of the property of a far side."""
    return b"1;server=%s" % server.hex().encode()


def source_of(value: bytes) -> SourceId | None:
    """What a peer says of itself as a source; None if it is none, or one of another version."""
    found = _SOURCE.fullmatch(value)
    return found and SourceId(bytes.fromhex(found[1].decode()), int(found[2], 16))


def server_of(value: bytes) -> bytes | None:
    """The id of a far side that acknowledges; None if the peer does not."""
    found = _FAR_SIDE.fullmatch(value)
    return found and bytes.fromhex(found[1].decode())


def encode(one: DeliveryCommand) -> bytes:
    """A command as one frame."""
    match one:
        case Have():
            places = list(one.epochs.items())[-MOST_EPOCHS:]
            return command(b"HAVE", b"".join(_PLACE.pack(*place) for place in places))
        case Next():
            return command(b"NEXT", _PLACE.pack(one.epoch, one.number))
        case Replay():
            return command(b"REPLAY", bytes((one.on,)))
        case Ack():
            return command(b"ACK", _PLACE.pack(one.epoch, one.number))
        case Nack():
            body = _RANGE.pack(one.epoch, one.first, one.messages)
            return command(b"NACK", body + one.reason.encode()[:REASON_MAX])
        case Forget():
            return command(b"FORGET")


def decode(name: bytes, body: bytes) -> DeliveryCommand | None:
    """The command of a name; None if it is another one, ZmtpError if it is cut."""
    try:
        if name == b"ACK":
            return Ack(*_PLACE.unpack(body))
        if name == b"NEXT":
            return Next(*_PLACE.unpack(body))
        if name == b"REPLAY":
            return Replay(*_FLAG.unpack(body))
        if name == b"HAVE":
            return Have(dict(_PLACE.iter_unpack(body)))
        if name == b"NACK":
            epoch, first, messages = _RANGE.unpack(body[: _RANGE.size])
            return Nack(epoch, first, messages, reason_word(body[_RANGE.size :]))
    except struct.error as error:
        raise ZmtpError(f"{name.decode()} with {len(body)} bytes: {error}") from error
    return Forget() if name == b"FORGET" else None


def reason_word(text: bytes) -> str:
    """A reason that a peer gives, as a word that is safe in logs and counters."""
    word = re.sub(rb"[^a-z0-9-]", b"", text[:REASON_MAX]).decode()
    return word or "refused"

"""Receipts for clients on the wire: messages of CC with numbers, and the words beside them.

A client is stock libzmq, which sends no commands of its own, so each word is a message whose first
frame is `WORD`. The client names itself in READY, by `X-CC-Receipts: 1;producer=HEX;opening=HEX`,
and a listener that gives receipts has `X-CC-Receipts: 1` in its own. All numbers are in network
order, each in a frame of its own:

    have    server -> client   server 16, (epoch 8, number 8) x n, token 8      what it has
    next    client -> server   epoch, number, token             the number of the next message
    ack     server -> client   epoch, number, safe | handed     all up to this one has its end
    nack    server -> client   epoch, first, count, reason      it has not taken these
    fenced  server -> client   text                             another client has its place
    forget  client -> server                                    the producer will not come back

A numbered message has one frame more in front of its empty frame: `NUMBERED` and 8 bytes. libzmq
keeps what it could not write for the next connection: `have` opens each one with a new token, and
what comes before a `next` with this token was written for an earlier one. Nothing here may decide
what a word leads to.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ccproxy.wire.text import shortened
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS, REASON_MAX, Forget, Nack, reason_word

PROPERTY = b"X-CC-Receipts"
GIVEN = b"1"
"""Its value in the READY of a server."""
WORD = b"\0receipt"
NUMBERED = b"\0n"
"""The beginning of the frame in front of a numbered message; CC has no such frame."""
SAFE, HANDED = "safe", "handed"
"""Of an acknowledgement: all destinations that can confirm have it, or there is none of them."""
TOKEN_SIZE = 8
SERVER_SIZE = 16
TEXT_MAX = 200
"""Bytes of the text of `fenced`."""

_KINDS = (b"safe", b"handed")

_PRODUCER = re.compile(rb"1;producer=([0-9a-f]{32});opening=([0-9a-f]{16})")
_NUMBER = struct.Struct("!Q")
_PLACE = struct.Struct("!QQ")


@dataclass(frozen=True, slots=True)
class ProducerId:
    """What a client says of itself: an id that lasts as long as its unconfirmed messages, and the
    epoch of its present start."""

    producer: bytes
    opening: int


@dataclass(frozen=True, slots=True)
class Greeting:
    """`have`: the last numbers that a server has, and the token of this connection."""

    server: bytes
    places: Mapping[int, int]
    token: bytes


@dataclass(frozen=True, slots=True)
class Announcement:
    """`next`: the number of the next message, on the connection with this token."""

    epoch: int
    number: int
    token: bytes


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """`ack`: everything up to this message, in the order in which it was sent, has its end."""

    epoch: int
    number: int
    kind: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """`fenced`: another client with this producer id is connected."""

    text: str


ReceiptWord = Greeting | Announcement | Acknowledgement | Nack | Fenced | Forget


def producer_property(one: ProducerId) -> bytes:
    """The value of the property of a client."""
    return b"1;producer=%s;opening=%016x" % (one.producer.hex().encode(), one.opening)


def gives_receipts(value: bytes) -> bool:
    """True if a server says by this that it gives receipts."""
    return value == GIVEN or value.startswith(GIVEN + b";")


def producer_of(value: bytes) -> ProducerId | None:
    """What a peer says of itself; None if it wants no receipts, or those of another version."""
    found = _PRODUCER.fullmatch(value)
    return found and ProducerId(bytes.fromhex(found[1].decode()), int(found[2], 16))


def number_frame(number: int) -> bytes:
    """The frame in front of a message with a number."""
    return NUMBERED + _NUMBER.pack(number)


def number_of(frame: bytes) -> int | None:
    """The number that a first frame gives its message; None if it is another frame."""
    if not frame.startswith(NUMBERED) or len(frame) != len(NUMBERED) + _NUMBER.size:
        return None
    return int.from_bytes(frame[len(NUMBERED) :], "big")


def encode(one: ReceiptWord) -> list[bytes]:
    """The frames of a word."""
    match one:
        case Greeting():
            places = list(one.places.items())[-MOST_EPOCHS:]
            packed = b"".join(_PLACE.pack(*place) for place in places)
            return [WORD, b"have", one.server, packed, one.token]
        case Announcement():
            return [WORD, b"next", *_packed(one.epoch, one.number), one.token]
        case Acknowledgement():
            return [WORD, b"ack", *_packed(one.epoch, one.number), one.kind.encode()]
        case Nack():
            reason = one.reason.encode()[:REASON_MAX]
            return [WORD, b"nack", *_packed(one.epoch, one.first, one.messages), reason]
        case Fenced():
            return [WORD, b"fenced", one.text.encode("utf-8", "replace")[:TEXT_MAX]]
        case Forget():
            return [WORD, b"forget"]


def decode(frames: Sequence[bytes]) -> ReceiptWord:
    """The word of a message whose first frame is `WORD`; ValueError if it is cut or unknown."""
    match frames[1:]:
        case [b"have", server, places, token] if len(server) == SERVER_SIZE:
            return Greeting(server, _places(places), _token(token))
        case [b"next", epoch, number, token]:
            return Announcement(_number(epoch), _number(number), _token(token))
        case [b"ack", epoch, number, kind] if kind in _KINDS:
            return Acknowledgement(_number(epoch), _number(number), kind.decode())
        case [b"nack", epoch, first, count, reason]:
            return Nack(_number(epoch), _number(first), _number(count), reason_word(reason))
        case [b"fenced", text]:
            return Fenced(shortened(text.decode("utf-8", "replace")))
        case [b"forget"]:
            return Forget()
    sizes = ", ".join(str(len(frame)) for frame in frames[2:10])
    name = shortened(repr(bytes(frames[1][:20]))) if len(frames) > 1 else "no name"
    raise ValueError(f"a word for receipts that is cut or unknown: {name}, frames of ({sizes})")


def _packed(*numbers: int) -> list[bytes]:
    return [_NUMBER.pack(one) for one in numbers]


def _number(frame: bytes) -> int:
    if len(frame) != _NUMBER.size:
        raise ValueError(f"a number of {len(frame)} bytes in a word for receipts, expected 8")
    return int.from_bytes(frame, "big")


def _token(frame: bytes) -> bytes:
    if len(frame) != TOKEN_SIZE:
        raise ValueError(f"a token of {len(frame)} bytes in a word for receipts, expected 8")
    return bytes(frame)


def _places(frame: bytes) -> dict[int, int]:
    if len(frame) % _PLACE.size or len(frame) > MOST_EPOCHS * _PLACE.size:
        raise ValueError(
            f"places of {len(frame)} bytes in a word for receipts, expected 16 each, "
            f"and {MOST_EPOCHS} of them at most"
        )
    return dict(_PLACE.iter_unpack(frame))

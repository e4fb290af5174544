"""A message as handlers see it, and the actions they may return. Values: no sockets, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ccproxy.wire.cc import UntrustedMessage, split

Value = Any
"""A neutral value: None, bool, int, float, str, bytes, list or dict of these."""


class UnreadableMessage(ValueError):
    """The payload of a message cannot be read: its sender is at fault, not the handler."""


class Codec(Protocol):
    """Turns a payload of one protocol into a neutral value and back."""

    def decode(self, type: str, payload: tuple[Any, ...]) -> Value:
        """The neutral value of a payload; ValueError if it cannot be read."""

    def encode(self, type: str, value: Value, blob: bytes | None) -> tuple[bytes, ...]:
        """The payload that carries `value`; ValueError if the protocol cannot carry it."""

    def blob(self, payload: tuple[Any, ...]) -> bytes | None:
        """The blob of a payload; None if it has none, or the protocol knows no blobs."""


class Origin(Protocol):
    """The peer a message came from, for protocols in which an identity is not enough to answer."""

    def answer(self, message: Message, answer: Reply | NativeAnswer) -> str:
        """Send an answer to a message of this peer; return the fate of the message."""


class DeliveryNumber(NamedTuple):
    """The number of a message that came over a link with acknowledged delivery.

    It is the same when the message comes again. Within a link and an epoch the numbers only grow: a
    handler that stores the last one in the transaction of its own data takes each message once.
    """

    link: bytes
    epoch: int
    number: int
    replay: bool = False
    """True if an operator of the source lets it be sent once more; it has a new number then."""


@dataclass(frozen=True, slots=True)
class Message:
    """One received message.

    `route` are the frames in front of the empty frame, the sender's identity first. A reply starts
    with the same frames, which lead it back to the sender without any state here. `payload` are
    the frames behind the type (in CC: JSON, signature, blob, more), or the one value that the
    listener of another protocol made of the message. `listener` is the section of the listener it
    came in by. `length` is its size on the wire if the payload is not frames. `delivery` is its
    number on a link with acknowledged delivery, None if it came in any other way.
    """

    type: str
    route: tuple[bytes, ...]
    payload: tuple[Any, ...]
    codec: Codec
    listener: str = ""
    origin: Origin | None = field(default=None, compare=False)
    length: int = 0
    delivery: DeliveryNumber | None = field(default=None, compare=False)

    @classmethod
    def cut(cls, frames: Sequence[bytes], codec: Codec, listener: str = "") -> Message:
        """A message from the frames that a ROUTER socket would give, the identity first.

        ValueError if there is no empty frame, or no valid type behind it.
        """
        route, type, payload = split(frames)
        return cls(type, route, payload, codec, listener)

    def value(self) -> Value:
        """The payload as a neutral value; a ValueError if it cannot be read or is not trusted."""
        try:
            return self.codec.decode(self.type, self.payload)
        except UntrustedMessage:
            raise
        except ValueError as error:
            raise UnreadableMessage(str(error)) from error

    @property
    def blob(self) -> bytes | None:
        """The bytes that came beside the value, None without them; only CC messages have them."""
        return self.codec.blob(self.payload)

    @property
    def size(self) -> int:
        """Length of all frames in bytes, the route and the type included."""
        if self.length:
            return self.length
        return sum(map(len, self.route)) + len(self.type) + sum(map(len, self.payload))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to the sender, encoded in the sender's own protocol."""

    type: str
    value: Mapping[str, Value] = field(default_factory=dict)
    blob: bytes | None = None


@dataclass(frozen=True, slots=True)
class NativeAnswer:
    """An answer that has the form of the sender's protocol already."""

    content: Any


@dataclass(frozen=True, slots=True)
class Send:
    """A message that the handler sends through one of its links (see `Context.link`)."""

    link: Any
    type: str
    value: Mapping[str, Value] = field(default_factory=dict)
    blob: bytes | None = None
    route: tuple[bytes, ...] = ()


Action = Reply | NativeAnswer | Send
Actions = Action | Iterable[Action] | None
"""What `Handler.handle` returns; None means the message is consumed."""

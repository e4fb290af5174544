"""What may stand between a sink and its socket: a Seal changes bytes going out and coming in.

CURVE and TLS are of this kind, and so is the translation to the frames of ZMTP 1.0. One object
serves one connection, after its handshake. Only the shape; this module must never encrypt anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Seal(Protocol):
    """The two directions of one connection. ValueError from either ends the connection."""

    @property
    def held(self) -> int:
        """Bytes of the peer that are part of a piece which is not whole."""

    def seal(self, data: bytes | memoryview) -> Sequence[tuple[bytes, int]]:
        """Whole units of the protocol as they go on the wire: pieces, each with the number of
        bytes of `data` it stands for. A unit is sent when the kernel has taken all of its piece.

        The sum of the numbers is the length of `data`, or less: then the rest is to be given again
        when these pieces are sent."""

    def taken(self, data: bytes | memoryview, count: int) -> int:
        """How many bytes of `data`, as whole messages, are in the first `count` bytes of the piece
        that stands for `data`; for pieces of which the kernel took only a part."""

    def open(self, data: bytes) -> bytes:
        """The bytes that a read adds to what the peer has said; b"" while a piece is not whole."""


class StreamSeal(Seal, Protocol):
    """A seal of a byte stream with an end of its own, such as TLS."""

    @property
    def ended(self) -> bool:
        """True once the peer has said, under the seal, that it sends no more."""

    def close(self) -> bytes:
        """The bytes that tell the peer, behind all others, that nothing more comes."""

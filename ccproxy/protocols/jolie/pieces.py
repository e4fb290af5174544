"""Bytes of a message that are made of parts: small ones are joined, large ones stay in their pieces
until they are written.

To join is to copy, and a megabyte takes up to 0.9 ms if memory has to be got for it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

LARGE = 256 * 1024
"""Bytes from which on not all parts are joined."""
SMALL = 4096
"""Parts of fewer bytes are joined with their neighbours all the same, to pieces of `PIECE`."""
PIECE = 65536

Part = bytes | bytearray | memoryview


class Pieces:
    """Bytes that are not joined; nothing changes them any more. `len` is that of all together."""

    __slots__ = ("_size", "parts")

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        self._size = sum(map(len, parts))

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)


def joined(parts: Iterable[Part | Pieces]) -> bytes | Pieces:
    """These parts, one behind the other."""
    flat: list[Part] = []
    for one in parts:
        if isinstance(one, Pieces):
            flat += one.parts
        else:
            flat.append(one)
    if sum(map(len, flat)) < LARGE:
        return b"".join(flat)
    return Pieces(tuple(_pieces(flat)))


def _pieces(parts: Iterable[Part]) -> Iterator[Part]:
    """Large parts as they are, and what is small between them: a batch has thousands of those."""
    small: list[Part] = []
    size = 0
    for one in parts:
        if len(one) < SMALL:
            small.append(one)
            size += len(one)
        if size and (len(one) >= SMALL or size >= PIECE):
            yield b"".join(small)
            small, size = [], 0
        if len(one) >= SMALL:
            yield one
    if size:
        yield b"".join(small)


def to_write(body: bytes | memoryview | Pieces) -> list[bytes | memoryview]:
    """A body as the pieces that are written."""
    if not isinstance(body, Pieces):
        return [body]
    return [one if isinstance(one, bytes) else memoryview(one) for one in body.parts]

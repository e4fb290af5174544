"""What waits between a sealed sink and its socket: pieces that are sealed and not yet sent.

The kernel counts the sealed bytes that it took, the outbox counts its plain bytes: the queue keeps
both counts for each piece. It must never hold more than the chunks that its sender may seal, and
the commands in front of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ccproxy.wire.seal import Seal


def opened(seal: Seal, data: bytes, close: Callable[[str], None]) -> bytes:
    """The plain bytes of a read; bytes that the seal refuses close the connection."""
    try:
        return seal.open(data)
    except ValueError as error:
        close(f"cannot be opened: {error}")
        return b""


class SealedQueue:
    """The sealed pieces of one connection in order; see `ccproxy.wire.seal`."""

    __slots__ = ("_pieces", "_sent", "seal")

    def __init__(self, seal: Seal) -> None:
        self.seal = seal
        self._pieces: deque[tuple[bytes, bytes | memoryview]] = deque()
        self._sent = 0
        """Sealed bytes of the first piece that the kernel has taken already."""

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes | memoryview, counted: bool) -> int:
        """Seal whole units; `counted` if they come from the outbox, for `advance` to count.

        The bytes of `data` that the seal took; all of what is not counted.
        """
        at = 0
        while at < len(data):
            for piece, size in self.seal.seal(data[at:] if at else data):
                self._pieces.append((piece, data[at : at + size] if counted else b""))
                at += size
            if counted:
                break
        return at

    def peek(self, buffers: int) -> list[bytes | memoryview]:
        """The first pieces, at most `buffers` of them, without the bytes that are already sent."""
        pieces = self._pieces
        found: list[bytes | memoryview] = [
            pieces[index][0] for index in range(min(buffers, len(pieces)))
        ]
        if self._sent:
            found[0] = memoryview(found[0])[self._sent :]
        return found

    def advance(self, count: int) -> int:
        """Note that the kernel took `count` sealed bytes; return the outbox's bytes now sent."""
        count += self._sent
        done = 0
        pieces = self._pieces
        while pieces and count >= len(pieces[0][0]):
            piece, data = pieces.popleft()
            count -= len(piece)
            done += len(data)
        self._sent = count
        return done

    def settle(self) -> int:
        """Give up what is not sent; return the outbox's bytes in the piece that was sent in part,
        as whole messages: the kernel has them, and they must not be sent again."""
        pieces, sent, self._sent = self._pieces, self._sent, 0
        done = self.seal.taken(pieces[0][1], sent) if sent else 0
        pieces.clear()
        return done

"""The topic of a message, its first frame, and the last message of each topic, within a size."""

from __future__ import annotations

from collections.abc import Iterator

from ccproxy.core.spans import cut


def topic(message: bytes) -> bytes:
    """The first frame of one whole message."""
    if message[0] & 2:
        return message[9 : 9 + int.from_bytes(message[1:9], "big")]
    return message[2 : 2 + message[1]]


class LastValues:
    """The newest message of each topic; beyond `size` bytes the one that is oldest is forgotten."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.bytes = 0
        self._last: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._last)

    def note(self, chunk: bytes) -> None:
        """Remember the messages of a chunk."""
        last = self._last
        for message in cut(chunk):
            key = topic(message)
            before = last.pop(key, None)
            if before is not None:
                self.bytes -= len(key) + len(before)
            last[key] = message
            self.bytes += len(key) + len(message)
        while self.bytes > self.size and last:
            oldest = next(iter(last))
            self.bytes -= len(oldest) + len(last.pop(oldest))

    def matching(self, prefix: bytes) -> Iterator[bytes]:
        """The messages whose topic begins with a prefix, the newest last."""
        for key, message in self._last.items():
            if key.startswith(prefix):
                yield message

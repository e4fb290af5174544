"""The topic of a message, its first frame, and the last message of each topic, within a size.

It must never keep two messages of one topic, nor serve a new subscriber all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ccproxy.core.sinks import Sink
from ccproxy.core.spans import cut

ENTRY_COST = 300
"""Bytes that a topic costs beside its name and its message."""


def topic(message: bytes) -> bytes:
    """The first frame of one whole message."""
    if message[0] & 2:
        return message[9 : 9 + int.from_bytes(message[1:9], "big")]
    return message[2 : 2 + message[1]]


def cost_of(topic: bytes, message: bytes) -> int:
    """Bytes of memory that a message costs that is kept under its topic."""
    return len(topic) + len(message) + ENTRY_COST


class LastValues:
    """The newest message of each topic; beyond `size` bytes the one that is oldest is forgotten."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.bytes = 0
        self.number = 0
        """Messages that were noted up to now."""
        self._last: dict[bytes, tuple[int, bytes]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def note(self, chunk: bytes) -> None:
        """Remember the messages of a chunk."""
        last = self._last
        for message in cut(chunk):
            key = topic(message)
            before = last.pop(key, None)
            if before is not None:
                self.bytes -= cost_of(key, before[1])
            self.number += 1
            last[key] = self.number, message
            self.bytes += cost_of(key, message)
        while self.bytes > self.size and last:
            oldest = next(iter(last))
            self.bytes -= cost_of(oldest, last.pop(oldest)[1])

    def topics(self) -> Iterator[bytes]:
        """All topics of this moment, the newest last."""
        return iter(list(self._last))

    def newest(self, topic: bytes) -> tuple[int, bytes] | None:
        """The number and the content of the newest message of a topic."""
        return self._last.get(topic)


class CatchUp:
    """Gives one subscriber the newest messages of the topics that it has just subscribed to.

    A walk over all topics goes in steps, and serves all prefixes that were added before it began.
    What has come since a prefix was added is left out: the subscriber gets it anyway.
    """

    def __init__(self, last: LastValues, box: Sink) -> None:
        self._last = last
        self._box = box
        self._added: dict[bytes, int] = {}
        self._wanted: dict[bytes, int] = {}
        self._sizes: list[int] = []
        self._topics: Iterator[bytes] | None = None

    @property
    def idle(self) -> bool:
        """True if nothing is left to be served."""
        return self._topics is None and not self._added

    def add(self, prefix: bytes) -> None:
        """The subscriber wants this prefix from now on."""
        self._added[prefix] = self._last.number

    def step(self, most: int) -> bool:
        """Look at some topics; True once all that was added is served."""
        if self._topics is None:
            self._wanted, self._added = self._added, {}
            self._sizes = sorted({len(prefix) for prefix in self._wanted})
            self._topics = self._last.topics()
        some = list(islice(self._topics, most))
        found = [message for topic in some if (message := self._message(topic)) is not None]
        if found:
            self._box.offer(b"".join(found), len(found))
        if len(some) == most:
            return False
        self._topics = None
        return self.idle

    def _message(self, topic: bytes) -> bytes | None:
        newest = self._last.newest(topic)
        if newest is None:
            return None
        number, message = newest
        for size in self._sizes:
            if size > len(topic):
                break
            if self._wanted.get(topic[:size], -1) >= number:
                return message
        return None

"""A queue that keeps the newest message of each topic while its peer reads slowly.

A `LatestBox` stands in front of an outbox with a small limit. While the outbox has room, messages
pass. While it has none, each message waits here under its first frame, and a newer one of the same
topic takes its place. So the peer gets the newest of everything, however slowly it reads. Every
message that is replaced is counted as dropped by the outbox. It must never hold more than `limit`,
nor more than its share of the memory of all queues.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import TAKEN, Receipt
from ccproxy.core.spans import cut
from ccproxy.core.topics import cost_of, topic

WINDOW = 64 * 1024
"""Bytes of the outbox: what waits there is not replaced any more."""
REPLACED = "replaced"


class LatestBox:
    """A Sink; see the module."""

    __slots__ = ("_box", "_bytes", "_held", "_waits", "limit", "name")

    may_block = blocked = False

    def __init__(self, box: Outbox, limit: int) -> None:
        """`limit`: bytes that may wait here, with what each topic costs; then what has waited
        longest is dropped as full."""
        self.name = box.name
        self.limit = limit
        self._box = box
        self._held: dict[bytes, bytes] = {}
        self._bytes = 0
        self._waits = False

    @property
    def held(self) -> int:
        """Messages that wait here."""
        return len(self._held)

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take all messages."""
        if not self._held and not self._box.blocked:
            self._box.offer(chunk, messages)
        else:
            for message in cut(chunk):
                self._hold(message)
            if not self._waits:
                self._waits = True
                self._box.wait(self._flush)
        if receipt is not None:
            receipt(messages, TAKEN)
        return messages

    def wait(self, call: Callable[[], None]) -> None:
        """Call at once: no sender ever has to wait."""
        call()

    def clear(self, reason: str) -> None:
        """Drop what waits here."""
        self._count(reason, len(self._held))
        self._held.clear()
        self._change(-self._bytes)

    def _hold(self, message: bytes) -> None:
        key = topic(message)
        older = self._held.get(key)
        change = cost_of(key, message)
        if older is not None:
            # The place in the order stays: a topic that is often new must not wait for ever.
            change -= cost_of(key, older)
            self._count(REPLACED, 1)
        self._held[key] = message
        room = self._change(change)
        while self._bytes > min(self.limit, room) and len(self._held) > 1:
            word = "full" if self._bytes > self.limit else "memory"
            room = self._take_first()[1]
            self._count(word, 1)

    def _flush(self) -> None:
        """Pass on what waits, as far as there is room."""
        self._waits = False
        held, box = self._held, self._box
        while held and not box.blocked:
            box.offer(self._take_first()[0], 1)
        if held:
            self._waits = True
            box.wait(self._flush)

    def _take_first(self) -> tuple[bytes, int]:
        """Take out what has waited longest; the message, and how many bytes may wait then."""
        oldest = next(iter(self._held))
        message = self._held.pop(oldest)
        return message, self._change(-cost_of(oldest, message))

    def _change(self, size: int) -> int:
        """Count bytes that wait here, or less of them; the most that may wait here now."""
        self._bytes += size
        memory = self._box.memory
        memory.used += size
        if memory.used > memory.alarm:
            memory.press(self._box)
        return memory.share if memory.used > memory.limit else memory.most

    def _count(self, reason: str, messages: int) -> None:
        if messages:
            self._box.queued += messages
            self._box.dropped[reason] += messages


def window(limits: Limits) -> Limits:
    """The limits of the outbox behind a LatestBox."""
    return Limits(min(WINDOW, limits.bytes), limits.messages, "block")

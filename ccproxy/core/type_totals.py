"""Counts by message type that outlive the flow table: of the first types, and of all others.

The flow table forgets types; a scraper of counters needs those that it has seen once to stay. The
first types have counts of their own for good, and the others are summed, so that a peer which
invents types without end takes no more memory. It must never be asked on the hot path: it learns
of a type when its flow is made, when its flow is forgotten, and when a message of it is lost.
"""

from __future__ import annotations

from ccproxy.core.ledger import OUTCOMES

LONGEST_TYPE = 200
"""Bytes of the longest type that has counts of its own: its name goes into a log line."""
WORDS = {fate: word for word, fates in OUTCOMES.items() for fate in fates}
"""Fate -> the word of the original for it."""


class TypeCount:
    """Messages and bytes of one type, by what became of them: `ok`, `dropped`, `crashed`, ..."""

    __slots__ = ("bytes", "messages")

    def __init__(self, of: TypeCount | None = None) -> None:
        """A copy, or all zero."""
        self.messages: dict[str, int] = of.messages.copy() if of else {}
        self.bytes: dict[str, int] = of.bytes.copy() if of else {}

    def add(self, word: str, messages: int, size: int) -> None:
        """Count messages that came to this."""
        self.messages[word] = self.messages.get(word, 0) + messages
        self.bytes[word] = self.bytes.get(word, 0) + size

    def sum(self) -> tuple[int, int]:
        """All messages and all bytes, whatever became of them."""
        return sum(self.messages.values()), sum(self.bytes.values())


class TypeTotals:
    """The counts of flows that are forgotten, and of lost messages, by type."""

    def __init__(self, limit: int) -> None:
        """`limit` types have counts of their own."""
        self.limit = limit
        self.types: dict[bytes, TypeCount] = {}
        self.other = TypeCount()
        self.verdicts = TypeCount()
        """By the counters of verdicts instead of words, of all types."""

    def admit(self, type: bytes) -> None:
        """A flow of this type is made; the first ones get counts of their own."""
        if len(self.types) < self.limit and type not in self.types and len(type) <= LONGEST_TYPE:
            self.types[type] = TypeCount()

    def place(self, type: bytes) -> TypeCount:
        """Where messages of this type are counted."""
        return self.types.get(type, self.other)

    def crashed(self, counters: tuple[str, ...], size: int) -> None:
        """A handler raised for a message, of which the flow has counted COUNTER.ok."""
        for counter in counters:
            self.verdicts.add(f"{counter}.ok", -1, -size)
            self.verdicts.add(f"{counter}.crashed", 1, size)

    def lost(self, type: bytes, fate: str, size: int) -> None:
        """A message that was sent to a handler has ended in `fate`; the flow counts it as ok."""
        word = WORDS[fate]
        if word != "ok":
            place = self.place(type)
            place.add("ok", -1, -size)
            place.add(word, 1, size)

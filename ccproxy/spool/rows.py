"""Rows: how messages stand in a spool, each row a run of whole messages with a check sum.

SQLite checks what it writes to its log, but not the pages of its file; so each row has a check sum
of its own. This module must never open a file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from ccproxy.core.delivery.store import RunOrigin, Stored
from ccproxy.core.sinks import Receipt
from ccproxy.core.spans import skip

ROW_SIZE = 256 * 1024
"""Bytes up to which runs become one row. A run that is longer stays whole."""

_HEAD = Struct(">QQQQ")


class SpoolRow(NamedTuple):
    """A run of messages; `id` counts rows, `time` is when it was written, in seconds."""

    id: int
    epoch: int
    first: int
    messages: int
    time: float
    data: bytes
    replay: bool = False

    @property
    def size(self) -> int:
        """Bytes of its messages."""
        return len(self.data)

    @property
    def stored(self) -> Stored:
        """The run as the source sends it."""
        return Stored(self.epoch, self.first, self.messages, self.data, self.replay)

    @property
    def check(self) -> int:
        """The check sum of all that matters."""
        head = _HEAD.pack(self.id, self.epoch, self.first, self.messages)
        return zlib.crc32(self.data, zlib.crc32(head, self.replay))

    def behind(self, messages: int) -> SpoolRow:
        """The row without its first messages."""
        if messages <= 0:
            return self
        at, skipped = skip(self.data, 0, messages)
        return self._replace(
            first=self.first + skipped, messages=self.messages - skipped, data=self.data[at:]
        )


class Damaged(NamedTuple):
    """A row that was not read as it was written, and how many messages were in it as far as that
    can be said."""

    id: int
    messages: int
    size: int


class OfferedRun(NamedTuple):
    """Messages that were offered, and who wants to know when they are safe."""

    chunk: bytes
    messages: int
    receipt: Receipt | None = None
    origin: RunOrigin | None = None

    @property
    def replay(self) -> bool:
        """True if the messages are sent once more on purpose."""
        return self.origin is not None and self.origin.replay


def tell(runs: Iterable[OfferedRun], outcome: str) -> None:
    """Tell all who wait for these messages what became of them."""
    for one in runs:
        if one.receipt is not None:
            one.receipt(one.messages, outcome)


class Numbering:
    """The numbers that the next row gets."""

    def __init__(self, id: int, epoch: int) -> None:
        self.id = id
        self.epoch = epoch
        self.first = 1

    def rows(self, items: Sequence[OfferedRun], time: float) -> Iterator[SpoolRow]:
        """The rows of items, in order; none for an item without messages."""
        for chunks, messages, replay in _joined(items):
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            yield SpoolRow(self.id, self.epoch, self.first, messages, time, data, replay)
            self.id += 1
            self.first += messages


def _joined(items: Iterable[OfferedRun]) -> Iterator[tuple[list[bytes], int, bool]]:
    chunks: list[bytes] = []
    size = messages = 0
    replay = False
    for item in items:
        if not item.messages or not item.chunk:
            continue
        if chunks and (size + len(item.chunk) > ROW_SIZE or item.replay != replay):
            yield chunks, messages, replay
            chunks, size, messages = [], 0, 0
        replay = item.replay
        chunks.append(item.chunk)
        size += len(item.chunk)
        messages += item.messages
    if chunks:
        yield chunks, messages, replay


def last_numbers(items: Iterable[OfferedRun]) -> dict[tuple[bytes, int], int]:
    """Of each link and epoch that items came from, the number of the last message."""
    return {
        (item.origin.link, item.origin.epoch): item.origin.first + item.messages - 1
        for item in items
        if item.origin is not None and item.origin.link
    }


def epoch_bytes(epoch: int) -> bytes:
    """An epoch as the file holds it: SQLite has no unsigned numbers of 64 bits."""
    return epoch.to_bytes(8, "big")

"""A queue of chunks: whole messages as they go on the wire, the first chunk perhaps half sent.

It is the part of an outbox that knows how chunks are kept: merged while they are small, cut where
their messages end, taken out and put back with what they cost. It must never decide what is taken
or dropped, or count what became of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from ccproxy.core.memory import CHUNK_COST, Memory
from ccproxy.core.spans import skip
from ccproxy.wire.zmtp.frames import boundaries

SMALL_CHUNK_SIZE = 16 * 1024
"""Chunks below this size, in bytes, are merged as soon as `MERGE_COUNT` of them wait in a row: a
queue of single small messages would otherwise cost 40 % more memory than its bytes."""
MERGE_COUNT = 64


class ChunkQueue:
    """Chunks of messages, and how many bytes and messages wait in them."""

    __slots__ = ("_chunks", "_offset", "_small", "_whole", "bytes", "memory", "waiting")

    def __init__(self, whole: bool, memory: Memory) -> None:
        """`whole`: a chunk holds one message, of a protocol that is not ZMTP, and is never cut."""
        self.memory = memory
        self.bytes = self.waiting = 0
        self._chunks: deque[tuple[bytes, int]] = deque()
        self._offset = self._small = 0
        self._whole = whole

    @property
    def whole(self) -> bool:
        """True if no message is ever cut out of a chunk."""
        return self._whole

    @property
    def half_sent(self) -> bool:
        """True if nothing but the rest of a message may go on the wire next."""
        return self._offset > 0

    def peek(self, buffers: int) -> list[bytes | memoryview]:
        """The first waiting chunks, at most `buffers`, without the bytes that are sent already."""
        taken: list[bytes | memoryview] = [chunk for chunk, _ in islice(self._chunks, buffers)]
        if self._offset:
            taken[0] = memoryview(taken[0])[self._offset :]
        return taken

    def first(self) -> tuple[bytes, int]:
        """The first chunk that waits, and how many of its bytes are sent already."""
        return self._chunks[0][0], self._offset

    def _merge(self) -> None:
        """Join the small chunks at the end; never the first chunk, which may be half sent."""
        self._small = 0
        if len(self._chunks) <= MERGE_COUNT or self._whole:
            return
        last = [self._chunks.pop() for _ in range(MERGE_COUNT)]
        last.reverse()
        joined = b"".join([chunk for chunk, _ in last])
        self.memory.used -= (MERGE_COUNT - 1) * CHUNK_COST
        self._chunks.append((joined, sum(messages for _, messages in last)))

    def _ends(self, chunk: bytes) -> Iterable[int]:
        """Where the messages of a chunk end."""
        return (len(chunk),) if self._whole else boundaries(chunk)

    def _open_first(self) -> None:
        """Cut the first chunk into single messages, once per chunk, so that drops stay cheap."""
        chunk, messages = self._chunks[0]
        if messages == 1:
            return
        self._chunks.popleft()
        ends = list(self._ends(chunk))
        starts = [0, *ends[:-1]]
        singles = [(chunk[start:end], 1) for start, end in zip(starts, ends, strict=True)]
        self._chunks.extendleft(reversed(singles))
        self.memory.used += (len(singles) - 1) * CHUNK_COST

    def _shorten_first(self, most: int) -> None:
        """Cut the first chunk in two, the first of about `most` bytes, if it is much longer."""
        chunk, messages = self._chunks[0]
        if self._whole or messages == 1 or len(chunk) < 2 * most:
            return
        end, count = skip(chunk, 0, max(1, messages * most // len(chunk)))
        if count < messages:
            self._chunks[0] = chunk[end:], messages - count
            self._chunks.appendleft((chunk[:end], count))
            self.memory.used += CHUNK_COST

    def _pop_first(self) -> bytes:
        """Take out the first message, of which nothing may have been sent."""
        self._open_first()
        message, _ = self._chunks.popleft()
        self.bytes -= len(message)
        self.memory.used -= len(message) + CHUNK_COST
        self.waiting -= 1
        return message

    def _pop_some(self, most: int) -> list[tuple[bytes, int]]:
        """Take out the first chunks, of which nothing may have been sent: about `most` bytes, one
        message at least."""
        chunks, taken, size = self._chunks, [], 0
        while chunks and size < most:
            self._shorten_first(most - size)
            taken.append(chunks.popleft())
            size += len(taken[-1][0])
        self.memory.used -= size + CHUNK_COST * len(taken)
        self.bytes -= size
        self.waiting -= sum([messages for _, messages in taken])
        self._small = 0
        return taken

    def _pop_all(self) -> list[tuple[bytes, int]]:
        """Take out everything, a half sent chunk as a whole."""
        chunks = list(self._chunks)
        self._chunks.clear()
        self.memory.used -= self.bytes + CHUNK_COST * len(chunks)
        self.waiting = self.bytes = self._offset = self._small = 0
        return chunks

    def _put_first(self, chunks: Sequence[tuple[bytes, int]]) -> None:
        """Put chunks in front of what waits, of which nothing may have been sent."""
        for chunk, messages in reversed(chunks):
            self._chunks.appendleft((chunk, messages))
            self.bytes += len(chunk)
            self.memory.used += len(chunk) + CHUNK_COST
            self.waiting += messages

    def _cut_sent(self) -> int:
        """Cut off the messages of the half sent first chunk that are sent as a whole; how many."""
        chunk, messages = self._chunks.popleft()
        cut = whole = 0
        for end in self._ends(chunk):
            if end > self._offset:
                break
            cut, whole = end, whole + 1
        self.waiting -= whole
        self._offset -= cut
        self._chunks.appendleft((chunk[cut:], messages - whole))
        return whole

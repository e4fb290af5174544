"""The outbox: a bounded queue of ready-made bytes in front of one peer.

It holds whole messages as they go on the wire, many in one chunk, so that forwarding costs nothing
per message here. Every message offered is counted once: `queued == sent + dropped + waiting` is
true at any moment. It must never touch a socket: the sender takes bytes with `peek` and reports
with `advance` how many of them the operating system has taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ccproxy.core.chunk_queue import MERGE_COUNT, SMALL_CHUNK_SIZE, ChunkQueue
from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.memory import CHUNK_COST, Memory
from ccproxy.core.queue_age import QueueAge
from ccproxy.core.sinks import TAKEN, Receipt

MAX_REFUSALS = 3
"""A message is set aside when the far side has ended this many connections in the middle of it,
in order, and nothing was sent in between."""
RESETS_PER_REFUSAL = 10
"""Resets that count as one such end. libzmq refuses a message over ZMQ_MAXMSGSIZE by a reset, which
a cut line shows as well: so many in a row at one message, with nothing sent, are no accident."""
NEVER_WAITED = ("full", "memory", "replaced")
"""Reasons for which messages are dropped that were offered last, and have not waited."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait, in bytes and messages (0 = no limit), and the policy when it is full."""

    bytes: int = 64 * 1024 * 1024
    messages: int = 0
    policy: str = "drop-new"


class Outbox(ChunkQueue):
    """A queue with a limit, a policy and exact counts; see the module."""

    __slots__ = (
        "__weakref__", "_ages", "_begun", "_refusals", "_waiters", "dropped", "held", "limits",
        "name", "owner", "queued", "sent", "wake", "write",
    )  # fmt: skip

    def __init__(
        self, name: str, limits: Limits, whole: bool = False, memory: Memory | None = None
    ) -> None:
        """`whole`: a chunk holds one message, of a protocol that is not ZMTP, and is never cut.

        `memory` is the account of all queues; without it there is no limit but its own.
        """
        super().__init__(whole, memory or Memory())
        self.name = name
        self.owner: tuple[str, str, str] = ("", "", "")
        """Who the peer is, as far as that is proven: its name, curve or plain, its key or user."""
        self.limits = limits
        self.queued = 0
        self.sent = 0
        self.dropped: Counter[str] = Counter()
        self.wake: Callable[[Outbox], None] | None = None
        self.write: Callable[[Sequence[bytes | memoryview], int], int] | None = None
        """Takes messages in pieces and writes them at once if nothing waits; None = no socket."""
        self.held = False
        """True while the first chunk is being sent as a whole, sealed: nothing of it is dropped."""
        self._begun = self._refusals = 0
        self._waiters: list[Callable[[], None]] = []
        self._ages: QueueAge | None = None

    @property
    def destination(self) -> str:
        """The section that it belongs to: its name up to the first blank, behind which names of
        single peers follow."""
        return self.name.partition(" ")[0]

    @property
    def may_block(self) -> bool:
        """True with the policy `block`."""
        return self.limits.policy == "block"

    @property
    def blocked(self) -> bool:
        """True if the policy is `block` and senders have to wait."""
        memory = self.memory
        return self.limits.policy == "block" and (
            self._full or (memory.tight and self.bytes >= memory.share)
        )

    @property
    def gone(self) -> int:
        """How many of the messages that have waited do not wait any more."""
        dropped = self.dropped
        return self.queued - self.waiting - sum(dropped.get(one, 0) for one in NEVER_WAITED)

    @property
    def fill(self) -> float:
        """How much of its limit waits, of bytes or messages; a blocked queue may be over it."""
        limits = self.limits
        of_bytes = self.bytes / limits.bytes if limits.bytes else 0.0
        return max(of_bytes, self.waiting / limits.messages) if limits.messages else of_bytes

    def sample(self, now: float) -> None:
        """Note what waits now, for `age`; to be called once a second."""
        if not self.waiting:
            self._ages = None
            return
        if self._ages is None:
            self._ages = QueueAge()
        self._ages.sample(self.gone, self.waiting, now)

    def age(self, now: float) -> float:
        """Seconds that the oldest message has waited at least, see `QueueAge`."""
        return self._ages.age(self.gone, now) if self._ages is not None and self.waiting else 0.0

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Queue whole messages; return the number accepted, count the others as dropped.

        With `drop-new` the last messages of the chunk are dropped. A blocked outbox drops what a
        caller that cannot wait offers.
        """
        self.queued += messages
        limits, memory, size = self.limits, self.memory, self.bytes + len(chunk)
        if memory.used > memory.alarm:
            memory.press(self)
        fits = (
            size <= limits.bytes
            and (size <= memory.most or not self.waiting)
            and (not limits.messages or self.waiting + messages <= limits.messages)
        )
        if fits or (limits.policy == "block" and not self._full):
            self._append(chunk, messages)
            taken = messages
        elif limits.policy == "drop-old":
            taken = self._replace(chunk)
        else:
            taken = self._squeeze(chunk, messages)
        if receipt is not None and taken:
            receipt(taken, TAKEN)
        return taken

    def advance(self, count: int) -> None:
        """Record that the operating system has taken `count` bytes of what `peek` gave."""
        self.bytes -= count
        memory = self.memory
        memory.used -= count
        count += self._offset
        chunks = self._chunks
        while chunks and count >= len(chunks[0][0]):
            chunk, messages = chunks.popleft()
            memory.used -= CHUNK_COST
            self._refusals = self._begun = 0
            count -= len(chunk)
            self.sent += messages
            self.waiting -= messages
        self._offset = count
        if self._waiters:
            self.relieve()

    def has_room(self, size: int, messages: int) -> bool:
        """True if so many bytes and messages can wait here as well, below the limits."""
        limits = self.limits
        fits = self.bytes + size <= limits.bytes
        return fits and not 0 < limits.messages < self.waiting + messages

    def goes_straight(self, size: int, messages: int) -> bool:
        """True if nothing waits, and all of these messages would be taken."""
        limits = self.limits
        return not self.waiting and size <= limits.bytes and not 0 < limits.messages < messages

    def straight(self, messages: int) -> None:
        """Count messages that the operating system took at once, because nothing waited here."""
        self.queued += messages
        self.sent += messages

    def rewind(self) -> None:
        """After a connection, let a message that was sent in part wait again as a whole."""
        self._settle()
        # What is sealed goes out as one: no message of the chunk is surely unsent.
        begun = self._chunks[0][1] if self.held and self.waiting else int(self._offset > 0)
        self._begun = begun or self._begun
        self.bytes += self._offset
        self.memory.used += self._offset
        self._offset = 0

    def refuse(self, resets: int = RESETS_PER_REFUSAL) -> bytes:
        """As `rewind`, after the far side has ended the connection in order or by an ERROR, or
        with `resets` = 1 by a reset.

        It may refuse the message that it was sent in part. After `MAX_REFUSALS` such ends this
        message is dropped, because it would stop the messages behind it for ever. Returns it then.
        """
        self._settle()
        begun = self.waiting > 0 and (self._offset > 0 or self.held)
        self.rewind()
        self._refusals = self._refusals + resets if begun else 0
        if self._refusals < MAX_REFUSALS * RESETS_PER_REFUSAL:
            return b""
        message = self._drop_first("refused")
        self._refusals = 0
        self._begun = max(0, self._begun - 1)
        self.held = False
        self.relieve()
        return message

    def clear(self, reason: str) -> None:
        """Drop everything that waits."""
        self._settle()
        self.dropped[reason] += self.waiting
        self._pop_all()
        self._refusals = self._begun = 0
        self._ages = None
        self.relieve()

    def put(
        self, chunk: bytes, messages: int, receipt: Receipt | None = None, replay: bool = False
    ) -> None:
        """Take messages whatever the limits are: the caller has found that there is room, or
        another link has given them back. A far side that does not acknowledge hears of no replay.
        """
        self.queued += messages
        self._append(chunk, messages)
        if receipt is not None:
            receipt(messages, TAKEN)

    def withdraw(self) -> list[tuple[bytes, int]]:
        """After a connection, take out the chunks of which no byte was sent, as if they had never
        been offered. A message that was sent in part is dropped: it may have been refused."""
        self.rewind()
        begun, self._begun = self._begun, 0
        for _ in range(begun):
            self._drop_first("gone")
        self.queued -= self.waiting
        self._refusals, self._waiters = 0, []
        return self._pop_all()

    def take_unsent(self, most: int) -> list[tuple[bytes, int]]:
        """Take out the first messages of which no byte was sent, as if they had never been offered:
        about `most` bytes, one message at least.

        A message that was sent in part stays: the far side may have refused it.
        """
        self._settle()
        chunks = self._chunks
        kept = [chunks.popleft()] if self.held else []
        begun = int(self._offset > 0) or self._begun
        for _ in range(0 if kept else min(begun, self.waiting)):
            self._open_first()
            kept.append(chunks.popleft())
        taken = self._pop_some(most)
        chunks.extendleft(reversed(kept))
        self.queued -= sum([messages for _, messages in taken])
        self._ages = None
        self.relieve()
        return taken

    def restore(self, chunks: Sequence[tuple[bytes, int]]) -> None:
        """Put chunks in front again that were counted as sent, whatever the limits are."""
        self._settle()
        self._put_first(chunks)
        self.sent -= sum([messages for _, messages in chunks])

    def absorb(self, other: CountedQueue) -> None:
        """Add the counts of a queue that is no longer used; what waits in it is on a disk."""
        self.queued += other.queued - other.waiting
        self.sent += other.sent
        self.dropped.update(other.dropped)

    def reconfigure(self, limits: Limits) -> None:
        """Apply new limits from the next message on; messages that wait already stay."""
        self.limits = limits
        self.relieve()

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when this outbox has drained to half its limit."""
        self._waiters.append(call)
        if self.memory.tight:
            self.memory.waited.add(self)

    def relieve(self) -> None:
        """There may be room again: let those that wait go on, if there is enough."""
        limits, memory, most = self.limits, self.memory, self.limits.bytes
        block = limits.policy == "block"
        if memory.tight and (block or memory.patient):
            block, most = True, min(most, memory.share)
        if block and (self.bytes * 2 > most or 0 < limits.messages < self.waiting * 2):
            return
        waiters, self._waiters = self._waiters, []
        for call in waiters:
            call()

    @property
    def _full(self) -> bool:
        limits, memory = self.limits, self.memory
        return (
            self.bytes >= limits.bytes
            or 0 < limits.messages <= self.waiting
            or (self.bytes >= memory.share and memory.used > memory.limit)
        )

    def _append(self, chunk: bytes, messages: int) -> None:
        idle = not self.waiting
        self._chunks.append((chunk, messages))
        self.bytes += len(chunk)
        self.memory.used += len(chunk) + CHUNK_COST
        self.waiting += messages
        self._small = self._small + 1 if len(chunk) < SMALL_CHUNK_SIZE else 0
        if self._small == MERGE_COUNT:
            self._merge()
        if idle and self.wake is not None:
            self.wake(self)

    def _squeeze(self, chunk: bytes, messages: int) -> int:
        """Take the messages that still fit, in order; drop the others."""
        limits = self.limits
        if limits.messages:
            self._settle()
        most = self._most()
        room = most - self.bytes
        slots = limits.messages - self.waiting if limits.messages else messages
        end = taken = 0
        for boundary in self._ends(chunk):
            if boundary > room or taken >= slots:
                break
            end, taken = boundary, taken + 1
        self.dropped["full" if most == limits.bytes else "memory"] += messages - taken
        if taken:
            self._append(chunk[:end], taken)
        return taken

    def _most(self) -> int:
        """Bytes that may wait here now."""
        return min(self.limits.bytes, self.memory.most)

    def _replace(self, chunk: bytes) -> int:
        """Take new messages one by one, dropping the oldest that are not half sent."""
        self._settle()
        taken = start = 0
        most = self._most()
        word = "full" if most == self.limits.bytes else "memory"
        for end in self._ends(chunk):
            message, start = chunk[start:end], end
            if len(message) > most:
                self.dropped[word] += 1
                continue
            while not self._room(len(message)) and self._drop_oldest():
                pass
            if self._room(len(message)):
                self._append(message, 1)
                taken += 1
            else:
                self.dropped[word] += 1
        return taken

    def _room(self, size: int) -> bool:
        most = self.limits.messages
        return self.bytes + size <= self._most() and not 0 < most <= self.waiting

    def _drop_oldest(self) -> bool:
        """Drop the oldest message that is not half sent; False if there is none."""
        half = None
        if self.held:
            half = self._chunks.popleft()
        elif self._offset:
            self._open_first()
            half = self._chunks.popleft()
        else:
            self._refusals = 0
        found = bool(self._chunks)
        if found:
            self._drop_first("old")
        if half is not None:
            self._chunks.appendleft(half)
        return found

    def _drop_first(self, reason: str) -> bytes:
        """Drop the first message, of which nothing may have been sent; return it."""
        self.dropped[reason] += 1
        return self._pop_first()

    def _settle(self) -> None:
        """Count the messages of a half sent chunk that are sent as a whole, and cut them off."""
        if self._offset and (whole := self._cut_sent()):
            self.sent += whole
            self._refusals = self._begun = 0

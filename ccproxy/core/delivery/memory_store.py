"""A store in memory: its messages outlive connections, and are gone with the process.

What is not taken yet waits in a backlog, an outbox with the limits and the policy of the link; what
is unacknowledged is bounded by the window of the link. `drop-old` therefore never drops what was
written to the line. It must never touch a socket or a clock.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from ccproxy.core.delivery.origins import Origins
from ccproxy.core.delivery.receipt_queue import ReceiptQueue
from ccproxy.core.delivery.refusals import Refusals, RunParts
from ccproxy.core.delivery.store import (
    SAFE,
    Chunk,
    MessageNumber,
    RandomId,
    RunOrigin,
    Stored,
    end_of,
)
from ccproxy.core.memory import CHUNK_COST
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.queue_age import QueueAge
from ccproxy.core.sinks import MovedRun, Receipt


class MemoryStore:
    """See `LinkStore` and the module."""

    def __init__(self, backlog: Outbox, link: RandomId, opening: int) -> None:
        """`link` are 16 random bytes, `opening` 64 random bits. What waits in the backlog already
        has the first numbers."""
        self.link, self.opening, self.server = link, opening, b""
        self.on_more: Callable[[], None] = _nothing
        self.on_dead: Callable[[Chunk, int, str], None] | None = None
        self.sent, self.duplicates, self.unacknowledged = backlog.sent, 0, 0
        self.refused: Counter[str] = Counter()
        self._backlog = backlog
        self._last = backlog.waiting
        self._released = self._held = 0
        self._taken: deque[Stored] = deque()
        self._again: deque[Stored] = deque()
        self._ready, self._receipts = ReceiptQueue(), ReceiptQueue()
        """Receipts of what is in the backlog, and of what is unacknowledged."""
        self._replays: deque[tuple[int, int]] = deque()
        """Of replays in the backlog, the first and the last number; those in front of the backlog
        are let go with the next."""
        self._refusals = Refusals()
        self._ages = QueueAge()
        self._origins = Origins()
        backlog.wake = self._wake

    @property
    def name(self) -> str:
        """The name of the link."""
        return self._backlog.name

    @property
    def destination(self) -> str:
        """The section that it belongs to."""
        return self._backlog.destination

    @property
    def queued(self) -> int:
        """Messages offered since the start."""
        return self._backlog.queued

    @property
    def dropped(self) -> Counter[str]:
        """Dropped messages by reason."""
        return self._backlog.dropped

    @property
    def waiting(self) -> int:
        """Messages whose end is not known."""
        return self._backlog.waiting + self.unacknowledged

    @property
    def bytes(self) -> int:
        """Their bytes; a run that is acknowledged in part counts as a whole."""
        return self._backlog.bytes + self._held

    @property
    def fill(self) -> float:
        """How full the backlog is."""
        return self._backlog.fill

    def sample(self, now: float) -> None:
        """Note what waits now."""
        self._ages.sample(self.queued - self.waiting, self.waiting, now)

    def age(self, now: float) -> float:
        """Seconds that the oldest message has waited at least."""
        return self._ages.age(self.queued - self.waiting, now) if self.waiting else 0.0

    @property
    def may_block(self) -> bool:
        """True with the policy `block`."""
        return self._backlog.may_block

    @property
    def blocked(self) -> bool:
        """True while senders have to wait."""
        return self._backlog.blocked

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the backlog has room."""
        self._backlog.wait(call)

    def rename(self, name: str) -> None:
        """The section of the link has another name now."""
        self._backlog.name = name

    def reconfigure(self, limits: Limits) -> None:
        """Apply new limits to the backlog from the next message on."""
        self._backlog.reconfigure(limits)

    def offer(self, chunk: Chunk, messages: int, receipt: Receipt | None = None) -> int:
        """Take whole messages as the limits allow; how many."""
        backlog = self._backlog
        first, before = self._last + 1, self._behind_backlog
        taken = backlog.offer(chunk, messages)
        self._last += taken
        if taken and receipt is not None:
            self._ready.append(first, self._last, taken, receipt)
        if self._behind_backlog != before:
            self._ready.tell(self._behind_backlog, "old")
        return taken

    def accept(self, chunk: Chunk, messages: int, origin: RunOrigin, receipt: Receipt) -> int:
        """Take what is new of messages with numbers of another link."""
        known = self._origins.known(origin, messages)
        if known:
            self.duplicates += known
            self._repeat(known, receipt)
            if known == messages:
                return known
            chunk = chunk[end_of(chunk, known) :]
        taken = self.offer(chunk, messages - known, receipt)
        if taken and origin.link:
            self._origins.note(origin.link, origin.epoch, origin.first + known + taken - 1)
        if taken and origin.replay:
            self._mark_last(taken)
        return known + taken

    def has_room(self, size: int, messages: int) -> bool:
        """True if so many bytes and messages can wait in the backlog as well."""
        return self._backlog.has_room(size, messages)

    def take_unsent(self, most: int) -> list[MovedRun]:
        """Take out what was never fetched, which leaves a gap."""
        first, taken = self._behind_backlog + 1, []
        for chunk, count in self._backlog.take_unsent(most):
            receipt = self._ready.part(first, first + count - 1)
            taken.append(MovedRun(chunk, count, receipt, self._is_replay(first)))
            first += count
        return taken

    def take_doubtful(self) -> list[MovedRun]:
        """Take out what is unacknowledged, without a connection: the far side may have it."""
        runs = [run.split(self._released)[1] for run in (*self._taken, *self._again)]
        taken = [
            MovedRun(run.data, run.messages, self._receipts.part(run.first, run.last), run.replay)
            for run in runs
            if run is not None
        ]
        self._backlog.queued -= self.unacknowledged
        self._backlog.memory.used -= self._held
        self._held = self.unacknowledged = 0
        self._taken.clear()
        self._again.clear()
        self._released = self._behind_backlog
        return taken

    def put(
        self, chunk: Chunk, messages: int, receipt: Receipt | None = None, replay: bool = False
    ) -> None:
        """Take messages whatever the limits are."""
        if receipt is not None:
            self._ready.append(self._last + 1, self._last + messages, messages, receipt)
        self._last += messages
        self._backlog.put(chunk, messages)
        if replay:
            self._mark_last(messages)

    def fetch(self, limit: int) -> Sequence[Stored]:
        """The next runs, those of before the last connection first."""
        runs: list[Stored] = []
        room = limit
        while room > 0 and self._again:
            run = self._again.popleft()
            self._taken.append(run)
            runs.append(run)
            room -= len(run.data)
        backlog = self._backlog
        while room > 0 and backlog.waiting:
            run = self._take_first(backlog)
            self._taken.append(run)
            runs.append(run)
            room -= len(run.data)
        return runs

    def rewind(self, have: Mapping[int, int]) -> None:
        """Let everything unacknowledged be taken again but what the far side has."""
        self._again.extendleft(reversed(self._taken))
        self._taken.clear()
        last = min(have.get(self.opening, 0), self._last)
        while self._again and self._again[0].first <= last:
            had, rest = self._again.popleft().split(last)
            if had is not None:
                self._taken.append(had)
            if rest is not None:
                self._again.appendleft(rest)
                self._held += CHUNK_COST
                self._backlog.memory.used += CHUNK_COST

    def release(self, to: MessageNumber) -> None:
        """Count what is acknowledged, or refused, and let go of it."""
        if to.epoch != self.opening:
            return
        while self._taken and self._taken[0].first <= to.number:
            run = self._taken[0]
            first, last = max(run.first, self._released + 1), min(run.last, to.number)
            if first <= last:
                self._settle_run(run, first, last)
                self._released = last
            if last < run.last:
                break
            self._taken.popleft()
            size = len(run.data) + CHUNK_COST
            self._held -= size
            self._backlog.memory.used -= size

    def refuse(self, epoch: int, first: int, count: int, reason: str) -> None:
        """Note what `release` is to drop."""
        if epoch == self.opening and first + count - 1 > self._released:
            self._refusals.add(epoch, first, count, reason)

    def withdraw(self) -> None:
        """Put everything back into the backlog, in order: the link goes on with that alone, without
        acknowledgements. Receipts are told SAFE, because nothing will be heard of it any more."""
        runs = [run.split(self._released)[1] for run in (*self._taken, *self._again)]
        self._let_go(SAFE)
        self._backlog.restore([(run.data, run.messages) for run in runs if run is not None])
        self._backlog.sent, self._backlog.wake = self.sent, None

    def move_out(self) -> list[MovedRun]:
        """Take everything out, in order and with its receipts: the link goes on with a spool."""
        runs = [*self.take_doubtful(), *self.take_unsent(sys.maxsize)]
        self._backlog.sent, self._backlog.wake = self.sent, None
        return runs

    def close(self, reason: str) -> None:
        """Drop everything that waits."""
        self.dropped[reason] += self.unacknowledged
        self._backlog.clear(reason)
        self._let_go(reason)

    @property
    def _behind_backlog(self) -> int:
        """The number in front of the first message of the backlog: what it has lost at its
        beginning, by `drop-old`, is a gap."""
        return self._last - self._backlog.waiting

    def _let_go(self, outcome: str) -> None:
        """Nothing is waited for any more."""
        self._backlog.memory.used -= self._held
        self._held = self.unacknowledged = 0
        self._taken.clear()
        self._again.clear()
        self._released = self._last
        self._receipts.tell(self._last, outcome)
        self._ready.tell(self._last, outcome)

    def _take_first(self, backlog: Outbox) -> Stored:
        """The first chunk of the backlog as a run."""
        chunk, _ = backlog.first()
        first, waiting = self._behind_backlog + 1, backlog.waiting
        backlog.advance(len(chunk))
        count, size = waiting - backlog.waiting, len(chunk) + CHUNK_COST
        self._ready.move(first + count - 1, self._receipts)
        self.unacknowledged += count
        self._held += size
        backlog.memory.used += size
        return Stored(self.opening, first, count, chunk, self._is_replay(first))

    def _mark_last(self, messages: int) -> None:
        """So many messages, the last ones, are a replay."""
        self._replays.append((self._last - messages + 1, self._last))
        self._is_replay(self._behind_backlog + 1)

    def _is_replay(self, number: int) -> bool:
        """True if this message is part of a replay; none in front of it is asked for any more."""
        replays = self._replays
        while replays and replays[0][1] < number:
            replays.popleft()
        return bool(replays) and replays[0][0] <= number

    def _settle_run(self, run: Stored, first: int, last: int) -> None:
        """Messages of one run have their end: acknowledged, or refused as `refuse` has said."""
        self.unacknowledged -= last - first + 1
        parts = RunParts(run.data, run.first)
        while first <= last:
            begin, end, reason = self._refusals.among(run.epoch, first, last)
            self.sent += begin - first
            self._receipts.tell(begin - 1, SAFE)
            if reason:
                self.dropped[reason] += end - begin + 1
                self.refused[reason] += end - begin + 1
                if self.on_dead is not None:
                    self.on_dead(parts.cut(begin, end), end - begin + 1, reason)
                self._receipts.tell(end, reason)
            first = end + 1

    def _repeat(self, messages: int, receipt: Receipt) -> None:
        """Tell the receipt of duplicates once everything that came before is safe."""
        if not self.waiting:
            receipt(messages, SAFE)
            return
        receipts = self._ready if self._backlog.waiting else self._receipts
        receipts.append(self._last, self._last, messages, receipt)

    def _wake(self, _: Outbox) -> None:
        self.on_more()


def _nothing() -> None:
    """Does nothing: no link takes from the store yet."""

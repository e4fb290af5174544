"""A spool: the store of a link on a disk, as the loop sees it.

Receipts are told SAFE when their messages are committed, and with `full` on the disk. What was just
committed stays in memory for the link, as far as there is room; the rest is read again before it is
needed. It must never touch the file: that does the thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ccproxy.core.delivery.origins import Origins
from ccproxy.core.delivery.store import (
    REPLAYED,
    SAFE,
    Chunk,
    MessageNumber,
    RandomId,
    RunOrigin,
    Stored,
)
from ccproxy.core.memory import Memory
from ccproxy.core.sinks import MovedRun, Receipt
from ccproxy.core.spans import skip
from ccproxy.spool.counts import SpoolCounts
from ccproxy.spool.cursor import Cursor, Settled
from ccproxy.spool.file import MOST_ROWS, SpoolFile
from ccproxy.spool.handover import Handover
from ccproxy.spool.held import HeldRun, HeldRuns
from ccproxy.spool.intake import MOST_UNCOMMITTED, Intake, SpoolLimits, fitting
from ccproxy.spool.lock import SpoolInUse
from ccproxy.spool.rows import Damaged, OfferedRun, SpoolRow, tell
from ccproxy.spool.thread import SpoolThread
from ccproxy.spool.work import FileOptions, SpoolDone, SpoolFound

MOST_READY = 8 * 1024 * 1024
"""Bytes of rows that are kept in memory for the link."""
READ_SIZE = 4 * 1024 * 1024
"""Bytes that are read at once."""


class Spool(SpoolCounts):
    """See `LinkStore` and the module; it takes no messages before `open`."""

    def __init__(
        self, name: str, limits: SpoolLimits, memory: Memory | None, options: FileOptions
    ) -> None:
        super().__init__(name, Intake(limits))
        self.memory = memory or Memory()
        self.options = options
        self.link: RandomId = b""
        self.opening = 0
        self.on_more: Callable[[], None] = _unheard
        self.on_dead: Callable[[Chunk, int, str], None] | None = None
        self.handover = Handover(self._account)
        self._thread = SpoolThread(options, self.handover.queue, self._done)
        self._hungry = self.reading = False
        self._items = 0
        self._origins = Origins()
        self._held = HeldRuns(self, self._account)
        self.cursor = Cursor(0, 0)
        self.last_run = self._earlier = self._written_before = 0
        self._since: float | None = None
        self._first_time: float | None = None
        self._server: RandomId = b""
        self._accounted = 0

    async def open(self, leaving: int = 0) -> None:
        """Open or make the file; OSError with a reason if that fails. It may be tried again.

        If the process `leaving` has it, senders wait whatever the policy is: it will soon let go.
        """
        try:
            await self._thread.start()
        except OSError as error:
            if not (isinstance(error, SpoolInUse) and error.holder == leaving):
                self.intake.problem = str(error)
                self.intake.relieve()
            self._thread = SpoolThread(self.options, self.handover.queue, self._done)
            raise

    def _begin(self, found: SpoolFound) -> None:
        """The file is open; what was offered before may be written at once."""
        state = found.state
        self.link, self.opening, self._server = state.link, found.opening, state.server
        self.intake.opened, self.intake.problem = True, ""
        self.queued += state.messages
        self.waiting += state.messages
        self.intake.size += state.size
        self.unacknowledged, self._written_before = state.messages, state.written
        self.last_run = self._earlier = state.last
        self.cursor = Cursor(state.released, state.partial)
        self._first_time = found.oldest
        self.damage = found.damage
        for link, epoch, last in found.origins:
            self._origins.note(link, epoch, last)
        self._held.let_in(self.accept, self._put)
        self._prefetch()
        self.intake.relieve()

    # As a Sink

    @property
    def bytes(self) -> int:
        """Bytes of messages in memory."""
        intake, cursor = self.intake, self.cursor
        return intake.uncommitted + intake.held + cursor.ready_size + cursor.taken_size

    def age(self, now: float) -> float:
        """Seconds since the oldest message that waits was written, by the clock on the wall."""
        return 0.0 if self.oldest is None else max(0.0, time.time() - self.oldest)

    def reconfigure(self, limits: SpoolLimits, options: FileOptions) -> None:
        """Apply new limits from the next message on, and new options of the same folder; messages
        that wait already stay."""
        self.intake.limits = limits
        self.options = self._thread.options = options
        self.intake.relieve()

    def offer(self, chunk: Chunk, messages: int, receipt: Receipt | None = None) -> int:
        """Take whole messages as the limits allow; how many."""
        return self._offer(chunk, messages, receipt, None)

    def accept(self, chunk: Chunk, messages: int, origin: RunOrigin, receipt: Receipt) -> int:
        """Take what is new of messages with numbers of another link."""
        if not self.intake.opened:  # which messages came before is not known yet
            return self._held.hold(HeldRun(bytes(chunk), messages, origin, receipt))
        known = self._origins.known(origin, messages)
        if known:
            self.duplicates += known
            if self._items:  # a duplicate is safe when what came before is
                self._put(OfferedRun(b"", known, receipt))
            else:
                receipt(known, SAFE)
            if known == messages:
                return known
            chunk = chunk[skip(chunk, 0, known)[0] :]
            origin = origin._replace(first=origin.first + known)
        origin = self._origins.counting(origin)
        taken = self._offer(chunk, messages - known, receipt, origin)
        self._origins.came(origin, taken, messages - known)
        return known + taken

    def _offer(
        self, chunk: Chunk, messages: int, receipt: Receipt | None, origin: RunOrigin | None
    ) -> int:
        self.queued += messages
        size, reason = self._room(len(chunk))
        taken = messages
        if size < len(chunk):
            end, taken = fitting(chunk, size)
            self.dropped[reason] += messages - taken
            if not taken:
                return 0
            chunk = chunk[:end]
        self._enter(OfferedRun(bytes(chunk), taken, receipt, origin))
        return taken

    def take_unsent(self, most: int) -> list[MovedRun]:
        """What came while the file was not open; nothing of what is in it, see `SpoolCounts`."""
        return self._held.move_out()

    def offer_again(self, chunk: Chunk, messages: int) -> int:
        """The same for messages of a replay, which the far side is told."""
        return self._offer(chunk, messages, None, REPLAYED)

    def put(
        self, chunk: Chunk, messages: int, receipt: Receipt | None = None, replay: bool = False
    ) -> None:
        """Take messages whatever the limits are: the caller has found that there is room."""
        self.queued += messages
        origin = REPLAYED if replay else None
        self._enter(OfferedRun(bytes(chunk), messages, receipt, origin))

    def _enter(self, run: OfferedRun) -> None:
        self.waiting += run.messages
        self.intake.size += len(run.chunk)
        self.intake.uncommitted += len(run.chunk)
        if self._since is None:
            self._since = time.time()
        self._put(run)

    def _room(self, size: int) -> tuple[int, str]:
        """How many of so many bytes may come in, and why not more."""
        room, reason = self.intake.room(size)
        if reason != "old":
            return room, reason
        if self._drop_old(self.intake.size + size - self.intake.limits.size) <= MOST_UNCOMMITTED:
            return size, ""
        return max(0, room), "full"

    def _drop_old(self, over: int) -> int:
        """Drop the oldest rows that were not written to a line; what is still too much."""
        while over > 0 and (row := self.cursor.drop_oldest(self._written_before)):
            over -= row.size
            self.gone(row.messages, row.size)
            if row.id <= self._earlier:
                self.unacknowledged -= row.messages
            self.dropped["old"] += row.messages
            self.handover.work.dropped.append(row.id)
        self._prefetch()
        return over

    def _put(self, item: OfferedRun) -> None:
        work = self.handover.work
        work.items.append(item)
        work.size += len(item.chunk)
        self._items += 1
        self.handover.schedule()

    # As the store of a link

    @property
    def server(self) -> RandomId:
        """The id of the far side that the unacknowledged messages were sent to."""
        return self._server

    @server.setter
    def server(self, server: RandomId) -> None:
        if server != self._server:
            self._server = self.handover.work.server = server
            self.handover.schedule()

    @property
    def oldest(self) -> float | None:
        """When the oldest message that waits was written, in seconds of the epoch of Unix."""
        if not self.waiting:
            return None
        cursor = self.cursor
        rows = cursor.taken or cursor.ready
        if rows:
            return rows[0].time
        return self._first_time if self._first_time is not None else self._since

    def fetch(self, limit: int) -> Sequence[Stored]:
        """The next runs that are committed."""
        rows = self.cursor.fetch(limit)
        if rows:
            self.unacknowledged += sum(row.messages for row in rows if row.id > self._earlier)
            self._earlier = max(self._earlier, rows[-1].id)
            self.handover.work.written = rows[-1].id
        self._hungry = not rows
        self._prefetch()
        return [row.stored for row in rows]

    def rewind(self, have: Mapping[int, int]) -> None:
        """Let everything unacknowledged be taken again but what the far side has."""
        self.cursor.rewind(have)
        self._hungry = False
        self._prefetch()

    def release(self, to: MessageNumber) -> None:
        """Count what is acknowledged, or refused, and let go of it."""
        self._settle(self.cursor.release(to))
        self._prefetch()
        self._count_missing()

    def refuse(self, epoch: int, first: int, count: int, reason: str) -> None:
        """Note what `release` is to drop."""
        self.cursor.refuse(epoch, first, count, reason)

    def close(self, reason: str) -> None:
        """Take no more, write what there is and close the file; `closed` waits for it. For whatever
        reason, what waits stays in the file."""
        self.intake.close(reason)
        self._held.give_up(self.intake.outcome)
        self.handover.close()

    async def closed(self) -> None:
        """Wait until the file is closed, after `close`."""
        if self._thread.started:
            await self._thread.ended
        else:
            self._done(SpoolDone(lost=self.handover.rest()))
        self.memory.used -= self._accounted
        self._accounted = 0

    async def call(self, function: Callable[[SpoolFile], Any]) -> Any:
        """What a function returns or raises that the thread calls with the file."""
        return await self.handover.call(function)

    def _settle(self, settled: Settled) -> None:
        if not settled.messages and not settled.size:
            return
        self.gone(settled.messages, settled.size)
        self.unacknowledged -= settled.messages
        self.sent += settled.accepted
        self.dropped.update(settled.refused)
        self.refused.update(settled.refused)
        work, cursor = self.handover.work, self.cursor
        work.released, work.partial = cursor.released, cursor.partial
        work.refused += settled.refused.total()
        if self.on_dead is not None:
            for data, messages, reason in settled.dead:
                self.on_dead(data, messages, reason)

    def gone(self, messages: int, size: int) -> None:
        """Count messages that wait no more."""
        self.waiting -= messages
        self.intake.size -= size
        self.handover.work.gone += messages
        self.handover.work.gone_size += size
        self._first_time = None
        self.handover.schedule()
        self.intake.relieve()

    # The thread

    def _prefetch(self) -> None:
        """Read the next rows, if the link will need them soon."""
        cursor = self.cursor
        if self.reading or cursor.end >= self.last_run or cursor.overfull:
            return
        if cursor.ready_size >= MOST_READY // 2:
            return
        self.reading = True
        self.handover.work.read = cursor.end, READ_SIZE
        self.handover.schedule()

    def _done(self, done: SpoolDone) -> None:
        """The thread has opened the file, committed, or read, or failed."""
        if done.opened is not None:
            self._begin(done.opened)
            return
        cursor = self.cursor
        before = bool(cursor.ready)
        for row in done.rows:
            room = cursor.ready_size < MOST_READY and not cursor.overfull
            if room and cursor.end == self.last_run:
                cursor.add(row)
            self.last_run = row.id
        if done.found is not None:
            self._found(done.found)
        self.intake.uncommitted -= done.size
        self._items -= len(done.items)
        self._since = self._since if self._items else None
        self.note_round(done.commits, done.failures, done.kept)
        self.note_problem(done.problem, done.damage)
        tell(done.items, SAFE)
        for item in done.lost:
            if item.chunk:  # of others, only the outcome was to be told
                self.gone(item.messages, len(item.chunk))
                self.dropped[self.intake.outcome] += item.messages
        tell(done.lost, self.intake.outcome)
        self._settle(cursor.overdue())
        self.intake.relieve()
        self._prefetch()
        self._count_missing()
        self._account()
        if cursor.ready and (self._hungry or not before):
            self._hungry = False
            self.on_more()

    def _found(self, rows: Sequence[SpoolRow | Damaged]) -> None:
        """Rows that were read, from `end` on."""
        self.reading = False
        cursor = self.cursor
        for row in rows:
            if row.id <= cursor.end:
                continue
            if isinstance(row, Damaged):
                cursor.end = row.id
                self._lost(row.messages, row.size, row.id)
                continue
            cursor.add(row)
        if len(rows) < MOST_ROWS and sum(row.size for row in rows) < READ_SIZE:
            cursor.end = self.last_run

    def _lost(self, messages: int, size: int, id: int) -> None:
        """Messages that were in the file cannot be read any more."""
        messages = min(messages, self.waiting)
        if messages <= 0:
            return
        self.dropped["damaged"] += messages
        if id <= self._earlier:
            self.unacknowledged -= min(messages, self.unacknowledged)
        self.gone(messages, min(size, self.intake.size))
        if id:
            self.handover.work.dropped.append(id)

    def _count_missing(self) -> None:
        """After damage: if nothing is left to be sent, what is still counted is lost."""
        cursor = self.cursor
        nothing = not (cursor.ready or cursor.taken or self._items or self.reading)
        if self.damage and nothing and cursor.end >= self.last_run:
            self._lost(self.waiting, self.intake.size, 0)

    def _account(self) -> None:
        """Tell the account of all queues what is in memory here."""
        now = self.bytes
        self.memory.used += now - self._accounted
        self._accounted = now


def _unheard(*_: object) -> None:
    """Does nothing: nothing asked to be told."""

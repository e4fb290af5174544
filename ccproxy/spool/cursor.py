"""What of a spool is on its way: the rows that may be sent next, and those without acknowledgement.

    on the disk | ready --fetch--> taken --release--> gone
                |   ^                |
                |   +-----rewind-----+

The rows of `taken` and `ready` are those that follow each other from the oldest that waits; what is
behind `end` is only on the disk. This module must never read a file, nor count what waits there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ccproxy.core.delivery.refusals import Refusals, RunParts
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.spool.rows import SpoolRow

MOST_NAMED = 256
"""Epochs of acknowledgements whose rows may not be in memory yet."""
MOST_HAD = 64 * 1024 * 1024
"""Bytes without acknowledgement that are in memory before no more rows are added that the far side
claims to have."""


@dataclass(slots=True)
class Settled:
    """Messages that have come to their end."""

    messages: int = 0
    size: int = 0
    """Bytes of the rows that are gone as a whole."""
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    dead: list[tuple[bytes, int, str]] = field(default_factory=list)
    """Messages that were refused, their number and the reason."""


class Cursor:
    """Rows in memory, from the oldest that waits to the last one before `end`."""

    def __init__(self, end: int, partial: int) -> None:
        """`end`: the id of the last row that is acknowledged; of the next one, the messages up to
        the number `partial` are as well."""
        self.ready: deque[SpoolRow] = deque()
        self.taken: deque[SpoolRow] = deque()
        self.end = end
        self.released = end
        """The id of the last row of which all is acknowledged."""
        self.partial = partial
        """The number of the last message that is acknowledged in the row behind it; 0: none is."""
        self.written = 0
        """The id of the last row that was taken."""
        self.ready_size = self.taken_size = 0
        self._cut = 0
        self._have: Mapping[int, int] = {}
        self._named: dict[int, int] = {}
        """The last number of each epoch that is acknowledged on this connection."""
        self._refusals = Refusals()
        self._had = 0
        """The id of the last row that the far side has and that was not sent to it."""

    @property
    def overfull(self) -> bool:
        """True while no more rows should be added: the far side claims to have all that were, and
        acknowledges nothing, so that the whole file would come into memory."""
        taken = self.taken
        return bool(taken) and taken[-1].id == self._had and self.taken_size >= MOST_HAD

    def add(self, row: SpoolRow) -> None:
        """The next row is in memory."""
        if not self.taken and not self.ready and self.partial:
            row = self._behind(row, self.partial)
        self.end = row.id
        if row.messages and not self._skip(row):
            self._make_ready(row)

    def fetch(self, limit: int) -> list[SpoolRow]:
        """The next rows of about `limit` bytes, at least one if there is any."""
        rows: list[SpoolRow] = []
        ready, taken = self.ready, self.taken
        while ready and limit > 0:
            row = ready.popleft()
            size = len(row.data)
            self.ready_size -= size
            self.taken_size += size
            limit -= size
            taken.append(row)
            rows.append(row)
        if rows:
            self.written = max(self.written, rows[-1].id)
        return rows

    def rewind(self, have: Mapping[int, int]) -> None:
        """Let what was taken be ready again, but for what the far side has."""
        rows = [*self.taken, *self.ready]
        self.taken.clear()
        self.ready.clear()
        self.ready_size = self.taken_size = self._had = 0
        self._have = dict(have)
        self._named.clear()
        for row in rows:
            row = self._behind(row, self.partial) if row is rows[0] and self.partial else row
            if not self._skip(row):
                self._make_ready(row)

    def release(self, to: MessageNumber) -> Settled:
        """What is acknowledged with this message, or refused; of rows that are not yet in memory,
        as soon as they are."""
        self._named[to.epoch] = max(to.number, self._named.pop(to.epoch, 0))
        if len(self._named) > MOST_NAMED:
            del self._named[next(iter(self._named))]
        return self.overdue()

    def overdue(self) -> Settled:
        """What a release has named, and all in front of it, as far as it is in memory."""
        settled, named = Settled(), self._named
        latest = next(reversed(named), None)
        covered = 0
        for place, row in enumerate(self.taken if named else ()):
            if named.get(row.epoch, 0) >= row.first:
                covered = place + 1
            elif row.epoch == latest:
                break  # nothing behind it is named: epochs are acknowledged in order
        for behind in reversed(range(covered)):
            row = self.taken[0]
            end = row.first + row.messages - 1
            last = end if behind else min(end, named[row.epoch])
            first = max(row.first, self.partial + 1) if self.partial else row.first
            if first <= last:
                self._settle(row, first, last, settled)
            if last < end:
                self.partial = max(last, self.partial)
                break
            self._pop(row, settled)
        settled.size, self._cut = settled.size + self._cut, 0
        return settled

    def refuse(self, epoch: int, first: int, count: int, reason: str) -> None:
        """Note what `release` is to drop."""
        self._refusals.add(epoch, first, count, reason)

    def drop_oldest(self, written: int) -> SpoolRow | None:
        """Take out the oldest row that was never taken, in this process or up to the id `written`
        in an earlier one; None if there is none in memory."""
        most = max(written, self.written)
        for place, row in enumerate(self.ready):
            if row.id > most:
                del self.ready[place]
                self.ready_size -= len(row.data)
                return row
        return None

    def discard(self, to: int) -> tuple[int, int]:
        """Forget the rows up to an id, taken or not; how many messages and bytes were in them."""
        messages = size = 0
        for rows in (self.taken, self.ready):
            while rows and rows[0].id <= to:
                row = rows.popleft()
                acknowledged = max(0, self.partial - row.first + 1) if self.partial else 0
                messages += row.messages - acknowledged
                size += len(row.data)
                self.released, self.partial = row.id, 0
        self.taken_size = sum(len(row.data) for row in self.taken)
        self.ready_size = sum(len(row.data) for row in self.ready)
        size, self._cut = size + self._cut, 0
        return messages, size

    def _pop(self, row: SpoolRow, settled: Settled) -> None:
        """All of a row is acknowledged, or of a part of it."""
        self.taken.popleft()
        self.taken_size -= len(row.data)
        settled.size += len(row.data)
        following = self.taken or self.ready
        if following and following[0].id == row.id:
            self.partial = row.first + row.messages - 1
            return
        self.released, self.partial = row.id, 0

    def _make_ready(self, row: SpoolRow) -> None:
        self.ready.append(row)
        self.ready_size += len(row.data)

    def _skip(self, row: SpoolRow) -> bool:
        """True if the far side has the row: it is taken, and not sent. If it has the first messages
        of it, those alone."""
        has = self._have.get(row.epoch, 0) - row.first + 1
        if has <= 0 or self.ready:
            return False
        if has < row.messages:
            begun = len(row.data) - len(row.behind(has).data)
            self._take(row._replace(messages=has, data=row.data[:begun]))
            self._make_ready(row.behind(has))
            return True
        self._take(row)
        return True

    def _take(self, row: SpoolRow) -> None:
        self._had = row.id
        self.taken.append(row)
        self.taken_size += len(row.data)
        self.written = max(self.written, row.id)

    def _behind(self, row: SpoolRow, number: int) -> SpoolRow:
        rest = row.behind(number - row.first + 1)
        self._cut += len(row.data) - len(rest.data)
        return rest

    def _settle(self, row: SpoolRow, first: int, last: int, settled: Settled) -> None:
        """Messages of one row have their end."""
        settled.messages += last - first + 1
        parts = RunParts(row.data, row.first)
        while first <= last:
            begin, end, reason = self._refusals.among(row.epoch, first, last)
            settled.accepted += begin - first
            if reason:
                settled.refused[reason] += end - begin + 1
                settled.dead.append((parts.cut(begin, end), end - begin + 1, reason))
            first = end + 1


def total(rows: Sequence[SpoolRow]) -> int:
    """The messages of rows."""
    return sum(row.messages for row in rows)

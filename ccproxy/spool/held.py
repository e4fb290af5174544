"""Messages of other links that come while a spool is not open: its file may have them already.

They are neither taken nor refused before the numbers in the file are known. A link that has sent
some is not read meanwhile, see `HELD`, and nobody is who sends here once all of it is 16 MiB. It
must never refuse any by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ccproxy.core.delivery.receipts import HELD
from ccproxy.core.delivery.store import RunOrigin
from ccproxy.core.runs import FULL
from ccproxy.core.sinks import TAKEN, MovedRun, Receipt
from ccproxy.spool.counts import SpoolCounts
from ccproxy.spool.rows import OfferedRun


class HeldRun(NamedTuple):
    """What `LinkStore.accept` gets."""

    chunk: bytes
    messages: int
    origin: RunOrigin
    receipt: Receipt


class HeldRuns:
    """Those of one spool, in the order in which they came."""

    def __init__(self, counts: SpoolCounts, account: Callable[[], None]) -> None:
        """`counts` are those of the spool: what is held waits there. `account` is called when its
        memory has changed."""
        self._counts, self._account = counts, account
        self._runs: list[HeldRun] = []

    def hold(self, run: HeldRun) -> int:
        """Hold messages; how many."""
        self._counts.queued += run.messages
        self._counts.waiting += run.messages
        self._counts.intake.held += len(run.chunk)
        self._runs.append(run)
        self._account()
        run.receipt(0, HELD)
        return run.messages

    def let_in(
        self, accept: Callable[[bytes, int, RunOrigin, Receipt], int],
        put: Callable[[OfferedRun], None],
    ) -> None:  # fmt: skip
        """The file is open: offer all of it again. What is not taken now is refused behind what was
        taken of the same run, by a run that `put` gets without messages."""
        for run in self._taken():
            self._counts.queued -= run.messages
            rest = run.messages - accept(*run)
            if rest:
                put(OfferedRun(b"", rest, partial(_refuse, run.receipt)))

    def move_out(self) -> list[MovedRun]:
        """Take all out for another link, as if it had never been offered here. It may be doubled
        then."""
        runs = self._taken()
        self._counts.queued -= sum(run.messages for run in runs)
        for run in runs:
            run.receipt(0, TAKEN)  # its source is read again; the next link tells the outcome
        self._counts.intake.relieve()
        return [MovedRun(run.chunk, run.messages, run.receipt, run.origin.replay) for run in runs]

    def give_up(self, outcome: str) -> None:
        """The file will not be opened: tell what becomes of the messages then."""
        for run in self._taken():
            self._counts.dropped[outcome] += run.messages
            run.receipt(run.messages, outcome)

    def _taken(self) -> list[HeldRun]:
        runs, self._runs, self._counts.intake.held = self._runs, [], 0
        self._counts.waiting -= sum(run.messages for run in runs)
        self._account()
        return runs


def _refuse(receipt: Receipt, messages: int, _: str) -> None:
    """Tell a receipt that there was no room."""
    receipt(messages, FULL)

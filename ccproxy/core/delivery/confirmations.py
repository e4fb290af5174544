"""The acknowledgements for one client: up to which message, and of which kind.

A client is told whether its messages are safe, or were only handed over. Messages of one kind that
follow each other are one series, whose end is said; the number of series is bounded. The end of an
epoch outlives its series: a client from a backup may wait for nothing else. It must never know what
the destinations are.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace

from ccproxy.core.delivery.store import MessageNumber
from ccproxy.wire.receipts import HANDED, SAFE, Acknowledgement
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS

MOST_SERIES = 64
"""Series that are remembered, for a client that has lost its connection. Of more, the first two
become one, of which only that is said which holds for both: handed over. So is the end of an epoch
whose series are gone."""
MOST_UNSAID = MOST_SERIES // 2
"""Series that may wait to be said."""


class Confirmations:
    """Series of messages of one kind, in the order in which they were acknowledged."""

    def __init__(self) -> None:
        self.on_many: Callable[[], None] = _unheard
        """Called when what was noted has to be said before there is more."""
        self._ends: OrderedDict[int, int] = OrderedDict()
        """Of epochs whose first series are gone or never were here, the last number of these."""
        self._series: deque[Acknowledgement] = deque()
        self._unsaid = 0

    def note(self, epoch: int, number: int, safe: bool) -> None:
        """Everything up to this message has its end; `safe` if destinations have confirmed it.

        It is never said before the next note: that nothing has taken these messages may come to be
        known behind this call, and has to be said first.
        """
        if self._unsaid >= MOST_UNSAID:
            self.on_many()
        series, kind = self._series, SAFE if safe else HANDED
        if series and (series[-1].epoch, series[-1].kind) == (epoch, kind):
            series.pop()
        else:
            self._unsaid += 1
        series.append(Acknowledgement(epoch, number, kind))
        if len(series) > MOST_SERIES:
            self._shorten()

    def end(self, epoch: int, number: int) -> None:
        """Everything up to this message had its end long ago, perhaps at another server: it is said
        only to a client that may have heard nothing."""
        self._ends[epoch] = number
        self._ends.move_to_end(epoch)
        if len(self._ends) > MOST_EPOCHS:
            self._ends.popitem(last=False)

    def forget(self, epoch: int) -> None:
        """Nothing of this epoch is to be said any more."""
        self._ends.pop(epoch, None)
        self._series = deque(one for one in self._series if one.epoch != epoch)

    def all(self) -> list[Acknowledgement]:
        """What is said to a client that may have heard nothing of it."""
        ends = [Acknowledgement(epoch, number, HANDED) for epoch, number in self._ends.items()]
        return [*ends, *self.behind(None)]

    def behind(self, said: MessageNumber | None) -> list[Acknowledgement]:
        """What is said now to a client that was told of everything up to `said`."""
        self._unsaid = 0
        found: list[Acknowledgement] = []
        for one in reversed(self._series):
            if said is not None and one.epoch == said.epoch and one.number <= said.number:
                break
            found.append(one)
        return found[::-1]

    def _shorten(self) -> None:
        """Make room for one series."""
        first = self._series.popleft()
        if first.epoch == self._series[0].epoch:
            self._series[0] = replace(self._series[0], kind=HANDED)
        else:
            self.end(first.epoch, first.number)


def _unheard() -> None:
    """Does nothing: no connection is up."""

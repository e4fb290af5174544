"""Receipts that wait for the end of numbered messages, in the order of the numbers.

A receipt of many messages is told in parts, as they come to their end. This module must never
decide what the end is.
"""

from __future__ import annotations

from collections import deque

from ccproxy.core.sinks import Receipt


class _Waiting:
    """A receipt, and the numbers of the messages that it waits for."""

    __slots__ = ("count", "first", "last", "receipt")

    def __init__(self, first: int, last: int, count: int, receipt: Receipt) -> None:
        self.first, self.last, self.count, self.receipt = first, last, count, receipt


class ReceiptQueue:
    """Receipts with the lowest numbers first."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, first: int, last: int, count: int, receipt: Receipt) -> None:
        """Wait for the messages `first` to `last`, of which there are `count`.

        A receipt of messages that have no number of their own waits for one other message: it is
        told `count` of them with the end of that one, `first` and `last` alike.
        """
        self._waiting.append(_Waiting(first, last, count, receipt))

    def tell(self, last: int, outcome: str) -> None:
        """Tell the outcome of all messages up to this number that are not told yet."""
        waiting = self._waiting
        while waiting and waiting[0].first <= last:
            one = waiting[0]
            if one.last <= last:
                waiting.popleft()
                one.receipt(one.count, outcome)
                continue
            told = last - one.first + 1
            one.first, one.count = last + 1, one.count - told
            one.receipt(told, outcome)

    def move(self, last: int, other: ReceiptQueue) -> None:
        """Let the receipts of messages up to this number wait in another queue, as its last."""
        waiting = self._waiting
        while waiting and waiting[0].last <= last:
            other._waiting.append(waiting.popleft())
        if waiting and waiting[0].first <= last:
            one = waiting[0]
            begun = last - one.first + 1
            other.append(one.first, last, begun, one.receipt)
            one.first, one.count = last + 1, one.count - begun

    def part(self, first: int, last: int) -> Receipt | None:
        """Take out the receipts of these messages, which go elsewhere: one receipt for all of them,
        None if nobody waits for any."""
        part = ReceiptQueue()
        self.move(last, part)
        return _Part(part, first - 1) if part else None


class _Part:
    """The receipt of a series of messages that somebody else will settle."""

    def __init__(self, queue: ReceiptQueue, told: int) -> None:
        self._queue, self._told = queue, told

    def __call__(self, messages: int, outcome: str) -> None:
        self._told += messages
        self._queue.tell(self._told, outcome)

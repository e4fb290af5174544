"""The messages of a run that handlers see, some of which have their outcome later, in any order.

What is in front of the first one without an outcome may be acknowledged. It must never know what
the outcomes are: what no handler has taken is refused before it is over here.
"""

from __future__ import annotations

from collections import OrderedDict

from ccproxy.core.sinks import TAKEN, Receipt


class LateMessages:
    """The messages of one run, by their numbers."""

    def __init__(self, receipt: Receipt, first: int) -> None:
        """`receipt` is told of all messages of the run, from the number `first` on."""
        self._receipt = receipt
        self._told = first
        self._handed = first
        self._open: OrderedDict[int, None] = OrderedDict()

    def add(self, number: int) -> None:
        """This message was handed over, as those in front of it; its outcome comes later."""
        self._open[number] = None
        self._handed = number + 1

    def handed(self, end: int) -> None:
        """All messages in front of this number were handed over."""
        self._handed = end
        self._tell()

    def over(self, number: int) -> None:
        """This message has its outcome."""
        del self._open[number]
        self._tell()

    def _tell(self) -> None:
        end = next(iter(self._open), self._handed)
        messages, self._told = end - self._told, end
        if messages:
            self._receipt(messages, TAKEN)

"""How long messages take through this server, from a few of them: the hop, its parts, and handlers.

    read ---- handed over to queues and handlers ---- taken by the kernel, for each destination

A time for each message would cost too much. So at most one read in `SAMPLE_INTERVAL` is timed, and
at most one call of each handler. While nothing is to be timed, a read costs one comparison more. It
must never hold a message, or know what one is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from ccproxy.core.histogram import Histogram

SAMPLE_INTERVAL = 0.002
"""Seconds from one sample to the next one: 500 of them a second cost a few parts in a thousand."""
MOST_DESTINATIONS = 8
"""Destinations of one turn of the loop that are timed."""


class SampledTimes:
    """A histogram of some of the times of one kind; nothing is due before `due`."""

    __slots__ = ("due", "histogram")

    def __init__(self, wanted: bool) -> None:
        self.due = 0.0 if wanted else math.inf
        self.histogram = Histogram()

    def take(self, begun: float) -> None:
        """Count what began then and ends now."""
        now = perf_counter()
        self.histogram.observe(now - begun)
        self.due = now + SAMPLE_INTERVAL


class Latencies:
    """The histograms of one server; if they are not `wanted`, nothing is ever counted."""

    __slots__ = ("begun", "handlers", "reads", "sent", "wanted")

    def __init__(self, wanted: bool = False) -> None:
        self.wanted = wanted
        self.reads = SampledTimes(wanted)
        """From a read to all of its messages being handed over."""
        self.sent = Histogram()
        """From a read to the write in which the kernel took the last of what then waited."""
        self.handlers: dict[str, SampledTimes] = {}
        """Of calls of `handle`, by section."""
        self.begun = 0.0
        """When the read began whose way is timed in this turn of the loop, 0 if there is none."""

    def of_handler(self, section: str) -> SampledTimes:
        """The times of a handler; one that takes the place of another goes on with its."""
        return self.handlers.setdefault(section, SampledTimes(self.wanted))

    def take_read(self, begun: float) -> None:
        """Count a read that began then, and time how long its messages take to the kernel."""
        self.reads.take(begun)
        self.begun = begun

    def flushed(self, ones: Sequence[Any]) -> None:
        """What is due in this turn has been flushed, and a read is timed. Those that write an
        outbox (`box`) and can tell when it has emptied (`note_when_gone`) are timed."""
        begun, self.begun = self.begun, 0.0
        for one in ones[:MOST_DESTINATIONS]:
            box = getattr(one, "box", None)
            if box is None:
                continue
            if not box.waiting:
                self.written(begun)
            elif (note := getattr(one, "note_when_gone", None)) is not None:
                note(box.gone + box.waiting, begun)

    def written(self, begun: float) -> None:
        """The kernel has everything that was read then."""
        self.sent.observe(perf_counter() - begun)

"""How long the oldest message of a queue has waited, known from samples and not from each message.

A time for every message would cost the data path more than all it does. So the owner of a queue
takes a sample of it once a second: how many messages have come so far, and when that was. As soon
as so many have gone, the sample is of no more use; until then, the oldest message that waits came
before it. An age is therefore never too high. It is too low by at most one interval between samples
while messages have waited for less than `PARTS` of them, and by at most half of itself later.

It is pure: times are arguments. It must never look at the messages of a queue.
"""

from __future__ import annotations

from array import array

MOST_SAMPLES = 16
"""Samples of one queue; with more of them, every other one is forgotten."""
PARTS = 8
"""The next sample is taken after this part of the age, so that a long wait needs no more samples
than a short one."""


class QueueAge:
    """The samples of one queue; see the module."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        # Time and number alternate: 16 bytes a sample, because there may be very many queues.
        self._samples = array("d")

    def sample(self, gone: int, waiting: int, now: float) -> None:
        """Note that `gone` messages have left the queue in all, and that so many wait in it now."""
        samples = self._samples
        self._forget(gone)
        if samples and (now - samples[-2]) * PARTS < now - samples[0]:
            return
        if len(samples) >= 2 * MOST_SAMPLES:
            self._thin()
        self._samples.extend((now, gone + waiting))

    def age(self, gone: int, now: float) -> float:
        """Seconds that the oldest message has waited at least; 0 if it came after all samples."""
        samples = self._samples
        for at in range(0, len(samples), 2):
            if samples[at + 1] > gone:
                return max(0.0, now - samples[at])
        return 0.0

    def _forget(self, gone: int) -> None:
        """Forget the samples whose messages have all left."""
        samples, at = self._samples, 0
        while at < len(samples) and samples[at + 1] <= gone:
            at += 2
        del samples[:at]

    def _thin(self) -> None:
        """Forget every other sample, and never the first."""
        samples = self._samples
        kept = [samples[at : at + 2] for at in range(0, len(samples), 4)]
        self._samples = array("d", [number for pair in kept for number in pair])

"""What may come into a spool: its limits, and the senders that wait for room.

It must never drop anything itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ccproxy.core.delivery.receipts import STOP
from ccproxy.core.spans import skip

MOST_UNCOMMITTED = 16 * 1024 * 1024
"""Bytes that may wait for the disk; then senders wait."""
RELIEF = 4 * 1024 * 1024
"""A full spool takes messages again when so many bytes have left it, or half of its size."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How many bytes may wait in a spool, and what happens when it is full: block, drop-new or
    drop-old."""

    size: int
    policy: str = "block"


class Intake:
    """How full a spool is, and what follows from it."""

    def __init__(self, limits: SpoolLimits) -> None:
        self.limits = limits
        self.size = 0
        """Bytes of the messages that wait, on the disk or in memory."""
        self.uncommitted = 0
        """Bytes of those that wait for the disk."""
        self.held = 0
        """Bytes of those that wait for the file to be opened, see `HeldRuns`."""
        self.problem = ""
        """Why the file cannot be written."""
        self.opened = self.closed = False
        self.outcome = "failed"
        """What becomes of messages that could not be written before the end."""
        self.waiters: list[Callable[[], None]] = []

    @property
    def blocked(self) -> bool:
        """True while senders have to wait."""
        if not self.opened:
            waits = not self.problem or self.limits.policy == "block"
            return waits or self.held >= MOST_UNCOMMITTED
        if self.limits.policy == "block":
            return self.uncommitted >= MOST_UNCOMMITTED or self.size >= self.limits.size
        return self.uncommitted >= MOST_UNCOMMITTED and not self.problem

    def room(self, size: int) -> tuple[int, str]:
        """How many of so many bytes may come in, and why not more; for the reason `old` all of them
        may if old messages give way."""
        limits = self.limits
        if self.closed:
            return 0, "stop"
        if self.problem and (limits.policy != "block" or not self.opened):
            return 0, "failed"
        if self.uncommitted >= 2 * MOST_UNCOMMITTED:
            return 0, "memory"
        if self.size + size <= limits.size:
            return size, ""
        if limits.policy == "block" and self.size < limits.size:
            return size, ""
        may_replace = limits.policy == "drop-old" and size <= limits.size
        return max(0, limits.size - self.size), "old" if may_replace else "full"

    def relieve(self) -> None:
        """There may be room again: let those that wait go on, if there is enough."""
        if not self.waiters or self.blocked or self.uncommitted * 2 > MOST_UNCOMMITTED:
            return
        limit = self.limits.size
        if self.limits.policy == "block" and self.size > limit - min(limit // 2, RELIEF):
            return
        self._go_on()

    def close(self, reason: str) -> None:
        """Take no more: those that wait look where messages go now.

        If the server stops, sources keep what was not written, and send it again. It may be in the
        file all the same: a commit that fails at its end can be found after the next start.
        """
        self.closed = True
        self.outcome = STOP if reason == STOP else self.outcome
        self._go_on()

    def _go_on(self) -> None:
        waiters, self.waiters = self.waiters, []
        for call in waiters:
            call()


def fitting(chunk: bytes, size: int) -> tuple[int, int]:
    """Where the messages end that fit into so many bytes, and how many they are."""
    end = taken = 0
    while end < len(chunk):
        at, _ = skip(chunk, end, 1)
        if at > size:
            break
        end, taken = at, taken + 1
    return end, taken

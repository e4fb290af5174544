"""What a flow appends to: a Sink takes whole messages now, and may say later what became of them.

An outbox in memory is a Sink, and so are the way back to a caller and a set of workers of which one
gets each message; the switch does not know the difference. Only shapes; this module must never do
anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

TAKEN = "taken"
"""The outcome a sink reports that knows no more than that it has the messages."""


class Receipt(Protocol):
    """Hears what became of messages that a sink accepted, oldest first, each message once."""

    def __call__(self, messages: int, outcome: str) -> None:
        """So many of them ended so; `outcome` is `TAKEN`, or a word that the sink documents."""


@runtime_checkable
class Sink(Protocol):
    """Where messages go."""

    name: str

    @property
    def may_block(self) -> bool:
        """True if it can ever be `blocked`; asked when a flow is made."""

    @property
    def blocked(self) -> bool:
        """True while senders have to wait because it is full."""

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take whole messages; the number accepted is returned, the others are counted dropped.

        `receipt` hears the outcome of those that are accepted: at once, or when it is known.
        """

    def wait(self, call: Callable[[], None]) -> None:
        """Call once when it is no longer blocked."""

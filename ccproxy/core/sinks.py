"""Where a flow puts messages: a Sink takes whole messages, and may report their outcome later.

An outbox in memory is a Sink. So is the object that returns replies to a caller, or one that gives
each message to one of several workers; the switch treats them alike. This module must never hold
anything but the contracts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

TAKEN = "taken"
"""The outcome that a sink reports if it knows only that it has taken the messages."""


class Receipt(Protocol):
    """Is told what became of messages that a sink accepted, oldest first, each message once."""

    def __call__(self, messages: int, outcome: str) -> None:
        """The next `messages` have this outcome: `TAKEN`, or a word that the sink documents."""


@runtime_checkable
class Sink(Protocol):
    """A destination of messages."""

    name: str

    @property
    def may_block(self) -> bool:
        """True if it can ever be `blocked`; asked when a flow is made."""

    @property
    def blocked(self) -> bool:
        """True while senders have to wait because it is full."""

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take whole messages; return the number accepted, count the others as dropped.

        `receipt` is told the outcome of the accepted messages, at once or when it is known.
        """

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the sink is no longer blocked."""

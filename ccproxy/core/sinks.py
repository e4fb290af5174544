"""Where a flow puts messages: a Sink takes whole messages, and may report their outcome later.

An outbox in memory is a Sink. So is the object that returns replies to a caller, or one that gives
each message to one of several workers; the switch treats them alike. This module must never hold
anything but the contracts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

TAKEN = "taken"
"""The outcome that a sink reports if it knows only that it has taken the messages."""


class Receipt(Protocol):
    """Is told what became of messages that a sink accepted, oldest first, each message once."""

    def __call__(self, messages: int, outcome: str) -> None:
        """The next `messages` have this outcome: `TAKEN`, or a word that the sink documents."""


class MovedRun(NamedTuple):
    """Whole messages that one member of a group gives to another: how many, and who waits for them;
    `replay`: they are sent once more on purpose."""

    chunk: bytes
    messages: int
    receipt: Receipt | None = None
    replay: bool = False


@runtime_checkable
class Sink(Protocol):
    """A destination of messages."""

    @property
    def name(self) -> str:
        """The section that it belongs to."""

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


class Member(Protocol):
    """A handler as a group of handlers, such as failover, sees it: where its messages go."""

    form: str
    """What waits there can go to other members of the same form; empty: to none."""

    @property
    def sink(self) -> Sink:
        """Where messages for it are put."""

    @property
    def state(self) -> str:
        """up, or the word for why nothing is sent now: connecting, refused, no-workers ..."""

    @property
    def reason(self) -> str:
        """The same as a sentence, as far as it is known."""

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages and bytes that wait there."""

    def has_room(self, size: int, messages: int) -> bool:
        """True if so many bytes and messages can wait there as well."""

    def watch(self, call: Callable[[], None]) -> None:
        """Call whenever `state` has changed."""

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more."""

    def give_back(self, most: int) -> list[MovedRun]:
        """Take back what was never written to a far side, and what it may have if the member says
        that such messages are to be sent again: about `most` bytes, empty if there is nothing."""

    def put_all(self, runs: Sequence[MovedRun]) -> None:
        """Take what another member of the same form gave back, whatever the limits are."""

"""What is seen of a queue from outside: the contracts that outboxes and stores of links fulfil.

It must never hold anything but the contracts.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol, runtime_checkable

from ccproxy.core.sinks import Receipt, Sink


@runtime_checkable
class CountedQueue(Protocol):
    """A queue of messages as a status shows it: `queued == sent + sum(dropped) + waiting`."""

    @property
    def name(self) -> str:
        """The section that it belongs to, and behind a blank what is single of it."""

    @property
    def destination(self) -> str:
        """The section alone."""

    @property
    def queued(self) -> int:
        """Messages offered since its start."""

    @property
    def sent(self) -> int:
        """Messages that have left it: the operating system or the far side has them."""

    @property
    def waiting(self) -> int:
        """Messages whose end is not known yet."""

    @property
    def bytes(self) -> int:
        """The bytes of these that are held in memory."""

    @property
    def dropped(self) -> Counter[str]:
        """Messages that were dropped, by reason."""

    @property
    def fill(self) -> float:
        """How much of its limit waits."""

    def sample(self, now: float) -> None:
        """Note what waits now, for `age`; to be called once a second."""

    def age(self, now: float) -> float:
        """Seconds that the oldest message has waited at least."""


class LinkQueue(Sink, CountedQueue, Protocol):
    """The queue of a link: a Sink that says how much room there is."""

    @property
    def name(self) -> str:
        """The section of the link."""

    def has_room(self, size: int, messages: int) -> bool:
        """True if so many bytes and messages can wait here as well."""

    def put(
        self, chunk: bytes, messages: int, receipt: Receipt | None = None, replay: bool = False
    ) -> None:
        """Take what another link gave back, whatever the limits are; see `MovedRun`."""

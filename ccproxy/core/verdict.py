"""What `Handler.decide` may answer, as values; and who a message is delivered to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ccproxy.core.message import Actions, Message
from ccproxy.core.outbox import Outbox


class Receiver(Protocol):
    """Who sees each message of a type: a handler, as far as the switch has to know it."""

    name: str

    @property
    def exclusive(self) -> bool:
        """True if of several such only the one of the longest prefix gets a message."""

    def handle(self, message: Message) -> Actions:
        """Take one message and say what to do."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Verdict: append every message of this type, unchanged, to these outboxes (or to one)."""

    outboxes: tuple[Outbox, ...] | Outbox

    @property
    def boxes(self) -> tuple[Outbox, ...]:
        """The outboxes; TypeError if they are none."""
        boxes = (self.outboxes,) if isinstance(self.outboxes, Outbox) else tuple(self.outboxes)
        if not boxes or not all(isinstance(box, Outbox) for box in boxes):
            raise TypeError(f"Forward of {self.outboxes!r:.80}, expected outboxes")
        return boxes


@dataclass(frozen=True, slots=True)
class Deliver:
    """Verdict: `handle` wants to see every message of this type."""

    handlers: tuple[Receiver, ...] = ()
    """Who sees it; empty means the handler that was asked."""

    def receivers(self, asked: Receiver) -> tuple[Receiver, ...]:
        """Who sees it; TypeError if they cannot."""
        found = tuple(self.handlers) or (asked,)
        if not all(callable(getattr(one, "handle", None)) for one in found):
            raise TypeError(f"Deliver to {self.handlers!r:.80}, expected handlers")
        return found


@dataclass(frozen=True, slots=True)
class Discard:
    """Verdict: drop every message of this type; `reason` is a word for `explain` and the log."""

    reason: str = "discarded"


Verdict = Forward | Deliver | Discard


class Refuse(Exception):
    """Raised by `handle`: this message is not accepted, for a reason its sender is to blame for."""

    fate = "refused"


class Full(Refuse):
    """Raised by a handler whose queue is full."""

    fate = "full"

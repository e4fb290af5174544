"""What `Handler.decide` may return, and the receivers of a message. Values only: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from ccproxy.core.message import Actions, Message
from ccproxy.core.sinks import Sink


@dataclass(slots=True)
class Ended:
    """The fate in which the ledger has counted one message, and its bytes on the wire."""

    fate: str
    size: int
    so_far: str
    """The best of the fates that are known."""
    open: int
    """Receivers that have not said theirs yet; while there are any, the message is consumed."""
    over: Callable[[str], None] | None = None
    """Called with the fate when no receiver is left."""


@dataclass(slots=True, eq=False)
class Queued:
    """Returned by a receiver that handles a message later: it counts as consumed until then."""

    message: Message
    ended: Ended | None = None
    """Set by the switch; the same for all receivers of the message. None: it was held back."""
    name: str = ""
    """The section of the handler, for the log."""


LateOutcome = Actions | BaseException
"""What became of a queued message: actions to carry out, or why it was not taken."""


@dataclass(slots=True, eq=False)
class Accepted(Queued):
    """Returned by `Handler.handle`: the handler has the message, and says its outcome later.

    One of the methods has to be called once, on the loop, within `accept-timeout`. A message that
    came over a link with acknowledged delivery is acknowledged then, or refused to its source. The
    methods return False if it is too late: the time is over, or the handler was stopped.
    """

    _tell: Callable[[LateOutcome], bool] | None = field(default=None, init=False, repr=False)
    _said: bool = field(default=False, init=False, repr=False)
    _early: LateOutcome = field(default=None, init=False, repr=False)

    def done(self, actions: Actions = None) -> bool:
        """The message is taken, and these are the answers to it; RuntimeError if its outcome was
        said before, or in another thread."""
        return self._say(actions)

    def refused(self, reason: str) -> bool:
        """The message is not accepted, because of a mistake of its sender; else as `done`."""
        return self._say(Refuse(reason))

    def failed(self, reason: str) -> bool:
        """The message could not be dealt with; else as `done`."""
        return self._say(RuntimeError(reason))

    def bind(self, tell: Callable[[LateOutcome], bool]) -> None:
        """For the server: call with the outcome, which may have been said already."""
        if self._tell is not None:
            raise TypeError("handle returned the same Accepted twice")
        self._tell = tell
        if self._said:
            tell(self._early)

    def _say(self, outcome: LateOutcome) -> bool:
        if self._said:
            raise RuntimeError(f"the outcome of a message {self.message.type} was said before")
        taken = True
        if self._tell is None:
            self._early = outcome
        else:
            taken = self._tell(outcome)
        self._said = True
        return taken


class Receiver(Protocol):
    """An object that sees each message of a type: the part of a handler that the switch uses."""

    name: str

    # It may have an attribute `accepted`: a Sink that senders wait for while too much is there.

    @property
    def exclusive(self) -> bool:
        """True if of all exclusive receivers only that of the longest prefix gets a message."""

    def handle(self, message: Message) -> Actions | Queued:
        """Take one message; return the actions to carry out."""


def _counters() -> tuple[str, ...]:
    """Names of counters for the messages of the type: `{}` stands for `count` and `bytes`.

    They cost nothing per message. Verdicts that differ only in them are equal.
    """
    return field(default=(), compare=False, kw_only=True)


def _is_sink(one: object) -> bool:
    """True for a Sink. A runtime check of the protocol takes 30 us, for each new type."""
    return all(hasattr(one, name) for name in ("offer", "wait", "blocked", "may_block", "name"))


@dataclass(frozen=True, slots=True)
class Forward:
    """Verdict: append every message of this type, unchanged, to these sinks (or to one)."""

    to: tuple[Sink, ...] | Sink
    counters: tuple[str, ...] = _counters()

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """The sinks; TypeError if there is none, or something that is not a sink."""
        sinks = tuple(self.to) if isinstance(self.to, Iterable) else (self.to,)
        if not sinks or not all(map(_is_sink, sinks)):
            raise TypeError(f"Forward of {self.to!r:.80}, expected sinks")
        return sinks


@dataclass(frozen=True, slots=True)
class Deliver:
    """Verdict: `handle` wants to see every message of this type."""

    handlers: tuple[Receiver, ...] = ()
    """The handlers that see it; empty means the handler that was asked."""
    counters: tuple[str, ...] = _counters()
    crashes: tuple[str, ...] = _counters()
    """Counters C of which C.ok is among `counters`: a message for which a handler raises counts as
    C.crashed instead."""

    def receivers(self, asked: Receiver) -> tuple[Receiver, ...]:
        """The handlers that see it; TypeError if one has no method `handle`."""
        found = tuple(self.handlers) or (asked,)
        if not all(callable(getattr(one, "handle", None)) for one in found):
            raise TypeError(f"Deliver to {self.handlers!r:.80}, expected handlers")
        return found


@dataclass(frozen=True, slots=True)
class Discard:
    """Verdict: drop every message of this type; `reason` is a word for `explain` and the log."""

    reason: str = "discarded"
    counters: tuple[str, ...] = _counters()


Verdict = Forward | Deliver | Discard


class Refuse(Exception):
    """Raised by `handle`: the message is not accepted, because of a mistake of its sender."""

    fate = "refused"


class Full(Refuse):
    """Raised by a handler whose queue is full."""

    fate = "full"

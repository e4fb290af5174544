"""Runs: series of messages of one sender with one target, for sinks that choose among peers.

An outbox takes messages as they travel between servers: route, empty frame, type, payload. A
`Distributor` needs more: the payload alone, and who sent it. So it is given a `Run`, which makes
each form when it is asked for it, once. It answers with fates in the order of the messages. Only
values; this module must never know what kinds of distributors there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeGuard, runtime_checkable

from ccproxy.core.delivery.store import LinkStore
from ccproxy.core.ledger import RANK
from ccproxy.core.outbox import Outbox
from ccproxy.core.rights import PeerAccess
from ccproxy.core.sinks import TAKEN, Receipt, Sink
from ccproxy.core.spans import cut, payloads

Fates = Sequence[tuple[str, int]]
"""What became of the messages of a run, in their order: a fate, and how many messages have it."""
FORWARDED, FULL = "forwarded", "full"


class MessageSource(NamedTuple):
    """A sending peer: its identity here, its address as text, and the listener that accepted it.

    `routing_id` is the identity that it has given itself, if any; `version` that of its ZMTP.
    `access` is what it may do; None = everything. `box` takes answers in the form of its socket.
    """

    identity: bytes
    peer: str
    listener: str
    routing_id: bytes = b""
    version: tuple[int, int] = (3, 1)
    access: PeerAccess | None = None
    box: Outbox | None = None


class PeerInput(NamedTuple):
    """What the input of a peer is made with, whatever its kind.

    `limits` are those of one message, in bytes and frames. `tired` is called after each message
    that handlers saw, and after each step of what may take long: True ends the read early.
    """

    source: MessageSource
    limits: tuple[int, int]
    tired: Callable[[], bool] = bool


class Run:
    """Whole messages, as payloads or with envelopes; the other form is made if it is needed."""

    __slots__ = ("_envelopes", "_payloads", "head", "messages", "source", "stack")

    def __init__(
        self,
        source: MessageSource | None,
        messages: int,
        payloads: bytes | None = None,
        envelopes: bytes | None = None,
        head: bytes = b"",
    ) -> None:
        """`head` is what stands in front of each payload in an envelope; it is needed for a run
        that is made of payloads. `source` is None if the messages came over a link."""
        self.source = source
        self.messages = messages
        self.head = head
        self.stack = b""
        """What the sender has put in front of each payload and wants in front of the answer: the
        frames up to the empty one, of the peers of a REP socket."""
        self._payloads = payloads
        self._envelopes = envelopes

    @property
    def payloads(self) -> bytes:
        """The messages without route and type."""
        if self._payloads is None:
            self._payloads = payloads(self._envelopes or b"")
        return self._payloads

    @property
    def envelopes(self) -> bytes:
        """The messages with route, empty frame and type, as they travel between servers."""
        if self._envelopes is None:
            head = self.head
            self._envelopes = b"".join([head + one for one in cut(self._payloads or b"")])
        return self._envelopes

    @property
    def has_envelopes(self) -> bool:
        """True if the messages came with a route and a type of their own, as those of CC do."""
        return not self.head


class Distributor(Sink, Protocol):
    """A sink that gives each message to some of its peers, and says what became of each."""

    def take(self, run: Run) -> Fates:
        """Hand out the messages of a run; what became of each."""


class Stepwise(Protocol):
    """A sink that may take long for many messages at a time."""

    def reach(self, chunk: bytes, start: int) -> int:
        """How many messages of a chunk of payloads, from `start` on, to give to it at a time, so
        that others get their turn; at least one, and any number beyond the chunk for all."""


@runtime_checkable
class Acquainted(Protocol):
    """A sink that knows senders before they have sent anything, so that it can lead to them."""

    def meet(self, source: MessageSource) -> None:
        """A peer is connected whose messages come here."""


def distributes(sink: Sink) -> TypeGuard[Distributor]:
    """True for a Distributor. A runtime check of the protocol takes 30 us, for each new type."""
    return hasattr(sink, "take")


def confirms(sink: Sink) -> TypeGuard[LinkStore]:
    """True for a sink that says when messages are safe, and knows those that come again."""
    return hasattr(sink, "accept")


def is_stepwise(sink: Sink) -> TypeGuard[Stepwise]:
    """True for a sink that is Stepwise as well."""
    return hasattr(sink, "reach")


def offered(messages: int, taken: int) -> Fates:
    """The fates of messages of which an outbox has taken the first ones."""
    if taken == messages:
        return ((FORWARDED, messages),)
    return ((FORWARDED, taken), (FULL, messages - taken)) if taken else ((FULL, messages),)


def offer_to(sink: Distributor, chunk: bytes, messages: int, receipt: Receipt | None) -> int:
    """The `offer` of a Distributor: messages with envelopes are a run that came over a link; how
    many of them its peers have taken."""
    fates = sink.take(Run(None, messages, envelopes=chunk))
    taken = sum(count for fate, count in fates if fate == FORWARDED)
    if receipt is not None and taken:
        receipt(taken, TAKEN)
    return taken


def best(several: Sequence[Fates]) -> Fates:
    """For each message the best of the fates that several sinks gave it."""
    if len(several) == 1:
        return several[0]
    for fates in several:
        if len(fates) == 1 and fates[0][0] == FORWARDED:
            return fates
    together = zip(*map(singles, several), strict=True)
    return [(min(fates, key=RANK.__getitem__), 1) for fates in together]


def singles(fates: Fates) -> Iterator[str]:
    """The fate of each message."""
    for fate, messages in fates:
        for _ in range(messages):
            yield fate

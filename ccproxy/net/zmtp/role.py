"""The role of a ZMTP socket of ours: its type, its mechanism, and where the bytes of peers go.

A listener of another socket type, or with another way to find the key of a message, is another
role of the same listener. Only values; this module must never open a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.ingress import Ingress
from ccproxy.core.memory import Memory
from ccproxy.core.outbox import Outbox
from ccproxy.core.runs import PeerInput
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import whole
from ccproxy.core.stops import COMMAND
from ccproxy.core.switch import Switch
from ccproxy.net.flush import FlushQueue
from ccproxy.net.handshakes import Handshakes
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.mechanism import Mechanism, Null


class MessageSink(Protocol):
    """Where the bytes of a peer go once its handshake is done, such as an Ingress."""

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Take the whole messages of a read.

        Returns the bytes done, why it stopped (a word of `ccproxy.core.hot`), and the sinks to
        wait for if that is BLOCKED. A ZmtpError closes the peer.
        """


NumberedMaker = Callable[[Switch, PeerInput, RememberedLink], "MessageSink"]
"""Makes the MessageSink of a link with acknowledged delivery."""
IngressMaker = Callable[[Switch, PeerInput], MessageSink]
"""Makes the MessageSink of a peer."""


@runtime_checkable
class SubscriptionSink(Protocol):
    """A MessageSink of peers that subscribe by commands of ZMTP 3.1 as well as by messages."""

    def change(self, subscribe: bool, prefix: bytes) -> None:
        """The peer wants a prefix from now on, or not any more. A ZmtpError closes it."""


class PeerVoice(Protocol):
    """The commands of a connection, as far as a CommandSink uses them."""

    @property
    def last_heard(self) -> float:
        """When anything came from the peer."""

    @property
    def paused(self) -> bool:
        """True while the peer is not read."""

    @property
    def reached(self) -> bool:
        """True if the peer's system has everything that was sent."""

    def tell(self, command: bytes) -> None:
        """Send a command at the end of this turn, with others."""

    def tell_now(self, command: bytes) -> None:
        """Send a command at once."""

    def refuse(self, reason: str) -> None:
        """Send an ERROR."""


@runtime_checkable
class CommandSink(Protocol):
    """A MessageSink of peers with commands of their own, those of acknowledged delivery."""

    def opened(self, voice: PeerVoice) -> None:
        """The connection is up: what is to be said goes through `voice`."""

    def command(self, name: bytes, body: bytes) -> None:
        """The peer has sent a command that ZMTP does not know. A ZmtpError closes it."""

    def refused(self, fate: str) -> None:
        """The next message of the peer is not taken, and the connection will be closed."""


def _itself(box: Outbox) -> Sink:
    """Answers go into the outbox as they are."""
    return box


def no_answers(box: Outbox) -> None:
    """The peer gets no answers."""


def _nothing(identity: bytes, box: Outbox) -> None:
    """Does nothing: no handler asked to be told of peers."""


def _unheard(options: Any) -> None:
    """Does nothing: the role does not depend on options."""


def _done() -> None:
    """Does nothing: the role has nothing to let go of."""


@dataclass(frozen=True, slots=True)
class ListenerRole:
    """What distinguishes one kind of listener from another.

    `joined` and `left` are called with the identity and the outbox of a peer, on the loop: when
    its handshake is done, before its ingress is made, and before what still waits for it is
    dropped. `replies` makes the sink for answers to a peer, None if it gets none. With
    `own_identities` the names that peers give themselves are unique within the listener only, and
    the switch knows each peer by an identity of the server's own.
    """

    socket: bytes = b"ROUTER"
    ingress: IngressMaker = Ingress
    identity: bytes = b""
    """The name that we give ourselves."""
    mechanism: Callable[[], Mechanism] = Null
    joined: Callable[[bytes, Outbox], None] = _nothing
    left: Callable[[bytes, Outbox], None] = _nothing
    replies: Callable[[Outbox], Sink | None] = _itself
    own_identities: bool = False
    numbered: NumberedMaker | None = None
    """Makes the input of links that ask for acknowledgements; None: no peer gets any."""
    reconfigured: Callable[[Any], None] = _unheard
    """Called with new options of the listener."""
    stopped: Callable[[], None] = _done
    """Called when the listener stops: its peers are read to their end, and no more come."""

    def dialled(self) -> LinkRole:
        """The same role where we connect to the peers."""
        return LinkRole(
            self.socket, self.mechanism, self.ingress, joined=self.joined, left=self.left,
            replies=self.replies, reconfigured=self.reconfigured, stopped=self.stopped,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LinkRole:
    """What distinguishes one kind of link from another. Without an `ingress` it takes replies for
    peers; `identity` is the name that we give ourselves there. `joined` and `left` are called as
    those of a listener, for each connection; the outbox is the same for all of them. `replies` are
    those of a listener: a peer that we connect to may be one that asks."""

    socket: bytes = b"DEALER"
    mechanism: Callable[[], Mechanism] = Null
    ingress: IngressMaker | None = None
    identity: bytes = b""
    joined: Callable[[bytes, Outbox], None] = _nothing
    left: Callable[[bytes, Outbox], None] = _nothing
    replies: Callable[[Outbox], Sink | None] = no_answers
    reconfigured: Callable[[Any], None] = _unheard
    stopped: Callable[[], None] = _done


def _at_once(peer: str) -> float:
    """No pause before a peer that failed is closed."""
    return 0.0


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """What a connection is given: the flush queue, its options, a call for the ledger, and the
    account of memory.

    `handshakes` does the work of its handshake, and `pause` gives the seconds that a peer which
    fails it has to wait for its end.
    """

    flush_queue: FlushQueue
    options: LinkOptions | ZmtpListenerOptions
    too_big: Callable[[], None]
    memory: Memory = field(default_factory=Memory)
    handshakes: Handshakes = field(default_factory=Handshakes)
    pause: Callable[[str], float] = _at_once


class NoMessages:
    """The MessageSink of sockets that only send, such as PUSH: a message is a fault of the peer."""

    def __init__(self, switch: Switch, input: PeerInput) -> None:
        """See `IngressMaker`; nothing of it is needed."""

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Let commands pass; ZmtpError for a message."""
        if not data[0] & 4:
            raise ZmtpError("a message to a socket that only sends")
        return 0, COMMAND, ()


class UnreadMessages:
    """The MessageSink of a peer whose messages all have one fate: they go nowhere."""

    def __init__(self, switch: Switch, limits: tuple[int, int], fate: str) -> None:
        self._limits = limits
        self._ledger = switch.ledger
        self._fate = fate

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Count the whole messages of a read, see `hot.scan`."""
        end, messages, stop = whole(data, self._limits)
        if messages:
            self._ledger.pass_by(self._fate, messages, end)
        return end, stop, ()

"""What listeners of stream protocols have in common: an acceptor, their peers, and the closing.

It must never know what is spoken; a subclass makes the peers.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from ccproxy.config.address import Address
from ccproxy.config.keys import KeyFault
from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import Codec, Message, NativeAnswer, Reply, Value
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.pace import FAULTS, IDLE, NOTHING, PaceLimits, Pending
from ccproxy.net.acceptor import Acceptor
from ccproxy.net.sender import SAID_NOTHING
from ccproxy.net.shared import Kit
from ccproxy.net.stream import Stream
from ccproxy.net.sweep import Sweep
from ccproxy.net.tls import ListenerTls, OpeningLimits, TlsOpening
from ccproxy.wire.text import shortened
from ccproxy.wire.tls import TlsSession


class StreamPeer(Protocol):
    """One accepted connection."""

    @property
    def stream(self) -> Stream:
        """Its byte stream."""

    def expire(self, now: float) -> None:
        """Do what is due by the loop's clock."""


Peer = TypeVar("Peer", bound=StreamPeer)


class MessagePeer:
    """A base for peers whose units become messages: override `received` and `unit`.

    It is the owner of its stream, the origin of its messages, and their codec. It must call
    `malformed` for every unit that is no message, so that the ledger adds up.
    """

    lingers = False
    """True if the stream stays open for answers when the peer sends no more."""
    held = 0
    """Bytes of a message that has begun. Set it, or override `pending`, so that a peer that does
    not go on with a message is closed, and one that sends single bytes is not read for each."""
    _units = 0

    def __init__(self, listener: StreamListener[Any], sock: socket.socket, peer: str) -> None:
        kit = listener.kit
        self.listener = listener
        self.kit = kit
        self.identity = kit.identities.next()
        name = f"{listener.name} {peer}"
        self.stream = Stream(sock, name, self, kit, listener.limits)

    def received(self, stream: Stream, data: bytes) -> None:
        """Take bytes of the peer; b"" means that it sends no more."""
        raise NotImplementedError

    def unit(self, type: str, value: Value) -> bytes:
        """A message on the wire; ValueError if the protocol cannot carry the value."""
        raise NotImplementedError

    def decode(self, type: str, payload: tuple[Any, ...]) -> Value:
        """The value of a message, which is its first payload."""
        return payload[0]

    def encode(self, type: str, value: Value, blob: bytes | None) -> tuple[bytes, ...]:
        """The unit that carries a value; a blob has no place in it."""
        return (self.unit(type, value),)

    def blob(self, payload: tuple[Any, ...]) -> bytes | None:
        """No message has one."""
        return None

    def answer(self, message: Message, answer: Reply | NativeAnswer) -> str:
        """Write an answer to a message of this peer; its fate."""
        if self.stream.closed:
            return "gone"
        if isinstance(answer, NativeAnswer):
            return "replied" if self.stream.write(answer.content) else "full"
        [unit] = message.codec.encode(answer.type, answer.value, answer.blob)
        return "replied" if self.stream.write(unit) else "full"

    def take(self, type: str, *payload: Any, size: int, codec: Codec | None = None) -> str:
        """Give one message of `size` bytes to the switch; its fate."""
        self._units += 1
        name, route = self.listener.name, (self.identity,)
        return self.kit.switch.take(Message(type, route, payload, codec or self, name, self, size))

    def malformed(self, size: int, reason: str) -> None:
        """Count `size` bytes that are no message, and name the peer."""
        self._units += 1
        ledger = self.kit.switch.ledger
        ledger.pass_by("malformed", 1, size)
        self.kit.log.peer_closed(self.listener.name, self.stream.name, reason)

    def closed(self, stream: Stream, reason: str) -> None:
        """Forget the peer, which is gone."""
        self.kit.log.debug("peer gone peer=%s: %s", stream.name, reason)
        self.listener.left(self, self.identity)

    def pending(self) -> Pending:
        """The message that is not whole yet."""
        return Pending(self.held, self._units + 1) if self.held else NOTHING

    def expire(self, now: float) -> None:
        """Do what is due by the loop's clock; called about twice a second."""


class StreamListener(Generic[Peer]):
    """One address. `peer` makes a peer for an accepted socket, unless a subclass has a `make`.

    With an option `tls-certificate` every connection begins with the handshake of TLS.
    """

    def __init__(
        self, plan: ListenerPlan, kit: Kit, peer: Callable[..., Peer] | None = None
    ) -> None:
        self._peer = peer
        self.name = plan.section
        self.options: ListenerOptions = plan.options
        self.kit = kit
        self.peers: set[Peer] = set()
        address = Address.parse(str(plan.address))
        self.acceptor = Acceptor(plan.section, address, kit, self)
        self.past = Outbox(f"{plan.section} peers gone", self.limits, whole=True)
        self._loop = asyncio.get_running_loop()
        self._sweep = Sweep(lambda: self.peers, self._look)
        secured = getattr(plan.options, "tls_certificate", "")
        self._tls = ListenerTls(plan.options) if secured else None

    def make(self, sock: socket.socket, peer: str) -> Peer:
        """A peer for an accepted socket; not open yet."""
        if self._peer is None:
            raise NotImplementedError
        return self._peer(self, sock, peer)

    def left(self, peer: Peer, identity: bytes) -> None:
        """Forget a peer whose stream is closed."""
        self.peers.discard(peer)
        self.acceptor.left(peer.stream)
        self.past.absorb(peer.stream.box)
        self.kit.departed(identity)

    @property
    def limits(self) -> Limits:
        """The limits of each peer's outbox."""
        return self.options.limits

    @property
    def pace(self) -> PaceLimits:
        """The times that each peer has."""
        return self.options.pace

    @property
    def calls(self) -> int:
        """Calls under way; 0 for a protocol without calls."""
        return 0

    def stop_reading(self) -> None:
        """Read no more from any peer; what waits is still written."""
        for peer in self.peers:
            peer.stream.stop_reading()

    async def close_peers(self, reason: str, seconds: float) -> None:
        """Close every connection when what waits is written, after `seconds` at the latest."""
        for peer in list(self.peers):
            peer.stream.close_gracefully(reason)
        end = self._loop.time() + seconds
        while self.peers and self._loop.time() < end:
            await asyncio.sleep(0.005)
        for peer in list(self.peers):
            peer.stream.close(reason)

    def drop(self, wanted: Callable[[str], bool], reason: str) -> int:
        """Close the peers with a wanted name; how many there were."""
        found = [one for one in self.peers if wanted(one.stream.peer)]
        for one in found:
            self.evict(one.stream, reason)
        return len(found)

    def reconfigure(self, options: Any) -> None:
        """Use new options: limits hold at once, the others for the connections to come."""
        self.options = options
        self.acceptor.reconfigure(options)
        for peer in self.peers:
            peer.stream.box.reconfigure(self.limits)
        try:
            if self._tls is not None:
                self._tls.reread(options)
        except KeyFault as fault:
            self.kit.log.error("keys stay as they were listener=%s: %s", self.name, fault.strerror)

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers, and one that sums up those of peers gone."""
        return [self.past, *(peer.stream.box for peer in self.peers)]

    # Owner of its acceptor

    def accepted(self, sock: socket.socket, peer: str) -> Stream:
        """Make a peer, and begin to read."""
        made = self.make(sock, peer)
        self.peers.add(made)
        stream = made.stream
        if self._tls is None:
            stream.heard = partial(self.acceptor.spoke, stream)
        else:
            limits = OpeningLimits(self.options.handshake_timeout, self._tls.slow)
            TlsOpening(stream, self._tls.session, self.kit.handshakes, self, limits)
        stream.open()
        self._sweep.start()
        return stream

    # Owner of the handshakes

    def secured(self, stream: Stream, session: TlsSession) -> None:
        """The handshake of a peer is done."""
        self.acceptor.spoke(stream)
        proven = session.peer_name
        if proven:
            rights = self.kit.switch.access.rights("tls", proven)
            name = shortened(rights.name if rights else proven, 60)
            stream.box.owner = name, "tls", proven
            listener, _, peer = stream.name.rpartition(" ")
            stream.name = f"{listener} {name}@{peer}"
        self.kit.log.debug("secured peer=%s %s", stream.name, session.words)

    def unsecured(self, stream: Stream, reason: str, word: str) -> None:
        """The handshake of a peer has failed, or it has gone without a word."""
        if reason == SAID_NOTHING:  # a look whether the port is open: no handshake has begun
            self.kit.log.debug("%s peer=%s", reason, stream.name)
        else:
            self.acceptor.counts[word] += 1
            self.kit.log.peer_closed(self.name, stream.peer, reason)

    def evict(self, one: Stream, reason: str) -> None:
        """Close a connection, and say why."""
        self.kit.log.peer_closed(self.name, one.peer, reason)
        one.close(reason)

    def _look(self, peer: Peer, now: float) -> None:
        """Let a peer do what is due, and close it if it does not keep pace."""
        if peer.stream.closed:
            return
        peer.expire(now)
        limits = self.pace
        fault = peer.stream.look(now, limits)
        if not fault:
            return
        self.acceptor.counts[fault] += 1
        if fault == IDLE:
            peer.stream.close(FAULTS[fault].format(limits))
        else:
            self.evict(peer.stream, FAULTS[fault].format(limits))

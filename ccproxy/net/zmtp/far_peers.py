"""The receiving end of links with acknowledged delivery: their connections, one for each link.

A new connection of a link ends the one before, bytes in flight included, and only then is said what
is here of the link. If it comes from another opening of the source's store, the one before may be a
second live copy of that store: then the old one is asked whether it lives, and the new one is
refused if it does. It must never look into a message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from ccproxy.core.delivery.far_side import RememberedLink, RememberedLinks
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.core.runs import PeerInput
from ccproxy.core.sinks import Sink
from ccproxy.core.stops import COMMAND
from ccproxy.core.switch import Switch
from ccproxy.net.zmtp.role import MessageSink, NumberedMaker, PeerVoice
from ccproxy.wire.zmtp import Peer, ZmtpError
from ccproxy.wire.zmtp import delivery as wire
from ccproxy.wire.zmtp.commands import ping
from ccproxy.wire.zmtp.frames import COMMAND as COMMAND_FLAG
from ccproxy.wire.zmtp.mechanism import Credential

PROBE_TIME = 2.0
"""Seconds that an older connection of a link has to answer a PING."""
ACK_INTERVAL = 0.004
"""Seconds between two acknowledgements of a busy link: each one costs its source a read. The first
one after a pause is said at once."""
MOST_REFUSALS = 1000
"""Refusals that are said at once: more of them would look as if the source did not read."""
FENCED = "it has connected again"
SILENT = "it has connected again, and this connection did not answer"


class ClosableConnection(Protocol):
    """A connection, as far as it is used here."""

    name: str
    closed: bool

    @property
    def credential(self) -> Credential | None:
        """What the peer has proven."""

    def close(self, reason: str) -> None:
        """Close now."""


class FarPeers:
    """The connections of all links that are acknowledged here; `server` is our id."""

    def __init__(self, server: bytes) -> None:
        self.server = server
        self.links = RememberedLinks(clock=time.monotonic)
        self._peers: dict[ClosableConnection, FarPeer] = {}
        self._holders: dict[bytes, FarPeer] = {}

    def ingress(
        self,
        switch: Switch,
        connection: ClosableConnection,
        peer: Peer,
        input: PeerInput,
        numbered: NumberedMaker,
    ) -> MessageSink | None:
        """What takes the messages of a peer that wants acknowledgements; None for any other."""
        source = wire.source_of(peer.properties.get(wire.PROPERTY, b""))
        if source is None:
            return None
        link = self.links.get(source)
        ingress = numbered(switch, input, link)
        made = FarPeer(self, connection, source, link)
        made.ingress = ingress
        return self.add(made, input.source.listener)

    def add(self, made: FarPeer, listener: str) -> FarPeer:
        """Know a connection that was accepted by this listener."""
        made.listener = listener
        self._peers[made.connection] = made
        return made

    def find(self, connection: ClosableConnection) -> FarPeer | None:
        """The peer of a connection whose messages are acknowledged here; None for any other."""
        return self._peers.get(connection)

    def closed(self, connection: ClosableConnection) -> None:
        """A connection is over."""
        peer = self._peers.pop(connection, None)
        if peer is not None:
            peer.end()
            if self._holders.get(peer.link.id) is peer:
                del self._holders[peer.link.id]
                self.links.left(peer.link)
            if peer.forget:
                self.links.forget(peer.link)

    def admit(self, peer: FarPeer) -> None:
        """Begin with a connection that is up, once the one before is out of the way."""
        holder = self._holders.get(peer.link.id)
        if holder is None:
            self._begin(peer)
        elif holder.connection.credential != peer.connection.credential:
            peer.turn_away(f"it is connected from {holder.connection.name} with another key")
        elif holder.source.opening == peer.source.opening:
            holder.fence(FENCED)
            self._begin(peer)
        else:
            self._probe(peer, holder)

    def _begin(self, peer: FarPeer) -> None:
        self._holders[peer.link.id] = peer
        peer.begin()

    def _probe(self, peer: FarPeer, holder: FarPeer) -> None:
        """Ask the older connection whether it lives."""
        heard = holder.ask_for_life()
        loop = asyncio.get_running_loop()
        loop.call_later(PROBE_TIME, self._probed, peer, holder, heard)

    def _probed(self, peer: FarPeer, holder: FarPeer, heard: float) -> None:
        if peer.connection.closed:
            return
        if self._holders.get(peer.link.id) is not holder:
            self.admit(peer)
        elif holder.lives_since(heard):
            peer.turn_away(f"a second copy of it is connected from {holder.connection.name}")
        else:
            holder.fence(SILENT)
            self._begin(peer)


class FarPeer:
    """One connection of a link: a MessageSink and a CommandSink."""

    ingress: MessageSink
    keeps_all = True
    """True if its source keeps everything that we do not read."""
    interval = ACK_INTERVAL
    """Seconds between two acknowledgements."""

    def __init__(
        self,
        peers: FarPeers,
        connection: ClosableConnection,
        source: wire.SourceId,
        link: RememberedLink,
    ) -> None:
        self.connection = connection
        self.source = source
        self.link = link
        self.listener = ""
        self.forget = False
        """True if the source has said that the link will not come back."""
        self.peers = peers
        self.voice: PeerVoice | None = None
        self.due = False
        """True while something is to be said later."""
        self._begun = False
        self._said: MessageNumber | None = None
        self._said_at = 0.0

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """See `MessageSink`."""
        if self._begun:
            return self.ingress.feed(data)
        if not data[0] & COMMAND_FLAG:
            raise ZmtpError("a message before HAVE")
        return 0, COMMAND, ()

    def opened(self, voice: PeerVoice) -> None:
        """The connection is up."""
        self.voice = voice
        self.peers.admit(self)

    def stop(self) -> None:
        """The server stops: nothing more is taken that its source keeps."""

    @property
    def settled(self) -> bool:
        """True if nothing is to be said to it before we send nothing more."""
        return True

    def begin(self) -> None:
        """This is the connection of the link from now on."""
        self._begun = True
        assert self.voice is not None
        for one in self.first():
            self.voice.tell(one)
        tracker = self.link.tracker
        self._said, tracker.on_news = tracker.acknowledged, self.news
        self.news()

    def first(self) -> list[bytes]:
        """What is said first, as it goes on the wire."""
        first = self.link.begin(self.source, self.connection.name, self.listener)
        return [wire.encode(one) for one in first]

    def refusal(self, one: wire.Nack) -> bytes:
        """What is said of messages that were not taken, as it goes on the wire."""
        return wire.encode(one)

    def acknowledgements(self, to: MessageNumber, said: MessageNumber | None) -> list[bytes]:
        """What is said of those up to `to` as it goes on the wire; `said` were said before."""
        return [wire.encode(wire.Ack(*to))]

    def command(self, name: bytes, body: bytes) -> None:
        """The source has said something; ZmtpError if it is cut, or comes too early."""
        match wire.decode(name, body):
            case wire.Next(epoch, number):
                if not self._begun:
                    raise ZmtpError("NEXT before HAVE")
                self.link.announced(MessageNumber(epoch, number))
            case wire.Replay(on):
                if not self._begun:
                    raise ZmtpError("REPLAY before HAVE")
                self.link.replaying = on
            case wire.Forget():
                self.forget = self._begun

    def refused(self, fate: str) -> None:
        """The next message is not taken, and the connection will be closed."""
        if not self.link.again:  # one that came before has had its outcome
            self.refuse_next(fate)

    def refuse_next(self, fate: str) -> None:
        """Refuse the first message that did not come before."""
        if self._begun and self.link.next is not None:
            number, _ = self.link.handed(1, 0)
            self.link.tracker.refuse(number.epoch, number.number, 1, fate)
            self.say()

    def turn_away(self, reason: str) -> None:
        """Close the connection, and say why."""
        if self.voice is not None:
            self.voice.refuse(reason)
        self.connection.close(reason)

    def fence(self, reason: str) -> None:
        """Close the connection: another one has its place."""
        self.connection.close(reason)

    def ask_for_life(self) -> float:
        """Send a PING; when anything was heard before."""
        assert self.voice is not None
        self.voice.tell(ping())
        return self.voice.last_heard

    def lives_since(self, heard: float) -> bool:
        """True if anything came since. What a connection answers that we do not read, nothing sees:
        there it is enough that the system of the peer has the question."""
        voice = self.voice
        if voice is None:
            return False
        return voice.last_heard > heard or (voice.paused and voice.reached)

    def end(self) -> None:
        """The connection is over; what is told from now on waits for the next one."""
        self.voice = None
        if self._begun:
            self.link.tracker.on_news = _unheard
        self._begun = False

    def news(self) -> None:
        """Say at the end of this turn what is new, or a little later if the link is busy."""
        if self.due:
            return
        self.due = True
        loop = asyncio.get_running_loop()
        pause = self._said_at + self.interval - loop.time()
        if pause <= 0:
            loop.call_soon(self.say)
        else:
            loop.call_later(pause, self.say)

    def say(self) -> None:
        """Refusals first: an acknowledgement covers them."""
        self.due = False
        voice, tracker = self.voice, self.link.tracker
        if voice is None:
            return
        for refusal in tracker.take_refusals(MOST_REFUSALS):
            voice.tell(self.refusal(refusal))
        if tracker.unsaid_refusals:
            self.due = True
            asyncio.get_running_loop().call_later(ACK_INTERVAL, self.say)
            return
        to = tracker.acknowledged
        if to is not None and to != self._said:
            for one in self.acknowledgements(to, self._said):
                voice.tell(one)
            self._said, self._said_at = to, asyncio.get_running_loop().time()


def _unheard() -> None:
    """Does nothing: no connection of the link is up."""

"""The clients that want receipts: what `far_peers` does for links, in words that are messages.

A client is stock libzmq. It is told nothing by commands, and what it had written for an earlier
connection may come over this one: so each connection is opened with a token of its own, and counts
from the first `next` that repeats it. It must never look into a message.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ccproxy.core.delivery.client_input import ClientInput
from ccproxy.core.delivery.confirmations import Confirmations
from ccproxy.core.delivery.numbered import NumberedIngress
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.core.runs import PeerInput
from ccproxy.core.sinks import Sink
from ccproxy.core.switch import Switch
from ccproxy.net.zmtp.far_peers import ClosableConnection, FarPeer, FarPeers
from ccproxy.net.zmtp.role import MessageSink, NumberedMaker
from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp import Peer
from ccproxy.wire.zmtp.delivery import Forget, Nack, SourceId
from ccproxy.wire.zmtp.frames import pack


class Clients(FarPeers):
    """The connections of all clients that want receipts."""

    def properties(self, numbered: NumberedMaker) -> dict[bytes, bytes]:
        """What the handshake says of receipts: listeners of CC messages give them."""
        return {wire.PROPERTY: wire.GIVEN} if numbered is NumberedIngress else {}

    def ingress(
        self,
        switch: Switch,
        connection: ClosableConnection,
        peer: Peer,
        input: PeerInput,
        numbered: NumberedMaker,
    ) -> MessageSink | None:
        """What takes the messages of a client that wants receipts, at a listener of CC messages;
        None for any other peer."""
        producer = wire.producer_of(peer.properties.get(wire.PROPERTY, b""))
        if producer is None or numbered is not NumberedIngress:
            return None
        source = SourceId(producer.producer, producer.opening)
        link = self.links.find(source)
        kinds = link.tracker.confirmations = link.tracker.confirmations or Confirmations()
        made = ConfirmedClient(self, connection, source, link)
        made.kinds = kinds
        made.ingress = made.input = ClientInput(switch, input, link, made.obey, made.greet_again)
        return self.add(made, input.source.listener)


class ConfirmedClient(FarPeer):
    """One connection of a client that wants receipts."""

    input: ClientInput
    kinds: Confirmations
    keeps_all = False
    interval = 0.0
    _token = b""
    """That of the last `have`; b"" before there was one, and when nothing with a number is taken
    any more."""

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """See `MessageSink`. Messages without numbers pass at any time."""
        return self.input.feed(data)

    def stop(self) -> None:
        """Take no more messages with numbers: the client keeps them."""
        self._token, self.input.announced = b"", False

    @property
    def settled(self) -> bool:
        """True if all that was taken has its end, and the client was told so."""
        return not self.due and self.link.tracker.idle

    def command(self, name: bytes, body: bytes) -> None:
        """A client says nothing by commands; unknown ones are ignored, as libzmq does."""

    def obey(self, word: wire.ReceiptWord) -> None:
        """The client has said something. What it says to another connection is passed over."""
        match word:
            case wire.Announcement(epoch, number, token) if token == self._token:
                # Many clients never send a message with a number: they are not worth remembering.
                self.peers.links.keep(self.link)
                self.link.announced(MessageNumber(epoch, number))
                self.input.announced = True
            case Forget():
                self.forget = bool(self._token)

    def first(self) -> list[bytes]:
        """What is here of the client, what of that was refused, and what is acknowledged."""
        first = self.link.begin(self.source, self.connection.name, self.listener)
        refusals = [one for one in first if isinstance(one, Nack)]
        acks = [one for one in self.kinds.all() if one.epoch in self.link.numbers]
        words: list[wire.ReceiptWord] = [*refusals, *acks]
        return [self._greeting(), *map(_packed, words)]

    def greet_again(self) -> None:
        """A number is missing: what comes next has to be announced anew."""
        if self.voice is not None:
            self.voice.tell(self._greeting())

    def refusal(self, one: Nack) -> bytes:
        """What is said of messages that were not taken."""
        return _packed(one)

    def acknowledgements(self, to: MessageNumber, said: MessageNumber | None) -> list[bytes]:
        """What is said of those up to `to`, each kind by itself."""
        return [*map(_packed, self.kinds.behind(said))]

    def begin(self) -> None:
        """See `FarPeer`. What is of many kinds is said at once: it would take too much memory."""
        self.kinds.on_many = self.say
        super().begin()

    def end(self) -> None:
        """See `FarPeer`."""
        if self._begun:
            self.kinds.on_many = _unheard
        super().end()

    def refused(self, fate: str) -> None:
        """The next message is not taken, and the connection will be closed."""
        if self.input.holds_next:
            self.refuse_next(fate)

    def fence(self, reason: str) -> None:
        """Close the connection: another one has its place, which the client has to know."""
        self._say_fenced(reason)
        super().fence(reason)

    def turn_away(self, reason: str) -> None:
        """Close the connection, and say why."""
        self._say_fenced(reason)
        super().turn_away(reason)

    def _greeting(self) -> bytes:
        self._token, self.input.announced = os.urandom(wire.TOKEN_SIZE), False
        return _packed(wire.Greeting(self.peers.server, self.link.numbers, self._token))

    def _say_fenced(self, reason: str) -> None:
        if self.voice is not None:
            self.voice.tell_now(_packed(wire.Fenced(reason)))


def _packed(word: wire.ReceiptWord) -> bytes:
    """A word as it goes on the wire."""
    return pack(wire.encode(word))


def _unheard() -> None:
    """Does nothing: no connection of the client is up."""

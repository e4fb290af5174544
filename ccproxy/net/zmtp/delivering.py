"""The sending end of a link with acknowledged delivery: between the store, the engine and a
connection.

Messages wait in the store until the far side is responsible for them. What the engine lets go is
put into an outbox of its own for the connection, which is emptied with the connection: the store
has it all. It must never decide what is sent again: that is the engine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ccproxy.config.links import LinkOptions
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.source import (
    CLOSED,
    DOUBTFUL,
    RESEND,
    ReplayMark,
    SourceEngine,
    SourceLimits,
)
from ccproxy.core.delivery.store import MessageNumber, Stored
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import MovedRun, Sink
from ccproxy.net.flush import FlushQueue
from ccproxy.net.zmtp.commands import SAID
from ccproxy.net.zmtp.role import MessageSink, PeerVoice
from ccproxy.spool.store import Spool
from ccproxy.wire.zmtp import Peer
from ccproxy.wire.zmtp import delivery as wire

CANNOT = "the far side does not acknowledge"
UNSENT = Limits(bytes=1, policy="block")
"""Of the outbox for a connection: a wait for it ends when it is empty. The engine bounds it."""


class DeliveringSource:
    """One link's store, and the connection that it has now."""

    def __init__(
        self, store: MemoryStore | Spool, options: LinkOptions, flush_queue: FlushQueue
    ) -> None:
        self.store = store
        self.options = options
        self.transmit = Outbox(store.name, UNSENT)
        self.engine = SourceEngine(store, options.source or SourceLimits())
        self.server = b""
        """The id of the far side of the last connection; b"" if it does not acknowledge."""
        self.plain = False
        """True while the far side gets messages without acknowledgements."""
        self._flush_queue = flush_queue
        self._voice: PeerVoice | None = None
        self._due = self._waits = False
        self._flights: deque[tuple[MessageNumber, int]] = deque()
        """Of a plain far side: the last messages of what was sent, and how many there are."""
        store.on_more = self.ask

    @property
    def properties(self) -> dict[bytes, bytes]:
        """What we say of ourselves in the handshake."""
        return {wire.PROPERTY: wire.source_property(self.store.link, self.store.opening)}

    @property
    def doubtful(self) -> bool:
        """True if the far side is another one than before, and that has to be waited for."""
        return self.engine.state == DOUBTFUL

    def reconfigure(self, options: LinkOptions) -> None:
        """Use new options; a larger window holds at once."""
        self.options = options
        self.engine.limits = options.source or self.engine.limits
        self.ask()

    def greet(self, peer: Peer) -> str:
        """The handshake is done; a reason to close the connection, or ""."""
        server = wire.server_of(peer.properties.get(wire.PROPERTY, b""))
        self.server, self.plain = server or b"", server is None
        if server is None:
            return CANNOT if self.options.must_acknowledge else ""
        if self.engine.connected(server) == DOUBTFUL:
            return (
                f"server {server.hex()} answers in the place of {self.store.server.hex()}, which "
                f"may have {self.store.unacknowledged} messages (on-doubt = wait)"
            )
        return ""

    def feed(self, replies: MessageSink) -> SourceFeed:
        """What takes the bytes of the far side."""
        return SourceFeed(self, replies)

    def opened(self, voice: PeerVoice) -> None:
        """Commands may be sent."""
        self._voice = voice
        if self.plain:
            self.store.rewind({})
            self.ask()

    def command(self, name: bytes, body: bytes) -> None:
        """The far side has said something; ZmtpError if it is cut."""
        match wire.decode(name, body):
            case wire.Have(epochs):
                self.engine.have(epochs)
            case wire.Ack(epoch, number):
                self.engine.acknowledged(MessageNumber(epoch, number))
            case wire.Nack(epoch, first, messages, reason):
                self.engine.refused(epoch, first, messages, reason)
        self.ask()

    def ask(self) -> None:
        """Send at the end of this turn what may be sent."""
        if not self._due and self._voice is not None:
            self._due = True
            self._flush_queue.flush_later(self)

    def flush(self) -> None:
        """Move runs from the store to the connection."""
        self._due = False
        if self._voice is None:
            return
        if self.plain:
            self._send_plainly()
            return
        for action in self.engine.step(not self.transmit.waiting):
            if isinstance(action, Stored):
                self.transmit.put(action.data, action.messages)
            elif isinstance(action, ReplayMark):
                self._voice.tell(wire.encode(wire.Replay(action.on)))
            else:
                self._voice.tell(wire.encode(wire.Next(action.epoch, action.number)))
        if self.engine.idle_wanted:
            self._when_empty()

    def closed(self, reason: str) -> None:
        """The connection is over."""
        if self.plain:
            self._release_sent()
        if self.engine.state != CLOSED:
            self.engine.disconnected(blamed=reason.startswith(SAID))
        self._voice, self._waits = None, False
        self._flights.clear()
        self.transmit.clear("cut")

    def give_back(self, most: int) -> list[MovedRun]:
        """Give up what was never sent, for another link. Without a connection also what the far
        side may have, if such messages are to be sent again (`on-doubt`)."""
        doubtful: list[MovedRun] = []
        if self._voice is None and self.engine.limits.on_doubt == RESEND:
            doubtful = self.store.take_doubtful()
        return [*doubtful, *self.store.take_unsent(most)]

    def say_goodbye(self) -> None:
        """Tell the far side that the link will not come back; only if nothing is unacknowledged."""
        if self._voice is not None and not self.plain and not self.store.waiting:
            self._voice.tell_now(wire.encode(wire.Forget()))

    def _when_empty(self) -> None:
        """Go on when everything that was sent is on the wire."""
        if not self.transmit.waiting:
            self.ask()
        elif not self._waits:
            self._waits = True
            self.transmit.wait(self._empty)

    def _empty(self) -> None:
        self._waits = False
        self.ask()

    def _send_plainly(self) -> None:
        """Send a window to a far side that does not acknowledge; the next one once it is sent."""
        if self.transmit.waiting:
            self._when_empty()
            return
        self._release_sent()
        for run in self.store.fetch(self.engine.limits.window):
            self._flights.append((MessageNumber(run.epoch, run.last), run.messages))
            self.transmit.put(run.data, run.messages)
        if self._flights:
            self._when_empty()

    def _release_sent(self) -> None:
        """Of what was sent without acknowledgements, that which the system has taken is done."""
        left = self.transmit.waiting
        unsent = 0
        while self._flights:
            to, messages = self._flights.pop()
            if unsent + messages > left:
                last = to.number - max(0, left - unsent)
                self.store.release(MessageNumber(to.epoch, last))
                break
            unsent += messages
        self._flights.clear()


class SourceFeed:
    """The MessageSink and CommandSink of such a link: replies pass, commands are obeyed."""

    def __init__(self, source: DeliveringSource, replies: MessageSink) -> None:
        self._replies = replies
        self.opened = source.opened
        self.command = source.command

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """See `MessageSink`."""
        return self._replies.feed(data)

    def refused(self, fate: str) -> None:
        """A reply was too big: nothing to say to the far side."""

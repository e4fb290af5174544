"""A link: an outgoing connection with reconnect, an outbox, and a state.

The outbox outlives the connection: its messages are sent when the far side is back. It must never
lose a message that the kernel did not take.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from functools import partial

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions
from ccproxy.core.backoff import Backoff
from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.ingress import ReplyIngress
from ccproxy.core.message import Message
from ccproxy.core.outbox import Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.sinks import MovedRun
from ccproxy.core.verdict import Refuse
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import close_gracefully, connect
from ccproxy.net.zmtp import stores
from ccproxy.net.zmtp.connection import Connection
from ccproxy.net.zmtp.delivering import CANNOT, DeliveringSource
from ccproxy.net.zmtp.role import ConnectionConfig, LinkRole, MessageSink
from ccproxy.net.zmtp.security import link_mechanism
from ccproxy.spool.store import Spool
from ccproxy.wire.zmtp import Handshake, Peer
from ccproxy.wire.zmtp.mechanism import Mechanism

CONNECTING, UP, REFUSED, GONE = "connecting", "up", "refused", "gone"
WRONG_KEY, IN_DOUBT = "wrong-key", "in-doubt"
PAUSED = "paused"
STOPS, UNUSED = "the server stops", "it is not used any more"
PAUSE = "an operator holds it back"
STEADY_AFTER = 1.0
"""A connection that lasted this many seconds resets the growing pauses between attempts."""
DEALER = LinkRole()
"""The role of links to other servers."""


class OutgoingLink:
    """One connection to a remote address; see `ccproxy.handler.Link`."""

    def __init__(
        self,
        name: str,
        address: Address,
        options: LinkOptions,
        kit: Kit,
        role: LinkRole = DEALER,
    ) -> None:
        self.name = name
        self.role = role
        self.options = options
        self.outbox = Outbox(name, options.limits, memory=kit.memory)
        self.delivering: DeliveringSource | None = None
        """The other half of a link whose far side acknowledges."""
        self._state = CONNECTING
        self.told: Callable[[str], None] = unheard
        self.dead: Callable[[bytes, int, str], None] = dropped
        """Are told of each new state, and of messages that the far side will not take."""
        self.reason = ""
        self.reconnects = 0
        self.on_message: Callable[[Message], None] | None = None
        self._address = address
        self._kit = kit
        self._identity = kit.identities.next()
        self._connection: Connection | None = None
        self._handshake: Handshake | None = None
        self._backoff = _backoff(options)
        self._over = asyncio.Event()
        self._wanted = asyncio.Event()
        """Not set while an operator holds the link back."""
        self._wanted.set()
        self._closing: set[asyncio.Task[None]] = set()
        kit.descriptors.links += 1
        self._set_delivery(options)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"link {name}")
        self._task.add_done_callback(kit.log.ended)

    @property
    def address(self) -> str:
        """The address as the INI gives it."""
        return self._address.text or str(self._address)

    @property
    def sink(self) -> Outbox | MemoryStore | Spool:
        """Where messages for the far side go."""
        return self.outbox if self.delivering is None else self.delivering.store

    @property
    def spooled(self) -> bool:
        """True if its messages wait on a disk."""
        return isinstance(self.sink, Spool)

    @property
    def state(self) -> str:
        """connecting, up, refused, wrong-key, in-doubt, paused or gone."""
        return self._state

    def on_state(self, call: Callable[[str], None]) -> None:
        """Call with the new state whenever it changes; a second call replaces the first."""
        self.told = call

    def on_dead(self, call: Callable[[bytes, int, str], None]) -> None:
        """Call with messages that the far side will not take; a second call replaces the first."""
        self.dead = call

    def give_back(self, most: int) -> list[MovedRun]:
        """Take back what was never written, about `most` bytes; see `Link`."""
        if self.delivering is not None:
            return self.delivering.give_back(most)
        return [MovedRun(*one) for one in self.outbox.take_unsent(most)]

    def assume(self, role: LinkRole) -> None:
        """Be another kind of link; a connection there is ends, and the next one is of that kind."""
        if role == self.role:
            return
        if self._connection is not None:
            self._connection.close("its handler was replaced")
        self.role = role

    def rename(self, name: str) -> None:
        """Take the new name of its section."""
        self.name = self.outbox.name = name
        if self.delivering is not None:
            self.delivering.store.rename(name)

    def reconfigure(self, options: LinkOptions) -> None:
        """Use new options: limits hold at once, the others from the next connection on.

        Other keys begin a new connection: the present one has proven something else.
        """
        before, self.options, sink = self.options, options, self.sink
        if options != before:
            self._backoff = _backoff(options)
        self.outbox.reconfigure(options.limits)
        if self._connection is not None:
            if options.proof != before.proof:
                self._connection.close("the link has other keys now")
            elif (options.source is None) != (before.source is None):
                self._connection.close("the delivery of the link is another one now")
        self._set_delivery(options)
        if self.sink is not sink:
            # Flows lead to the queue of before until a reload ends, for as long as handlers start.
            self._kit.switch.table.clear()

    def pause(self) -> None:
        """Disconnect, in order, and do not connect until `resume`; messages wait in the outbox."""
        if not self._wanted.is_set():
            return
        self._wanted.clear()
        if self._connection is not None:
            parting = close_gracefully(self._connection.release(PAUSE), self.options.linger)
            task = asyncio.get_running_loop().create_task(parting, name=f"pause {self.name}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._become(PAUSED, PAUSE)

    def resume(self) -> None:
        """Connect again."""
        if not self._wanted.is_set():
            self._become(CONNECTING, "")
            self._backoff.reset()
            self._wanted.set()

    async def close(self, linger: float, reason: str = STOPS) -> None:
        """Send for at most `linger` seconds what waits, then close and drop the rest."""
        if self.spooled and self._kit.neighbours.after:
            linger = 0.0  # another process waits for the file, and sends what is in it
        if linger > 0 and self.sink.waiting:
            await drained(self.sink, linger)
        self._task.cancel()
        await asyncio.gather(self._task, *self._closing, return_exceptions=True)
        if self._connection is not None:
            await self._half_close(self._connection, linger, reason)
        self._become(GONE, "")
        self._kit.descriptors.links -= 1
        store, outcome = self.sink, "stop" if reason == STOPS else "unused"
        if isinstance(store, Spool):
            store.close(outcome)
            stores.say_kept(store, self._kit.log)
            await store.closed()
        elif lost := store.waiting:
            self._kit.log.warning("dropped at stop link=%s messages=%d", self.name, lost)
        if isinstance(store, MemoryStore):
            store.close(outcome)
        self.outbox.clear("stop")
        self._forget_asker()

    # Owner of its connection

    def ready(self, connection: Connection, peer: Peer) -> str:
        """The handshake is done: send what waits, take replies."""
        delivering = self.delivering
        if delivering is not None and (refusal := delivering.greet(peer)):
            return refusal
        self._tell(self.role.joined)
        switch, limits = self._kit.switch, self.options.frame_limits
        ingress: MessageSink
        if self.role.ingress is None:
            ingress = ReplyIngress(switch, self.name, limits, self._message)
        else:
            replies = self.role.replies(self.outbox)
            if replies is not None:
                switch.peers[self._identity] = replies
            answers = None if replies is None else self.outbox
            source = MessageSource(
                self._identity, self.address, self.name, peer.identity, peer.version, box=answers
            )
            ingress = self.role.ingress(switch, PeerInput(source, limits, connection.tired))
        if delivering is None:
            connection.use(ingress, self.outbox)
        else:
            connection.use(delivering.feed(ingress), delivering.transmit)
        self._become(UP, "")
        if delivering is not None and delivering.plain:
            self._kit.log.warning("link=%s %s: messages are sent plainly", self.name, CANNOT)
        self._kit.log.info("link up link=%s remote=%s", self.name, self.address)
        return ""

    def closed(self, connection: Connection, reason: str) -> None:
        """Note that the connection is over; `_run` makes the next attempt."""
        was_up = connection.outbox is not None
        failed = WRONG_KEY if self._handshake and self._handshake.proving else REFUSED
        if self.delivering is not None:
            failed = IN_DOUBT if self.delivering.doubtful else failed
            self.delivering.closed(reason)
        if was_up:
            self._tell(self.role.left)
            self._forget_asker()
        self._become(CONNECTING if was_up else failed, reason)
        self._connection = None
        self._over.set()
        if was_up:
            tell = self._kit.log.info if reason == UNUSED else self._kit.log.warning
            tell("link down link=%s remote=%s: %s", self.name, self.address, reason)
        if connection.refused:
            self._kit.log.warning(
                "message refused link=%s remote=%s bytes=%d: %s", self.name, self.address,
                len(connection.refused), reason,
            )  # fmt: skip
            self._dead(connection.refused, 1, reason)

    def _forget_asker(self) -> None:
        """The far side may have asked: what waits is not for the peer that connects next."""
        if self._kit.switch.peers.pop(self._identity, None) is not None:
            self.outbox.clear("gone")
            self._kit.departed(self._identity)

    async def _half_close(self, connection: Connection, linger: float, reason: str) -> None:
        if self.state != UP or self.sink.waiting:
            connection.close(reason)
            return
        if self.delivering is not None:
            self.delivering.say_goodbye()
        await close_gracefully(connection.release(reason), linger)

    def _set_delivery(self, options: LinkOptions) -> None:
        """Begin, change or end the acknowledgements of the link; what waits stays, in order."""
        delivering, wanted = self.delivering, options.source is not None
        if delivering is not None and wanted and stores.suits(delivering.store, options):
            delivering.reconfigure(options)
            stores.reconfigure(delivering.store, options)
            return
        moved = [] if delivering is None else self._leave(delivering, options)
        if wanted:
            store = stores.new_store(self.outbox, options, self._kit.log, moved)
            store.on_dead = self._dead
            self.delivering = DeliveringSource(store, options, self._kit.flush_queue)
        else:
            for run in moved:
                self.outbox.put(*run)

    def _leave(self, delivering: DeliveringSource, options: LinkOptions) -> list[MovedRun]:
        """Go on without this store; what goes into the next one."""
        if self._connection is not None:
            self._connection.close("what waits is elsewhere now")
        self.delivering = None
        moved = stores.leave(delivering.store, self._kit.log, options)
        if isinstance(delivering.store, Spool):
            ending = delivering.store.closed()
            task = asyncio.get_running_loop().create_task(ending, name=f"spool {self.name}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return moved

    async def _opened(self) -> bool:
        """Open the spool, if the link has one that is not open; False if that failed."""
        store = self.sink
        if not isinstance(store, Spool) or store.intake.opened:
            return True
        try:
            await stores.open_spool(store, self._kit, partial(self._become, CONNECTING))
        except OSError as error:
            self._refused(str(error), REFUSED)
            return False
        return True

    def _become(self, state: str, reason: str) -> None:
        """Change the state; its handler is told, and a fault of the handler harms no link."""
        before, self._state, self.reason = self._state, state, reason
        if state == before:
            return
        self._kit.link_changed(self.name, state, before)
        self._kit.call_plugin(self.name, "(link state)", partial(self.told, state))

    def _tell(self, call: Callable[[bytes, Outbox], None]) -> None:
        """Call the owner of the role; its exception harms no link."""
        self._kit.call_plugin(self.name, "(peer)", partial(call, self._identity, self.outbox))

    def _dead(self, message: bytes, messages: int, reason: str) -> None:
        """Tell the handler of messages that were given up; its fault harms no link."""
        self._kit.call_plugin(
            self.name, "(dead letters)", partial(self.dead, message, messages, reason)
        )

    def _message(self, message: Message) -> None:
        if self.on_message is None:
            raise Refuse("a message without a route, and no handler here takes such messages")
        self.on_message(message)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            self._over.clear()
            if not await self._opened():
                await asyncio.sleep(self._backoff.next())
                continue
            try:
                mechanism = link_mechanism(self.options)
                sock = await connect(self._address, self.options)
            except OSError as error:
                self._refused(error.strerror or str(error), REFUSED)
            else:
                if not self._wanted.is_set():
                    sock.close()
                    continue
                self._open(sock, mechanism or self.role.mechanism())
                begun = loop.time()
                await self._over.wait()
                if self.state == CONNECTING:
                    self.reconnects += 1
                    if loop.time() - begun > STEADY_AFTER:
                        self._backoff.reset()
                else:
                    self._refused(self.reason, self.state)
            await asyncio.sleep(self._backoff.next())

    def _open(self, sock: socket.socket, mechanism: Mechanism) -> None:
        kit = self._kit
        config = ConnectionConfig(
            kit.flush_queue, self.options, kit.switch.too_big, kit.memory, kit.handshakes
        )
        role = self.role
        identity = role.identity or (kit.identities.of_link() if role == DEALER else b"")
        properties = None if self.delivering is None else self.delivering.properties
        self._handshake = Handshake(role.socket, identity, mechanism, properties)
        self._connection = Connection(sock, self.address, self._handshake, self, config)
        self._connection.open()

    def _refused(self, reason: str, state: str) -> None:
        if self.state == PAUSED:
            return
        self._become(state, reason)
        self._kit.log.often(
            f"no connection link={self.name}", "no connection link=%s remote=%s: %s", self.name,
            self.address, reason,
        )  # fmt: skip


def unheard(state: str) -> None:
    """Does nothing: no handler asked to be told of the state."""


def dropped(messages: bytes, count: int, reason: str) -> None:
    """Does nothing: no handler asked for what the far side will not take."""


def _backoff(options: LinkOptions) -> Backoff:
    return Backoff(options.reconnect, options.reconnect_max, random.random)


async def drained(outbox: CountedQueue, seconds: float) -> bool:
    """Wait until an outbox is empty; False if it takes longer."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while outbox.waiting and loop.time() < end:
        await asyncio.sleep(0.005)
    return not outbox.waiting

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
from ccproxy.core.ingress import ReplyIngress
from ccproxy.core.message import Message
from ccproxy.core.outbox import Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.verdict import Refuse
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import close_gracefully, connect
from ccproxy.net.zmtp.connection import Connection
from ccproxy.net.zmtp.role import ConnectionConfig, LinkRole, MessageSink
from ccproxy.net.zmtp.security import link_mechanism
from ccproxy.wire.zmtp import Handshake, Peer
from ccproxy.wire.zmtp.mechanism import Mechanism

CONNECTING, UP, REFUSED, GONE = "connecting", "up", "refused", "gone"
WRONG_KEY = "wrong-key"
PAUSED = "paused"
STOPS = "the server stops"
UNUSED = "it is not used any more"
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
        self._state = CONNECTING
        self._on_state: Callable[[str], None] = unheard
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
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"link {name}")
        self._task.add_done_callback(kit.log.ended)

    @property
    def address(self) -> str:
        """The address as the INI gives it."""
        return self._address.text or str(self._address)

    @property
    def state(self) -> str:
        """connecting, up, refused, wrong-key, paused or gone."""
        return self._state

    def on_state(self, call: Callable[[str], None]) -> None:
        """Call with the new state whenever it changes; a second call replaces the first."""
        self._on_state = call

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

    def reconfigure(self, options: LinkOptions) -> None:
        """Use new options: limits hold at once, the others from the next connection on.

        Other keys begin a new connection: the present one has proven something else.
        """
        before, self.options = self.options, options
        if options != before:
            self._backoff = _backoff(options)
        self.outbox.reconfigure(options.limits)
        if options.proof != before.proof and self._connection is not None:
            self._connection.close("the link has other keys now")

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
        if linger > 0 and self.outbox.waiting:
            await drained(self.outbox, linger)
        self._task.cancel()
        await asyncio.gather(self._task, *self._closing, return_exceptions=True)
        if self._connection is not None:
            await self._half_close(self._connection, linger, reason)
        self._become(GONE, "")
        self._kit.descriptors.links -= 1
        if self.outbox.waiting:
            lost = self.outbox.waiting
            self._kit.log.warning("dropped at stop link=%s messages=%d", self.name, lost)
        self.outbox.clear("stop")
        self._forget_asker()

    # Owner of its connection

    def ready(self, connection: Connection, peer: Peer) -> str:
        """The handshake is done: send the outbox, take replies."""
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
        connection.use(ingress, self.outbox)
        self._become(UP, "")
        self._kit.log.info("link up link=%s remote=%s", self.name, self.address)
        return ""

    def closed(self, connection: Connection, reason: str) -> None:
        """Note that the connection is over; `_run` makes the next attempt."""
        was_up = connection.outbox is not None
        failed = WRONG_KEY if self._handshake and self._handshake.proving else REFUSED
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
                connection.refused, reason,
            )  # fmt: skip

    def _forget_asker(self) -> None:
        """The far side may have asked: what waits is not for the peer that connects next."""
        if self._kit.switch.peers.pop(self._identity, None) is not None:
            self.outbox.clear("gone")
            self._kit.departed(self._identity)

    async def _half_close(self, connection: Connection, linger: float, reason: str) -> None:
        if self.state != UP or self.outbox.waiting:
            connection.close(reason)
            return
        await close_gracefully(connection.release(reason), linger)

    def _become(self, state: str, reason: str) -> None:
        """Change the state; its handler is told, and a fault of the handler harms no link."""
        before, self._state, self.reason = self._state, state, reason
        if state == before:
            return
        self._kit.call_plugin(self.name, "(link state)", partial(self._on_state, state))

    def _tell(self, call: Callable[[bytes, Outbox], None]) -> None:
        """Call the owner of the role; its exception harms no link."""
        self._kit.call_plugin(self.name, "(peer)", partial(call, self._identity, self.outbox))

    def _message(self, message: Message) -> None:
        if self.on_message is None:
            raise Refuse("a message without a route, and no handler here takes such messages")
        self.on_message(message)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            self._over.clear()
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
        self._handshake = Handshake(role.socket, identity, mechanism)
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


def _backoff(options: LinkOptions) -> Backoff:
    return Backoff(options.reconnect, options.reconnect_max, random.random)


async def drained(outbox: Outbox, seconds: float) -> bool:
    """Wait until an outbox is empty; False if it takes longer."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while outbox.waiting and loop.time() < end:
        await asyncio.sleep(0.005)
    return not outbox.waiting

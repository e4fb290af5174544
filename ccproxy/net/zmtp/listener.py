"""A ZMTP listener: accepts peers on one address, gives them identities and outboxes, counts them.

Peers of CC listeners share one space of identities, the switch's. It must never let a
fault of one peer harm another: a peer that breaks the protocol is closed, counted and named.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ccproxy.config.address import Address
from ccproxy.config.keys import KeyFault
from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.delivery.numbered import NumberedIngress
from ccproxy.core.outbox import Outbox
from ccproxy.core.pace import FAULTS, IDLE
from ccproxy.core.rights import PeerAccess
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.net.acceptor import Acceptor
from ccproxy.net.sender import CLOSED, SAID_NOTHING
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import close_gracefully
from ccproxy.net.sweep import Sweep
from ccproxy.net.zmtp.connection import Connection
from ccproxy.net.zmtp.identities import Holder
from ccproxy.net.zmtp.role import ConnectionConfig, ListenerRole, UnreadMessages
from ccproxy.net.zmtp.security import ListenerSecurity
from ccproxy.wire.zmtp import Handshake, Peer
from ccproxy.wire.zmtp.mechanism import Credential

ROUTER = ListenerRole(numbered=NumberedIngress)
"""The role of listeners of CC messages."""
POLL_INTERVAL = 0.005
"""Seconds between two checks whether the peers have ended, while the listener stops."""
GREETING_TIME = 0.2
"""Seconds that a handshake under way may still take then."""


class Identified(NamedTuple):
    """A peer whose handshake is done: its identity in the switch, and the name it has given itself
    or was given."""

    identity: bytes
    name: bytes


class ZmtpListener:
    """One address where ZMTP is spoken, and its peers."""

    def __init__(self, plan: ListenerPlan, kit: Kit, role: ListenerRole = ROUTER) -> None:
        self.name = plan.section
        self.role = role
        self.options: ZmtpListenerOptions = plan.options
        self.connections: dict[Connection, Identified | None] = {}
        address = Address.parse(str(plan.address))
        self.acceptor = Acceptor(plan.section, address, kit, self)
        self.counts = self.acceptor.counts
        self.past = Outbox(f"{plan.section} peers gone", self.options.limits)
        self._kit = kit
        self._holders: dict[bytes, Holder] = kit.identities.holders
        if role.own_identities:
            self._holders = {}
        self._reading: asyncio.Task[None] | None = None
        self._sweep = Sweep(lambda: self.connections, self._look)
        self._security = ListenerSecurity(self.options, kit.switch.access, self.counts)
        self._proven: dict[Connection, tuple[Credential | None, PeerAccess]] = {}

    @property
    def calls(self) -> int:
        """1 while peers are read to their end, after `stop_reading`; which messages will be
        answered is not known."""
        return int(self._reading is not None and not self._reading.done())

    def stop_reading(self) -> None:
        """Read what the peers have sent to its end, for at most `linger`, and then no more.

        A peer counts a message as sent when its kernel has it. Therefore each peer is told to send
        no more, by half a close, as soon as nothing waits for it.
        """
        self.role.stopped()
        for connection in self.connections:
            # A source that is acknowledged keeps what we do not read, and waits for what we say.
            if self._kit.far.stop(connection):
                connection.stop_reading()
        reading = self._read_to_the_end(self.options.linger)
        self._reading = asyncio.get_running_loop().create_task(reading, name=f"stop {self.name}")
        self._reading.add_done_callback(self._kit.log.ended)

    async def close_peers(self, reason: str, seconds: float) -> None:
        """Close all connections; a peer with an empty outbox has `seconds` to read the rest."""
        if self._reading is not None:
            self._reading.cancel()
        partings = []
        for connection in list(self.connections):
            box = connection.outbox
            if box is None or box.waiting:
                connection.close(reason)
            else:
                partings.append(close_gracefully(connection.release(reason), seconds))
        await asyncio.gather(*partings)

    def drop(self, wanted: Callable[[str], bool], reason: str) -> int:
        """Close the peers with a wanted name; how many there were."""
        found = [one for one in self.connections if wanted(one.name)]
        for one in found:
            one.close(reason)
        return len(found)

    def reconfigure(self, options: ZmtpListenerOptions) -> None:
        """Use new options: limits hold at once, the others for the connections to come.

        Keys and users are read again, and peers that have lost theirs are closed.
        """
        self.options = options
        self.acceptor.reconfigure(options)
        self.role.reconfigured(options)
        for connection in self.connections:
            if connection.outbox is not None:
                connection.outbox.reconfigure(options.limits)
        try:
            self._security.reread(options)
        except KeyFault as fault:
            self._kit.log.error("keys stay as they were listener=%s: %s", self.name, fault.strerror)
        self._ask_again()

    def _ask_again(self) -> None:
        """Give each peer the rights that it has now, or close it."""
        for connection, (credential, access) in list(self._proven.items()):
            if lost := self._security.admit(credential):
                connection.close(lost)
                continue
            access.become(self._security.access(credential))
            if connection.outbox is not None:
                connection.outbox.owner = self._security.owner(credential)

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers, and one that sums up those of peers gone."""
        boxes = [one.outbox for one in self.connections if one.outbox is not None]
        return [self.past, *boxes]

    async def _read_to_the_end(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while (open := self._greeted()) or self._greeting():
            passed = loop.time() - begun
            # A peer that has our half of the handshake sends messages behind its own half.
            if passed >= seconds or (not open and passed >= GREETING_TIME):
                break
            for connection, box in open:
                if not box.waiting and self._kit.far.settled(connection):
                    connection.half_close()
            await asyncio.sleep(POLL_INTERVAL)
        for connection in [*(one for one, _ in open), *self._greeting()]:
            connection.stop_reading()

    def _greeting(self) -> list[Connection]:
        """The connections whose handshake is not done."""
        return [one for one in self.connections if one.outbox is None]

    def _greeted(self) -> list[tuple[Connection, Outbox]]:
        """The connections to be read to their end: those whose handshake is done."""
        open = [one for one in self.connections if not self._kit.far.keeps(one)]
        return [(one, one.outbox) for one in open if one.outbox is not None]

    # Owner of its connections

    def ready(self, connection: Connection, peer: Peer) -> str:
        """Give a peer its identity, outbox and ingress; a reason if it is refused."""
        identities, role = self._kit.identities, self.role
        name = peer.identity or identities.next()
        taken = name in self._holders and not self._hand_over(name, peer.credential)
        if taken:
            self.counts["duplicate-identity"] += 1
            if self.options.identity_conflict != "unserved":
                return f"identity {name!r} is connected already"
        # A reload may have taken the key while the handshake was under way.
        if lost := self._security.admit(peer.credential):
            return lost
        if taken:
            self._leave_unserved(connection, name)
            return ""
        access = self._identify(connection, peer.credential)
        identity = identities.next() if role.own_identities else name
        peer_name = f"{self.name} {connection.name}"
        box = Outbox(peer_name, self.options.limits, memory=self._kit.memory)
        box.owner = self._security.owner(peer.credential)
        if (replies := role.replies(box)) is not None:
            self._kit.switch.peers[identity] = replies
        answers = None if replies is None else box
        self._holders[name] = connection
        self.connections[connection] = Identified(identity, name)
        self.acceptor.spoke(connection)
        self.counts["peers"] += 1
        self._tell(role.joined, identity, box)
        source = MessageSource(
            identity, connection.name, self.name, name, peer.version, access, answers
        )
        input = PeerInput(source, self.options.frame_limits, connection.tired)
        switch, far = self._kit.switch, self._kit.far
        made = role.numbered and far.ingress(switch, connection, peer, input, role.numbered)
        connection.use(made or role.ingress(switch, input), box)
        self._kit.log.debug("peer up listener=%s peer=%s", self.name, connection.name)
        return ""

    def _leave_unserved(self, connection: Connection, name: bytes) -> None:
        """Keep a peer whose identity is taken, as libzmq does: closed, it would come back."""
        kit = self._kit
        self.acceptor.spoke(connection)
        box = Outbox(f"{self.name} {connection.name}", self.options.limits, memory=kit.memory)
        connection.use(UnreadMessages(kit.switch, self.options.frame_limits, "refused"), box)
        kit.log.not_served(self.name, connection.name, name)

    def _identify(self, connection: Connection, credential: Credential | None) -> PeerAccess:
        """Name the peer by what it has proven; what it may do."""
        access = self._security.access(credential)
        self._proven[connection] = credential, access
        if credential is not None:
            self._kit.handshakes.succeeded(connection.name)
            name, kind, value = self._security.owner(credential)
            self._kit.log.debug(
                "proven listener=%s peer=%s name=%s %s=%s",
                self.name, connection.name, name, kind, value,
            )  # fmt: skip
            if name:
                connection.name = f"{name}@{connection.name}"
        return access

    def closed(self, connection: Connection, reason: str) -> None:
        """Forget a peer; what waited for it is gone."""
        known = self.connections.pop(connection)
        self._proven.pop(connection, None)
        self._kit.far.closed(connection)
        self.acceptor.left(connection)
        if known is None and connection.outbox is not None:  # it was left unserved
            return
        if known is None or connection.outbox is None:
            if reason == SAID_NOTHING:  # a look whether the port is open: no handshake has begun
                self._kit.log.debug("%s listener=%s peer=%s", reason, self.name, connection.name)
            else:
                self.counts["handshake-failed"] += 1
                self._kit.log.peer_closed(self.name, connection.name, reason)
            return
        box, identity = connection.outbox, known.identity
        if self._holders.get(known.name) is connection:
            del self._holders[known.name]
            self._kit.switch.peers.pop(identity, None)
        self._tell(self.role.left, identity, box)
        box.clear("gone")
        self.past.absorb(box)
        self._kit.departed(identity)
        if reason == CLOSED:
            self._kit.log.debug("peer gone listener=%s peer=%s", self.name, connection.name)
        else:
            self._kit.log.peer_closed(self.name, connection.name, reason)

    def _tell(self, call: Callable[[bytes, Outbox], None], identity: bytes, box: Outbox) -> None:
        """Call the owner of the role; its exception harms no peer."""
        self._kit.call_plugin(self.name, "(peer)", partial(call, identity, box))

    def _hand_over(self, name: bytes, credential: Credential | None) -> bool:
        """Close the peer that has this identity, at any listener, if the options say so.

        Where keys are proven it must have the same one, or it would get the answers for another.
        """
        holder = self._holders.get(name)
        if self.options.identity_conflict != "handover" or holder is None:
            return False
        if holder.credential != credential:
            return False
        self.counts["handed-over"] += 1
        holder.close("its identity was taken over by a new connection")
        return True

    # Owner of its acceptor

    def accepted(self, sock: socket.socket, peer: str) -> Connection:
        """Begin the handshake."""
        kit = self._kit
        config = ConnectionConfig(
            kit.flush_queue, self.options, kit.switch.too_big, kit.memory, kit.handshakes
        )
        mechanism = self._security.mechanism()
        if mechanism is not None:
            config = replace(config, pause=kit.handshakes.pause)
        role = self.role
        properties = kit.far.properties(role.numbered) if role.numbered else None
        handshake = Handshake(role.socket, role.identity, mechanism or role.mechanism(), properties)
        connection = Connection(sock, peer, handshake, self, config)
        self.connections[connection] = None
        connection.open()
        self._sweep.start()
        return connection

    def evict(self, one: Connection, reason: str) -> None:
        """Close a connection; `closed` says why."""
        one.close(reason)

    def _look(self, connection: Connection, now: float) -> None:
        """Close a peer that does not keep pace."""
        limits = self.options.pace
        if fault := connection.look(now, limits):
            self.counts[fault] += 1
            connection.close(CLOSED if fault == IDLE else FAULTS[fault].format(limits))

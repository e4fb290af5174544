"""A listener: accepts peers on one address, gives them identities and outboxes, counts them.

Peers of all listeners share one space of identities, the switch's. It must never let one peer's
misbehaviour reach another: whoever breaks the protocol is closed, counted and named.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections import Counter
from pathlib import Path

from ccproxy.config.address import Address
from ccproxy.config.links import ListenerOptions
from ccproxy.core.outbox import Outbox
from ccproxy.core.switch import Ingress
from ccproxy.net.connection import CLOSED, Connection, Wiring
from ccproxy.net.journal import Journal
from ccproxy.net.services import Services
from ccproxy.net.sockets import bind, bound, prepare
from ccproxy.wire.zmtp import Handshake, Peer, generated_identity

ACCEPTS = 64
"""Connections accepted in one turn."""
BREATH = 0.2
"""Seconds without accepting when the process has no file descriptor left."""


class Identities:
    """Makes identities no peer has had: 5 bytes, the first one zero."""

    def __init__(self, first: int) -> None:
        self._numbers = itertools.count(first)

    def next(self) -> bytes:
        """The next identity."""
        return generated_identity(next(self._numbers) & 0xFFFFFFFF)


class Listener:
    """One address, its socket and its peers."""

    def __init__(
        self, name: str, address: Address, options: ListenerOptions, services: Services
    ) -> None:
        self.name = name
        self.address = address
        self.options = options
        self.bound = str(address)
        self.counts: Counter[str] = Counter()
        self.past = Outbox(f"{name} peers gone", options.limits)
        self.connections: dict[Connection, bytes | None] = {}
        self._services = services
        self._journal: Journal = services.journal
        self._socket: socket.socket | None = None
        self._loop = asyncio.get_running_loop()

    def open(self) -> None:
        """Bind; OSError if the address cannot be had. Accepting begins with `accept`."""
        self._socket = bind(self.address, self.options.backlog)
        self.bound = bound(self._socket, self.address)

    def accept(self) -> None:
        """Begin to accept, or go on."""
        if self._socket is not None:
            self._loop.add_reader(self._socket.fileno(), self._acceptable)

    def close(self) -> None:
        """Stop accepting; connections stay."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        if self.address.scheme == "ipc":
            with contextlib.suppress(FileNotFoundError):
                Path(self.address.path).unlink()

    def drop(self, reason: str) -> None:
        """Close every connection."""
        for connection in list(self.connections):
            connection.close(reason)

    def reconfigure(self, options: ListenerOptions) -> None:
        """New options: limits hold at once, the rest for connections to come."""
        self.options = options
        for connection in self.connections:
            if connection.outbox is not None:
                connection.outbox.reconfigure(options.limits)

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers, and one that sums up those of peers gone."""
        boxes = [one.outbox for one in self.connections if one.outbox is not None]
        return [self.past, *boxes]

    # Owner of its connections

    def ready(self, connection: Connection, peer: Peer) -> str:
        """Give a peer its identity, outbox and ingress; a reason if it is refused."""
        identity = peer.identity or self._services.identities.next()
        peers = self._services.switch.peers
        if identity in peers and not self._hand_over(identity):
            self.counts["duplicate-identity"] += 1
            return f"identity {identity!r} is connected already"
        box = Outbox(f"{self.name} {connection.name}", self.options.limits)
        peers[identity] = box
        ingress = Ingress(
            self._services.switch, identity, connection.name, self.name, self.options.frame_limits
        )
        connection.use(ingress, box)
        self.connections[connection] = identity
        self.counts["peers"] += 1
        self._journal.debug("peer up listener=%s peer=%s", self.name, connection.name)
        return ""

    def closed(self, connection: Connection, reason: str) -> None:
        """Forget a peer; what waited for it is gone."""
        identity = self.connections.pop(connection)
        if identity is None or connection.outbox is None:
            self.counts["handshake-failed"] += 1
            self._journal.peer_closed(self.name, connection.name, reason)
            return
        box = connection.outbox
        if self._services.switch.peers.get(identity) is box:
            del self._services.switch.peers[identity]
        box.clear("gone")
        self.past.absorb(box)
        if reason == CLOSED:
            self._journal.debug("peer gone listener=%s peer=%s", self.name, connection.name)
        else:
            self._journal.peer_closed(self.name, connection.name, reason)

    def _hand_over(self, identity: bytes) -> bool:
        """Close the peer that has this identity, if the options say so."""
        if self.options.identity_conflict != "handover":
            return False
        for connection, known in list(self.connections.items()):
            if known == identity:
                self.counts["handed-over"] += 1
                connection.close("its identity was taken over by a new connection")
        return identity not in self._services.switch.peers

    def _acceptable(self) -> None:
        for _ in range(ACCEPTS):
            if self._socket is None:
                return
            try:
                sock, where = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._welcome(sock, where)

    def _pause(self, error: OSError) -> None:
        """No file descriptor left: the kernel's queue holds new peers for a moment."""
        assert self._socket is not None
        self.counts["accept-failed"] += 1
        self._journal.often("accept", "cannot accept listener=%s: %s", self.name, error.strerror)
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(BREATH, self.accept)

    def _welcome(self, sock: socket.socket, where: object) -> None:
        name = _name(where)
        self.counts["accepted"] += 1
        if len(self.connections) >= self.options.max_peers:
            self.counts["too-many"] += 1
            self._journal.peer_closed(self.name, name, f"max-peers = {self.options.max_peers}")
            sock.close()
            return
        try:
            prepare(sock, self.options)
        except OSError as error:
            sock.close()
            self._journal.peer_closed(self.name, name, error.strerror or str(error))
            return
        services = self._services
        wiring = Wiring(services.turn, self.options, services.too_big)
        connection = Connection(sock, name, Handshake(b"ROUTER"), self, wiring)
        self.connections[connection] = None
        connection.open()


def _name(where: object) -> str:
    """A peer's address for people: 10.0.0.1:5555, [::1]:5555, or ipc."""
    if not isinstance(where, tuple) or not where:
        return "ipc"
    host, port = str(where[0]), where[1]
    host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

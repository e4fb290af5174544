"""The accepting half of a listener: one bound address, the accept loop, and its errors.

It must never know what the connections speak.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

from ccproxy.config.address import Address
from ccproxy.config.links import ListenerOptions
from ccproxy.config.security import Network
from ccproxy.net.admission import Admission, Closable
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import bound, prepare

ACCEPTS = 16
"""Connections accepted in one turn."""
RETRY_DELAY = 0.2
"""Seconds without accepting when the process has no file descriptor left."""


class AcceptOwner(Protocol):
    """What makes connections of accepted sockets. It calls `Acceptor.left` when one is closed, and
    `Acceptor.spoke` when the peer has said something."""

    def accepted(self, sock: socket.socket, peer: str) -> Closable:
        """A connection over a prepared socket; `peer` is the peer's name for people."""

    def evict(self, one: Any, reason: str) -> None:
        """Close one of these connections, and write the reason to the log."""


class Accepting(Protocol):
    """What accepts the connections of a listener; an Acceptor, if it has an address."""

    name: str
    bound: str
    """The address as it was bound, with the port that the system chose; `open` binds the same."""
    counts: Counter[str]

    @property
    def address(self) -> Address | None:
        """The address of the INI; None if the listener has none, because it connects itself."""

    @property
    def silent(self) -> int:
        """Connections that have said nothing yet."""

    @property
    def listening(self) -> bool:
        """False while the address is not bound."""

    def open(self, options: Any) -> None:
        """Bind the address; OSError if that fails."""

    def accept(self) -> None:
        """Begin to accept connections."""

    def close(self) -> None:
        """Stop accepting."""

    def reopen(self) -> None:
        """Bind the same and accept again after `close`; OSError if that fails."""


class Acceptor:
    """Accepts the connections of one address."""

    def __init__(self, name: str, address: Address, kit: Kit, owner: AcceptOwner) -> None:
        self.name = name
        self.address = address
        self.bound = str(address)
        self.counts: Counter[str] = Counter()
        self._log = kit.log
        self._descriptors = kit.descriptors
        self._everywhere = kit.silent
        self._listening = kit.listening
        self._owner = owner
        self._admission = Admission(self.counts, kit.silent, owner.evict)
        self.left = self._admission.remove
        """A connection is closed."""
        self.spoke = self._admission.spoke
        """The peer of a connection has said something."""
        self._options = ListenerOptions()
        self._socket: socket.socket | None = None
        self._loop = asyncio.get_running_loop()

    def open(self, options: ListenerOptions) -> None:
        """Bind the address; OSError if that fails. `accept` then begins to accept. A port that the
        system chose before, as `bound` says it, is asked for again."""
        self._options = options
        port = Address.parse(self.bound).port
        self._socket = self._listening.open(
            self.name, self.address, options.backlog, options.mode, port
        )
        self.bound = bound(self._socket, self.address)

    @property
    def silent(self) -> int:
        """Connections that have said nothing yet."""
        return self._admission.silent

    @property
    def listening(self) -> bool:
        """False before `open` and after `close`."""
        return self._socket is not None

    def accept(self) -> None:
        """Begin to accept connections, or go on after a pause."""
        if self._socket is None:
            return
        if self._descriptors.scarce():
            self._loop.call_later(RETRY_DELAY, self.accept)
        else:
            self._loop.add_reader(self._socket.fileno(), self._acceptable)

    def close(self) -> None:
        """Stop accepting; accepted connections stay open."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._listening.close(self._socket)
        self._socket = None

    def reopen(self) -> None:
        """Bind the same port or file and accept again after `close`; OSError if another process
        has it now."""
        self.open(self._options)
        self.accept()

    def reconfigure(self, options: ListenerOptions) -> None:
        """Use new options for the connections accepted from now on, and a new mode at once."""
        before, self._options = self._options, options
        if options.mode in (None, before.mode) or self._socket is None:
            return
        if not self._listening.has_file(self._socket):
            return
        file = self.address.file
        try:
            Path(file).chmod(options.mode)
        except OSError as error:
            self._log.warning("cannot change the mode of %s: %s", file, error.strerror)

    def _acceptable(self) -> None:
        for _ in range(ACCEPTS):
            if self._socket is None:
                return
            try:
                sock, where = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error.strerror or str(error))
                return
            taken = self._accepted(sock, where)
            scarce = taken and self._descriptors.scarce()
            if scarce and not self._everywhere.evict_for_descriptor():
                self._pause("the other file descriptors are reserved for links and files")
                return

    def _pause(self, reason: str) -> None:
        """No file descriptor is left: new peers wait in the kernel's queue for `RETRY_DELAY`."""
        if self._socket is None:
            return
        self.counts["accept-failed"] += 1
        key = f"cannot accept listener={self.name}"
        self._log.often(key, "cannot accept listener=%s: %s", self.name, reason)
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(RETRY_DELAY, self.accept)

    def _accepted(self, sock: socket.socket, where: object) -> bool:
        """Hand over a connection, unless it is refused and closed: then False."""
        peer = peer_name(where)
        self.counts["accepted"] += 1
        if self._options.addresses and not allowed(where, self._options.addresses):
            sock.close()
            self.counts["address-refused"] += 1
            self._log.peer_closed(self.name, peer, "its address is in no network of addresses")
            return False
        try:
            prepare(sock, self._options)
        except OSError as error:
            sock.close()
            self._log.peer_closed(self.name, peer, error.strerror or str(error))
            return False
        address = peer.rpartition(":")[0]
        if refusal := self._admission.refusal(address, self._options):
            sock.close()
            self._log.peer_closed(self.name, peer, refusal)
            return False
        self._admission.add(self._owner.accepted(sock, peer), address)
        return True


def allowed(where: object, networks: Sequence[Network]) -> bool:
    """True if a peer's address is in one of the networks; a Unix socket has no addresses."""
    if not isinstance(where, tuple) or not where:
        return True
    address = ip_address(str(where[0]).removeprefix("::ffff:").partition("%")[0])
    return any(address in network for network in networks)


def peer_name(where: object) -> str:
    """A peer's address for people: 10.0.0.1:5555, [::1]:5555, or ipc."""
    if not isinstance(where, tuple) or not where:
        return "ipc"
    host, port = str(where[0]).removeprefix("::ffff:"), where[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

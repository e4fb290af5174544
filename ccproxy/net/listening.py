"""The listening sockets of this process: opened, inherited from a server that it replaces, lent.

A process that takes another one's place gets its sockets, so that no connection is refused in
between. As long as two processes have a socket it is lent: the one that closes it leaves its file
alone. It must never accept a connection.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from ccproxy.config.address import Address
from ccproxy.net.sockets import bind, place_of


@dataclass(slots=True)
class ListeningSocket:
    """An open socket: the section it belongs to, its address, and the identity of its file.

    `number` tells it from the others of the process that it was inherited from, None if it was not.
    """

    socket: socket.socket
    owner: str
    address: Address
    mode: int | None
    file: tuple[int, ...]
    number: int | None = None
    lent: bool = False


@dataclass(frozen=True, slots=True)
class InheritedSocket:
    """A listening socket of the process that is replaced, not used yet."""

    number: int
    owner: str
    address: str
    socket: socket.socket


class ListeningSockets:
    """All of one server."""

    def __init__(self) -> None:
        self._open: dict[socket.socket, ListeningSocket] = {}
        self._inherited: list[InheritedSocket] = []

    def inherit(self, sockets: Collection[InheritedSocket]) -> None:
        """Use these in place of new ones; they are lent until `own`."""
        self._inherited = list(sockets)

    def open(
        self, owner: str, address: Address, backlog: int, mode: int | None = None, port: int = 0
    ) -> socket.socket:
        """A listening socket of a section, as `net.sockets.bind` makes it; OSError says why not.

        `port` is the number that the system chose for this address before, to be had again.
        """
        found = self._inherited_at(owner, address)
        if found is None:
            sock = bind(replace(address, port=port) if port else address, backlog, mode)
            made = ListeningSocket(sock, owner, address, mode, identity(address.file))
        else:
            self._inherited.remove(found)
            sock = found.socket
            sock.listen(backlog)
            made = ListeningSocket(
                sock, owner, address, mode, identity(address.file), found.number, lent=True
            )
        self._open[sock] = made
        return sock

    def has_file(self, sock: socket.socket) -> bool:
        """True if the file of a Unix socket is still that of this socket."""
        one = self._open.get(sock)
        return one is not None and bool(one.file) and one.file == identity(one.address.file)

    def close(self, sock: socket.socket) -> None:
        """Close a socket and remove its file, unless another process has them as well."""
        self.forget(sock)
        sock.close()

    def forget(self, sock: socket.socket) -> None:
        """As `close`, for a socket that something else closes."""
        one = self._open.get(sock)
        # The file goes before the socket, so that no client finds a file without a listener. A file
        # of another process that took our path stays.
        if one is not None and not one.lent and self.has_file(sock):
            with contextlib.suppress(OSError):
                Path(one.address.file).unlink()
        self._open.pop(sock, None)

    # Taking over from another process

    @property
    def used(self) -> list[int]:
        """The numbers of the inherited sockets that are open now."""
        return [one.number for one in self._open.values() if one.number is not None]

    def own(self) -> None:
        """The other process has let go: files are ours, sockets that nothing needed are closed."""
        for one in self._open.values():
            if one.lent and one.mode is not None and self.has_file(one.socket):
                with contextlib.suppress(OSError):
                    Path(one.address.file).chmod(one.mode)
            one.lent = False
        self.close_unused()

    def close_unused(self) -> None:
        """Close the inherited sockets that were not opened."""
        for one in self._inherited:
            one.socket.close()
        self._inherited.clear()

    # Giving to another process

    def all(self) -> list[ListeningSocket]:
        """Every open socket; another process may get them."""
        return list(self._open.values())

    def lend(self, sockets: Collection[socket.socket]) -> None:
        """Another process has these as well, and will go on with them."""
        for sock in sockets:
            if sock in self._open:
                self._open[sock].lent = True

    def _inherited_at(self, owner: str, address: Address) -> InheritedSocket | None:
        """The inherited socket for an address; a port that the system chose is its section's."""
        chosen = address.scheme == "tcp" and not address.port
        for one in self._inherited:
            if one.address == str(address) and (not chosen or one.owner == owner):
                return one
        if chosen or not self._inherited:
            return None
        where = place_of(address)
        return next((one for one in self._inherited if _place(one.socket) == where), None)


def _place(sock: socket.socket) -> object:
    """Where a socket is bound, as `place_of` says it of an address."""
    name = sock.getsockname()
    return (sock.family, name[:2]) if isinstance(name, tuple) else (sock.family, name)


def identity(file: str) -> tuple[int, ...]:
    """Device, number and time of a socket file, to tell ours from another; () without a file."""
    if not file:
        return ()
    try:
        found = Path(file).stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns

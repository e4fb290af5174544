"""The accepting half of a listener: one bound address, the accept loop, and its errors.

It must never know what the connections speak.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ccproxy.config.address import Address
from ccproxy.config.links import ListenerOptions
from ccproxy.core.pace import FAULTS, IDLE, PaceLimits
from ccproxy.net.notices import ServerLog
from ccproxy.net.sockets import bind, bound, prepare

ACCEPTS = 64
"""Connections accepted in one turn."""
RETRY_DELAY = 0.2
"""Seconds without accepting when the process has no file descriptor left."""

OnAccept = Callable[[socket.socket, str], bool]
"""Takes a prepared socket and the peer's name for people; False if there are too many."""


class Acceptor:
    """Accepts the connections of one address."""

    def __init__(self, name: str, address: Address, log: ServerLog, on_accept: OnAccept) -> None:
        self.name = name
        self.address = address
        self.bound = str(address)
        self.counts: Counter[str] = Counter()
        self._log = log
        self._on_accept = on_accept
        self._options = ListenerOptions()
        self._socket: socket.socket | None = None
        self._made: tuple[int, ...] = ()
        self._loop = asyncio.get_running_loop()

    def open(self, options: ListenerOptions) -> None:
        """Bind the address; OSError if that fails. `accept` then begins to accept."""
        self._options = options
        self._socket = bind(self.address, options.backlog, options.mode)
        self._made = _identity(self.address.file)
        self.bound = bound(self._socket, self.address)

    def accept(self) -> None:
        """Begin to accept connections, or go on after a pause."""
        if self._socket is not None:
            self._loop.add_reader(self._socket.fileno(), self._acceptable)

    def close(self) -> None:
        """Stop accepting; accepted connections stay open."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        # The file goes before the socket, so that no client finds a file without a listener. A file
        # of another process that took our path stays.
        if self._made and self._made == _identity(self.address.file):
            with contextlib.suppress(OSError):
                Path(self.address.file).unlink()
        self._socket.close()
        self._socket = None

    def reopen(self) -> None:
        """Bind and accept again after `close`; OSError if another process has the address now."""
        self.open(self._options)
        self.accept()

    def out_of_pace(self, peer: str, fault: str, limits: PaceLimits) -> None:
        """Count and name a peer that is closed because of its pace, see `core.pace`."""
        self.counts[fault] += 1
        if fault != IDLE:
            self._log.peer_closed(self.name, peer, FAULTS[fault].format(limits))

    def reconfigure(self, options: ListenerOptions) -> None:
        """Use new options for the connections accepted from now on, and a new mode at once."""
        before, self._options = self._options, options
        file = self.address.file
        if options.mode in (None, before.mode) or not file or self._made != _identity(file):
            return
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
                self._pause(error)
                return
            self._accepted(sock, peer_name(where))

    def _pause(self, error: OSError) -> None:
        """No file descriptor is left: new peers wait in the kernel's queue for `RETRY_DELAY`."""
        assert self._socket is not None
        self.counts["accept-failed"] += 1
        key = f"cannot accept listener={self.name}"
        self._log.often(key, "cannot accept listener=%s: %s", self.name, error.strerror)
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(RETRY_DELAY, self.accept)

    def _accepted(self, sock: socket.socket, peer: str) -> None:
        self.counts["accepted"] += 1
        try:
            prepare(sock, self._options)
        except OSError as error:
            sock.close()
            self._log.peer_closed(self.name, peer, error.strerror or str(error))
            return
        if not self._on_accept(sock, peer):
            sock.close()
            self.counts["too-many"] += 1
            self._log.peer_closed(self.name, peer, f"max-peers = {self._options.max_peers}")


def _identity(file: str) -> tuple[int, ...]:
    """Device, number and time of a socket file, to tell ours from another; () without a file."""
    if not file:
        return ()
    try:
        found = Path(file).stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns


def peer_name(where: object) -> str:
    """A peer's address for people: 10.0.0.1:5555, [::1]:5555, or ipc."""
    if not isinstance(where, tuple) or not where:
        return "ipc"
    host, port = str(where[0]).removeprefix("::ffff:"), where[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""The sockets of sessions: from which address they connect, and how an error is reported.

This module must never know what is said on them.
"""

from __future__ import annotations

import contextlib
import errno
import socket

from ccproxy.protocols import ssmmp
from ccproxy.service.sessions import TOO_LATE, UNREACHABLE

CONNECT_TIMEOUT = 5.0
"""Seconds to connect a granted session."""


def plain(address: str) -> str:
    """An address as the protocol writes it, without the zone of a link."""
    return ssmmp.host_and_port(address.partition("%")[0])[0]


def peer_of(name: object) -> tuple[str, int]:
    """Address and port of a far end, as a socket names it."""
    if isinstance(name, tuple) and len(name) >= 2:
        return plain(str(name[0])), int(name[1])
    return ssmmp.NOWHERE, 0


def status_of(error: Exception) -> int:
    """What an acknowledgment says of a connection that could not be made."""
    return TOO_LATE if isinstance(error, TimeoutError) else UNREACHABLE


def connect(own: str, address: str, port: int) -> socket.socket:
    """A connected socket; it comes from this instance's own address if that is on this machine,
    so that both ends name the session alike."""
    try:
        sock = socket.create_connection((address, port), CONNECT_TIMEOUT, (own, 0))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        sock = socket.create_connection((address, port), CONNECT_TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(None)
    return sock


def listen(address: str, port: int) -> socket.socket:
    """A socket that listens at the address by which other nodes know the instance."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock


def close(sock: socket.socket) -> None:
    """Close both directions; a thread that waits to read from it wakes up."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()

"""Sockets by address: bind, resolve, connect, close, and the kernel options of both sides.

It must never speak a protocol: what it returns is a plain non-blocking socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import select
import socket
import stat
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions, SocketOptions

KEEPS_FILE: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
"""For asyncio's servers on Unix sockets: newer ones remove the file, which may be another's by
then. `ListeningSockets` and the control socket do that themselves."""
_GONE = getattr(select, "POLLRDHUP", select.POLLHUP) | select.POLLHUP | select.POLLERR
DRAIN_SIZE = 256 * 1024
"""Bytes of one read whose content is thrown away."""


def bind(address: Address, backlog: int, mode: int | None = None) -> socket.socket:
    """A listening socket; OSError says why not. `*` listens on IPv6 and IPv4.

    `mode` is that of the file of a Unix socket; None leaves it to the umask.
    """
    if address.scheme == "ipc":
        return _bind_path(address, backlog, mode)
    family, where = _bind_to(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address.host != "*")
        sock.bind(where)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def place_of(address: Address) -> object:
    """The family and name that a socket of this address would be bound to; OSError if the host has
    no address."""
    if address.scheme == "ipc":
        return socket.AF_UNIX, address.unix
    family, where = _bind_to(address)
    return family, where[:2]


@contextlib.contextmanager
def listening_on(address: object) -> Iterator[None]:
    """Raise OSError with the address and the reason if it cannot be bound."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise OSError(f"cannot listen on {address}: {why}") from error


def bound(sock: socket.socket, address: Address) -> str:
    """The address a listening socket got, a port chosen by the system filled in."""
    if address.scheme == "ipc":
        return str(address)
    return str(Address("tcp", host=address.host, port=sock.getsockname()[1]))


def prepare(sock: socket.socket, options: SocketOptions) -> None:
    """Set what the options say on a connection, accepted or about to be dialled.

    OSError if the kernel refuses one of them, also because of its size.
    """
    try:
        _prepare(sock, options)
    except (OverflowError, TypeError) as error:
        raise OSError(errno.EINVAL, f"socket option out of range: {error}") from error


def reason_of(error: int) -> str:
    """The reason text for a connection that ended with this error number."""
    return f"read failed: {os.strerror(error)}"


def _prepare(sock: socket.socket, options: SocketOptions) -> None:
    sock.setblocking(False)
    for option, size in (
        (socket.SO_RCVBUF, options.zmq_rcvbuf),
        (socket.SO_SNDBUF, options.zmq_sndbuf),
    ):
        if size:
            sock.setsockopt(socket.SOL_SOCKET, option, size)
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keepalive = options.keepalive
    if keepalive is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", keepalive.idle),
        ("TCP_KEEPINTVL", keepalive.interval),
        ("TCP_KEEPCNT", keepalive.count),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def quiet(sock: socket.socket) -> bool:
    """True if, as far as the kernel knows, nothing is unread and all that was sent has arrived."""
    try:
        counts = [fcntl.ioctl(sock, ask, bytes(4)) for ask in (termios.FIONREAD, termios.TIOCOUTQ)]
    except OSError:
        return False
    return not any(map(any, counts))


def reached(sock: socket.socket) -> bool:
    """True if, as far as the kernel knows, the peer is there and its system has all that was sent.

    It needs no read: a peer that is held back has its answers behind bytes that nothing reads.
    """
    poll = select.poll()
    try:
        poll.register(sock, _GONE)
        # Of a Unix socket this counts what the program has not read, and no line can be cut.
        remote = sock.family != socket.AF_UNIX
        return not (remote and unsent(sock)) and not poll.poll(0)
    except (OSError, ValueError):
        return False


def unsent(sock: socket.socket) -> int:
    """Bytes that were written and have not arrived; 0 if that cannot be known."""
    try:
        return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):
        return 0


async def connect(address: Address, options: LinkOptions) -> socket.socket:
    """A connected socket; every address a name resolves to is tried, the last error raised."""
    if address.scheme == "ipc":
        return await _dial(socket.AF_UNIX, address.unix, options)
    loop = asyncio.get_running_loop()
    with _host_names(address):
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    error = OSError(f"{address.host} has no address")
    for family, _, _, _, where in found:
        try:
            return await _dial(family, where, options)
        except OSError as failed:
            error = failed
    raise error


async def _dial(family: int, where: str | tuple[Any, ...], options: LinkOptions) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        prepare(sock, options)
        async with asyncio.timeout(options.handshake_timeout):
            await _connect(sock, where)
    except TimeoutError:
        sock.close()
        raise OSError(f"no answer within {options.handshake_timeout:g} s") from None
    except BaseException:
        sock.close()
        raise
    if family != socket.AF_UNIX and sock.getsockname() == sock.getpeername():
        # The port lies in the range of ports for outgoing connections and has no listener: the
        # kernel picked it for our end as well, and connected the socket to itself.
        sock.close()
        raise OSError(errno.ECONNREFUSED, "connected to itself")
    return sock


async def _connect(sock: socket.socket, where: str | tuple[Any, ...]) -> None:
    """Connect; the OSError has the system's text, which the loop replaces by the address."""
    try:
        await asyncio.get_running_loop().sock_connect(sock, where)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno)) from error


def detached(writer: asyncio.StreamWriter) -> socket.socket:
    """The non-blocking socket of a connection, which asyncio gives up without ending it."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    descriptor = os.dup(writer.get_extra_info("socket").fileno())
    writer.transport.abort()
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    return sock


async def close_gracefully(sock: socket.socket, seconds: float) -> None:
    """Close so that what was written arrives: wait for the other side to close as well.

    The kernel throws away what it has not delivered if a socket is closed with unread bytes, so
    they are read until then, for at most `seconds`.
    """
    loop = asyncio.get_running_loop()
    with sock, contextlib.suppress(OSError, TimeoutError):
        sock.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(seconds):
            while await loop.sock_recv(sock, DRAIN_SIZE):
                pass


def _bind_to(address: Address) -> tuple[int, tuple[Any, ...]]:
    if address.host == "*":
        if _has_ipv6():
            return socket.AF_INET6, ("::", address.port)
        return socket.AF_INET, ("0.0.0.0", address.port)
    with _host_names(address):
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    # IPv4 first for a name with both: clients of the original connect to that.
    family, _, _, _, where = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, where


@contextlib.contextmanager
def _host_names(address: Address) -> Iterator[None]:
    """Raise OSError for a name that cannot be resolved, such as 64 letters without a dot."""
    try:
        yield
    except UnicodeError as error:
        raise OSError(f"{address.host} is no host name: {error}") from error


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        return True
    return False


def _bind_path(address: Address, backlog: int, mode: int | None) -> socket.socket:
    if address.file:
        _remove_stale(Path(address.file))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if mode is not None:
            # Linux gives the file the mode of the socket without the bits of the umask, so the file
            # never has more than it may; what the umask took away is added afterwards.
            os.fchmod(sock.fileno(), mode)
        sock.bind(address.unix)
        if mode is not None and address.file:
            Path(address.file).chmod(mode)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    """Remove a socket file that has no listener any more; a server that was killed leaves one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise OSError(errno.ENOENT, f"there is no folder {path.parent}") from None
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EADDRINUSE, f"{path} is there and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Do not wait for a process that listens there but does not accept.
        probe.setblocking(False)
        if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink(missing_ok=True)

"""ZeroMQ sockets for command lines, on pyzmq: one socket, one message after the other.

Programs and daemons use `ccproxy.client`. No call waits longer than it is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import zmq

RECONNECT_INTERVAL = 100
"""In milliseconds, at first; it grows to fifty times as much."""
SUBSCRIBE = b"\1"
"""In front of a prefix, in what an XPUB receives."""

Frames = Sequence[bytes]
ZmqSocket = zmq.Socket[bytes]
Prepare = Callable[[ZmqSocket], None]
"""Gives a socket what it proves who we are with, before it connects."""


@contextmanager
def opened(
    kind: str, address: str, bind: bool = False, prepare: Prepare | None = None
) -> Iterator[ZmqSocket]:
    """A socket of this type at an address; ValueError if that is impossible.

    What it has sent and the far side has not taken is lost at the end, unless `linger` is set.
    """
    context = zmq.Context()
    made = context.socket(getattr(zmq, kind.upper()))
    try:
        # With IPV6 set, libzmq resolves a name such as localhost to IPv6 addresses only.
        options = {
            zmq.LINGER: 0, zmq.IPV6: int("[" in address), zmq.RECONNECT_IVL: RECONNECT_INTERVAL,
            zmq.RECONNECT_IVL_MAX: 50 * RECONNECT_INTERVAL, zmq.IMMEDIATE: 1,
        }  # fmt: skip
        for name, setting in options.items():
            made.setsockopt(name, setting)
        if prepare is not None:
            prepare(made)
        try:
            if bind:
                made.bind(address)
            else:
                made.connect(address)
        except zmq.ZMQError as error:
            what = "listen on" if bind else "connect to"
            raise ValueError(f"cannot {what} {address!r}: {error}") from None
        yield made
    finally:
        made.close()
        context.term()


def send(socket: ZmqSocket, frames: Frames, deadline: float) -> None:
    """Send one message once a peer is there to take it; TimeoutError if none comes in time.

    An XPUB waits for a subscription of the topic: what a PUB sends before that is lost.
    """
    if socket.type == zmq.XPUB:
        _await_subscriber(socket, frames[0], deadline)
    elif not socket.poll(_left(deadline), zmq.POLLOUT):
        raise TimeoutError("no connection in time, nothing sent")
    socket.linger = max(1000, _left(deadline))
    socket.send_multipart(frames)


def _await_subscriber(socket: ZmqSocket, topic: bytes, deadline: float) -> None:
    while socket.poll(_left(deadline)):
        said = socket.recv()
        if said[:1] == SUBSCRIBE and topic.startswith(said[1:]):
            return
    raise TimeoutError("no subscriber of this topic in time, nothing sent")


def _left(deadline: float) -> int:
    """Milliseconds until then."""
    return max(0, int(1000 * (deadline - time.monotonic())))


def received(socket: ZmqSocket, timeout: float | None = None) -> Iterator[Frames]:
    """Messages, until none comes for `timeout` seconds."""
    wait = None if timeout is None else int(1000 * timeout)
    while socket.poll(wait, zmq.POLLIN):
        yield socket.recv_multipart()

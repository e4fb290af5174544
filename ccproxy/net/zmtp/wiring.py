"""What a connection is wired to: where its bytes go, who owns it, what it shares with others.

Only shapes; it must never do anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.core.sinks import Sink
from ccproxy.net.flush import FlushQueue
from ccproxy.wire.zmtp import Peer

if TYPE_CHECKING:
    from ccproxy.net.zmtp.connection import Connection


class MessageSink(Protocol):
    """Where the bytes of a peer go once it is up: an Ingress or a ReplyIngress."""

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Take whole messages; see `ccproxy.core.hot`."""


class Owner(Protocol):
    """Who made the connection and decides about it."""

    def ready(self, connection: Connection, peer: Peer) -> str:
        """The handshake is done: call `connection.use`. A reason to close it instead, or ""."""

    def closed(self, connection: Connection, reason: str) -> None:
        """It is over; the outbox is detached already."""


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """What a connection is given: the flush queue, its options, and a call for the ledger."""

    flush_queue: FlushQueue
    options: LinkOptions | ZmtpListenerOptions
    too_big: Callable[[], None]

"""The options of the handler `zmq`, and the options of its listeners that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ccproxy import LinkOptions, kinds, option
from ccproxy.config import security
from ccproxy.config.links import SocketOptions, ZmtpListenerOptions

PUBLISHING = ("xpub", "pub")
SOCKETS = PUBLISHING
SAME = (
    *(one.name for one in fields(SocketOptions)), "handshake_timeout", "max_message", "max_frames",
    "zmq_hwm", "linger", "heartbeat", "heartbeat_timeout", "heartbeat_ttl", "curve_secret",
    "curve_allow", "plain_users", "refuse", "addresses", "open",
)  # fmt: skip
"""Options that mean the same for accepted peers and for dialled ones."""
ADDRESSES = kinds.list_of(kinds.listen_address)


@dataclass(frozen=True, slots=True)
class ZmqOptions(LinkOptions):
    """The socket, where it listens and what it connects to; `queue` and `on-full` hold for each
    peer."""

    socket: str = option(
        kinds.choice(*SOCKETS), help="which ZeroMQ socket this is; the peers are its opposites"
    )
    bind: tuple[str, ...] = option(ADDRESSES, default=(), help="addresses that peers connect to")
    connect: tuple[str, ...] = option(
        kinds.addresses, default=(), help="addresses of peers to connect to"
    )
    max_peers: int = option(
        kinds.positive, default=10_000, help="most connections at a time to each address of bind"
    )
    addresses: tuple[security.Network, ...] = security.addresses()
    open: bool = security.open_to_all()
    curve_allow: str = security.curve_allow()
    plain_users: str = security.plain_users()
    refuse: str = security.refuse()
    max_subscriptions: int = option(
        kinds.positive, default=100_000, help="most prefixes of one subscriber"
    )

    @property
    def keyed(self) -> tuple[LinkOptions | ZmtpListenerOptions, ...]:
        """Links of `connect`, listeners of `bind`, or both."""
        links = (self,) if self.connect or not self.bind else ()
        return (*links, self.listener) if self.bind else links

    @property
    def listener(self) -> ZmtpListenerOptions:
        """The options of a listener for accepted peers."""
        same = {name: getattr(self, name) for name in SAME}
        return ZmtpListenerOptions(
            peer_queue=self.queue,
            peer_queue_messages=self.queue_messages,
            peer_on_full=self.on_full,
            max_peers=self.max_peers,
            **same,
        )

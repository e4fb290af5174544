"""The options of `protocol = zmq`. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.config import kinds, security
from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.config.options import option, shared

SUBSCRIBING = ("xsub", "sub")
SOCKETS = (*SUBSCRIBING, "pull", "router", "rep")
SENDING = {
    word: f"{word} sends: it is for a section with handler = zmq"
    for word in ("xpub", "pub", "push", "dealer", "req")
}


@dataclass(frozen=True, slots=True)
class ZmqListenerOptions(ZmtpListenerOptions):
    """The socket, and the type of its messages."""

    socket: str = option(
        kinds.choice(*SOCKETS, elsewhere=SENDING),
        help="which ZeroMQ socket this is; the peers are its opposites",
    )
    type: str = option(kinds.message_type, help="the type of its messages, or its first part")
    topics: bool = option(
        kinds.flag, default=False,
        help="the topic stands behind the type: bus.weather.oslo for weather:oslo",
    )  # fmt: skip
    connect: tuple[str, ...] = option(
        kinds.addresses, default=(),
        help="addresses of peers to connect to; instead of `address`",
    )  # fmt: skip
    reconnect: float = option(
        kinds.duration("ms", least=0.001), default=0.1,
        help="with connect: wait before the first new attempt; it doubles each time",
    )  # fmt: skip
    reconnect_max: float = option(
        kinds.duration("ms", least=0.001), default=5.0,
        help="with connect: longest wait between two attempts",
    )  # fmt: skip
    curve_server: str = security.curve_server()
    plain_user: str = security.plain_user()
    plain_password_file: str = security.plain_password_file()
    subscribe: tuple[str, ...] | None = option(
        kinds.list_of(kinds.text), default=None,
        help="prefixes to ask publishers for, instead of what the destinations want",
    )  # fmt: skip

    @property
    def keyed(self) -> tuple[LinkOptions | ZmtpListenerOptions, ...]:
        """The links of `connect`, or the listener."""
        return (self.link,) if self.connect else (self,)

    @property
    def link(self) -> LinkOptions:
        """The options of the links that `connect` makes."""
        return LinkOptions(
            queue=self.peer_queue,
            queue_messages=self.peer_queue_messages,
            on_full=self.peer_on_full,
            **shared(self, LinkOptions),
        )

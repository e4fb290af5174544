"""The options of `protocol = zmq`. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.config import kinds
from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.options import option

SUBSCRIBING = ("xsub", "sub")
SOCKETS = (*SUBSCRIBING, "pull", "router", "rep")


@dataclass(frozen=True, slots=True)
class ZmqListenerOptions(ZmtpListenerOptions):
    """The socket, and the type of its messages."""

    socket: str = option(
        kinds.choice(*SOCKETS), help="which ZeroMQ socket this is; the peers are its opposites"
    )
    type: str = option(kinds.message_type, help="the type of its messages, or its first part")
    topics: bool = option(
        kinds.flag, default=False,
        help="the topic stands behind the type: bus.weather.oslo for weather:oslo",
    )  # fmt: skip
    subscribe: tuple[str, ...] | None = option(
        kinds.list_of(kinds.text), default=None,
        help="prefixes to ask publishers for, instead of what the destinations want",
    )  # fmt: skip

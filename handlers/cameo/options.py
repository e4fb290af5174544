"""The options of `cameo-proxy`, and those of its sockets that follow from them. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ccproxy import ZmtpListenerOptions, kinds, option
from ccproxy.config.address import Address
from ccproxy.config.options import shared

from ..zmq.options import SendingOptions, ZmqOptions

PORTS = 3
"""Of the responder proxy, of subscribers, and of publishers, as `proxy_ports` of a CAMEO server."""
ALL_INTERFACES = "0.0.0.0"


def _ports(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(one) for one in text.split(","))
    except ValueError:
        found = ()
    if len(found) != PORTS or not all(0 < one < 65536 for one in found):
        raise kinds.wrong(text, "three ports from 1 to 65535, such as 10000, 10001, 10002")
    if len(set(found)) < PORTS:
        raise kinds.wrong(text, "three different ports")
    return found


def _host(text: str) -> str:
    try:
        return Address.parse(f"tcp://{_bracketed(text)}:1").host
    except ValueError:
        raise kinds.wrong(text, "a host without scheme and port, such as 127.0.0.1") from None


def _bracketed(host: str) -> str:
    """The host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def _show(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))


PROXY_PORTS = kinds.checked("three ports", _ports, _show)
HOST = kinds.checked("host", _host)


@dataclass(frozen=True, slots=True)
class CameoOptions(ZmtpListenerOptions):
    """Where the three sockets listen; the other options hold for each of them."""

    exclusive: ClassVar[tuple[tuple[str, str], ...]] = (("zmq_hwm", "peer-queue-messages"),)

    proxy_ports: tuple[int, ...] = option(
        PROXY_PORTS, default=(),
        help="the ports of responders, publications and publishers, in the order of proxy_ports "
        "in the configuration of the CAMEO server",
    )  # fmt: skip
    host: str = option(
        HOST, default=ALL_INTERFACES,
        help="address of this machine that proxy-ports are of; applications connect to the "
        "address that host of the CAMEO server stands for",
    )  # fmt: skip
    responder: str = option(
        kinds.listen_address, default="",
        help="address of the responder proxy, instead of the first port",
    )  # fmt: skip
    publisher: str = option(
        kinds.listen_address, default="",
        help="address that subscribers connect to, instead of the second port",
    )  # fmt: skip
    internal: str = option(
        kinds.listen_address, default="",
        help="address that publishers connect to, instead of the third port",
    )  # fmt: skip
    type: str = option(
        kinds.message_type, default="",
        help="with it, requests and publications take the routes of this type: TYPE.request.NAME "
        "and TYPE.publication.TOPIC; without it they need none",
    )  # fmt: skip
    identity_conflict: str = option(
        kinds.choice("unserved", "refuse", "handover"), default="unserved",
        help="a second peer with the same identity stays connected and is not served, as in CAMEO; "
        "or it is refused, or takes the place of the first",
    )  # fmt: skip
    heartbeat: float = option(
        kinds.duration("s"), default=60.0, name="peer-heartbeat",
        help="time between two ZMTP pings to each peer, so that no firewall cuts a connection that "
        "is idle; 0 = none",
    )  # fmt: skip
    max_subscriptions: int = option(
        kinds.positive, default=100_000, help="most prefixes of one subscriber"
    )

    @property
    def listener(self) -> ZmtpListenerOptions:
        """The options of each socket."""
        return self

    def address(self, number: int) -> str:
        """Where a socket listens, by its number in the order of `proxy-ports`; "" for nowhere."""
        given = (self.responder, self.publisher, self.internal)[number]
        if given or not self.proxy_ports:
            return given
        return f"tcp://{_bracketed(self.host)}:{self.proxy_ports[number]}"

    @property
    def addresses_of_sockets(self) -> tuple[str, ...]:
        """The three addresses; "" for a socket that has none."""
        return tuple(map(self.address, range(PORTS)))

    @property
    def publishing(self) -> ZmqOptions:
        """The options of the XPUB."""
        given = shared(self, SendingOptions) | {
            "queue": self.limits.bytes,
            "queue_messages": self.limits.messages,
            "on_full": self.limits.policy,
            "zmq_hwm": None,
        }
        return ZmqOptions(socket="xpub", bind=(self.address(1),), **given)

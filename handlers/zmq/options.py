"""The options of the handler `zmq`, and the options of its listeners that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ccproxy import Limits, LinkOptions, kinds, option
from ccproxy.config import security
from ccproxy.config.links import HeartbeatTimes, ZmtpListenerOptions
from ccproxy.config.options import like, shared
from ccproxy.config.spools import Keep, SpoolOptions
from ccproxy.core.latest import window

LATEST = "latest"
PUBLISHING = ("xpub", "pub")
WORKING = ("push", "dealer", "req")
CALLING = ("dealer", "req")
SOCKETS = (*PUBLISHING, *WORKING)
MAX_ROUTING_ID = 255
"""Bytes of the longest routing id (ZMTP)."""


def _routing_id(text: str) -> str:
    if not 0 < len(text.encode()) <= MAX_ROUTING_ID or text.startswith("\0"):
        raise kinds.wrong(text, f"a name of 1 to {MAX_ROUTING_ID} bytes")
    return text


ROUTING_ID = kinds.checked("routing id", _routing_id)
ADDRESSES = kinds.list_of(kinds.listen_address)


def bus_type() -> str:
    """The option `type` of a section that publishers and subscribers connect to."""
    return option(  # type: ignore[no-any-return]
        kinds.message_type, default="",
        help="the type of what publishers send, or its first part: it goes where [routes] lead it "
        "then, and what they lead here is published; without it, all goes to the subscribers",
    )  # fmt: skip


def bus_topics() -> bool:
    """The option `topics` beside it."""
    return option(  # type: ignore[no-any-return]
        kinds.flag, default=False,
        help="with type: the topic stands behind it: bus.weather.oslo for weather:oslo",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SendingOptions(LinkOptions):
    """Options of any sending socket; `queue` and `on-full` hold for each peer, or for the messages
    that no worker has."""

    on_full: str = option(
        kinds.choice("drop-new", "drop-old", "block", "latest"), default="drop-new",
        help="what happens when the queue of a peer is full; block stops reading from the senders; "
        "latest keeps the newest message of each topic for a subscriber",
    )  # fmt: skip
    last_value: int = option(
        kinds.size_between(0, 1 << 40), default=0,
        help="size of a store with the newest message of each topic, which new subscribers get at "
        "once; 0 = none; publishers are asked for everything then",
    )  # fmt: skip
    welcome: str = option(
        kinds.text, default="", help="a message that each new subscriber gets first; empty = none"
    )
    verbose: str = option(
        kinds.choice("no", "yes", "all"), default="no",
        help="yes: publishers hear of every subscription, not only of the first to a topic; all: "
        "of every cancellation as well",
    )  # fmt: skip
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
    max_prefix: int = option(
        kinds.size_between(1, 4096), default=1024,
        help="longest prefix that a subscriber may have; each length costs a look-up, and a libzmq "
        "publisher 100 bytes for each byte",
    )  # fmt: skip
    worker_window: int = option(
        kinds.size_between(1), default=64 * 1024,
        help="bytes that wait for one worker; the others wait in the queue of the section, for the "
        "first worker that has room",
    )  # fmt: skip
    worker_window_messages: int = option(
        kinds.positive, default=1000, help="messages that wait for one worker"
    )
    identity: str = option(
        ROUTING_ID, default="",
        help="dealer and req: the name that we give ourselves where we connect",
    )  # fmt: skip
    resend: bool = option(
        kinds.flag, default=False,
        help="req: a request whose service goes away before it answers goes to another one; "
        "without it only if no byte of it was sent",
    )  # fmt: skip

    @property
    def own_identity(self) -> bytes:
        """The name that we give ourselves."""
        return self.identity.encode()

    @property
    def limits(self) -> Limits:
        """The limits of the outbox of each peer."""
        messages = self.queue_messages if self.zmq_hwm is None else 2 * self.zmq_hwm
        limits = Limits(self.queue, messages, self.on_full)
        return window(limits) if self.on_full == LATEST else limits

    @property
    def listener(self) -> ZmtpListenerOptions:
        """The options of a listener for accepted peers."""
        return ZmtpListenerOptions(
            peer_queue=self.limits.bytes,
            peer_queue_messages=self.queue_messages,
            peer_on_full=self.limits.policy,
            **shared(self, ZmtpListenerOptions),
        )

    @property
    def receiving_link(self) -> LinkOptions:
        """The options of links to peers that send; their outboxes hold what goes back."""
        return replace(self, on_full=self.limits.policy)


@dataclass(frozen=True, slots=True)
class ZmqOptions(SendingOptions):
    """The socket, where it listens and what it connects to."""

    socket: str = option(
        kinds.choice(*SOCKETS), help="which ZeroMQ socket this is; the peers are its opposites"
    )
    bind: tuple[str, ...] = option(ADDRESSES, default=(), help="addresses that peers connect to")
    connect: tuple[str, ...] = option(
        kinds.addresses, default=(), help="addresses of peers to connect to"
    )
    delivery: str = like(SpoolOptions, "delivery")
    window: int = like(SpoolOptions, "window")
    on_doubt: str = like(SpoolOptions, "on_doubt")
    attempts: int = like(SpoolOptions, "attempts")
    spool: str = like(SpoolOptions, "spool")
    spool_size: int = like(SpoolOptions, "spool_size")
    spool_keep: Keep = like(SpoolOptions, "spool_keep")
    spool_sync: str = like(SpoolOptions, "spool_sync")
    answer_timeout: float = option(
        kinds.duration("s"), default=0.0,
        help="req: time a service has to answer; then its request is counted as unanswered, or "
        "goes to another service with resend; 0 = for ever",
    )  # fmt: skip

    @classmethod
    def of(cls, socket: str, options: SendingOptions, bind: tuple[str, ...] = ()) -> ZmqOptions:
        """The options of one socket of a section that has several."""
        return cls(socket=socket, bind=bind, **shared(options, SendingOptions))

    @property
    def acknowledged(self) -> SpoolOptions:
        """The options of the link to another ccserver, of push and dealer."""
        return SpoolOptions(**shared(self, SpoolOptions))

    @property
    def pings(self) -> HeartbeatTimes:
        """When to ping peers: always, if acknowledgements are waited for."""
        return self.acknowledged.pings

    @property
    def keyed(self) -> tuple[LinkOptions | ZmtpListenerOptions, ...]:
        """Links of `connect`, listeners of `bind`, or both."""
        links = (self,) if self.connect or not self.bind else ()
        return (*links, self.listener) if self.bind else links


@dataclass(frozen=True, slots=True)
class DeviceOptions(SendingOptions):
    """The addresses of the two sockets of a device."""

    in_: tuple[str, ...] = option(
        ADDRESSES, name="in", default=(),
        help="addresses that publishers, sources or clients connect to",
    )  # fmt: skip
    out: tuple[str, ...] = option(
        ADDRESSES, default=(), help="addresses that subscribers, workers or services connect to"
    )
    in_connect: tuple[str, ...] = option(
        kinds.addresses, default=(),
        help="addresses of publishers, sources or clients to connect to, such as another device's "
        "out",
    )  # fmt: skip
    out_connect: tuple[str, ...] = option(
        kinds.addresses, default=(),
        help="addresses of subscribers, workers or services to connect to, such as another "
        "device's in",
    )  # fmt: skip

    @property
    def keyed(self) -> tuple[LinkOptions | ZmtpListenerOptions, ...]:
        """Sockets that connect, that listen, or both."""
        links = (self,) if self.connects else ()
        return (*links, self.listener) if self.in_ or self.out or not links else links

    @property
    def connects(self) -> bool:
        """True if one of the sockets connects to peers."""
        return bool(self.in_connect or self.out_connect)


@dataclass(frozen=True, slots=True)
class ForwarderOptions(DeviceOptions):
    """Those of a forwarder, whose messages can have routes."""

    type: str = bus_type()
    topics: bool = bus_topics()


@dataclass(frozen=True, slots=True)
class QueueOptions(DeviceOptions):
    """Those of a queue, which can have a connection for each client."""

    per_peer: bool = option(
        kinds.flag, default=False,
        help="yes: connect to out once for each client, with the routing id of that client, for "
        "services whose ROUTER reads it",
    )  # fmt: skip

    @property
    def services(self) -> tuple[str, ...]:
        """With `per-peer`: the addresses that are connected to."""
        return (*self.out, *self.out_connect)

    @property
    def connects(self) -> bool:
        """True also with `per-peer`."""
        return self.per_peer or bool(self.in_connect or self.out_connect)

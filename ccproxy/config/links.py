"""The options that every link and every listener has, and the frozen values made of them.

Options that begin with `zmq_` have the name and the meaning they had in the original server.
This module declares options; it must never open a link.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from ccproxy.config import kinds, security
from ccproxy.config.options import Kind, option
from ccproxy.core.delivery.source import SourceLimits
from ccproxy.core.delivery.spool_settings import SpoolSettings
from ccproxy.core.outbox import Limits
from ccproxy.core.pace import PaceLimits

MIB = 1024 * 1024

_POLICY = kinds.choice("drop-new", "drop-old", "block")
_HWM = "the original's limit in messages; it kept this many twice, so the queue holds 2 x"


def _switch(text: str) -> int:
    for kind in (kinds.integer, kinds.flag):
        with suppress(ValueError):
            return int(kind.parse(text))
    raise kinds.wrong(text, "yes, no, or a number; above 0 is yes")


SWITCH = Kind("yes | no | number", _switch)

_MAX_SIZE = 1 << 40
_QUEUE = kinds.size_between(1024)
"""A smaller size is most likely a number whose unit was forgotten."""
_BUFFER = kinds.size_between(0, 1 << 30)
_KEEPALIVE = kinds.duration("s", least=1, most=32_767)
"""Linux accepts no longer times: MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of net/tcp.h."""
_MAX_TTL = 6553.0
"""Seconds; ZMTP sends the time to live as tenths of a second in two bytes."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """TCP keep-alive: idle seconds before the first probe, seconds between probes, probe count."""

    idle: int
    interval: int
    count: int


@dataclass(frozen=True, slots=True)
class HeartbeatTimes:
    """ZMTP PING: seconds between pings (0 = never), seconds to wait for an answer, TTL to send."""

    interval: float
    timeout: float
    ttl: float


def idle_timeout(seconds: float = 0.0) -> float:
    """The option `idle-timeout`, for listeners whose protocol has a default of its own."""
    return option(  # type: ignore[no-any-return]
        kinds.duration("s"), default=seconds,
        help="time without a message in either direction after which a peer that waits for no "
        "answer is closed; 0 = never",
    )  # fmt: skip


def max_message(what: str = "in bytes on the wire") -> int:
    """The option `max-message`, for the tables of protocols that limit messages."""
    return option(  # type: ignore[no-any-return]
        kinds.size_between(1, _MAX_SIZE), default=64 * MIB,
        help=f"longest message that is taken, {what}",
    )  # fmt: skip


def _max_frames() -> int:
    return option(  # type: ignore[no-any-return]
        kinds.between(1), default=65_536, help="most frames of one message that is taken"
    )


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """What links and listeners have in common: buffers of the kernel and TCP keep-alive."""

    zmq_rcvbuf: int = option(
        _BUFFER, default=0, name="zmq_rcvbuf",
        help="receive buffer of the kernel in bytes; 0 = leave it to the system",
    )  # fmt: skip
    zmq_sndbuf: int = option(
        _BUFFER, default=0, name="zmq_sndbuf",
        help="send buffer of the kernel in bytes; 0 = leave it to the system",
    )  # fmt: skip
    zmq_tcp_keepalive: int = option(
        SWITCH, default=1, name="zmq_tcp_keepalive", help="TCP keep-alive; above 0 = on"
    )
    zmq_tcp_keepalive_idle: float = option(
        _KEEPALIVE, default=240.0, name="zmq_tcp_keepalive_idle",
        help="quiet time before the first keep-alive probe",
    )  # fmt: skip
    zmq_tcp_keepalive_intvl: float = option(
        _KEEPALIVE, default=15.0, name="zmq_tcp_keepalive_intvl",
        help="time between two keep-alive probes",
    )  # fmt: skip
    zmq_tcp_keepalive_cnt: int = option(
        kinds.between(1, 127), default=4, name="zmq_tcp_keepalive_cnt",
        help="lost keep-alive probes after which a connection is gone",
    )  # fmt: skip

    @property
    def keepalive(self) -> KeepAlive | None:
        """TCP keep-alive for the kernel, in whole seconds; None = off."""
        if self.zmq_tcp_keepalive <= 0:
            return None
        return KeepAlive(
            idle=math.ceil(self.zmq_tcp_keepalive_idle),
            interval=math.ceil(self.zmq_tcp_keepalive_intvl),
            count=self.zmq_tcp_keepalive_cnt,
        )


@dataclass(frozen=True, slots=True)
class LinkOptions(SocketOptions):
    """The options of every outgoing link; a handler with links inherits its Options from here."""

    exclusive: ClassVar[tuple[tuple[str, str], ...]] = (("zmq_hwm", "queue-messages"),)

    handshake_timeout: float = option(
        kinds.duration("s", least=0.001), default=10.0,
        help="time a new connection has to finish its handshake",
    )  # fmt: skip
    max_message: int = max_message()
    max_frames: int = _max_frames()
    queue: int = option(_QUEUE, default=64 * MIB, help="bytes that may wait for the far side")
    queue_messages: int = option(
        kinds.natural, default=0, help="messages that may wait for the far side; 0 = no limit"
    )
    zmq_hwm: int | None = option(
        kinds.natural, default=None, name="zmq_hwm", help=f"{_HWM} this number; 0 = no limit"
    )
    on_full: str = option(
        _POLICY, default="drop-new",
        help="what happens when the queue is full; block stops reading from the senders",
    )  # fmt: skip
    required: bool = option(
        kinds.flag, default=False,
        help="yes: the server is ready, as /readyz says it, only while this link is up",
    )  # fmt: skip
    linger: float = option(
        kinds.duration("ms"), default=0.5, aliases=("zmq_linger",),
        help="time at stop to send what still waits",
    )  # fmt: skip
    reconnect: float = option(
        kinds.duration("ms", least=0.001), default=0.1,
        help="wait before the first new attempt to connect; it doubles each time",
    )  # fmt: skip
    reconnect_max: float = option(
        kinds.duration("ms", least=0.001), default=5.0,
        help="longest wait between two attempts to connect",
    )  # fmt: skip
    heartbeat: float = option(
        kinds.duration("s"), default=0.0, help="time between two ZMTP pings; 0 = none"
    )
    heartbeat_timeout: float = option(
        kinds.duration("s"), default=0.0,
        help="time to wait for the answer to a ping; 0 = as heartbeat",
    )  # fmt: skip
    heartbeat_ttl: float = option(
        kinds.duration("s", most=_MAX_TTL), default=0.0,
        help="time after which the far side may give us up; 0 = not said",
    )  # fmt: skip
    curve_server: str = security.curve_server()
    curve_secret: str = security.curve_secret(
        "file with our own secret certificate; without it our key is a new one each time"
    )
    plain_user: str = security.plain_user()
    plain_password_file: str = security.plain_password_file()

    @property
    def keyed(self) -> tuple[LinkOptions | ZmtpListenerOptions, ...]:
        """The links and listeners that are given the keys of these options."""
        return (self,)

    @property
    def proof(self) -> tuple[str, ...]:
        """Where the link has its keys or its password from; empty if it proves nothing."""
        given = self.curve_server, self.curve_secret, self.plain_user, self.plain_password_file
        return given if any(given) else ()

    @property
    def source(self) -> SourceLimits | None:
        """What the engine of a link with acknowledged delivery is made with; None: a link that only
        sends."""
        return None

    @property
    def mode(self) -> str:
        """How a message is done, see `delivery` of `ccproxy.config.delivery`."""
        return "sent"

    @property
    def spooled(self) -> SpoolSettings | None:
        """The spool of such a link on a disk; None: its messages wait in memory."""
        return None

    @property
    def must_acknowledge(self) -> bool:
        """True if nothing may be sent to a far side that does not acknowledge."""
        return False

    @property
    def frame_limits(self) -> tuple[int, int]:
        """Bytes and frames of the largest message."""
        return self.max_message, self.max_frames

    @property
    def limits(self) -> Limits:
        """The limits of the link's outbox."""
        messages = self.queue_messages if self.zmq_hwm is None else 2 * self.zmq_hwm
        return Limits(bytes=self.queue, messages=messages, policy=self.on_full)

    @property
    def pings(self) -> HeartbeatTimes:
        """When to ping the far side."""
        timeout = self.heartbeat_timeout or self.heartbeat
        return HeartbeatTimes(self.heartbeat, timeout, self.heartbeat_ttl)


@dataclass(frozen=True, slots=True)
class ListenerOptions(SocketOptions):
    """The options of every listener; options named `peer-...` apply to each accepted connection."""

    exclusive: ClassVar[tuple[tuple[str, str], ...]] = (("zmq_hwm", "peer-queue-messages"),)

    peer_queue: int = option(_QUEUE, default=64 * MIB, help="bytes that may wait for each peer")
    peer_queue_messages: int = option(
        kinds.natural, default=0, help="messages that may wait for each peer; 0 = no limit"
    )
    zmq_hwm: int | None = option(
        kinds.natural, default=None, name="zmq_hwm", help=f"{_HWM} this number; 0 = no limit"
    )
    peer_on_full: str = option(
        _POLICY, default="drop-new",
        help="what happens when a peer's queue is full; block stops reading from the senders; "
        "a caller is closed, unless it is block",
    )  # fmt: skip
    linger: float = option(
        kinds.duration("ms"), default=0.5, aliases=("zmq_linger",),
        help="time at stop to send what still waits for the peers; that of [ccserver] is the most",
    )  # fmt: skip
    mode: int | None = option(
        kinds.file_mode, default=None,
        help="permissions of the file of a Unix socket, such as 660; without it the umask decides",
    )  # fmt: skip
    max_peers: int = option(
        kinds.positive, default=10_000, help="most connections at a time; further ones are refused"
    )
    max_peers_per_address: int = option(
        kinds.natural, default=0,
        help="most connections from one IP address; further ones are refused, 0 = no limit",
    )  # fmt: skip
    handshake_timeout: float = option(
        kinds.duration("s", least=0.001), default=10.0,
        help="time for the handshake, for the first byte of HTTP, and for each message from its "
        "first byte to its last; a message that comes at 1 KiB/s or more may take longer",
    )  # fmt: skip
    idle_timeout: float = idle_timeout()
    addresses: tuple[security.Network, ...] = security.addresses()
    open: bool = security.open_to_all()
    backlog: int = option(
        kinds.between(1, 65_535),
        default=1024,
        help="connections the kernel keeps until they are accepted",
    )

    @property
    def pace(self) -> PaceLimits:
        """The times that each peer has, after the handshake if there is one."""
        return PaceLimits(message=self.handshake_timeout, idle=self.idle_timeout)

    @property
    def limits(self) -> Limits:
        """The limits of each peer's outbox."""
        messages = self.peer_queue_messages if self.zmq_hwm is None else 2 * self.zmq_hwm
        return Limits(bytes=self.peer_queue, messages=messages, policy=self.peer_on_full)


@dataclass(frozen=True, slots=True)
class TypedListenerOptions(ListenerOptions):
    """The options of listeners whose messages carry no type: the section gives it."""

    type: str = option(
        kinds.message_type,
        help="the first part of the types of its messages; a protocol may append more",
    )


@dataclass(frozen=True, slots=True)
class ZmtpListenerOptions(ListenerOptions):
    """The options of listeners that speak ZMTP, the native format of the kernel.

    A plain `heartbeat` is not among them: in `[ccserver]` the original server has an option of
    this name, which has lost its effect.
    """

    max_message: int = max_message()
    max_frames: int = _max_frames()
    heartbeat: float = option(
        kinds.duration("s"), default=0.0, name="peer-heartbeat",
        help="time between two ZMTP pings to each peer; 0 = none",
    )  # fmt: skip
    heartbeat_timeout: float = option(
        kinds.duration("s"), default=0.0, name="peer-heartbeat-timeout",
        help="time to wait for a peer's answer to a ping; 0 = as peer-heartbeat",
    )  # fmt: skip
    heartbeat_ttl: float = option(
        kinds.duration("s", most=_MAX_TTL), default=0.0, name="peer-heartbeat-ttl",
        help="time after which a peer may give us up; 0 = not said",
    )  # fmt: skip
    identity_conflict: str = option(
        kinds.choice("refuse", "handover", "unserved"), default="refuse",
        help="a second peer with the same identity is refused, takes the place of the first, or "
        "stays connected and is not served",
    )  # fmt: skip
    curve_secret: str = security.curve_secret(
        "file with the secret certificate of this server (ccserver keygen); with it the listener "
        "speaks CURVE"
    )
    curve_allow: str = security.curve_allow()
    plain_users: str = security.plain_users()
    refuse: str = security.refuse()

    @property
    def keyed(self) -> tuple[LinkOptions | ZmtpListenerOptions, ...]:
        """The links and listeners that are given the keys of these options."""
        return (self,)

    @property
    def frame_limits(self) -> tuple[int, int]:
        """Bytes and frames of the largest message."""
        return self.max_message, self.max_frames

    @property
    def pings(self) -> HeartbeatTimes:
        """When to ping each peer."""
        timeout = self.heartbeat_timeout or self.heartbeat
        return HeartbeatTimes(self.heartbeat, timeout, self.heartbeat_ttl)

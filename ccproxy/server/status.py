"""Status: everything worth knowing of a running server, as one frozen value.

Sections whose size follows from the configuration are whole; peers, flows and message types are
pages, because there may be very many. The infofile, the statistics line, the control socket and the
verb `status` render this value. It must never look at a server itself, see `observer`.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Generic, TypeVar

from ccproxy.server.delivery_values import (
    ClientTotals,
    DeliveryStatus,
    ReceivedStatus,
    RememberedStatus,
)

Counts = Mapping[str, int]
HANDOVER, SEND, HANDLE = "handover", "send", "handle"
"""Names of latencies: from a read to queues and handlers, from a read to the kernel, of calls."""
DRAINING = "draining: no more messages are taken"
"""What is said of a server after `ccserver drain`."""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """The process: `name` is the job's name, `started` and `time` are seconds since 1970.

    `times` are the seconds of processor time that os.times() gives.
    """

    name: str
    file: str
    version: str
    pid: int
    user: int
    started: float
    time: float
    times: tuple[float, ...]
    platform: str
    python: str
    data_path: str


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """One outbox: messages queued since its start, and what became of them.

    `age` is how many seconds its oldest message has waited at least (see `core.queue_age` for how
    exact that is), `fill` the part of its limit that is in use, of bytes or messages.
    """

    name: str
    queued: int
    sent: int
    waiting: int
    bytes: int
    dropped: Counts
    age: float = 0.0
    fill: float = 0.0


@dataclass(frozen=True, slots=True)
class SinksStatus:
    """All outboxes: their number, sums, and the worst of those that wait or have dropped.

    `losses` says by destination and reason what was dropped. A destination is the section of a
    link, or of a listener for all its peers; a message with several destinations may be lost at one
    of them although its fate is `forwarded`. `age` and `fill` are the highest of all.
    """

    count: int
    waiting: int
    bytes: int
    dropped: Counts
    worst: tuple[SinkStatus, ...]
    losses: Mapping[str, Counts] = field(default_factory=dict)
    age: float = 0.0
    fill: float = 0.0


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """One listener: connected peers, calls that are not answered yet, what it has counted.

    `silent` peers have said nothing yet. `security` is what protects it: curve, plain, addresses,
    local (only this machine reaches it), open (the configuration says so), or exposed (it says
    nothing). One that is not `listening` has lost its address. `age` and `fill` are the highest of
    the queues of its peers. `received` messages came by it, without answers.
    """

    section: str
    protocol: str
    address: str
    peers: int
    calls: int
    counts: Counts
    silent: int = 0
    security: str = ""
    listening: bool = True
    age: float = 0.0
    fill: float = 0.0
    received: int = 0


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One outgoing link; `reason` says why it is not up.

    Without one that is `required` the server is not ready. `delivery` is None if it only sends.
    """

    section: str
    address: str
    state: str
    reason: str
    reconnects: int
    sink: SinkStatus
    required: bool = False
    delivery: DeliveryStatus | None = None


@dataclass(frozen=True, slots=True)
class HandlerStatus:
    """One handler: its own `status()` as plain values, or the error that this raised.

    `faults` are its calls that went wrong: failed (an exception), refused (an exception because of
    the message), slow (all messages waited), unanswered (by the service behind it). Calls are those
    of messages, timers and the like. Of `accepted` messages the handler has not said the outcome
    yet; the oldest has been accepted for `accepted_age` seconds.
    """

    section: str
    handler: str
    facts: Mapping[str, Any]
    counters: Counts
    error: str = ""
    faults: Counts = field(default_factory=dict)
    accepted: int = 0
    accepted_age: float = 0.0

    @property
    def brief(self) -> dict[str, Any]:
        """The facts that fit into a line: those that are no tables."""
        return {name: one for name, one in self.facts.items() if not _is_tables(one)}


def _is_tables(fact: Any) -> bool:
    """True for lists of rows by name."""
    return isinstance(fact, Mapping) and any(isinstance(one, list) for one in fact.values())


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """One line of `[routes]`."""

    prefix: str
    sections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """Messages received, their bytes, and how many came to which fate."""

    received: int
    bytes: int
    fates: Counts
    fate_bytes: Counts


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """What all queues and unfinished messages hold together, in bytes, and may hold.

    `state` is free, tight or full; `held_back` connections are not read because of it, `closed`
    ones held the most for too long.
    """

    used: int = 0
    limit: int = 0
    state: str = "free"
    held_back: int = 0
    closed: int = 0


@dataclass(frozen=True, slots=True)
class DescriptorStatus:
    """File descriptors: how many are used at least, may be used, and are not for peers."""

    used: int = 0
    limit: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class LogStatus:
    """The level of the log, those of sections that have others, and whether any was changed since
    the start or the last reload."""

    level: str = ""
    sections: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False


@dataclass(frozen=True, slots=True)
class LatencyStatus:
    """Some of the times that something took, in seconds; `counts[n]` were longer than bound n - 1
    and no longer than bound n, the last one longer than all. `section` is that of a handler."""

    name: str
    section: str
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class Status:
    """A whole server; `peers` and `flows` are numbers, see PeerStatus and FlowStatus, `latencies`
    are there if it has a port for them. `remembered` are links, and `clients` those with receipts.
    """

    process: ProcessStatus
    listeners: tuple[ListenerStatus, ...]
    links: tuple[LinkStatus, ...]
    handlers: tuple[HandlerStatus, ...]
    routes: tuple[RouteStatus, ...]
    sinks: SinksStatus
    peers: int
    flows: int
    ledger: LedgerStatus
    descriptors: DescriptorStatus = DescriptorStatus()
    memory: MemoryStatus = MemoryStatus()
    latencies: tuple[LatencyStatus, ...] = ()
    remembered: tuple[RememberedStatus, ...] = ()
    received: ReceivedStatus = ReceivedStatus()
    clients: tuple[RememberedStatus, ...] = ()
    client_totals: ClientTotals = ClientTotals()
    log: LogStatus = LogStatus()
    draining: bool = False


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One connected peer; its sink's name holds the name of the listener and the peer's address.

    If it has proven who it is, `proof` is curve, plain or tls, `key` its public key, user, or the
    name in its certificate, `name` that of its section, certificate or user.
    """

    listener: str
    sink: SinkStatus
    name: str = ""
    proof: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class FlowStatus:
    """One message type in the flow table: where its messages go, and how many there were.

    `fate` is what becomes of messages that have no destination. A reload, and a destination that
    changes, make the table forget a flow: `earlier` messages of the type came before that, None if
    they were not counted by type. It is not `current` if no message has come since.
    """

    type: str
    links: tuple[str, ...]
    handlers: tuple[str, ...]
    fate: str
    messages: int
    bytes: int
    earlier: int | None = 0
    earlier_bytes: int = 0
    current: bool = True

    @property
    def counted(self) -> str:
        """All messages of the type, in words."""
        number = self.messages + (self.earlier or 0)
        text = f"{number} message{'' if number == 1 else 's'}, "
        text += f"{self.bytes + self.earlier_bytes} bytes"
        if self.earlier is None:
            return f"{text} since its flow was made"
        since = "a reload or a destination changed its flow"
        if not self.current:
            return f"{text}, none since {since}"
        return f"{text}, {self.earlier} of them before {since}" if self.earlier else text


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """The traffic of one message type; `to` are the sections that it goes to, or its fate."""

    type: str
    messages: int
    bytes: int
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LossStatus:
    """Messages of one type, or at one section, that were lost for one reason lately.

    `first_age` and `age` are how many seconds ago the first and the last of them were lost.
    """

    place: str
    reason: str
    messages: int
    first_age: float
    age: float


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class StatusPage(Generic[Item]):
    """Some of very many items: how many there are in all, and where the next page begins.

    `next` is the `after` of the next page, None if this is the last one.
    """

    items: tuple[Item, ...]
    total: int
    next: str | None = None


@dataclass(frozen=True, slots=True)
class TrafficStatus:
    """The types with the most messages; and by section, or fate where no section takes them, the
    messages of all types in the flow table, which get fewer when it forgets a type. `time` is when
    they were counted, in seconds since 1970."""

    types: StatusPage[TypeStatus]
    sections: Counts = field(default_factory=dict)
    time: float = 0.0


def to_json(value: Any) -> Any:
    """A status or a page as values that `json.dumps` takes."""
    return asdict(value)


def from_json(kind: Any, value: Any) -> Any:
    """The inverse of `to_json` for a class of this module; ValueError if it does not fit.

    Fields that are not known here are left out: a newer server may have more to say.
    """
    try:
        return _decode(kind, value)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no status of this version: {error!r}") from error


def page_from_json(kind: Any, value: Any) -> StatusPage[Any]:
    """A page of items of this class; ValueError if it is none."""
    try:
        items = tuple(_decode(kind, one) for one in value["items"])
        return StatusPage(items, _decode(int, value["total"]), _decode(str | None, value["next"]))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no page of this version: {error!r}") from error


def _decode(kind: Any, value: Any) -> Any:
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = {one.name for one in fields(kind)}
        given = {name: _decode(hints[name], one) for name, one in value.items() if name in known}
        return kind(**given)  # type: ignore[operator]
    origin = typing.get_origin(kind)
    if origin is UnionType and isinstance(value, dict):
        kind = next(one for one in typing.get_args(kind) if is_dataclass(one))
        return _decode(kind, value)
    if origin is tuple:
        return tuple(_decode(typing.get_args(kind)[0], one) for one in value)
    expected = int | float if kind is float else origin or kind  # JSON does not tell 1 from 1.0
    if kind is not Any and not isinstance(value, kind if origin is UnionType else expected):
        raise TypeError(f"found {value!r:.40}, expected {kind}")
    return value

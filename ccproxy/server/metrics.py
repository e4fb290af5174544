"""A Status as metrics, for Prometheus in its text format and as OpenMetrics.

Labels are the section, the fate and the reason, whose values follow from the configuration: no
peer, type or topic, which strangers make up without end, ever becomes one. The text is made in
pieces, so that the loop does its other work in between. It must never look at the server itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from ccproxy.core.ledger import FATES
from ccproxy.server import delivery_metrics
from ccproxy.server.metric_families import (
    BY_REASON,
    BY_SECTION,
    OfLink,
    PartOfLink,
    counter,
    counters,
    gauge,
    gauges,
    highest,
    nested,
    sums,
)
from ccproxy.server.status import (
    HANDLE,
    HANDOVER,
    SEND,
    HandlerStatus,
    LatencyStatus,
    LinkStatus,
    ListenerStatus,
    Status,
)

SAMPLES_AT_ONCE = 200
"""Samples that become text in one turn of the loop: about a millisecond."""
END = b"# EOF\n"
"""The last line of OpenMetrics; the text format has none."""
ACCEPTED = "accepted"


async def exposition(status: Status, accept: str) -> tuple[bytes, str]:
    """The metrics of a status, and their content type, as the header `Accept` asks for it."""
    encode, kind = choose_encoder(accept)
    parts: list[bytes] = []
    ended = False
    for family in families(status):
        for start in range(0, len(family.samples), SAMPLES_AT_ONCE):
            text = encode(_Piece(family, start))
            ended = text.endswith(END)
            parts.append(_continued(text.removesuffix(END), start))
            await asyncio.sleep(0)
    return b"".join([*parts, END] if ended else parts), kind


class _Piece:
    """Some samples of one family, as the library wants to be asked for them."""

    def __init__(self, family: Metric, start: int) -> None:
        self._part = Metric(family.name, family.documentation, family.type, family.unit)
        self._part.samples = family.samples[start : start + SAMPLES_AT_ONCE]

    def collect(self) -> Iterable[Metric]:
        """The one family."""
        return [self._part]


def _continued(text: bytes, start: int) -> bytes:
    """The text of a piece; the lines about its family stand in front of the first one only."""
    if not start:
        return text
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"#"))


def families(status: Status) -> Iterator[Metric]:
    """Every metric of a server; those without samples are left out."""
    for found in (process(status), messages(status), queues(status), limits(status)):
        yield from found
    yield from listeners(status.listeners)
    yield from links(status.links)
    yield from delivery_metrics.links(status.links)
    yield from delivery_metrics.received(status.received)
    yield from delivery_metrics.clients(status.client_totals)
    yield from handlers(status.handlers)
    yield from latencies(status.latencies)


def process(status: Status) -> Iterator[Metric]:
    """Since when the server has been running, and its use of the processor."""
    about = status.process
    yield gauge(
        "start_time_seconds", "When the server started, in seconds since 1970", about.started
    )
    used = sum(about.times[:2])
    yield counter("cpu_seconds", "Processor time used, in user and system mode", used)


def messages(status: Status) -> Iterator[Metric]:
    """The ledger; a fate that no message has come to is there, with 0."""
    ledger = status.ledger
    yield counter("received_messages", "Whole messages received", ledger.received)
    yield counter("received_bytes", "Bytes of the messages received", ledger.bytes)
    for name, unit, counts in (
        ("messages", "Messages", ledger.fates),
        ("message_bytes", "Bytes of messages", ledger.fate_bytes),
    ):
        values = [((fate,), counts.get(fate, 0)) for fate in FATES]
        about = f"{unit} by the one fate in which each has ended"
        yield from counters(name, about, ("fate",), values)


def queues(status: Status) -> Iterator[Metric]:
    """All queues together, what each destination has dropped, and the tables of the switch."""
    sinks = status.sinks
    yield gauge("queues", "Queues of peers and links", sinks.count)
    yield gauge("waiting_messages", "Messages that wait in all queues", sinks.waiting)
    yield gauge("waiting_bytes", "Bytes that wait in all queues", sinks.bytes)
    about = "How long the oldest message of all queues has waited, at least"
    yield gauge("oldest_message_seconds", about, sinks.age)
    yield gauge("fill_ratio", "The highest part of its limit that a queue uses", sinks.fill)
    about = "Messages that the queues of a section have dropped, by reason"
    yield from counters("dropped_messages", about, BY_REASON, nested(sinks.losses))
    yield gauge("peers", "Connected peers of all listeners", status.peers)
    yield gauge("flows", "Message types in the flow table", status.flows)


def limits(status: Status) -> Iterator[Metric]:
    """What all peers and links share."""
    memory, files = status.memory, status.descriptors
    yield gauge("memory_used_bytes", "Bytes of queues and unfinished messages", memory.used)
    yield gauge("memory_limit_bytes", "The most bytes that they may hold", memory.limit)
    yield gauge("held_back_connections", "Connections not read, to save memory", memory.held_back)
    about = "Connections closed because they held the most memory"
    yield counter("memory_closed_connections", about, memory.closed)
    yield gauge("open_descriptors", "File descriptors in use, at least", files.used)
    yield gauge("descriptors_limit", "File descriptors that may be used", files.limit)


def listeners(found: Sequence[ListenerStatus]) -> Iterator[Metric]:
    """Listeners by section."""
    up = [((one.section,), one.listening) for one in found]
    yield from gauges("listener_up", "1 if the address is bound", BY_SECTION, up)
    peers = [((one.section,), one.peers) for one in found]
    yield from gauges("listener_peers", "Connected peers", BY_SECTION, peers)
    silent = [((one.section,), one.silent) for one in found]
    yield from gauges("listener_silent_peers", "Peers that said nothing yet", BY_SECTION, silent)
    ages = [((one.section,), one.age) for one in found]
    about = "How long the oldest message for a peer has waited, at least"
    yield from gauges("listener_oldest_message_seconds", about, BY_SECTION, ages)
    fills = [((one.section,), one.fill) for one in found]
    about = "The highest part of its limit that the queue of a peer uses"
    yield from gauges("listener_fill_ratio", about, BY_SECTION, fills)
    calls = [((one.section,), one.calls) for one in found]
    yield from gauges("listener_calls", "Calls not answered yet", BY_SECTION, calls)
    came = [((one.section,), one.received) for one in found]
    about = "Messages that came by a listener, without answers"
    yield from counters("listener_received_messages", about, BY_SECTION, came)
    taken = [((one.section,), one.counts.get(ACCEPTED, 0)) for one in found]
    about = "Connections accepted by the system"
    yield from counters("accepted_connections", about, BY_SECTION, taken)
    about = "What became of connections besides, by reason, such as key-refused or peers"
    events = {one.section: _without(one.counts, ACCEPTED) for one in found}
    yield from counters("connection_events", about, BY_REASON, nested(events))


def links(found: Sequence[LinkStatus]) -> Iterator[Metric]:
    """Links by section, of which one may have several."""
    for name, about, value in LINK_GAUGES:
        yield from gauges(f"link_{name}", about, BY_SECTION, sums(found, value))
    for name, about, value in LINK_COUNTERS:
        yield from counters(f"link_{name}", about, BY_SECTION, sums(found, value))
    for name, about, worst in LINK_WORST:
        yield from gauges(f"link_{name}", about, BY_SECTION, highest(found, worst))


LINK_WORST: tuple[tuple[str, str, PartOfLink], ...] = (
    (
        "oldest_message_seconds", "How long the oldest message has waited, at least",
        lambda one: one.sink.age,
    ),
    ("fill_ratio", "The part of its limit that the queue uses", lambda one: one.sink.fill),
)  # fmt: skip
LINK_GAUGES: tuple[tuple[str, str, OfLink], ...] = (
    ("configured", "Links that the section has", lambda one: 1),
    ("up", "Links that are connected", lambda one: one.state == "up"),
    ("required", "Links without which the server is not ready", lambda one: one.required),
    ("waiting_messages", "Messages that wait for the far side", lambda one: one.sink.waiting),
    ("waiting_bytes", "Bytes that wait for the far side", lambda one: one.sink.bytes),
)
LINK_COUNTERS: tuple[tuple[str, str, OfLink], ...] = (
    ("reconnects", "Connections that have ended", lambda one: one.reconnects),
    ("queued_messages", "Messages meant for the far side", lambda one: one.sink.queued),
    (
        "sent_messages",
        "Messages that the system has taken, or the far side has acknowledged",
        lambda one: one.sink.sent,
    ),
)


def handlers(found: Sequence[HandlerStatus]) -> Iterator[Metric]:
    """Calls of handlers that went wrong, and messages whose outcome is open."""
    about = (
        "Calls of a handler that went wrong: failed, refused (the message was wrong), slow, "
        "unanswered (by the service behind it)"
    )
    reasons = ("failed", "refused", "slow", "unanswered")
    faults = {
        one.section: {reason: one.faults.get(reason, 0) for reason in reasons} for one in found
    }
    yield from counters("handler_faults", about, BY_REASON, nested(faults))
    waiting = [((one.section,), one.accepted) for one in found]
    about = "Messages that a handler has accepted, and has not said the outcome of"
    yield from gauges("handler_accepted_messages", about, BY_SECTION, waiting)
    ages = [((one.section,), one.accepted_age) for one in found]
    about = "How long ago the oldest of them was accepted"
    yield from gauges("handler_oldest_accepted_seconds", about, BY_SECTION, ages)


LATENCIES = {
    HANDOVER: "From a read to its messages being in queues or with handlers, of some reads",
    SEND: "From a read to the system having its messages, by destination, of some reads",
    HANDLE: "How long a handler takes for a message, of some messages",
}
"""What each histogram says."""


def latencies(found: Sequence[LatencyStatus]) -> Iterator[Metric]:
    """Histograms of times; those of handlers by section."""
    for name, about in LATENCIES.items():
        labels = BY_SECTION if name == HANDLE else ()
        family = HistogramMetricFamily(f"ccserver_{name}_seconds", about, labels=labels)
        for one in found:
            if one.name == name:
                values = (one.section,) if labels else ()
                bounds = [*map(floatToGoString, one.bounds), "+Inf"]
                counts = accumulate(map(float, one.counts))
                family.add_metric(values, list(zip(bounds, counts, strict=True)), one.sum)
        if family.samples:
            yield family


def _without(counts: Any, name: str) -> dict[str, int]:
    return {reason: number for reason, number in counts.items() if reason != name}

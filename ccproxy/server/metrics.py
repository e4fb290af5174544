"""A Status as metrics, for Prometheus in its text format and as OpenMetrics.

Labels are the section, the fate and the reason, whose values follow from the configuration: no
peer, type or topic, which strangers make up without end, ever becomes one. The text is made in
pieces, so that the loop does its other work in between. It must never look at the server itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from ccproxy.core.ledger import FATES
from ccproxy.server.status import HandlerStatus, LinkStatus, ListenerStatus, Status

SAMPLES_AT_ONCE = 200
"""Samples that become text in one turn of the loop: about a millisecond."""
END = b"# EOF\n"
"""The last line of OpenMetrics; the text format has none."""
ACCEPTED = "accepted"
BY_SECTION = ("section",)

Labels = tuple[str, ...]
Values = Iterable[tuple[Labels, float]]


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
    yield from handlers(status.handlers)


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
    about = "Messages that the queues of a section have dropped, by reason"
    yield from counters("dropped_messages", about, ("section", "reason"), _nested(sinks.losses))
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
    calls = [((one.section,), one.calls) for one in found]
    yield from gauges("listener_calls", "Calls not answered yet", BY_SECTION, calls)
    taken = [((one.section,), one.counts.get(ACCEPTED, 0)) for one in found]
    about = "Connections accepted by the system"
    yield from counters("accepted_connections", about, BY_SECTION, taken)
    about = "What became of connections besides, by reason, such as key-refused or peers"
    events = {one.section: _without(one.counts, ACCEPTED) for one in found}
    yield from counters("connection_events", about, ("section", "reason"), _nested(events))


def links(found: Sequence[LinkStatus]) -> Iterator[Metric]:
    """Links by section, of which one may have several."""
    for name, about, value in LINK_GAUGES:
        yield from gauges(f"link_{name}", about, BY_SECTION, _sums(found, value))
    for name, about, value in LINK_COUNTERS:
        yield from counters(f"link_{name}", about, BY_SECTION, _sums(found, value))


OfLink = Callable[[LinkStatus], int]
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
    ("sent_messages", "Messages that the system has taken", lambda one: one.sink.sent),
)


def handlers(found: Sequence[HandlerStatus]) -> Iterator[Metric]:
    """Calls of handlers that went wrong."""
    about = (
        "Calls of a handler that went wrong: failed, refused (the message was wrong), slow, "
        "unanswered (by the service behind it)"
    )
    reasons = ("failed", "refused", "slow", "unanswered")
    faults = {
        one.section: {reason: one.faults.get(reason, 0) for reason in reasons} for one in found
    }
    yield from counters("handler_faults", about, ("section", "reason"), _nested(faults))


def gauge(name: str, about: str, value: float) -> Metric:
    """A value that goes up and down."""
    return GaugeMetricFamily(f"ccserver_{name}", about, value=value)


def counter(name: str, about: str, value: float) -> Metric:
    """A value that only grows; its samples end with `_total`."""
    return CounterMetricFamily(f"ccserver_{name}", about, value=value)


def gauges(name: str, about: str, labels: Labels, values: Values) -> Iterator[Metric]:
    """A gauge for each value of its labels; nothing if there is none."""
    yield from _filled(GaugeMetricFamily(f"ccserver_{name}", about, labels=labels), values)


def counters(name: str, about: str, labels: Labels, values: Values) -> Iterator[Metric]:
    """A counter for each value of its labels; nothing if there is none."""
    yield from _filled(CounterMetricFamily(f"ccserver_{name}", about, labels=labels), values)


def _filled(family: Any, values: Values) -> Iterator[Metric]:
    for labels, value in values:
        family.add_metric(labels, value)
    if family.samples:
        yield family


def _nested(found: Any) -> list[tuple[Labels, float]]:
    """Counts by section and reason, as the samples of a family."""
    return [
        ((section, reason), number)
        for section, counts in found.items()
        for reason, number in counts.items()
    ]


def _without(counts: Any, name: str) -> dict[str, int]:
    return {reason: number for reason, number in counts.items() if reason != name}


def _sums(found: Sequence[LinkStatus], value: OfLink) -> list[tuple[Labels, float]]:
    sums: Counter[str] = Counter()
    for one in found:
        sums[one.section] += value(one)
    return [((section,), number) for section, number in sums.items()]

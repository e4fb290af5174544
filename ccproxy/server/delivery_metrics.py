"""The metrics of acknowledged delivery: of links by section, and of all links that send here.

Links that only send have none of them. It must never look at the server itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import Metric

from ccproxy.server.delivery_values import ClientTotals, DeliveryStatus, ReceivedStatus
from ccproxy.server.metric_families import (
    BY_REASON,
    BY_SECTION,
    Labels,
    counter,
    counters,
    gauge,
    gauges,
    highest,
    nested,
    sums,
)
from ccproxy.server.status import LinkStatus
from ccproxy.spool.counts import SpoolStatus


@dataclass(frozen=True, slots=True)
class DeliveryMetric:
    """One metric of links: its name, what it says, and its value for one link."""

    name: str
    about: str
    value: Callable[[DeliveryStatus], int]


@dataclass(frozen=True, slots=True)
class SpoolMetric:
    """The same for spools."""

    name: str
    about: str
    value: Callable[[SpoolStatus], int]


GAUGES = (
    DeliveryMetric(
        "unacknowledged_messages", "Messages that the far side may have and has not acknowledged",
        lambda one: one.unacknowledged,
    ),
    DeliveryMetric(
        "unacknowledged_bytes", "Bytes that are under way without an acknowledgement",
        lambda one: one.in_flight,
    ),
    DeliveryMetric(
        "plain", "Links whose far side cannot acknowledge and gets messages all the same",
        lambda one: not one.acknowledging,
    ),
)  # fmt: skip
COUNTERS = (
    DeliveryMetric(
        "acknowledged_messages", "Messages that the far side has acknowledged",
        lambda one: one.acknowledged,
    ),
    DeliveryMetric("resent_messages", "Messages sent once more", lambda one: one.resent),
    DeliveryMetric(
        "duplicate_messages", "Messages that came here more than once and were taken once",
        lambda one: one.duplicates,
    ),
    DeliveryMetric(
        "doubts", "Times that another server was found while messages were not acknowledged",
        lambda one: one.doubts,
    ),
)  # fmt: skip
SPOOL_GAUGES = (
    SpoolMetric("spool_bytes", "Bytes that wait in the spool", lambda one: one.bytes),
    SpoolMetric("spool_limit_bytes", "The most bytes that may wait there", lambda one: one.limit),
    SpoolMetric("spool_kept_bytes", "Bytes that are kept for a replay", lambda one: one.kept),
    SpoolMetric(
        "spool_failed", "1 while the spool cannot be written", lambda one: bool(one.problem)
    ),
)
SPOOL_COUNTERS = (
    SpoolMetric("spool_commits", "Times that the spool was written", lambda one: one.commits),
    SpoolMetric(
        "spool_failures", "Times that the spool could not be written or read",
        lambda one: one.failures,
    ),
)  # fmt: skip


def links(found: Sequence[LinkStatus]) -> Iterator[Metric]:
    """What links with acknowledgements have under way, and what became of their messages."""
    found = [one for one in found if one.delivery is not None]
    doubtful = sums(found, lambda one: one.state == "in-doubt")
    about = "Links that wait for a far side while another server answers in its place"
    yield from gauges("link_in_doubt", about, BY_SECTION, doubtful)
    about = "How long ago the oldest message came that is not acknowledged, at least"
    ages = highest(found, lambda one: one.delivery.age if one.delivery else 0.0)
    yield from gauges("link_oldest_unacknowledged_seconds", about, BY_SECTION, ages)
    for one in GAUGES:
        yield from gauges(f"link_{one.name}", one.about, BY_SECTION, _delivery(found, one))
    for one in COUNTERS:
        yield from counters(f"link_{one.name}", one.about, BY_SECTION, _delivery(found, one))
    about = "Messages that the far side has not taken, by the reason that it says"
    yield from counters("link_refused_messages", about, BY_REASON, nested(refused(found)))
    yield from spools(found)


def spools(found: Sequence[LinkStatus]) -> Iterator[Metric]:
    """Spools of links."""
    found = [one for one in found if one.delivery is not None and one.delivery.spool is not None]
    about = "Messages that wait in the spool"
    waiting = sums(found, lambda one: one.sink.waiting)
    yield from gauges("link_spool_messages", about, BY_SECTION, waiting)
    for one in SPOOL_GAUGES:
        yield from gauges(f"link_{one.name}", one.about, BY_SECTION, _spool(found, one))
    for one in SPOOL_COUNTERS:
        yield from counters(f"link_{one.name}", one.about, BY_SECTION, _spool(found, one))


def received(found: ReceivedStatus) -> Iterator[Metric]:
    """What has come over all links that send here with acknowledgements."""
    about = "Links that send here with acknowledgements and are remembered"
    yield gauge("remembered_links", about, found.links)
    about = "Messages missing in what such links have sent: dropped at their source"
    yield counter("gap_messages", about, found.gaps)
    about = "Messages that came again over such links and were skipped"
    yield counter("duplicate_messages", about, found.duplicates)
    about = "Messages of such links that were not taken, as their sources were told"
    yield counter("refused_messages", about, found.refused)


def clients(found: ClientTotals) -> Iterator[Metric]:
    """Clients with receipts."""
    about = f"Clients with receipts that are remembered, at most {found.limit}"
    yield gauge("remembered_clients", about, found.remembered)
    about = "Clients with receipts that are connected"
    yield gauge("connected_clients", about, found.connected)
    about = "Clients of which messages are here that have no receipt yet"
    yield gauge("waiting_clients", about, found.waiting)


def refused(found: Sequence[LinkStatus]) -> dict[str, Counter[str]]:
    """By section and reason what far sides have not taken."""
    reasons: dict[str, Counter[str]] = {}
    for one in found:
        if one.delivery is not None:
            reasons.setdefault(one.section, Counter()).update(one.delivery.refused)
    return reasons


def _delivery(found: Sequence[LinkStatus], metric: DeliveryMetric) -> list[tuple[Labels, float]]:
    return sums(found, lambda one: metric.value(one.delivery) if one.delivery else 0)


def _spool(found: Sequence[LinkStatus], metric: SpoolMetric) -> list[tuple[Labels, float]]:
    def value(link: LinkStatus) -> int:
        spool = link.delivery.spool if link.delivery else None
        return metric.value(spool) if spool else 0

    return sums(found, value)

"""Families of metrics: values by their labels, as the library for Prometheus wants them.

It must never know which metrics there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ccproxy.server.status import LinkStatus

BY_SECTION = ("section",)
BY_REASON = ("section", "reason")

Labels = tuple[str, ...]
Values = Iterable[tuple[Labels, float]]
OfLink = Callable[[LinkStatus], int]
PartOfLink = Callable[[LinkStatus], float]


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


def nested(found: Any) -> list[tuple[Labels, float]]:
    """Counts by section and reason, as the samples of a family."""
    return [
        ((section, reason), number)
        for section, counts in found.items()
        for reason, number in counts.items()
    ]


def sums(found: Sequence[LinkStatus], value: OfLink) -> list[tuple[Labels, float]]:
    """A value of each section: the sum of its links."""
    total: Counter[str] = Counter()
    for one in found:
        total[one.section] += value(one)
    return [((section,), number) for section, number in total.items()]


def highest(found: Sequence[LinkStatus], value: PartOfLink) -> list[tuple[Labels, float]]:
    """A value of each section: the highest of its links."""
    most: dict[str, float] = {}
    for one in found:
        most[one.section] = max(most.get(one.section, 0.0), value(one))
    return [((section,), number) for section, number in most.items()]

"""What is in the way of messages at a link with acknowledged delivery, for the verb `why`.

It must never ask a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ccproxy.commands import common
from ccproxy.commands.columns import cell
from ccproxy.server.delivery_values import DeliveryStatus
from ccproxy.server.status import LinkStatus
from ccproxy.spool.counts import SpoolStatus

LATE_AFTER = 5.0
"""Seconds without an acknowledgement that are named as something in the way: a far side says what
is safe every few milliseconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that keeps messages from arriving: where, a word for what, and a sentence."""

    place: str
    reason: str
    messages: int
    text: str


def delivery_findings(place: str, links: Iterable[LinkStatus]) -> Iterator[Finding]:
    """Acknowledgements that do not come, and spools that take no messages, at a destination."""
    for one in links:
        if one.section != place or one.delivery is None:
            continue
        if one.state == "up":
            yield from _late(place, one.delivery)
        if one.delivery.spool is not None:
            yield from _spool(place, one.delivery.spool, one.sink.waiting)


def refused_at(place: str, links: Iterable[LinkStatus]) -> Mapping[str, int]:
    """What the far side of a destination has not taken, by the reason that it has said."""
    found: dict[str, int] = {}
    for one in links:
        if one.section == place and one.delivery is not None:
            for reason, number in one.delivery.refused.items():
                found[reason] = found.get(reason, 0) + number
    return found


def _late(place: str, delivery: DeliveryStatus) -> Iterator[Finding]:
    if not delivery.acknowledging or delivery.age < LATE_AFTER:
        return
    number = delivery.unacknowledged
    verb = "waits" if number == 1 else "wait"
    text = (
        f"{cell(place)}: {common.several(number, 'message')} {verb} for the acknowledgement of "
        f"the far side, the oldest for {delivery.age:.0f} s"
    )
    yield Finding(place, "unacknowledged", number, text)


def _spool(place: str, spool: SpoolStatus, waiting: int) -> Iterator[Finding]:
    if spool.problem:
        text = f"{cell(place)} cannot write its spool: {cell(spool.problem)}"
        yield Finding(place, "spool-failed", waiting, text)
    elif spool.full:
        text = f"{cell(place)}: its spool is full, {spool.bytes} of {spool.limit} bytes wait"
        yield Finding(place, "spool-full", waiting, text)

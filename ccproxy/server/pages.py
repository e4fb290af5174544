"""Peers, flows and message types by page: very many items, looked at a few at a time.

A page is made in slices, and the loop does its other work between two of them. It must never hold
the loop for longer than one slice, and never miss an item that stays while pages are read.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.flows import Flow, FlowTable, Target
from ccproxy.core.outbox import Outbox
from ccproxy.core.type_totals import TypeCount
from ccproxy.server.status import (
    FlowStatus,
    PeerStatus,
    SinkStatus,
    StatusPage,
    TrafficStatus,
    TypeStatus,
)

SLICE = 1000
"""Items that are looked at in one turn of the loop: about a millisecond."""

PEERS_AT_ONCE = 100
"""Peers whose queues are looked at in one turn: about a millisecond."""

Item = TypeVar("Item")
Peer = tuple[str, Outbox]
"""The name of a peer's listener, and the peer's outbox."""


class CursorError(Exception):
    """A page was asked for that does not follow any other."""


async def peers_page(peers: Sequence[Peer], after: str, most: int) -> StatusPage[PeerStatus]:
    """Peers in the order of their names; all peers of a Unix socket have the same name."""
    name, _, number = after.rpartition("/")
    chosen, following = await _first(peers, _peer_key, (name, _hexadecimal(number)), most)
    items: list[PeerStatus] = []
    async for some in slices(chosen, PEERS_AT_ONCE):
        items += [PeerStatus(listener, sink_status(box), *box.owner) for listener, box in some]
    ended = _peer_key(chosen[-1]) if following else None
    return StatusPage(tuple(items), len(peers), f"{ended[0]}/{ended[1]:x}" if ended else None)


async def flows_page(table: FlowTable, after: str, most: int) -> StatusPage[FlowStatus]:
    """Flows in the order of their types; one that is forgotten meanwhile is left out."""
    names, following = await _first(list(table.flows), bytes, after.encode(), most)
    items = [flow_status(name, flow) for name in names if (flow := table.flows.get(name))]
    return StatusPage(tuple(items), len(table.flows), _text(names[-1]) if following else None)


async def types_page(table: FlowTable, most: int) -> StatusPage[TypeStatus]:
    """The types with the most messages, the most first."""
    total = len(table.flows)
    top: list[tuple[int, bytes]] = []
    async for names in slices(list(table.flows)):
        counted = ((flow.count, name) for name in names if (flow := table.flows.get(name)))
        top = heapq.nlargest(most, (*top, *counted))
    return StatusPage(_types(table, top), total)


async def traffic(table: FlowTable, most: int, now: float) -> TrafficStatus:
    """The types with the most messages, and the messages by the sections that they go to."""
    top: list[tuple[int, bytes]] = []
    least = -1
    sums: dict[Target | str, int] = {}
    total = len(table.flows)
    async for names in slices(list(table.flows)):
        for name in names:
            if (flow := table.flows.get(name)) is None:
                continue
            target = flow.target
            # Types without destination have a target each, the others share a few.
            place = target if target.sinks or target.handlers else target.fate
            sums[place] = sums.get(place, 0) + flow.count
            if flow.count > least:
                top.append((flow.count, name))
        if len(top) > most:
            top = heapq.nlargest(most, top)
            least = top[-1][0]
    types = _types(table, sorted(top, reverse=True)[:most])
    return TrafficStatus(StatusPage(types, total), _by_section(sums), now)


def _types(table: FlowTable, top: Iterable[tuple[int, bytes]]) -> tuple[TypeStatus, ...]:
    found = [(name, flow) for _, name in top if (flow := table.flows.get(name))]
    return tuple(TypeStatus(_text(name), one.count, one.bytes, _to(one)) for name, one in found)


def _by_section(sums: Mapping[Target | str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, count in sums.items():
        names = (place,) if isinstance(place, str) else dict.fromkeys(place.places.sections)
        for name in names:
            found[name] = found.get(name, 0) + count
    return found


async def all_types(table: FlowTable) -> dict[str, TypeCount]:
    """The counts of the first types by name, and of all others together as `other`.

    Every flow is remembered at once and looked at later, so that one that is forgotten meanwhile is
    counted once, and no count ever gets smaller.
    """
    # Two lists: 65,536 pairs would cost a run of the garbage collector.
    names, flows = list(table.flows), list(table.flows.values())
    found = {_text(name): TypeCount(one) for name, one in table.totals.types.items()}
    other, rest = found.setdefault("other", TypeCount()), table.totals.other
    for word, messages in rest.messages.items():
        other.add(word, messages, rest.bytes[word])
    async for numbers in slices(range(len(flows))):
        for number in numbers:
            flow = flows[number]
            place = found.get(_text(names[number]), other)
            place.add(flow.target.word, flow.count, flow.bytes)
    return found


async def verdict_counters(table: FlowTable) -> TypeCount:
    """What the verdicts of handlers count, by their counters; no count ever gets smaller."""
    flows, found = list(table.flows.values()), TypeCount(table.totals.verdicts)
    async for some in slices(flows):
        for flow in some:
            for counter in flow.target.counters:
                found.add(counter, flow.count, flow.bytes)
    return found


def sink_status(box: CountedQueue) -> SinkStatus:
    """One outbox."""
    dropped = {reason: count for reason, count in box.dropped.items() if count}
    age, fill = box.age(time.monotonic()), box.fill
    return SinkStatus(
        box.name, box.queued, box.sent, box.waiting, box.bytes, dropped, round(age, 3),
        round(fill, 4),
    )  # fmt: skip


def flow_status(name: bytes, flow: Flow) -> FlowStatus:
    """One flow."""
    target = flow.target
    return FlowStatus(
        _text(name),
        tuple(box.name for box in target.sinks),
        tuple(one.name for one in target.handlers),
        target.fate,
        flow.count,
        flow.bytes,
    )


def type_flow(table: FlowTable, name: bytes) -> FlowStatus | None:
    """The flow of a type with what was counted before it was made; None if no message came."""
    flow, total = table.flows.get(name), table.totals.types.get(name)
    before, size = total.sum() if total is not None else (None, 0)
    if flow is not None:
        return replace(flow_status(name, flow), earlier=before, earlier_bytes=size)
    if not before:
        return None
    return FlowStatus(_text(name), (), (), "", 0, 0, before, size, current=False)


def _to(flow: Flow) -> tuple[str, ...]:
    """The sections that messages go to, each once, or what becomes of them."""
    places = flow.target.places
    return tuple(dict.fromkeys(places.sections)) or (places.fate,)


async def _first(
    items: Sequence[Item], key: Callable[[Item], Any], after: Any, most: int
) -> tuple[list[Item], bool]:
    """The first items behind `after` in the order of `key`, and whether more follow."""
    best: list[Item] = []
    behind = 0
    async for some in slices(items):
        fit = [one for one in some if key(one) > after]
        behind += len(fit)
        best = heapq.nsmallest(most, (*best, *fit), key)
    return best, behind > len(best)


async def slices(items: Sequence[Item], size: int = SLICE) -> AsyncIterator[Sequence[Item]]:
    """The items, `size` of them in each turn of the loop."""
    for start in range(0, len(items), size):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + size]


def _peer_key(peer: Peer) -> tuple[str, int]:
    """Peers of the same name are told apart by what lives as long as they do."""
    return peer[1].name, id(peer[1])


def _hexadecimal(text: str) -> int:
    """A number of a cursor; CursorError for a text that no page gave out."""
    try:
        return int(text, 16) if text else 0
    except ValueError:
        raise CursorError(f"after ends with {text[:20]!r}, expected `next` of a page") from None


def _text(name: bytes) -> str:
    """The type of a flow, which is ASCII."""
    return name.decode("ascii", "replace")

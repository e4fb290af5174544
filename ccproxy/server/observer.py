"""What is seen of a running server: its parts are looked at here, and nowhere else from outside.

It must never change what it looks at, and a handler whose `status()` fails must cost no more than
its own entry.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from pathlib import Path
from time import perf_counter
from typing import Any

from ccproxy import __version__
from ccproxy.config.plan import Plan
from ccproxy.config.security import protection
from ccproxy.core.ingress import COMPILED
from ccproxy.core.ledger import Ledger
from ccproxy.core.memory import Memory
from ccproxy.core.outbox import Outbox
from ccproxy.core.type_totals import TypeCount
from ccproxy.net.notices import STATUS
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.link import OutgoingLink
from ccproxy.protocol import Listener
from ccproxy.server import pages
from ccproxy.server.handlers import HandlerSet, RunningHandler
from ccproxy.server.listeners import Listeners
from ccproxy.server.pages import sink_status
from ccproxy.server.runners import SLOW_HANDLER_AFTER
from ccproxy.server.status import (
    DescriptorStatus,
    FlowStatus,
    HandlerStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    LossStatus,
    MemoryStatus,
    PeerStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    Status,
    StatusPage,
    TypeStatus,
)

WORST_SINKS = 50
"""Sinks that a status shows by name; the others are in its sums."""
MOST_FACTS = 2000
"""Values that the `status()` of one handler may give."""
LONGEST_TEXT = 1000
"""Characters of a text in it."""


class Observer:
    """Looks at the switch, the handlers and the listeners of one server."""

    def __init__(self, kit: Kit, handlers: HandlerSet, listeners: Listeners, file: Path) -> None:
        """`file` is the configuration; it has this place also when the directory is gone later."""
        self.started = time.time()
        self._file = file.resolve()
        self._kit = kit
        self._handlers = handlers
        self._listeners = listeners

    def status(self, plan: Plan) -> Status:
        """The server that runs this plan, now."""
        switch = self._kit.switch
        listeners = [listener_status(one, plan) for one in self.listeners()]
        return Status(
            process=process_status(plan, self._file, self.started),
            listeners=tuple(listeners),
            links=tuple(map(link_status, self.links())),
            handlers=tuple(map(self._handler_status, self._handlers.members.values())),
            routes=tuple(RouteStatus(one.prefix, one.sections) for one in plan.routes),
            sinks=sinks_status(self.outboxes()),
            peers=sum(one.peers for one in listeners),
            flows=len(switch.table.flows),
            ledger=ledger_status(switch.ledger),
            descriptors=DescriptorStatus(*self._kit.descriptors.use()),
            memory=memory_status(self._kit.memory),
        )

    def listeners(self) -> list[Listener]:
        """Every open listener: of the configuration, and of handlers."""
        return [*self._listeners.open.values(), *self._handlers.listeners()]

    def links(self) -> list[OutgoingLink]:
        """Every link: of handlers, and of listeners that connect to their peers."""
        return [*self._handlers.links, *self._listeners.links()]

    def outboxes(self) -> list[Outbox]:
        """Every outbox there is: of links, and of peers."""
        return [*self._handlers.outboxes(), *self._listeners.outboxes()]

    async def peers(self, after: str, most: int) -> StatusPage[PeerStatus]:
        """Connected peers of all listeners."""
        found = [(one.name, box) for one in self.listeners() for box in one.outboxes()[1:]]
        return await pages.peers_page(found, after, most)

    async def flows(self, after: str, most: int) -> StatusPage[FlowStatus]:
        """The flow table."""
        return await pages.flows_page(self._kit.switch.table, after, most)

    def flow(self, type: str) -> FlowStatus | None:
        """The flow of one type; None if it has none now."""
        name = type.encode("utf-8", "replace")
        found = self._kit.switch.table.flows.get(name)
        return pages.flow_status(name, found) if found is not None else None

    def losses(self) -> StatusPage[LossStatus]:
        """What was lost lately, the latest first."""
        found = self._kit.log.losses.latest()
        items = (
            LossStatus(one.place, one.reason, one.messages, one.first_age, one.age) for one in found
        )
        return StatusPage(tuple(items), len(found))

    async def types(self, most: int) -> StatusPage[TypeStatus]:
        """The message types with the most traffic."""
        return await pages.types_page(self._kit.switch.table, most)

    async def all_types(self) -> dict[str, TypeCount]:
        """The counts of the first message types, and of all others as `other`."""
        return await pages.all_types(self._kit.switch.table)

    async def verdict_counters(self) -> TypeCount:
        """What handlers such as `filter` count without seeing any message."""
        return await pages.verdict_counters(self._kit.switch.table)

    def _handler_status(self, member: RunningHandler) -> HandlerStatus:
        """One handler; what its `status()` raises is its own, and so is the time it takes."""
        name, facts, problem = member.plan.section, {}, ""
        begun = perf_counter()
        try:
            facts = plain_facts(member.handler.status())
        except BaseException as error:  # SystemExit and the like must not end the server
            problem = f"{error.__class__.__name__}: {error}"[:LONGEST_TEXT]
            self._kit.log.failed(name, STATUS, error)
        took = perf_counter() - begun
        if took > SLOW_HANDLER_AFTER:
            self._kit.log.slow(name, STATUS, took)
        faults = dict(self._kit.log.faults.get(name, ()))
        counters = dict(member.context.counters)
        return HandlerStatus(name, member.plan.word, facts, counters, problem, faults)


def process_status(plan: Plan, file: Path, started: float) -> ProcessStatus:
    """The process we are."""
    return ProcessStatus(
        name=plan.job_name,
        file=str(file),
        version=__version__,
        pid=os.getpid(),
        user=os.geteuid(),
        started=started,
        time=time.time(),
        times=tuple(os.times()),
        platform=f"{platform.system()}-{platform.machine()}",
        python=platform.python_version(),
        data_path="compiled" if COMPILED else "plain-python",
    )


def memory_status(memory: Memory) -> MemoryStatus:
    """The account of all queues and unfinished messages."""
    return MemoryStatus(
        memory.used, memory.limit, memory.state, len(memory.held_back), memory.closed
    )


def listener_status(listener: Listener, plan: Plan) -> ListenerStatus:
    """One open listener."""
    planned, where = plan.listener(listener.name), listener.acceptor.address
    handler = plan.handler(listener.name)
    return ListenerStatus(
        section=listener.name,
        protocol=planned.protocol if planned else handler.word if handler else "",
        address=listener.acceptor.bound,
        peers=len(listener.outboxes()) - 1,  # the first one sums up the peers that are gone
        calls=listener.calls,
        counts=dict(listener.acceptor.counts),
        silent=listener.acceptor.silent,
        security=protection(str(where), listener.options) if where is not None else "",
        listening=listener.acceptor.listening,
    )


def link_status(link: OutgoingLink) -> LinkStatus:
    """One link."""
    sink = sink_status(link.outbox)
    return LinkStatus(
        link.name, link.address, link.state, link.reason, link.reconnects, sink,
        link.options.required,
    )  # fmt: skip


def sinks_status(boxes: Sequence[Outbox]) -> SinksStatus:
    """All outboxes together, and those that wait or have dropped the most."""
    losses: dict[str, dict[str, int]] = {}
    bad: list[tuple[int, int, int]] = []
    # Plain loops: with 10,000 peers that have dropped, sums of Counters hold the loop for 50 ms.
    for number, box in enumerate(boxes):
        lost = 0
        if box.dropped:
            where = losses.setdefault(box.destination, {})
            for reason, count in box.dropped.items():
                if count:
                    where[reason] = where.get(reason, 0) + count
                    lost += count
        if lost or box.waiting:
            bad.append((lost, box.bytes, -number))
    dropped: Counter[str] = Counter()
    for found in losses.values():
        dropped.update(found)
    return SinksStatus(
        count=len(boxes),
        waiting=sum(box.waiting for box in boxes),
        bytes=sum(box.bytes for box in boxes),
        dropped=dict(dropped),
        worst=tuple(sink_status(boxes[-one[2]]) for one in nlargest(WORST_SINKS, bad)),
        losses={name: found for name, found in sorted(losses.items()) if found},
    )


def ledger_status(ledger: Ledger) -> LedgerStatus:
    """The counts of the ledger as they are now."""
    return LedgerStatus(
        ledger.received, ledger.bytes, dict(+ledger.fates), dict(+ledger.fate_bytes)
    )


def plain_facts(facts: object) -> dict[str, Any]:
    """What a handler said of itself as plain values; ValueError if it is too much or no mapping."""
    if not isinstance(facts, Mapping):
        raise ValueError(f"status() returned {facts!r:.80}, expected a dict")
    room = iter(range(MOST_FACTS))
    return {_plain_text(name): _plain(value, room) for name, value in facts.items()}


def _plain(value: object, room: Iterator[int]) -> Any:
    """A copy of a value; anything but numbers, texts, lists and dicts becomes a text."""
    if next(room, None) is None:
        raise ValueError(f"status() returned more than {MOST_FACTS} values")
    if value is None or isinstance(value, bool | int) or _finite(value):
        return value
    if isinstance(value, Mapping):
        return {_plain_text(name): _plain(one, room) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, room) for one in value]
    return _plain_text(value)


def _finite(value: object) -> bool:
    """JSON has no infinite numbers, and none that are not a number."""
    return isinstance(value, float) and math.isfinite(value)


def _plain_text(value: object) -> str:
    return str(value)[:LONGEST_TEXT]

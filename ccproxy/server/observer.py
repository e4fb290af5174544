"""What is seen of a running server: its parts are looked at here, and nowhere else from outside.

It must never change what it looks at, and a handler whose `status()` fails must cost no more than
its own entry.
"""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Sequence
from heapq import nlargest
from pathlib import Path
from time import perf_counter, thread_time

from ccproxy import __version__
from ccproxy.config.plan import Plan
from ccproxy.config.security import protection
from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.histogram import BOUNDS, Histogram
from ccproxy.core.ingress import COMPILED
from ccproxy.core.ledger import Ledger
from ccproxy.core.memory import Memory
from ccproxy.core.type_totals import TypeCount
from ccproxy.handler import Onward
from ccproxy.net.latencies import Latencies
from ccproxy.net.notices import STATUS
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.link import OutgoingLink
from ccproxy.protocol import Listener
from ccproxy.server import pages
from ccproxy.server.delivery_status import (
    client_totals,
    link_status,
    open_accepted,
    received_status,
    remembered_status,
)
from ccproxy.server.facts import LONGEST_TEXT, MOST_FACTS, plain_facts, plain_text
from ccproxy.server.handlers import HandlerSet, RunningHandler
from ccproxy.server.listeners import Listeners
from ccproxy.server.pages import sink_status
from ccproxy.server.queue_watch import EMPTY, QueueState, QueueWatch
from ccproxy.server.runners import SLOW_HANDLER_AFTER
from ccproxy.server.status import (
    HANDLE,
    HANDOVER,
    SEND,
    DescriptorStatus,
    FlowStatus,
    HandlerStatus,
    LatencyStatus,
    LedgerStatus,
    ListenerStatus,
    LogStatus,
    LossStatus,
    MemoryStatus,
    PeerStatus,
    ProcessStatus,
    RouteStatus,
    SinksStatus,
    Status,
    StatusPage,
    TrafficStatus,
    TypeStatus,
)

WORST_SINKS = 50
"""Sinks that a status shows by name; the others are in its sums."""


class Observer:
    """Looks at the switch, the handlers and the listeners of one server."""

    def __init__(self, kit: Kit, handlers: HandlerSet, listeners: Listeners, file: Path) -> None:
        """`file` is the configuration; it has this place also when the directory is gone later."""
        self.started = time.time()
        self._file = file.resolve()
        self._kit = kit
        self._handlers = handlers
        self._listeners = listeners
        self.queue_watch = QueueWatch(kit.log)
        """Has to look at `outboxes` once a second."""

    def status(self, plan: Plan) -> Status:
        """The server that runs this plan, now."""
        switch, levels = self._kit.switch, self._kit.log.levels
        listeners = [self._listener(one, plan) for one in self.listeners()]
        return Status(
            process=process_status(plan, self._file, self.started),
            listeners=tuple(listeners),
            links=tuple(map(link_status, self.links())),
            handlers=tuple(map(self._handler_status, self._handlers.members.values())),
            routes=tuple(RouteStatus(one.prefix, one.sections) for one in plan.routes),
            sinks=sinks_status(self.outboxes(), self.queue_watch.worst),
            peers=sum(one.peers for one in listeners),
            flows=len(switch.table.flows),
            ledger=ledger_status(switch.ledger),
            descriptors=DescriptorStatus(*self._kit.descriptors.use()),
            memory=memory_status(self._kit.memory),
            remembered=remembered_status(self._kit.far.links),
            received=received_status(self._kit.far.links),
            clients=remembered_status(self._kit.far.clients),
            client_totals=client_totals(self._kit.far.clients),
            latencies=latencies_status(self._kit.flush_queue.latencies, plan),
            log=LogStatus(levels.level, levels.sections, levels.changed),
        )

    def _listener(self, one: Listener, plan: Plan) -> ListenerStatus:
        came = self._kit.switch.ledger.listeners.get(one.name, 0)
        return listener_status(one, plan, self.queue_watch.state(one.name), came)

    def listeners(self) -> list[Listener]:
        """Every open listener: of the configuration, and of handlers."""
        return [*self._listeners.open.values(), *self._handlers.listeners()]

    def links(self) -> list[OutgoingLink]:
        """Every link: of handlers, and of listeners that connect to their peers."""
        return [*self._handlers.links, *self._listeners.links()]

    def outboxes(self) -> list[CountedQueue]:
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
        """The flow of one type; None if no message of it came."""
        return pages.type_flow(self._kit.switch.table, type.encode("utf-8", "replace"))

    def onward(self, type: str, section: str) -> Onward | None:
        """What a handler does with messages of a type; None if there is no such handler."""
        member = self._handlers.members.get(section)
        if member is None:
            return None
        found: list[Onward] = []
        self._kit.call_plugin(section, STATUS, lambda: found.append(member.handler.follow(type)))
        said = found[0] if found else Onward()
        sections = tuple(map(plain_text, said.sections))[:MOST_FACTS]
        return Onward(plain_text(said.text), sections, bool(said.wrong))

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

    async def traffic(self, most: int) -> TrafficStatus:
        """The types with the most traffic, and all traffic by section."""
        return await pages.traffic(self._kit.switch.table, most, time.time())

    async def all_types(self) -> dict[str, TypeCount]:
        """The counts of the first message types, and of all others as `other`."""
        return await pages.all_types(self._kit.switch.table)

    async def verdict_counters(self) -> TypeCount:
        """What handlers such as `filter` count without seeing any message."""
        return await pages.verdict_counters(self._kit.switch.table)

    def _handler_status(self, member: RunningHandler) -> HandlerStatus:
        """One handler; what its `status()` raises is its own, and so is the time it takes."""
        name, facts, problem = member.plan.section, {}, ""
        begun, used = perf_counter(), thread_time()
        try:
            facts = plain_facts(member.handler.status())
        except BaseException as error:  # SystemExit and the like must not end the server
            problem = f"{error.__class__.__name__}: {error}"[:LONGEST_TEXT]
            self._kit.log.failed(name, STATUS, error)
        took = perf_counter() - begun
        if took > SLOW_HANDLER_AFTER:
            self._kit.log.slow(name, STATUS, took, thread_time() - used)
        faults = dict(self._kit.log.faults.get(name, ()))
        counters = dict(member.context.counters)
        accepted, age = open_accepted(member.receiver)
        return HandlerStatus(
            name, member.plan.word, facts, counters, problem, faults, accepted, age
        )


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


def latencies_status(found: Latencies, plan: Plan) -> tuple[LatencyStatus, ...]:
    """The times of hops, and those of the handlers of the plan; nothing if none are taken."""
    if not found.wanted:
        return ()
    sections = [one.section for one in plan.handlers]
    times = {section: found.handlers[section] for section in sections if section in found.handlers}
    return (
        latency_status(HANDOVER, "", found.reads.histogram),
        latency_status(SEND, "", found.sent),
        *(latency_status(HANDLE, name, one.histogram) for name, one in times.items()),
    )


def latency_status(name: str, section: str, found: Histogram) -> LatencyStatus:
    """One histogram."""
    return LatencyStatus(name, section, BOUNDS, tuple(found.counts), round(found.sum, 9))


def listener_status(one: Listener, plan: Plan, queues: QueueState, came: int) -> ListenerStatus:
    """One open listener, with the worst of the queues of its peers."""
    planned, where = plan.listener(one.name), one.acceptor.address
    handler = plan.handler(one.name)
    return ListenerStatus(
        section=one.name,
        protocol=planned.protocol if planned else handler.word if handler else "",
        address=one.acceptor.bound,
        peers=len(one.outboxes()) - 1,  # the first one sums up the peers that are gone
        calls=one.calls,
        counts=dict(one.acceptor.counts),
        silent=one.acceptor.silent,
        security=protection(str(where), one.options) if where is not None else "",
        listening=one.acceptor.listening,
        age=round(queues.age, 3),
        fill=round(queues.fill, 4),
        received=came,
    )


def sinks_status(boxes: Sequence[CountedQueue], worst: QueueState = EMPTY) -> SinksStatus:
    """All outboxes together, and those that wait or have dropped the most; `worst` is what the
    last look at all of them found."""
    losses: dict[str, dict[str, int]] = {}
    bad: list[tuple[int, int, int]] = []
    waiting = size = 0
    # One plain loop: 10,000 peers that have all dropped take 5 ms, with sums of Counters 50 ms.
    for number, box in enumerate(boxes):
        waits, dropped, lost = box.waiting, box.dropped, 0
        waiting += waits
        size += box.bytes
        if dropped:
            section = box.name.partition(" ")[0]
            where = losses.get(section)
            if where is None:
                where = losses[section] = {}
            for reason, count in dropped.items():
                if count:
                    where[reason] = where.get(reason, 0) + count
                    lost += count
        if lost or waits:
            bad.append((lost, box.bytes, -number))
    total: Counter[str] = Counter()
    for found in losses.values():
        total.update(found)
    return SinksStatus(
        count=len(boxes),
        waiting=waiting,
        bytes=size,
        dropped=dict(total),
        worst=tuple(sink_status(boxes[-one[2]]) for one in nlargest(WORST_SINKS, bad)),
        losses={name: found for name, found in sorted(losses.items()) if found},
        age=round(worst.age, 3),
        fill=round(worst.fill, 4),
    )


def ledger_status(ledger: Ledger) -> LedgerStatus:
    """The counts of the ledger as they are now."""
    return LedgerStatus(
        ledger.received, ledger.bytes, dict(+ledger.fates), dict(+ledger.fate_bytes)
    )

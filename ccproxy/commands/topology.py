"""Where messages go in a server, as nodes and edges: from a plan, or from two looks with rates.

    listeners --> the server --> routes --> sections of handlers --> links and peers

It must never ask a server, or know how a graph is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ccproxy.commands.members import any_up, counted, members_of
from ccproxy.config.plan import Plan
from ccproxy.core.ledger import FATES
from ccproxy.core.routes import Routes
from ccproxy.server.status import HandlerStatus, LinkStatus, SinkStatus, Status, TypeStatus

CENTRE = "server"


@dataclass(frozen=True, slots=True)
class Node:
    """One box of the graph. `kind` is listener, server, route, handler, link, peers or fate;
    `wrong` says that something is dropped or not up."""

    id: str
    kind: str
    name: str
    about: str = ""
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class TrafficEdge:
    """From one node to another, with messages per second if they are known."""

    source: str
    target: str
    rate: float | None = None


@dataclass(slots=True)
class Topology:
    """All nodes by their ids, which are no names of anything, and all edges."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[TrafficEdge] = field(default_factory=list)

    def add(self, kind: str, name: str, about: str = "", wrong: bool = False) -> str:
        """One more node; its id."""
        id = f"n{len(self.nodes)}"
        self.nodes[id] = Node(id, kind, name, about, wrong)
        return id

    def join(self, source: str, target: str, rate: float | None = None) -> None:
        """One more edge."""
        self.edges.append(TrafficEdge(source, target, rate))

    def behind(self, id: str) -> Iterator[tuple[Node, TrafficEdge]]:
        """What a node leads to."""
        for edge in self.edges:
            if edge.source == id:
                yield self.nodes[edge.target], edge

    def before(self, id: str) -> Iterator[tuple[Node, TrafficEdge]]:
        """What leads to a node."""
        for edge in self.edges:
            if edge.target == id:
                yield self.nodes[edge.source], edge


@dataclass(frozen=True, slots=True)
class TrafficLook:
    """A status, and the message types with the most messages then."""

    status: Status
    types: Mapping[str, TypeStatus]


def of_plan(plan: Plan, links: Iterable[tuple[str, str]]) -> Topology:
    """What a configuration makes; `links` are section and address of each."""
    found = Topology()
    centre = found.add(CENTRE, plan.job_name)
    for listener in plan.listeners:
        found.join(
            found.add("listener", listener.section, f"{listener.protocol} {listener.address}"),
            centre,
        )
    handlers = {one.section: found.add("handler", one.section, one.word) for one in plan.handlers}
    for route in plan.routes:
        at = found.add("route", route.prefix)
        found.join(centre, at)
        for section in route.sections:
            found.join(at, handlers[section])
    for one in plan.handlers:
        for section in one.refers:  # members of a group, or where a handler passes messages on
            found.join(handlers[one.section], handlers[section])
    for section, address in links:
        if section in handlers:
            found.join(handlers[section], found.add("link", section, address))
    return found


def of_looks(before: TrafficLook, after: TrafficLook) -> Topology:
    """What a running server does, with the rates between two looks."""
    return _Drawn(before, after).topology


class _Drawn:
    """Builds the topology of a running server."""

    def __init__(self, before: TrafficLook, after: TrafficLook) -> None:
        self.topology = Topology()
        self._status = status = after.status
        same = before.status.process.started == status.process.started
        self._known = before.types if same else {}
        begun = before.status.process.time if same else status.process.started
        self._seconds = max(status.process.time - begun, 1e-3)
        self._came = {one.section: one.received for one in before.status.listeners if same}
        self._sent = _sent(before.status.links if same else ())
        self._queued: Counter[str] = Counter()
        for one in before.status.links if same else ():
            self._queued[one.section] += one.sink.queued
        self._types = after.types
        self._centre = self.topology.add(CENTRE, status.process.name)
        members = [member for one in status.handlers for member in members_of(one.facts)]
        unused = {member.section for member in members if not member.used}
        self._handlers = {one.section: self._handler(one, unused) for one in status.handlers}
        self._listeners()
        self._routes()
        self._members()
        self._links()
        self._fates(before.status if same else None)

    def _handler(self, one: HandlerStatus, unused: set[str]) -> str:
        """A handler; of a group how many members are up, of a member whether it gets nothing."""
        members = members_of(one.facts)
        said = [one.handler, *([f"members: {counted(members)}"] if members else [])]
        if one.section in unused:
            said.append("not used")
        wrong = bool(one.faults or one.error or (members and not any_up(members)))
        return self.topology.add("handler", one.section, ", ".join(said), wrong)

    def _rate(self, messages: int) -> float:
        return round(max(0, messages) / self._seconds, 1)

    def _type_rate(self, one: TypeStatus) -> float:
        old = self._known.get(one.type)
        return self._rate(one.messages - (old.messages if old is not None else 0))

    def _listeners(self) -> None:
        """Those of handlers are destinations."""
        for one in self._status.listeners:
            about = f"{one.protocol} {one.address}, {one.peers} peers"
            wrong = not one.listening
            if one.section not in self._handlers:
                at = self.topology.add("listener", one.section, about, wrong)
                rate = self._rate(one.received - self._came.get(one.section, 0))
                self.topology.join(at, self._centre, rate)
                continue
            losses = self._status.sinks.losses.get(one.section, {})
            at = self.topology.add("peers", one.section, about + _dropped(losses), bool(losses))
            self.topology.join(self._handlers[one.section], at)

    def _routes(self) -> None:
        """Routes, and the sections to which messages of each have gone."""
        matching = Routes((one.prefix, one.sections) for one in self._status.routes)
        rates: dict[tuple[str, str], float] = {}
        totals: dict[str, float] = {}
        for one in self._types.values():
            rate = self._type_rate(one)
            matches = list(matching.match(one.type))
            named = {section for _, sections in matches for section in sections}
            for prefix, sections in matches:
                totals[prefix] = totals.get(prefix, 0.0) + rate
                for section in one.to:  # one that no route names has it from another handler
                    if section in sections or section not in named:
                        rates[prefix, section] = rates.get((prefix, section), 0.0) + rate
        for route in self._status.routes:
            at = self.topology.add("route", route.prefix)
            self.topology.join(self._centre, at, round(totals.get(route.prefix, 0.0), 1))
            others = [section for prefix, section in rates if prefix == route.prefix]
            for section in dict.fromkeys([*route.sections, *others]):
                if section in self._handlers:
                    rate = round(rates.get((route.prefix, section), 0.0), 1)
                    self.topology.join(at, self._handlers[section], rate)

    def _members(self) -> None:
        """Members behind the groups that give them messages."""
        for one in self._status.handlers:
            for member in members_of(one.facts):
                if member.section in self._handlers:
                    at = self._handlers[member.section]
                    self.topology.join(self._handlers[one.section], at, self._given(member.section))

    def _given(self, section: str) -> float | None:
        """What came into the queues of a member's links; None if more than its group leads there:
        routes, or other handlers."""
        links = [one for one in self._status.links if one.section == section]
        routed = any(section in one.sections for one in self._status.routes)
        if not links or routed or any(section in one.to for one in self._types.values()):
            return None
        queued = sum(one.sink.queued for one in links)
        return self._rate(queued - self._queued.get(section, 0))

    def _links(self) -> None:
        """Links behind their handlers, or behind the listener that they belong to."""
        for one in self._status.links:
            wrong = one.state != "up" or bool(one.sink.dropped)
            about = f"{one.address} {one.state}{_waiting(one.sink)}{_dropped(one.sink.dropped)}"
            at = self.topology.add("link", one.section, about, wrong)
            source = self._handlers.get(one.section, self._centre)
            sent = one.sink.sent - self._sent.get((one.section, one.address), 0)
            self.topology.join(source, at, self._rate(sent))

    def _fates(self, before: Status | None) -> None:
        """Messages that led nowhere meanwhile."""
        old = before.ledger.fates if before is not None else {}
        for fate in list(FATES)[3:]:
            fresh = self._status.ledger.fates.get(fate, 0) - old.get(fate, 0)
            if fresh > 0:
                at = self.topology.add("fate", fate, FATES[fate], fate != "discarded")
                self.topology.join(self._centre, at, self._rate(fresh))


def _sent(links: Sequence[LinkStatus]) -> dict[tuple[str, str], int]:
    return {(one.section, one.address): one.sink.sent for one in links}


def _waiting(sink: SinkStatus) -> str:
    return f", waiting {sink.waiting}" if sink.waiting else ""


def _dropped(counts: Mapping[str, int]) -> str:
    shown = " ".join(f"{reason}:{number}" for reason, number in counts.items() if number)
    return f", dropped {shown}" if shown else ""

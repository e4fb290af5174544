"""Another graph under running instances: what it would change, and changing it.

It must never read the file of a graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...graph import EAGER, Graph, GraphService
from ...graph_diff import GraphChange, differences
from .instances import InstanceMachine
from .plans import Planner
from .rows import DesiredState, InstanceRow
from .services import Services
from .state import State


@dataclass(frozen=True, slots=True)
class ReloadPlan:
    """What differs, what follows at once (`starts` are services with the number of instances,
    `ends` instances), and lines for the operator about what is touched."""

    changes: tuple[GraphChange, ...] = ()
    desired: tuple[DesiredState, ...] = ()
    starts: tuple[tuple[str, int], ...] = ()
    ends: tuple[InstanceRow, ...] = ()
    touches: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """What differs and what follows, for those who reload without a look at the plan."""
        yield from map(str, self.changes)
        yield from (f"starts {count} of {name}" for name, count in self.starts)
        yield from (f"ends instance {row.key} of {row.service}" for row in self.ends)


class GraphReload:
    """`plan` for what would be, `apply` to do it."""

    def __init__(
        self, state: State, instances: InstanceMachine, services: Services, planner: Planner
    ) -> None:
        self.state = state
        self.store = state.store
        self.instances = instances
        self.services = services
        self.planner = planner

    def plan(self, graph: Graph) -> ReloadPlan:
        """What another graph would change now."""
        starts: list[tuple[str, int]] = []
        ends = [one for one in self._all() if one.service not in graph.services]
        desired = []
        for name, service in graph.services.items():
            wanted = self._desired(service)
            if wanted != self.state.desired(name):
                desired.append(wanted)
            rows = self.planner.staying(name)
            if wanted.broken or wanted.hold or wanted.down:
                continue
            most = max(service.replicas.most, wanted.target)
            rows.sort(key=self.planner.worth)
            ends += rows[: max(0, len(rows) - most)]
            if wanted.target > len(rows):
                starts.append((name, wanted.target - len(rows)))
        touches = (*self.planner.touched(ends), *self._unchanged(graph, ends))
        changes = tuple(differences(self.state.graph, graph))
        return ReloadPlan(changes, tuple(desired), tuple(starts), tuple(ends), touches)

    def apply(self, graph: Graph) -> None:
        """What is not in a graph any more ends, what is new starts, what differs is told."""
        plan = self.plan(graph)
        for change in plan.changes:
            self.state.notice("graph changed", change.subject, change.text)
        for desired in plan.desired:
            self.services.change(
                desired.key, target=desired.target, program=desired.program, broken=desired.broken
            )
        self.state.graph = graph
        for row in plan.ends:
            self.instances.drain(row)
        for name in [one for one in self.store.desired if one not in graph.services]:
            self.store.drop(self.store.desired[name])
        self.services.balance_all()

    def _all(self) -> list[InstanceRow]:
        names = {row.service: None for row in self.store.instances.values()}
        return [row for name in names for row in self.planner.staying(name)]

    def _desired(self, service: GraphService) -> DesiredState:
        """What is wanted of a service by another graph: what an operator has changed stays, as far
        as the graph allows it."""
        had, old = self.state.desired(service.name), self.state.service(service.name)
        if old is None:
            program = service.program or service.name
            return replace(had, target=_at_start(service), program=program)
        program, broken = had.program, had.broken
        if old.program != service.program and program == (old.program or old.name):
            program, broken = service.program or service.name, ""
        target = had.target
        if (old.replicas, old.start) != (service.replicas, service.start):
            target = _target(old, service, target)
        return replace(had, target=target, program=program, broken=broken)

    def _unchanged(self, graph: Graph, ends: list[InstanceRow]) -> Iterator[str]:
        """Instances that go on with the sockets, plugs and programs that they were started with."""
        ending = {one.key for one in ends}
        for name, service in graph.services.items():
            old = self.state.service(name)
            if old is None or _needs(old) == _needs(service):
                continue
            count = sum(one.key not in ending for one in self.planner.staying(name))
            if count:
                yield f"{name}: {count} instances go on as they were started, until they are moved"


def _at_start(service: GraphService) -> int:
    """The instances of a service that is neither asked for nor scaled."""
    return service.replicas.least if service.start == EAGER else 0


def _target(old: GraphService, new: GraphService, target: int) -> int:
    """How many instances are kept of a service whose `replicas` or `start` are others now."""
    least, most = new.replicas
    if target in (old.replicas.least, _at_start(old)):
        return least if target or new.start == EAGER else 0
    return max(least, min(target, most)) if target else 0


def _needs(service: GraphService) -> tuple[object, ...]:
    """What an instance gets at its start."""
    return service.sockets, service.plugs, service.program

"""What a command would do, before it is done: steps, the clients it touches, or why it cannot be.

It reads the state and must never change any of it; `operations` carries the steps out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...commands import (
    Down,
    Drain,
    Migrate,
    OperatorCommand,
    Rebalance,
    Scale,
    StopInstance,
    Undrain,
    Up,
    Update,
    text_of,
)
from ...graph import layers
from .feasibility import Feasibility
from .rows import LAST, WHOLE_GROUPS, AgentRow, InstanceRow, OperationStep
from .state import State
from .store import staying
from .tables import LIVE, InstanceState


@dataclass(frozen=True, slots=True)
class OperationPlan:
    """`touches` are lines for the operator; `refusal` is empty if the plan can be carried out.
    `parallel` and `previous_program` are those of the operation."""

    command: str
    steps: tuple[OperationStep, ...] = ()
    touches: tuple[str, ...] = ()
    refusal: str = ""
    parallel: int = 1
    previous_program: str = ""


class Planner:
    """`plan` makes the plan of a command in the present state."""

    def __init__(self, state: State, feasibility: Feasibility) -> None:
        self.state = state
        self.store = state.store
        self.feasibility = feasibility
        self.placement = feasibility.placement
        self._plans: dict[type[OperatorCommand], Callable[[Any], OperationPlan]] = {
            Drain: self._drain,
            Undrain: self._undrain,
            Migrate: self._migrate,
            Scale: self._scale,
            Update: self._update,
            Rebalance: self._rebalance,
            StopInstance: self._stop,
            Down: self._down,
            Up: self._up,
        }

    def plan(self, command: OperatorCommand) -> OperationPlan:
        """The plan of a command."""
        return self._plans[type(command)](command)

    # One command each

    def _drain(self, command: Drain) -> OperationPlan:
        agent = self._node(command.node)
        if agent is None:
            return _refused(command, f"no node {command.node}")
        keys = self.store.instance_index.of(("on", agent.key))
        rows = [row for row in map(self.store.instances.__getitem__, keys) if staying(row)]
        steps = [OperationStep("empty node", agent.key, group=0)]
        for group, row in enumerate(rows, 1):
            why = self.feasibility.no_other_place(row, "")
            if why and not command.force:
                return _refused(command, why + "; --force stops it all the same")
            unwanted = not self.state.desired(row.service).target and not self._busy(row)
            end = [OperationStep("drain", str(row.key), group=group)]
            steps += end if why or unwanted else self._move(row, group)
        return OperationPlan(text_of(command), tuple(steps), self.touched(rows))

    def _undrain(self, command: Undrain) -> OperationPlan:
        agent = self._node(command.node)
        if agent is None:
            return _refused(command, f"no node {command.node}")
        return OperationPlan(text_of(command), (OperationStep("use node", agent.key),))

    def _migrate(self, command: Migrate) -> OperationPlan:
        row = self._instance(command.instance)
        if row is None or not staying(row):
            return _refused(command, f"no instance {command.instance} that could be moved")
        why = self.feasibility.no_other_place(row, command.node)
        steps = tuple(self._move(row, 1, command.node or self.feasibility.best_other_node(row)))
        return OperationPlan(text_of(command), steps, self.touched([row]), why)

    def _stop(self, command: StopInstance) -> OperationPlan:
        row = self._instance(command.instance)
        if row is None:
            return _refused(command, f"no instance {command.instance}")
        steps = [OperationStep("kill" if command.hard else "drain", str(row.key))]
        target = self.state.desired(row.service).target
        if target and staying(row):
            steps.insert(0, OperationStep("goal", row.service, number=target - 1, group=0))
        return OperationPlan(text_of(command), tuple(steps), self.touched([row]))

    def _scale(self, command: Scale) -> OperationPlan:
        service = self.state.service(command.service)
        if service is None:
            return _refused(command, f"no service {command.service}")
        if service.alone and command.count > 1:
            return _refused(command, f"{service.name} is storage that is not replicated")
        if command.count > service.replicas.most:
            least, most = service.replicas
            why = f"the graph has replicas = {least}-{most} for {service.name}"
            return _refused(command, f"{command.count} instances, but {why}")
        if self.state.desired(service.name).down:
            return _refused(command, f"{service.name} is down; `up` starts it again")
        rows = sorted(self.staying(service.name), key=self.worth)
        lacks = self.feasibility.lack_of_ports(service, command.count - len(rows))
        if lacks:
            return _refused(command, lacks)
        surplus = rows[: max(0, len(rows) - command.count)]
        steps = [OperationStep("goal", service.name, number=command.count, group=0)]
        for group, row in enumerate(surplus, 1):
            steps.append(OperationStep("drain", str(row.key), group=group))
        if not surplus:
            steps.append(OperationStep("await", service.name, number=command.count))
        return OperationPlan(text_of(command), tuple(steps), self.touched(surplus))

    def _update(self, command: Update) -> OperationPlan:
        service = self.state.service(command.service)
        if service is None:
            return _refused(command, f"no service {command.service}")
        if not self.placement.able(command.program):
            return _refused(command, f"no node has the program {command.program}")
        rows = [one for one in self.staying(service.name) if one.program != command.program]
        lacks = self.feasibility.lack_in_update(service, command.program, rows)
        if lacks:
            return _refused(command, lacks)
        steps = [OperationStep("program", service.name, command.program, group=0)]
        for group, row in enumerate(rows):
            moves = self._move(row, group)
            if group == 0:
                # One new instance is watched before any other is replaced, if possible before the
                # old one ends: a version that fails after its start costs nothing.
                place = len(moves) if service.alone else 1
                moves.insert(place, OperationStep("watch", service.name, group=0))
            steps += moves
        if len(rows) != 1:
            steps.append(OperationStep("watch", service.name, group=LAST))
        return OperationPlan(
            text_of(command), tuple(steps), self.touched(rows),
            parallel=self.state.settings.update_parallel,
            previous_program=self.state.desired(service.name).program,
        )  # fmt: skip

    def _rebalance(self, command: Rebalance) -> OperationPlan:
        if self.state.service(command.service) is None:
            return _refused(command, f"no service {command.service}")
        rows = self.staying(command.service)
        running = [one.key for one in rows if one.state is InstanceState.RUNNING]
        loads = sorted(((self._sessions_to(key), key) for key in running), reverse=True)
        each, more = divmod(sum(load for load, _ in loads), max(1, len(loads)))
        steps = []
        for place, (load, key) in enumerate(loads):
            fair = each + (place < more)
            if load > fair:
                steps.append(OperationStep("close", str(key), number=fair, group=place + 1))
        touches = tuple(f"instance {one.subject}: down to {one.number} sessions" for one in steps)
        return OperationPlan(text_of(command), tuple(steps), touches, parallel=max(1, len(steps)))

    def _down(self, command: Down) -> OperationPlan:
        steps: list[OperationStep] = []
        rows: list[InstanceRow] = []
        for group, names in enumerate(layers(self.state.graph)):
            for name in names:
                live = self.store.instance_index.of(("live", name))
                if live or not self.state.desired(name).down:
                    rows += [self.store.instances[key] for key in live]
                    steps.append(OperationStep("down", name, number=len(live), group=group))
        return OperationPlan(
            text_of(command), tuple(steps), self.touched(rows), parallel=WHOLE_GROUPS
        )

    def _up(self, command: Up) -> OperationPlan:
        steps = []
        for group, names in enumerate(reversed(layers(self.state.graph))):
            for desired in map(self.state.desired, names):
                if desired.down:
                    number = 0 if desired.broken else desired.target
                    steps.append(OperationStep("up", desired.key, number=number, group=group))
        return OperationPlan(text_of(command), tuple(steps), parallel=WHOLE_GROUPS)

    # What they share

    def _instance(self, key: int) -> InstanceRow | None:
        found = self.store.instances.get(key)
        return found if found and found.state in LIVE else None

    def _node(self, node: str) -> AgentRow | None:
        keys = self.placement.nodes(node) if node else set()
        return self.store.agents[min(keys)] if keys else None

    def staying(self, service: str) -> list[InstanceRow]:
        """The instances that a service has, as against those that end."""
        keys = self.store.instance_index.of(("staying", service))
        return [self.store.instances[key] for key in keys]

    def worth(self, row: InstanceRow) -> tuple[bool, int]:
        """The order in which instances of a service are ended when there are too many: first those
        that do not run, whatever they wait for, then those with the fewest sessions."""
        return row.state is InstanceState.RUNNING, self._sessions_to(row.key)

    def _sessions_to(self, key: int) -> int:
        return self.store.session_index.size(("to", key))

    def _busy(self, row: InstanceRow) -> bool:
        outgoing = self.store.session_index.size(("from", row.key))
        return bool(self._sessions_to(row.key) or outgoing)

    def touched(self, rows: Iterable[InstanceRow]) -> tuple[str, ...]:
        """The sessions of instances that are to end, a line for each."""
        index = self.store.session_index
        lines = []
        for row in rows:
            incoming, outgoing = index.of(("to", row.key)), index.size(("from", row.key))
            clients = {self.store.sessions[key].source for key in incoming}
            lines.append(
                f"{row.service} {row.key}: {len(incoming)} sessions of {len(clients)} clients in, "
                f"{outgoing} out"
            )
        return tuple(lines)

    def _move(self, row: InstanceRow, group: int, node: str = "") -> list[OperationStep]:
        """The steps that replace an instance; one that must be alone leaves before the other
        comes."""
        service = self.state.service(row.service)
        start = OperationStep("start", row.service, node, group=group)
        drain = OperationStep("drain", str(row.key), group=group)
        if service and service.alone:
            hold = OperationStep("hold", row.service, group=group)
            return [hold, drain, start, OperationStep("release", row.service, group=group)]
        return [start, drain]


def _refused(command: OperatorCommand, why: str) -> OperationPlan:
    return OperationPlan(text_of(command), refusal=why)

"""What a command would do, before it is done: steps, the clients it touches, or why it cannot be.

Pure reading of the state; the steps are carried out by `operations`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import placement
from .commands import Command, Drain, Migrate, Rebalance, Scale, Stop, Undrain, Update
from .rows import LAST, Agent, Instance, Step
from .state import Mesh
from .store import staying
from .tables import LIVE, InstanceState


@dataclass(frozen=True, slots=True)
class Plan:
    """`touches` are lines for the operator; `refusal` is empty if the plan can be carried out."""

    command: str
    steps: tuple[Step, ...] = ()
    touches: tuple[str, ...] = ()
    refusal: str = ""
    parallel: int = 1
    back: str = ""


def plan(mesh: Mesh, command: Command) -> Plan:
    """The plan of a command in the present state."""
    makers: dict[type[Any], Callable[[Mesh, Any], Plan]] = {
        Drain: _drain, Undrain: _undrain, Migrate: _migrate, Scale: _scale, Update: _update,
        Rebalance: _rebalance, Stop: _stop,
    }  # fmt: skip
    return makers[type(command)](mesh, command)


def _instance(mesh: Mesh, key: int) -> Instance | None:
    found = mesh.store.instances.get(key)
    return found if found and found.state in LIVE else None


def _node(mesh: Mesh, node: str) -> Agent | None:
    keys = placement.nodes(mesh, node) if node else set()
    return mesh.store.agents[min(keys)] if keys else None


def _touched(mesh: Mesh, keys: Iterable[int]) -> tuple[str, ...]:
    index = mesh.store.session_index
    lines = []
    for key in keys:
        row = mesh.store.instances[key]
        inside, outside = index.size(("to", key)), index.size(("from", key))
        clients = {mesh.store.sessions[one].source for one in index.of(("to", key))}
        lines.append(
            f"{row.service} {key}: {inside} sessions of {len(clients)} clients in, {outside} out"
        )
    return tuple(lines)


def _move(mesh: Mesh, row: Instance, group: int, node: str = "") -> list[Step]:
    """The steps that replace an instance; one that must be alone leaves before the other comes."""
    service = mesh.service(row.service)
    start = Step("start", row.service, node, group=group)
    drain = Step("drain", str(row.key), group=group)
    if service and service.alone:
        hold = Step("hold", row.service, group=group)
        return [hold, drain, start, Step("release", row.service, group=group)]
    return [start, drain]


def _elsewhere(mesh: Mesh, row: Instance, node: str) -> str:
    """Why an instance has no other place, empty if it has one. `node` empty: not where it is."""
    agents = placement.able(mesh, mesh.services.goal(row.service).program)
    wanted = placement.nodes(mesh, node)
    fitting = [one for one in agents if one.key in wanted]
    if not node:
        fitting = [one for one in fitting if one.key != row.agent]
    if fitting:
        return ""
    return f"no {node or 'other node'} can run {row.service} for instance {row.key}"


def _drain(mesh: Mesh, command: Drain) -> Plan:
    agent = _node(mesh, command.node)
    if agent is None:
        return Plan(str(command), refusal=f"no node {command.node}")
    rows = [mesh.store.instances[k] for k in mesh.store.instance_index.of(("on", agent.key))]
    rows = [one for one in rows if staying(one)]
    steps = [Step("empty node", agent.key, group=0)]
    for group, row in enumerate(rows, 1):
        why = _elsewhere(mesh, row, "")
        if why and not command.force:
            return Plan(str(command), refusal=why + "; --force stops it all the same")
        idle = not mesh.services.goal(row.service).target and not _busy(mesh, row)
        alone = [Step("drain", str(row.key), group=group)]
        steps += alone if why or idle else _move(mesh, row, group)
    return Plan(str(command), tuple(steps), _touched(mesh, [one.key for one in rows]))


def _busy(mesh: Mesh, row: Instance) -> bool:
    index = mesh.store.session_index
    return bool(index.size(("to", row.key)) or index.size(("from", row.key)))


def _undrain(mesh: Mesh, command: Undrain) -> Plan:
    agent = _node(mesh, command.node)
    if agent is None:
        return Plan(str(command), refusal=f"no node {command.node}")
    return Plan(str(command), (Step("use node", agent.key),))


def _migrate(mesh: Mesh, command: Migrate) -> Plan:
    row = _instance(mesh, command.instance)
    if row is None or not staying(row):
        return Plan(str(command), refusal=f"no instance {command.instance} that could be moved")
    why = _elsewhere(mesh, row, command.node)
    steps = tuple(_move(mesh, row, 1, command.node or _best(mesh, row)))
    return Plan(str(command), steps, _touched(mesh, [row.key]), why)


def _best(mesh: Mesh, row: Instance) -> str:
    """The node an instance would move to: the first in rank that is not its own."""
    service = mesh.graph.services[row.service]
    agents = placement.able(mesh, mesh.services.goal(row.service).program)
    others = [one for one in agents if one.key != row.agent]
    return min((placement.rank(mesh, service, one) for one in others), default=(0, 0, 0, ""))[3]


def _stop(mesh: Mesh, command: Stop) -> Plan:
    row = _instance(mesh, command.instance)
    if row is None:
        return Plan(str(command), refusal=f"no instance {command.instance}")
    steps = [Step("kill" if command.hard else "drain", str(row.key))]
    target = mesh.services.goal(row.service).target
    if target and staying(row):
        steps.insert(0, Step("goal", row.service, number=target - 1, group=0))
    return Plan(str(command), tuple(steps), _touched(mesh, [row.key]))


def _rows(mesh: Mesh, service: str) -> list[Instance]:
    keys = mesh.store.instance_index.of(("staying", service))
    return [mesh.store.instances[key] for key in keys]


def _scale(mesh: Mesh, command: Scale) -> Plan:
    service = mesh.service(command.service)
    if service is None:
        return Plan(str(command), refusal=f"no service {command.service}")
    if service.alone and command.count > 1:
        return Plan(str(command), refusal=f"{service.name} is storage that is not replicated")
    size = mesh.store.session_index.size
    rows = sorted(_rows(mesh, service.name), key=lambda one: size(("to", one.key)))
    surplus = rows[: max(0, len(rows) - command.count)]
    steps = [Step("goal", service.name, number=command.count, group=0)]
    steps += [Step("drain", str(one.key), group=n) for n, one in enumerate(surplus, 1)]
    if not surplus:
        steps.append(Step("await", service.name, number=command.count))
    return Plan(str(command), tuple(steps), _touched(mesh, [one.key for one in surplus]))


def _update(mesh: Mesh, command: Update) -> Plan:
    service = mesh.service(command.service)
    if service is None:
        return Plan(str(command), refusal=f"no service {command.service}")
    if not placement.able(mesh, command.program):
        return Plan(str(command), refusal=f"no node has the program {command.program}")
    rows = [one for one in _rows(mesh, service.name) if one.program != command.program]
    steps = [Step("program", service.name, command.program, group=0)]
    for group, row in enumerate(rows, 1):
        steps += _move(mesh, row, group)
    steps.append(Step("watch", service.name, group=LAST))
    return Plan(
        str(command), tuple(steps), _touched(mesh, [one.key for one in rows]),
        parallel=mesh.settings.update_parallel, back=mesh.services.goal(service.name).program,
    )  # fmt: skip


def _rebalance(mesh: Mesh, command: Rebalance) -> Plan:
    if mesh.service(command.service) is None:
        return Plan(str(command), refusal=f"no service {command.service}")
    running = [one for one in _rows(mesh, command.service) if one.state is InstanceState.RUNNING]
    size = mesh.store.session_index.size
    loads = sorted(((size(("to", one.key)), one.key) for one in running), reverse=True)
    each, more = divmod(sum(load for load, _ in loads), max(1, len(loads)))
    steps = []
    for place, (load, key) in enumerate(loads):
        keep = each + (place < more)
        if load > keep:
            steps.append(Step("close", str(key), number=keep, group=place + 1))
    touches = tuple(f"instance {one.subject}: down to {one.number} sessions" for one in steps)
    return Plan(str(command), tuple(steps), touches, parallel=max(1, len(steps)))

"""Where an instance runs, and on which ports: candidates, their rank, and the reason said.

Pure reading of the state; it must never change any of it.
"""

from __future__ import annotations

from typing import NamedTuple

from ...graph import Service
from .rows import Agent, Ports
from .state import Mesh
from .tables import AgentState


class Place(NamedTuple):
    """The chosen agent, the ports there, and why it was chosen."""

    agent: Agent
    ports: Ports
    reason: str


def trouble_key(service: str, agent: str) -> str:
    """The key of the failures of a service on a node."""
    return f"{service}@{agent}"


def able(mesh: Mesh, program: str) -> list[Agent]:
    """Agents that have a program and take new instances."""
    return [
        one
        for one in mesh.store.agents.values()
        if one.state is AgentState.REGISTERED and program in one.repository
    ]


def hopeful(mesh: Mesh, program: str) -> bool:
    """True if some agent has the program now, or may be back with it soon."""
    states = (AgentState.REGISTERED, AgentState.SUSPECT)
    agents = mesh.store.agents.values()
    return any(one.state in states and program in one.repository for one in agents)


def retry_at(mesh: Mesh, service: str, program: str) -> float:
    """When the first node is worth trying again, 0 if none has the program."""
    troubles = mesh.store.troubles
    keys = [trouble_key(service, one.key) for one in able(mesh, program)]
    times = [troubles[key].until for key in keys if key in troubles]
    return min(times, default=0.0)


def find(mesh: Mesh, service: Service, program: str, node: str = "") -> Place | None:
    """The best place for one more instance of a service; `node` is an agent's key or address."""
    fitting = []
    wanted = nodes(mesh, node)
    for agent in able(mesh, program):
        trouble = mesh.store.troubles.get(trouble_key(service.name, agent.key))
        if (trouble and trouble.until > mesh.now) or agent.key not in wanted:
            continue
        fitting.append((rank(mesh, service, agent), agent))
    for order, agent in sorted(fitting, key=lambda one: one[0]):
        ports = assign(mesh, agent.address, service)
        if ports is not None:
            return Place(agent, ports, _reason(service, node, order, len(fitting)))
    return None


def nodes(mesh: Mesh, node: str) -> set[str]:
    """The keys of the agents that `node` names: by key, else by node name or address; all of them
    if it is empty."""
    agents = mesh.store.agents
    if node in agents:
        return {node}
    return {key for key, one in agents.items() if node in ("", one.node, one.address)}


def rank(mesh: Mesh, service: Service, agent: Agent) -> tuple[int, int, int, str]:
    """The order of candidates: near, then spread or pack, then fewest instances, then name."""
    here = [mesh.store.instances[key] for key in mesh.store.instance_index.of(("on", agent.key))]
    same = sum(one.service == service.name for one in here)
    far = int(bool(service.near) and not any(one.service == service.near for one in here))
    if service.place == "pack":
        return far, -len(here), same, agent.key
    return far, same, len(here), agent.key


def _reason(service: Service, node: str, order: tuple[int, int, int, str], among: int) -> str:
    if node:
        return f"asked for {node}"
    if among == 1:
        return "the only node that can run it now"
    if service.near and not order[0]:
        return f"near {service.near}"
    if service.place == "pack":
        return f"pack: {-order[1]} instances there"
    return f"spread: {order[1]} of {service.name} there"


def assign(mesh: Mesh, address: str, service: Service) -> Ports | None:
    """A port for every socket, reserved per address; None if a fixed one is taken or the pool is
    used up."""
    ports: list[tuple[str, int]] = []
    taken: set[int] = set()
    for socket in service.sockets:
        port = socket.port or _free(mesh, address, taken)
        if not port or mesh.store.instance_index.of(("port", address, port)):
            return None
        taken.add(port)
        ports.append((socket.name, port))
    return tuple(ports)


def _free(mesh: Mesh, address: str, taken: set[int]) -> int:
    """The next free port after the last one given out there: so a port rests before it is used
    again, since late clients and the system itself may still hold on to it."""
    low, high = mesh.graph.ports
    fixed = {s.port for one in mesh.graph.services.values() for s in one.sockets}
    last = mesh.services.last_port.get(address, low - 1)
    for step in range(high - low + 1):
        port = low + (last - low + 1 + step) % (high - low + 1)
        reserved = mesh.store.instance_index.of(("port", address, port))
        if port not in taken and port not in fixed and not reserved:
            mesh.services.last_port[address] = port
            return port
    return 0

"""Where an instance runs, and on which ports: candidates, their rank, and the reason said.

It reads the state and must never change any of it.
"""

from __future__ import annotations

from typing import NamedTuple

from ...graph import GraphService
from .rows import AgentRow, Ports
from .state import State
from .tables import AgentState


class Place(NamedTuple):
    """The chosen agent, the ports there, and why it was chosen."""

    agent: AgentRow
    ports: Ports
    reason: str


MAX_NAMED = 5
"""Nodes that a reason names."""


def fixed_ports(service: GraphService) -> str:
    """The fixed ports of a service, for a reason."""
    return ", ".join(f"{one.name}:{one.port}" for one in service.sockets if one.port)


def failures_key(service: str, agent: str) -> str:
    """The key of the failures of a service on a node."""
    return f"{service}@{agent}"


class Placement:
    """`_last_port` is the port given out last, by address: a hint, not state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.store = state.store
        self._last_port: dict[str, int] = {}

    def able(self, program: str) -> list[AgentRow]:
        """Agents that have a program and take new instances."""
        return [
            one
            for one in self.store.agents.values()
            if one.state is AgentState.REGISTERED and program in one.repository
        ]

    def hopeful(self, program: str) -> bool:
        """True if some agent has the program now, or may be back with it soon."""
        states = (AgentState.REGISTERED, AgentState.SUSPECT)
        agents = self.store.agents.values()
        return any(one.state in states and program in one.repository for one in agents)

    def possible(self, name: str) -> bool:
        """True if waiting for an instance of a service makes sense."""
        desired = self.state.desired(name)
        if self.state.service(name) is None or desired.broken or desired.down:
            return False
        if desired.hold or self.store.instance_index.size(("live", name)):
            return True
        return self.hopeful(desired.program)

    def retry_at(self, service: str, program: str) -> float:
        """When the first node is worth trying again, 0 if none has the program."""
        failures = self.store.failures
        keys = [failures_key(service, one.key) for one in self.able(program)]
        times = [failures[key].until for key in keys if key in failures]
        return min(times, default=0.0)

    def find(self, service: GraphService, program: str, node: str = "") -> Place | None:
        """The best place for one more instance of a service; `node` see `nodes`."""
        fitting = []
        wanted = self.nodes(node)
        for agent in self.able(program):
            failed = self.store.failures.get(failures_key(service.name, agent.key))
            if (failed and failed.until > self.state.now) or agent.key not in wanted:
                continue
            fitting.append((self.rank(service, agent), agent))
        for order, agent in sorted(fitting, key=lambda one: one[0]):
            ports = self.assign(agent.address, service)
            if ports is not None:
                return Place(agent, ports, _reason(service, node, order, len(fitting)))
        return None

    def obstacle(self, name: str, program: str, node: str = "") -> str:
        """Why an instance has no place: what is in the way on each node that has its program."""
        wanted = self.nodes(node)
        agents = [one for one in self.store.agents.values() if one.key in wanted]
        having = [one for one in agents if program in one.repository]
        if not having:
            return f"{node} has not the program {program}" if node else f"no node has {program}"
        said = [f"{one.key}: {self._obstacle_on(one, name)}" for one in having[:MAX_NAMED]]
        more = len(having) - len(said)
        return "; ".join([*said, *([f"and {more} more"] if more > 0 else ())])

    def _obstacle_on(self, agent: AgentRow, name: str) -> str:
        service = self.state.service(name)
        if agent.state is not AgentState.REGISTERED:
            return f"is {agent.state}"
        failed = self.store.failures.get(failures_key(name, agent.key))
        if failed and failed.until > self.state.now:
            return f"{len(failed.times)} failures there"
        if service and not self.fixed_free(agent.address, service):
            return f"{fixed_ports(service)} is taken"
        low, high = self.state.graph.ports
        return f"no port of {low}-{high} is free"

    def nodes(self, node: str) -> set[str]:
        """The keys of the agents that `node` names: by key, else by node name or address; all of
        them if it is empty."""
        agents = self.store.agents
        if node in agents:
            return {node}
        return {key for key, one in agents.items() if node in ("", one.node, one.address)}

    def rank(self, service: GraphService, agent: AgentRow) -> tuple[int, int, int, str]:
        """The order of candidates: near, then spread or pack, then fewest instances, then name."""
        size = self.store.instance_index.size
        here, same = size(("on", agent.key)), size(("on", agent.key, service.name))
        far = int(bool(service.near) and not size(("on", agent.key, service.near)))
        if service.place == "pack":
            return far, -here, same, agent.key
        return far, same, here, agent.key

    def assign(self, address: str, service: GraphService) -> Ports | None:
        """A port for every socket, reserved per address; None if a fixed one is taken or the pool
        is used up."""
        ports: list[tuple[str, int]] = []
        taken: set[int] = set()
        for socket in service.sockets:
            port = socket.port or self._free(address, taken)
            if not port or self.store.instance_index.of(("port", address, port)):
                return None
            taken.add(port)
            ports.append((socket.name, port))
        return tuple(ports)

    def fixed_free(self, address: str, service: GraphService) -> bool:
        """True if no instance has one of the fixed ports of a service there."""
        index = self.store.instance_index
        return not any(index.of(("port", address, one.port)) for one in service.sockets if one.port)

    def _free(self, address: str, taken: set[int]) -> int:
        """The next free port after the last one given out there, 0 if there is none.

        So a port rests before it is used again, since late clients and the system itself may still
        have connections of its last owner.
        """
        low, high = self.state.graph.ports
        services = self.state.graph.services.values()
        fixed = {socket.port for one in services for socket in one.sockets}
        last = self._last_port.get(address, low - 1)
        for step in range(high - low + 1):
            port = low + (last - low + 1 + step) % (high - low + 1)
            reserved = self.store.instance_index.of(("port", address, port))
            if port not in taken and port not in fixed and not reserved:
                self._last_port[address] = port
                return port
        return 0


def _reason(service: GraphService, node: str, order: tuple[int, int, int, str], among: int) -> str:
    if node:
        return f"asked for {node}"
    if among == 1:
        return "the only node that can run it now"
    if service.near and not order[0]:
        return f"near {service.near}"
    if service.place == "pack":
        return f"pack: {-order[1]} instances there"
    return f"spread: {order[1]} of {service.name} there"

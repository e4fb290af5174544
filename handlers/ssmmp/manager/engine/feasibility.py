"""Whether there is room for what a plan wants: other nodes, and fixed ports that are free on them.

It reads the state and must never change any of it.
"""

from __future__ import annotations

from ...graph import GraphService
from .placement import Placement, fixed_ports
from .rows import AgentRow, InstanceRow
from .state import State


class Feasibility:
    """Its answers are why something cannot be done, empty if it can."""

    def __init__(self, state: State, placement: Placement) -> None:
        self.state = state
        self.placement = placement

    def lack_of_ports(self, service: GraphService, more: int) -> str:
        """Why so many more instances cannot have the fixed ports of their service, empty if they
        can."""
        fixed = tuple(one for one in service.sockets if one.port)
        agents = self.placement.able(self.state.desired(service.name).program)
        if not fixed or more <= 0 or not agents:
            return ""
        free = {one.address for one in agents if self.placement.fixed_free(one.address, service)}
        if len(free) >= more:
            return ""
        ports = fixed_ports(service)
        return f"{more} more of {service.name}, but {ports} is free on {len(free)} addresses"

    def lack_in_update(self, service: GraphService, program: str, rows: list[InstanceRow]) -> str:
        """Why the new instances of an update cannot have the fixed ports of their service, empty if
        they can: each comes before an old one leaves, and gets the port that an earlier one of
        them has left."""
        addresses = {one.address for one in self.placement.able(program)}
        if not fixed_ports(service):
            return ""
        free = {one for one in addresses if self.placement.fixed_free(one, service)}
        at_once = 1
        while rows:
            part, rows = rows[:at_once], rows[at_once:]
            left = {one.address for one in part} & addresses
            if service.alone:
                free |= left
            if len(free) < len(part):
                ports = fixed_ports(service)
                return f"{ports} is taken on every node that has {program}"
            free = set(sorted(free)[len(part) :]) | left
            at_once = max(1, self.state.settings.update_parallel)
        return ""

    def no_other_place(self, row: InstanceRow, node: str) -> str:
        """Why an instance has no other place, empty if it has one; `node` empty = anywhere but
        where it is."""
        agents = self.placement.able(self.state.desired(row.service).program)
        wanted = self.placement.nodes(node)
        fitting = [one for one in agents if one.key in wanted]
        if not node:
            fitting = [one for one in fitting if one.key != row.agent]
        if not fitting:
            return f"no {node or 'other node'} can run {row.service} for instance {row.key}"
        service = self.state.service(row.service)
        if service is None or any(self._ports_fit(one, service, row) for one in fitting):
            return ""
        return f"{fixed_ports(service)} of {row.service} is taken on {node or 'every other node'}"

    def _ports_fit(self, agent: AgentRow, service: GraphService, row: InstanceRow) -> bool:
        """True if the fixed ports are free on a node when an instance moves there; one that must be
        alone has left by then, and with it its ports."""
        leaves = service.alone and agent.address == row.address
        return leaves or self.placement.fixed_free(agent.address, service)

    def best_other_node(self, row: InstanceRow) -> str:
        """The node an instance would move to: the first in rank that is not its own."""
        service = self.state.graph.services[row.service]
        agents = self.placement.able(self.state.desired(row.service).program)
        others = [one for one in agents if one.key != row.agent]
        others = [one for one in others if self._ports_fit(one, service, row)] or others
        ranks = (self.placement.rank(service, one) for one in others)
        return min(ranks, default=(0, 0, 0, ""))[3]

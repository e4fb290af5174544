"""Agents of the one published implementation that SSMMP has: what they need besides their dialect.

Its gateway is started by hand, chooses its own number, and calls its only plug P; other sockets are
called S. Its agents know neither hard shutdowns nor requests to destinations, and drop what is for
the gateway. So the gateway becomes an instance of the service whose program has its name, although
this Manager did not start it, and its agents are not asked for what they cannot do. Their
connections are told from others by the framing and the form of their addresses; other agents are
treated in none of these ways.
"""

from __future__ import annotations

from dataclasses import replace

from ccproxy.protocols import ssmmp

from ...graph import Edge, GraphService
from .rows import AgentRow, InstanceRow, SessionRow
from .state import State
from .tables import LIVE, InstanceState

_SOURCE = "source_service_instance_id"


class LegacyPeers:
    """`peers` are the connections of such agents."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.store = state.store
        self.peers: set[str] = set()

    def limited(self, agent: str) -> bool:
        """True if an agent can neither kill nor reach destinations."""
        return self.state.connection(agent) in self.peers

    def reachable(self, row: SessionRow, end: str) -> bool:
        """True if that end of a session can be asked to close it."""
        found = self.store.instances[row.source if end == "source" else row.dest]
        return not self.limited(found.agent) or (end == "source" and not found.alias)

    def translated(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> ssmmp.SsmmpMessage:
        """A message of such an agent with the numbers and names that are known here."""
        if agent.peer not in self.peers or _SOURCE not in message.fields:
            return message
        source = self._source(agent, message)
        fields = {**message.fields}
        if source is not None:
            fields[_SOURCE] = source.key
        edge = self._edge(source, message.text("dest_service_name")) if source else None
        if edge is not None:
            fields.update(source_plug_name=edge.plug, dest_socket_name=edge.socket)
        return replace(message, fields=fields)

    def _source(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> InstanceRow | None:
        """The instance that speaks: one that was started by this Manager, or the gateway, which is
        registered when it asks for its first session."""
        name, number = message.text("source_service_name"), message.number(_SOURCE)
        known = self.store.instances.get(number)
        if known and known.agent == agent.key and name in (known.service, known.program):
            return known
        keys = self.store.instance_index.of(("on", agent.key))
        here = [self.store.instances[key] for key in keys]
        gateways = [one for one in here if one.alias == number and one.program == name]
        if gateways:
            return gateways[0]
        service = self._gateway_service(name)
        if service is None or message.type != "session_request":
            return None
        return self._register_gateway(agent, service, name, number)

    def _gateway_service(self, program: str) -> GraphService | None:
        services = self.state.graph.services.values()
        return next(
            (one for one in services if one.kind == "gateway" and one.program == program), None
        )

    def _register_gateway(
        self, agent: AgentRow, service: GraphService, name: str, number: int
    ) -> InstanceRow:
        now = self.state.now
        row = InstanceRow(
            self.store.next("instance"), service.name, name, InstanceState.RUNNING, agent.key,
            agent.address, ran=now, since=now, alias=number,
        )  # fmt: skip
        self.store.put(row)
        self.state.notice("gateway", row.key, f"{name} {number} on {agent.key}")
        return row

    def _edge(self, source: InstanceRow, dest: str) -> Edge | None:
        """The one edge from a service to another, whatever its plug is called."""
        service = self.state.service(source.service)
        fitting = [one for one in service.plugs if one.service == dest] if service else []
        return fitting[0] if source.state in LIVE and fitting else None

"""Peers of the one published implementation that SSMMP has: what they need besides their dialect.

Their gateway is started by hand, chooses its own number, and calls its only plug P; other sockets
are called S. Their agents know neither hard shutdowns nor requests to destinations, and drop what
is for the gateway. So its gateway becomes an instance of the service whose program has its name,
which nobody here started, and what its agent cannot do is not asked for. Connections of such agents
are told by the framing and the form of their addresses; none of this is done for others.
"""

from __future__ import annotations

from dataclasses import replace

from ccproxy.protocols import ssmmp

from ...graph import Edge, Service
from .rows import Agent, Instance, Session
from .state import Mesh
from .tables import LIVE, InstanceState

_SOURCE = "source_service_instance_id"


class Guests:
    """`peers` are the connections of such agents."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.peers: set[str] = set()

    def limited(self, agent: str) -> bool:
        """True if an agent can neither kill nor reach destinations."""
        return self.mesh.connection(agent) in self.peers

    def reachable(self, row: Session, end: str) -> bool:
        """True if that end of a session can be asked to close it."""
        found = self.mesh.store.instances[row.source if end == "source" else row.dest]
        return not self.limited(found.agent) or (end == "source" and not found.alias)

    def told(self, agent: Agent, message: ssmmp.Message) -> ssmmp.Message:
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

    def _source(self, agent: Agent, message: ssmmp.Message) -> Instance | None:
        """Who speaks: one that was started from here, or a guest, a new one if it asks."""
        name, number = message.text("source_service_name"), message.number(_SOURCE)
        known = self.mesh.store.instances.get(number)
        if known and known.agent == agent.key and name in (known.service, known.program):
            return known
        index, instances = self.mesh.store.instance_index, self.mesh.store.instances
        here = [instances[key] for key in index.of(("on", agent.key))]
        guests = [one for one in here if one.alias == number and one.program == name]
        if guests:
            return guests[0]
        service = self._gateway(name)
        if service is None or message.type != "session_request":
            return None
        return self._welcome(agent, service, name, number)

    def _gateway(self, program: str) -> Service | None:
        services = self.mesh.graph.services.values()
        return next(
            (one for one in services if one.kind == "gateway" and one.program == program), None
        )

    def _welcome(self, agent: Agent, service: Service, name: str, number: int) -> Instance:
        row = Instance(
            self.mesh.store.next("instance"), service.name, name, InstanceState.RUNNING, agent.key,
            agent.address, ran=self.mesh.now, since=self.mesh.now, alias=number,
        )  # fmt: skip
        self.mesh.store.put(row)
        self.mesh.notice("guest", row.key, f"{name} {number} on {agent.key}")
        return row

    def _edge(self, source: Instance, dest: str) -> Edge | None:
        """The one edge from a service to another, whatever its plug is called."""
        service = self.mesh.service(source.service)
        fitting = [one for one in service.plugs if one.service == dest] if service else []
        return fitting[0] if source.state in LIVE and fitting else None

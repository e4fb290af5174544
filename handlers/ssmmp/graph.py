"""The abstract graph of an application: services, sockets, plugs, edges. Frozen values only.

It says which services may be connected, and how many instances of each may run. This module must
never know what runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

EAGER, ON_DEMAND = "eager", "on-demand"


class GraphSocket(NamedTuple):
    """A socket of a service; port 0 = assigned by the Manager."""

    name: str
    port: int = 0


class Edge(NamedTuple):
    """What a plug connects to."""

    plug: str
    service: str
    socket: str


class Replicas(NamedTuple):
    """How many instances are kept, and how many there may be."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class GraphService:
    """One vertex. Times are seconds, 0 = off; `line` is that of its section."""

    name: str
    kind: str = "regular"
    sockets: tuple[GraphSocket, ...] = ()
    plugs: tuple[Edge, ...] = ()
    replicas: Replicas = Replicas(0, 1)
    start: str = ON_DEMAND
    restart: str = "on-failure"
    choose: str = "least-sessions"
    place: str = "spread"
    near: str = ""
    program: str = ""
    replicated: bool = False
    idle_stop: float = 0.0
    max_sessions: int = 0
    scale_at: int = 0
    cooldown: float = 30.0
    line: int = 0

    def plug(self, name: str) -> Edge | None:
        """The edge of a plug."""
        return next((one for one in self.plugs if one.plug == name), None)

    def socket(self, name: str) -> GraphSocket | None:
        """The socket of that name."""
        return next((one for one in self.sockets if one.name == name), None)

    @property
    def alone(self) -> bool:
        """True if two instances must never run at the same time, not even during a move."""
        return self.kind == "baas" and not self.replicated


@dataclass(frozen=True, slots=True)
class Graph:
    """An application: its services by name, and the pool of ports, both ends included."""

    name: str
    services: Mapping[str, GraphService]
    ports: tuple[int, int] = (24000, 25554)

    def edges(self) -> Iterator[tuple[str, Edge]]:
        """Every abstract connection with the name of its source."""
        for service in self.services.values():
            for edge in service.plugs:
                yield service.name, edge

    def incoming(self, name: str) -> Iterator[tuple[str, Edge]]:
        """The abstract connections that end at a service."""
        return (one for one in self.edges() if one[1].service == name)


def layers(graph: Graph) -> list[list[str]]:
    """The services by how far they are from the users: gateways first, and each service behind all
    that connect to it. If only services are left that are in cycles or behind one, all of them are
    one layer, but for storage, which comes after it."""
    found, left = [], dict.fromkeys(graph.services)
    while left:
        used = {edge.service for source, edge in graph.edges() if source in left}
        layer = [name for name in left if name not in used]
        layer = layer or [name for name in left if graph.services[name].kind != "baas"]
        found.append(layer or list(left))
        for name in found[-1]:
            del left[name]
    return found


def cycle(graph: Graph) -> list[str]:
    """The services of one cycle, the first one again at the end; empty if the graph has none."""
    targets = {name: {edge.service for edge in one.plugs} for name, one in graph.services.items()}
    try:
        TopologicalSorter(targets).prepare()
    except CycleError as found:
        return list(reversed(found.args[1]))
    return []

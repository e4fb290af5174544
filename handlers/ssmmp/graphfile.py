"""The graph file: text to Graph, with every mistake and its line. It must never open the file.

[app]                        [service orders]
name = shop                  sockets = orders_api, admin:8081
ports = 24000-25554          plugs = store_client -> store.sql
                             replicas = 0-4
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

from ccproxy import Problem, kinds, option
from ccproxy.config.resolve import suggest

from .graph import EAGER, ON_DEMAND, Edge, Graph, GraphService, GraphSocket, Replicas, cycle
from .sections import NamedSection, read

_NAME = "[A-Za-z0-9_.@-]+"
_SOCKET = re.compile(rf"({_NAME})(?:\s*:\s*([0-9]{{1,5}}))?")
_PLUG = re.compile(r"([A-Za-z0-9_@-]+)\s*->\s*([A-Za-z0-9_@-]+)\.([A-Za-z0-9_@.-]+)")
_RANGE = re.compile(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?")

Part = TypeVar("Part")


def _parts(text: str, one: Callable[[str], Part]) -> tuple[Part, ...]:
    return tuple(one(part.strip()) for part in text.split(",")) if text.strip() else ()


def _socket(text: str) -> GraphSocket:
    match = _SOCKET.fullmatch(text)
    if not match or int(match[2] or 0) > 65535:
        raise kinds.wrong(text, "a socket such as orders_api, or http:8080 for a fixed port")
    return GraphSocket(match[1], int(match[2] or 0))


def _plug(text: str) -> Edge:
    match = _PLUG.fullmatch(text)
    if not match:
        raise kinds.wrong(text, "a plug such as orders_client -> orders.orders_api")
    return Edge(match[1], match[2], match[3])


def _range(text: str, expected: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise kinds.wrong(text, expected)
    return low, high


def _replicas(text: str) -> Replicas:
    expected = "a number of instances such as 2, or 0-4 (0: on demand)"
    least, most = _range(text, expected)
    if most < 1:
        raise kinds.wrong(text, expected)
    return Replicas(least, most)


def _ports(text: str) -> tuple[int, int]:
    expected = "ports such as 24000-25554"
    low, high = _range(text, expected)
    if low < 1 or high > 65535:
        raise kinds.wrong(text, expected)
    return low, high


SOCKETS = kinds.checked("sockets", lambda text: _parts(text, _socket))
PLUGS = kinds.checked("plugs", lambda text: _parts(text, _plug))
REPLICAS = kinds.checked("instances", _replicas)
PORTS = kinds.checked("range of ports", _ports)
_OFF = kinds.duration("s")


@dataclass(frozen=True, slots=True)
class AppOptions:
    """The options of `[app]`."""

    name: str = option(kinds.text, default="app", help="name of the application")
    ports: tuple[int, int] = option(
        PORTS, default=(24000, 25554), help="pool for assigned ports, per address"
    )
    allow_cycles: bool = option(
        kinds.flag, default=False, aliases=("allow_cycles",), help="services may form cycles"
    )


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The options of `[service NAME]`; one field of `graph.GraphService` each."""

    kind: str = option(
        kinds.choice("gateway", "regular", "baas"), default="regular",
        help="gateway: entry for users; baas: storage, holds all state; regular: all others",
    )  # fmt: skip
    sockets: tuple[GraphSocket, ...] = option(
        SOCKETS, default=(), help="NAME, or NAME:PORT if fixed"
    )
    plugs: tuple[Edge, ...] = option(PLUGS, default=(), help="PLUG -> SERVICE.SOCKET, ...")
    replicas: Replicas | None = option(
        REPLICAS, default=None, help="instances kept, or LEAST-MOST; 0: on demand"
    )
    start: str = option(
        kinds.choice("auto", EAGER, ON_DEMAND), default="auto",
        help="eager: with the application; auto: gateways eager, all others on demand",
    )  # fmt: skip
    restart: str = option(
        kinds.choice("never", "on-failure", "always"), default="on-failure",
        help="whether an instance that ended is replaced",
    )  # fmt: skip
    choose: str = option(
        kinds.choice("least-sessions", "round-robin", "local-first", "random-two"),
        default="least-sessions", help="which instance gets the next session",
    )  # fmt: skip
    place: str = option(
        kinds.choice("spread", "pack"), default="spread",
        help="spread: where fewest of it run; pack: where most instances run",
    )  # fmt: skip
    near: str = option(kinds.text, default="", help="service on whose node it should run")
    program: str = option(kinds.text, default="", help="program it runs; default: its own name")
    replicated: bool = option(kinds.flag, default=False, help="a baas that may run several times")
    idle_stop: float = option(
        _OFF, default=0.0, aliases=("idle_stop",), help="stop after this time without sessions"
    )
    max_sessions: int = option(
        kinds.natural, default=0, aliases=("max_sessions",), help="open sessions per plug; 0: any"
    )
    scale_at: int = option(
        kinds.natural, default=0, aliases=("scale_at",),
        help="sessions per instance that start one more; 0: never",
    )  # fmt: skip
    cooldown: float = option(_OFF, default=30.0, help="least time between two such starts")


TABLES: Mapping[str, type] = {"[app]": AppOptions, "[service NAME]": ServiceOptions}
"""The sections of a graph file and their options."""


def parse(file: str, text: str) -> tuple[Graph | None, list[Problem]]:
    """The graph of a text, None if there are problems; all of them at once, in order of line."""
    sections, problems = read(file, text, TABLES)
    app = next((one.options for one in sections if one.kind == "app"), None) or AppOptions()
    services = [one for one in sections if one.kind == "service"]
    graph = Graph(app.name, {one.name: _service(one) for one in services if one.options}, app.ports)
    if not services and not problems:
        problems.append(Problem(file, 0, "no [service NAME] section"))
    checks = _Checks(graph, {one.name: one for one in services})
    problems += checks.all()
    if not app.allow_cycles:
        problems += checks.cycles()
    return (None if problems else graph), sorted(problems)


def _service(section: NamedSection) -> GraphService:
    options: ServiceOptions = section.options
    gateway = options.kind == "gateway"
    eager = gateway if options.start == "auto" else options.start == EAGER
    values = {one.name: getattr(options, one.name) for one in fields(ServiceOptions)}
    values["replicas"] = options.replicas or (Replicas(1, 1) if eager else Replicas(0, 1))
    values["start"] = EAGER if eager else ON_DEMAND
    return GraphService(section.name, line=section.line, **values)


class _Checks:
    """What has to hold between the services of a graph, and between the options of one.

    `sections` has the services that could not be read as well: a plug that leads to one of those
    is no mistake of its own.
    """

    def __init__(self, graph: Graph, sections: Mapping[str, NamedSection]) -> None:
        self.graph = graph
        self.sections = sections

    def all(self) -> Iterator[Problem]:
        for service in self.graph.services.values():
            section = self.sections[service.name]
            yield from _twice(section, "sockets", [one.name for one in service.sockets])
            yield from _twice(section, "plugs", [one.plug for one in service.plugs])
            for edge in service.plugs:
                yield from self.edge(section, edge)
            yield from self.service(section, service)
        yield from self.ports()

    def service(self, section: NamedSection, service: GraphService) -> Iterator[Problem]:
        near = service.near
        if near and near not in self.sections:
            yield section.problem("near", f"no service {near!r}", suggest(near, self.sections))
        if service.kind == "baas" and service.plugs:
            hint = "it ends the graph; use kind = regular"
            yield section.problem("plugs", "a baas has no plugs", hint)
        if service.alone and service.replicas.most > 1:
            what = f"{service.replicas.most} instances of a baas that is not replicated"
            hint = "write replicated = yes if its instances share state"
            yield section.problem("replicas", what, hint)

    def edge(self, section: NamedSection, edge: Edge) -> Iterator[Problem]:
        where = f"plug {edge.plug} -> {edge.service}.{edge.socket}"
        target = self.graph.services.get(edge.service)
        if target is None:
            if edge.service not in self.sections:
                hint = suggest(edge.service, self.sections)
                yield section.problem("plugs", f"{where}: no such service", hint)
            return
        if target.socket(edge.socket) is None:
            hint = suggest(edge.socket, [one.name for one in target.sockets])
            yield section.problem("plugs", f"{where}: no such socket", hint)
        if target.kind == "gateway":
            yield section.problem("plugs", f"{where}: a gateway has no incoming edge")

    def ports(self) -> Iterator[Problem]:
        """Fixed ports: one service each, since any two services may meet on one node."""
        owners: dict[int, str] = {}
        for service in self.graph.services.values():
            for socket in service.sockets:
                if not socket.port:
                    continue
                name = f"{service.name}.{socket.name}"
                owner = owners.setdefault(socket.port, name)
                if owner != name:
                    what = f"{name} has the fixed port {socket.port} of {owner}"
                    yield self.sections[service.name].problem("sockets", what)

    def cycles(self) -> Iterator[Problem]:
        found = cycle(self.graph)
        if found:
            what = f"services form a cycle: {' -> '.join(found)}"
            hint = "[app] allow_cycles = yes allows it"
            yield self.sections[found[0]].problem("plugs", what, hint)


def _twice(section: NamedSection, option: str, names: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield section.problem(option, f"{option.removesuffix('s')} {name} is given twice")
        seen.add(name)

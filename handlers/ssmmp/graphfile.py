"""The graph file: text to Graph, with every mistake and its line.

[app]                        [service orders]
name = shop                  sockets = orders_api, admin:8081
ports = 54000-55554          plugs = store_client -> store.sql
                             replicas = 0-4
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

from ccproxy import Problem, kinds, option

from .graph import EAGER, ON_DEMAND, Edge, Graph, Replicas, Service, Socket, cycle
from .inifile import Section, Sheet, close, fill, read

_NAME = "[A-Za-z0-9_.@-]+"
_SOCKET = re.compile(rf"({_NAME})(?:\s*:\s*([0-9]{{1,5}}))?")
_PLUG = re.compile(r"([A-Za-z0-9_@-]+)\s*->\s*([A-Za-z0-9_@-]+)\.([A-Za-z0-9_@.-]+)")
_RANGE = re.compile(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?")

Part = TypeVar("Part")


def _parts(text: str, one: Callable[[str], Part]) -> tuple[Part, ...]:
    return tuple(one(part.strip()) for part in text.split(",")) if text.strip() else ()


def _socket(text: str) -> Socket:
    match = _SOCKET.fullmatch(text)
    if not match or int(match[2] or 0) > 65535:
        raise kinds.wrong(text, "a socket such as orders_api, or http:8080 for a fixed port")
    return Socket(match[1], int(match[2] or 0))


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
    expected = "ports such as 54000-55554"
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
        PORTS, default=(54000, 55554), help="pool for assigned ports, per address"
    )
    allow_cycles: bool = option(kinds.flag, default=False, help="services may form cycles")


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The options of `[service NAME]`; one field of `graph.Service` each."""

    kind: str = option(
        kinds.choice("gateway", "regular", "baas"), default="regular",
        help="gateway: entry for users; baas: storage, holds all state; regular: all others",
    )  # fmt: skip
    sockets: tuple[Socket, ...] = option(SOCKETS, default=(), help="NAME, or NAME:PORT if fixed")
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
    idle_stop: float = option(_OFF, default=0.0, help="stop after this time without sessions")
    max_sessions: int = option(kinds.natural, default=0, help="open sessions per plug; 0: any")
    scale_at: int = option(
        kinds.natural, default=0, help="sessions per instance that start one more; 0: never"
    )
    cooldown: float = option(_OFF, default=30.0, help="least time between two such starts")


def parse(file: str, text: str) -> tuple[Graph | None, list[Problem]]:
    """The graph of a text, None if there are problems; all of them at once, in order of line."""
    sheet = read(file, text, {"app": False, "service": True})
    app = AppOptions()
    for section in sheet.of("app"):
        app = fill(sheet, section, AppOptions) or app
    filled = [(one, fill(sheet, one, ServiceOptions)) for one in sheet.of("service")]
    services = {one.name: _service(one, options) for one, options in filled if options}
    graph = Graph(app.name, services, app.ports)
    if not filled and not sheet.problems:
        sheet.problem(0, "no [service NAME] section")
    names = {one.name for one, _ in filled}
    for section, options in filled:
        if options:
            _check(sheet, section, graph, names)
    _check_ports(sheet, graph)
    _check_cycles(sheet, graph, app)
    return (None if sheet.problems else graph), sorted(sheet.problems)


def _service(section: Section, options: ServiceOptions) -> Service:
    gateway = options.kind == "gateway"
    eager = gateway if options.start == "auto" else options.start == EAGER
    values = {one.name: getattr(options, one.name) for one in fields(ServiceOptions)}
    values["replicas"] = options.replicas or (Replicas(1, 1) if eager else Replicas(0, 1))
    values["start"] = EAGER if eager else ON_DEMAND
    return Service(section.name, line=section.line, **values)


def _check(sheet: Sheet, section: Section, graph: Graph, names: set[str]) -> None:
    service = graph.services[section.name]
    at = section.line_of
    _twice(sheet, at("sockets"), "socket", (one.name for one in service.sockets))
    _twice(sheet, at("plugs"), "plug", (one.plug for one in service.plugs))
    for edge in service.plugs:
        _check_edge(sheet, at("plugs"), graph, edge, names)
    if service.near and service.near not in names:
        sheet.problem(at("near"), f"no service {service.near!r}", close(service.near, names))
    if service.kind == "baas" and service.plugs:
        sheet.problem(at("plugs"), "a baas has no plugs", "it ends the graph; use kind = regular")
    if service.alone and service.replicas.most > 1:
        what = f"{service.replicas.most} instances of a baas that is not replicated"
        sheet.problem(at("replicas"), what, "write replicated = yes if its instances share state")


def _check_edge(sheet: Sheet, line: int, graph: Graph, edge: Edge, names: set[str]) -> None:
    where = f"plug {edge.plug} -> {edge.service}.{edge.socket}"
    target = graph.services.get(edge.service)
    if target is None:
        if edge.service not in names:
            sheet.problem(line, f"{where}: no such service", close(edge.service, names))
        return
    if target.socket(edge.socket) is None:
        sockets = [one.name for one in target.sockets]
        sheet.problem(line, f"{where}: no such socket", close(edge.socket, sockets))
    if target.kind == "gateway":
        sheet.problem(line, f"{where}: a gateway has no incoming edge")


def _twice(sheet: Sheet, line: int, what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            sheet.problem(line, f"{what} {name} is given twice")
        seen.add(name)


def _check_ports(sheet: Sheet, graph: Graph) -> None:
    """Fixed ports: one service each, since any two services may meet on one node."""
    owners: dict[int, str] = {}
    lines = {one.name: one.line_of("sockets") for one in sheet.of("service")}
    for service in graph.services.values():
        for socket in service.sockets:
            if not socket.port:
                continue
            name = f"{service.name}.{socket.name}"
            if socket.port in owners:
                what = f"{name} has the fixed port {socket.port} of {owners[socket.port]}"
                sheet.problem(lines[service.name], what)
            owners.setdefault(socket.port, name)


def _check_cycles(sheet: Sheet, graph: Graph, app: AppOptions) -> None:
    found = [] if app.allow_cycles else cycle(graph)
    if found:
        line = next(one for one in sheet.of("service") if one.name == found[0]).line_of("plugs")
        trail = " -> ".join(found)
        sheet.problem(line, f"services form a cycle: {trail}", "[app] allow_cycles = yes allows it")

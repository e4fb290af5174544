"""Turns an INI file into a Plan, or into a list of every problem in the file.

The handler classes come through the `find` argument. Only their constructor and their `check` run
here. This module must never start or open anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ccproxy.config.address import Address
from ccproxy.config.handlers import Handlers, Role, is_handler
from ccproxy.config.ini import SERVER, Ini, Section, read
from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import Resolved, resolve, suggest
from ccproxy.config.routes import Routes, read_routes
from ccproxy.config.server import (
    CALLS,
    MEANINGFUL,
    MEANINGLESS,
    PROTOCOLS,
    ListenOptions,
    ServerOptions,
    plain,
)

Find = Callable[[str, tuple[str, ...]], type[Any] | Problem]
"""Finds the handler class for a word of the INI in the given plugin folders. A Problem in its place
says in `what` and `hint` why there is none; this module sets its file and line."""

ROUTES = "routes"
LISTEN = "listen:"

DAEMONS = frozenset({
    "infofile_collector", "infoscript", "logfile_tailer", "pg_logforward", "skylog", "task_runner",
    "taskclient",
})  # fmt: skip
"""Sections of separate programs that read the same file under a fixed name."""
_DAEMON_OPTIONS = ("module", "script")
_DAEMON_PREFIXES = ("d:", "t:", "p:")


def build(
    path: str,
    overrides: Mapping[str, str],
    find: Find,
    protocols: Iterable[str] = tuple(PROTOCOLS),
) -> tuple[Plan | None, list[Problem]]:
    """Read `path` into a Plan; `overrides` are options of `[ccserver]` from the command line.

    The Plan is None if any problem is more than a warning. Problems come in order of lines.
    """
    ini, problems = read(path, overrides)
    if ini is None:
        return None, problems
    builder = _Builder(ini, find, tuple(protocols))
    plan = builder.build()
    problems += builder.problems
    sound = all(problem.warning for problem in problems)
    return plan if sound else None, sorted(set(problems))


class _Builder:
    def __init__(self, ini: Ini, find: Find, protocols: tuple[str, ...]) -> None:
        self.ini = ini
        self.find = find
        self.protocols = protocols
        self.problems: list[Problem] = []

    def build(self) -> Plan:
        """The plan as far as it can be made; a problem stands for each part that is missing."""
        server = self.server()
        listeners = [*self.default_listener(server), *self.listeners()]
        self.problems += clashes(listeners, self.ini.file)
        routes = self.routes()
        folders = self.folders(server)
        handlers = Handlers(self.ini, lambda word: self.find(word, folders), self.role(server))
        handlers.collect(routes.uses)
        self.problems += [*handlers.problems, *self.other_sections(routes), *self.leaks(handlers)]
        plan = Plan(
            file=self.ini.file,
            job_name=server.values.get("job_name") or self.ini.job_name,
            server=server.options,
            listeners=tuple(listeners),
            routes=routes.routes,
            handlers=tuple(handlers.plans.values()),
        )
        sound = all(problem.warning for problem in self.problems)
        self.problems += handlers.check(plan, sound)
        return plan

    def server(self) -> Resolved:
        section = self.ini.section(SERVER)
        if section is None:
            what, hint = (
                "no section [ccserver]",
                "it names the address: cc-socket = tcp://HOST:PORT",
            )
            self.problems.append(Problem(self.ini.file, 0, what, hint))
            return Resolved(None, {}, ())
        resolved = resolve(section, ServerOptions)
        self.problems += resolved.problems
        if section.entry("cc-role") is None:
            what = 'no "cc-role" in [ccserver]: any handler may run here'
            hint = "set cc-role = local or cc-role = remote"
            self.problems.append(section.problem(what, hint, warning=True))
        self.problems += missing_folders(section, self.folders(resolved))
        return resolved

    def folders(self, server: Resolved) -> tuple[str, ...]:
        """The plugin folders; a relative path starts at the folder of the INI file."""
        here = Path(self.ini.file).parent
        return tuple(str(here / folder) for folder in server.values.get("plugins", ()))

    def default_listener(self, server: Resolved) -> Iterator[ListenerPlan]:
        section = self.ini.section(SERVER)
        entry = section.entry("cc-socket") if section else None
        if entry is not None and "cc_socket" in server.values:
            options = server.options.listener() if server.options else ListenerOptions()
            yield ListenerPlan(SERVER, "cc", server.values["cc_socket"], options, entry.line)

    def listeners(self) -> Iterator[ListenerPlan]:
        for section in self.ini.sections:
            if not section.name.startswith(LISTEN):
                continue
            resolved = resolve(section, ListenOptions)
            self.problems += [*resolved.problems, *self.listener_problems(section)]
            one = resolved.options
            if isinstance(one, ListenOptions):
                entry = section.entry("address")
                line = entry.line if entry else section.line
                options = plain(one) if one.protocol == "cc" else one
                yield ListenerPlan(section.name, one.protocol, one.address, options, line, one.type)

    def listener_problems(self, section: Section) -> Iterator[Problem]:
        if section.name == LISTEN:
            yield section.problem(f"section [{LISTEN}] has no name", "write [listen:NAME]")
        entry = section.entry("protocol")
        if entry is None or entry.fault:
            return
        if entry.text not in self.protocols:
            what = f'unknown protocol "{entry.text}" in [{section.name}]'
            hint = suggest(entry.text, self.protocols) or f"known: {', '.join(self.protocols)}"
            yield entry.problem(what, hint)
            return
        yield from meaningless(section, entry.text)
        typed = section.entry("type")
        if entry.text in CALLS and not (typed and (typed.text or typed.fault)):
            what = f'[{section.name}] lacks "type", the first part of the types of its messages'
            hint = "calls of /!/Sum become type.Sum.OPERATION"
            yield section.problem(what, hint)

    def routes(self) -> Routes:
        section = self.ini.section(ROUTES)
        if section is None:
            what, hint = "no section [routes]", "add one; it may be empty"
            self.problems.append(Problem(self.ini.file, 0, what, hint))
            return Routes((), (), ())
        routes = read_routes(section)
        self.problems += routes.problems
        return routes

    def role(self, server: Resolved) -> Role:
        section = self.ini.section(SERVER)
        entry = section.entry("cc-role") if section else None
        return Role(server.values.get("cc_role", "insecure"), entry.line if entry else 0)

    def other_sections(self, routes: Routes) -> Iterator[Problem]:
        """Problems for sections of no known kind; a section that a route names is not repeated."""
        named = {use.section for use in routes.uses}
        kinds = (SERVER, ROUTES, LISTEN + "NAME", "h:NAME", "DEFAULT")
        for section in self.ini.sections:
            known = section.name in (SERVER, ROUTES) or section.name.startswith(LISTEN)
            if known or section.name in named or is_handler(section) or is_daemon(section):
                continue
            what = f"unknown kind of section [{section.name}]"
            name = section.name.partition(":")[2]
            meant = (f"{LISTEN}{name}", f"h:{name}") if name else (SERVER, ROUTES, "DEFAULT")
            hint = suggest(section.name, meant) or f"known: {', '.join(kinds)}"
            yield section.problem(what, hint)

    def leaks(self, handlers: Handlers) -> Iterator[Problem]:
        """Options of [DEFAULT] that no section has and no other option refers to."""
        sections = (*self.ini.sections, self.ini.defaults)
        used = {name for section in sections for name in section.references}
        known = handlers.option_names | handlers.names_of(ServerOptions, ListenOptions)
        for entry in self.ini.defaults.entries:
            if entry.name not in used and entry.name not in known:
                what = f'"{entry.name}" in [DEFAULT] is used by no section'
                hint = suggest(entry.name, known) or "[DEFAULT] never makes routes or sections"
                yield entry.problem(what, hint)


def meaningless(section: Section, protocol: str) -> Iterator[Problem]:
    """Options of a listener, and values of options, that have no meaning with its protocol."""
    for entry in section.entries:
        if protocol not in MEANINGFUL.get(entry.name, (protocol,)):
            what = f'"{entry.name}" in [{section.name}] has no meaning with protocol = {protocol}'
            typed = entry.name == "type"
            hint = "its messages carry their type" if typed else ""
            yield entry.problem(what, hint, warning=not typed)
        protocols, instead = MEANINGLESS.get((entry.name, entry.text), ((), ""))
        if protocol in protocols:
            given = f"{entry.name} = {entry.text}"
            what = f'"{given}" in [{section.name}] has no meaning with protocol = {protocol}'
            yield entry.problem(what, instead, warning=True)


def is_daemon(section: Section) -> bool:
    """True for sections of the separate programs that read the same file."""
    if section.name in DAEMONS or section.name.startswith(_DAEMON_PREFIXES):
        return True
    if any(section.own(name) for name in _DAEMON_OPTIONS):
        return True
    return "." in section.name and ":" not in section.name  # a task: the name of its module


def clashes(listeners: Iterable[ListenerPlan], file: str) -> Iterator[Problem]:
    """Problems for listeners whose address an earlier listener has already."""
    seen: list[tuple[ListenerPlan, Address]] = []
    for listener in listeners:
        address = Address.parse(listener.address)
        for other, taken in seen:
            if address.clashes(taken):
                what = f"[{listener.section}] listens on {address}"
                hint = f"[{other.section}] in line {other.line} has {taken}"
                yield Problem(file, listener.line, what, hint)
                break
        seen.append((listener, address))


def missing_folders(section: Section, folders: Iterable[str]) -> Iterator[Problem]:
    """Problems for plugin folders that do not exist."""
    entry = section.entry("plugins")
    for folder in folders:
        if entry is not None and not Path(folder).is_dir():
            yield entry.problem(f'no folder "{folder}" for plugins')

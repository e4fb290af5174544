"""Turns an INI file into a Plan, or into a list of every problem in the file.

The classes of plugins come through the `finder`. Only their constructor and their `check` run
here. This module must never start or open anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ccproxy.config.allow import ALLOW, AllowOptions, AllowSections
from ccproxy.config.handlers import WORDS, Handlers, Role, is_handler
from ccproxy.config.ini import SERVER, Ini, Section, read
from ccproxy.config.limits import memory_problems
from ccproxy.config.listeners import LISTEN, ListenerSections
from ccproxy.config.monitor import http_problems
from ccproxy.config.options import names_of, options_of
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.config.resolve import Resolved, resolve, suggest
from ccproxy.config.routes import RoutesSection, capital_problems, read_routes
from ccproxy.config.server import ListenSection, ServerOptions

ROUTES = "routes"

DAEMONS = frozenset({
    "infofile_collector", "infoscript", "logfile_tailer", "pg_logforward", "skylog", "task_runner",
    "taskclient",
})  # fmt: skip
"""Sections of separate programs that read the same file under a fixed name."""
_DAEMON_OPTIONS = ("module", "script")
_DAEMON_PREFIXES = ("d:", "t:", "p:")


class Finder(Protocol):
    """Where classes come from; `folders` are the plugin folders of the configuration.

    A Problem says why there is no class; its file and line are set here.
    """

    def handler(self, word: str, folders: tuple[str, ...]) -> type[Any] | Problem:
        """The Handler class for `handler = WORD`."""

    def protocol(self, word: str, folders: tuple[str, ...]) -> type[Any] | Problem:
        """The MessageProtocol class for `protocol = WORD`."""

    def handlers(self) -> list[str]:
        """Every word that names a handler of an installed package."""

    def protocols(self, folders: tuple[str, ...]) -> list[str]:
        """Every word that names a protocol."""


def build(
    path: str, overrides: Mapping[str, str], finder: Finder
) -> tuple[Plan | None, list[Problem]]:
    """Read `path` into a Plan; `overrides` are options of `[ccserver]` from the command line.

    The Plan is None if any problem is more than a warning. Problems come in order of lines.
    """
    ini, problems = read(path, overrides)
    if ini is None:
        return None, problems
    builder = _Builder(ini, finder)
    plan = builder.build()
    problems += builder.problems
    sound = all(problem.warning for problem in problems)
    if not sound and (hint := compat_hint(ini, problems, overrides, finder)):
        problems.append(hint)
    return plan if sound else None, sorted(set(problems))


class _Builder:
    def __init__(self, ini: Ini, finder: Finder) -> None:
        self.ini = ini
        self.finder = finder
        self.problems: list[Problem] = []

    def build(self) -> Plan:
        """The plan as far as it can be made; a problem stands for each part that is missing."""
        server = self.server()
        folders = self.folders(server)
        listeners = ListenerSections(self.ini, partial(self.finder.protocol, folders=folders))
        listeners.collect(server, partial(self.finder.protocols, folders))
        self.problems += listeners.problems
        routes = self.routes()
        find = partial(self.finder.handler, folders=folders)
        find_protocol = partial(self.finder.protocol, folders=folders)
        role, words = self.role(server), self.finder.handlers
        handlers = Handlers(self.ini, find, find_protocol, role, words)
        handlers.collect(routes.uses)
        self.problems += self.needed(listeners, handlers)
        allow = AllowSections(self.ini)
        self.problems += [*handlers.problems, *allow.problems, *self.other_sections(routes)]
        self.problems += self.leaks(handlers.option_names | listeners.option_names)
        plan = Plan(
            file=self.ini.file,
            job_name=server.values.get("job_name") or self.ini.job_name,
            server=server.options,
            listeners=tuple(listeners.plans),
            routes=routes.routes,
            handlers=tuple(handlers.plans.values()),
            allow=tuple(allow.plans),
        )
        sound = all(problem.warning for problem in self.problems)
        self.problems += listeners.check(plan, sound)
        self.problems += handlers.check(plan, sound, listeners.taken)
        section = self.ini.section(SERVER)
        if section is not None and plan.server is not None:
            self.problems += http_problems(plan, section, listeners.taken)
        if sound and section and (entry := section.entry("memory")):
            self.problems += memory_problems(plan, entry)
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
        if section.entry("cc-role") is None and section.entry("cc-socket") is not None:
            what = 'no "cc-role" in [ccserver]: any handler may run here'
            hint = "set cc-role = local or cc-role = remote"
            self.problems.append(section.problem(what, hint, warning=True))
        self.problems += missing_folders(section, self.folders(resolved))
        return resolved

    def needed(self, listeners: ListenerSections, handlers: Handlers) -> Iterator[Problem]:
        """What is missing: messages have to come in somewhere, and those of listeners need routes,
        which handlers with addresses of their own do not."""
        section = self.ini.section(SERVER)
        listens = listeners.any or section is None or section.entry("cc-socket") is not None
        if section is not None and not listens and not handlers.standalone:
            hint = "set cc-socket = tcp://HOST:PORT, or add a section [listen:NAME]"
            yield section.problem(f'[{SERVER}] lacks "cc-socket"', hint)
        if self.ini.section(ROUTES) is None and (listens or not handlers.standalone):
            what, hint = "no section [routes]", "add one; it may be empty"
            yield Problem(self.ini.file, 0, what, hint)

    def folders(self, server: Resolved) -> tuple[str, ...]:
        """The plugin folders; a relative path starts at the folder of the INI file."""
        here = Path(self.ini.file).parent
        return tuple(str(here / folder) for folder in server.values.get("plugins", ()))

    def routes(self) -> RoutesSection:
        section = self.ini.section(ROUTES)
        if section is None:
            return RoutesSection((), (), ())
        routes = read_routes(section)
        self.problems += routes.problems
        server = self.ini.section(SERVER)
        undecided = server is not None and server.entry("compat") is None
        if undecided and next(signs_of_original(self.ini), None):
            self.problems += capital_problems(section)
        return routes

    def role(self, server: Resolved) -> Role:
        section = self.ini.section(SERVER)
        entry = section.entry("cc-role") if section else None
        return Role(server.values.get("cc_role", "insecure"), entry.line if entry else 0)

    def other_sections(self, routes: RoutesSection) -> Iterator[Problem]:
        """Problems for sections of no known kind; a section that a route names is not repeated."""
        named = {use.section for use in routes.uses}
        kinds = (SERVER, ROUTES, LISTEN + "NAME", ALLOW + "NAME", "h:NAME", "DEFAULT")
        for section in self.ini.sections:
            known = section.name in (SERVER, ROUTES) or section.name.startswith((LISTEN, ALLOW))
            if known or section.name in named or is_handler(section) or is_daemon(section):
                continue
            what = f"unknown kind of section [{section.name}]"
            name = section.name.partition(":")[2]
            meant = (
                (f"{LISTEN}{name}", f"{ALLOW}{name}", f"h:{name}")
                if name
                else (SERVER, ROUTES, "DEFAULT")
            )
            hint = suggest(section.name, meant) or f"known: {', '.join(kinds)}"
            yield section.lenient(section.problem(what, hint))

    def leaks(self, names: set[str]) -> Iterator[Problem]:
        """Options of [DEFAULT] that no section has and no other option refers to."""
        sections = (*self.ini.sections, self.ini.defaults)
        used = {name for section in sections for name in section.references}
        known = names | names_of(ServerOptions, ListenSection)
        used |= names_of(AllowOptions)
        if self.ini.defaults.original:
            return  # they are routes
        for entry in self.ini.defaults.entries:
            if entry.name not in used and entry.name not in known:
                what = f'"{entry.name}" in [DEFAULT] is used by no section'
                hint = suggest(entry.name, known) or "[DEFAULT] never makes routes or sections"
                yield entry.problem(what, hint)


def is_daemon(section: Section) -> bool:
    """True for sections of the separate programs that read the same file."""
    if section.name in DAEMONS or section.name.startswith(_DAEMON_PREFIXES):
        return True
    if any(section.own(name) for name in _DAEMON_OPTIONS):
        return True
    return "." in section.name and ":" not in section.name  # a task: the name of its module


def compat_hint(
    ini: Ini, problems: list[Problem], overrides: Mapping[str, str], finder: Finder
) -> Problem | None:
    """The advice to write `compat = cc` in a file that shows signs of the original, if it helps."""
    server = ini.section(SERVER)
    sign = next(signs_of_original(ini), None)
    if server is None or server.entry("compat") is not None or sign is None:
        return None
    _, others = build(ini.file, {**overrides, "compat": "cc"}, finder)
    before, after = (sum(not one.warning for one in set(some)) for some in (problems, others))
    if after >= before:
        return None
    what = f"{before - after} of {before} mistakes are none with compat = cc in [{SERVER}]"
    return server.problem(what, f"{sign} looks like a file of the CC server", warning=True)


def signs_of_original(ini: Ini) -> Iterator[str]:
    """What only files for the original have: its modules, and options without effect here."""
    without_effect = {one.name for one in options_of(ServerOptions) if one.ignored}
    for section in ini.sections:
        for entry in section.entries:
            is_module = entry.name in (*WORDS, *_DAEMON_OPTIONS) and entry.text.startswith("cc.")
            if is_module or (section.name == SERVER and entry.name in without_effect):
                yield f'"{entry.name}" in [{section.name}]'


def missing_folders(section: Section, folders: Iterable[str]) -> Iterator[Problem]:
    """Problems for plugin folders that do not exist."""
    entry = section.entry("plugins")
    for folder in folders:
        if entry is not None and not Path(folder).is_dir():
            yield entry.problem(f'no folder "{folder}" for plugins')

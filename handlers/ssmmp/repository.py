"""The repository file of an agent: which programs it can run, and how.

It becomes values, with the line of every mistake. This module must never start anything or look at
the file system.

    [program orders]
    exec = /opt/orders/run --port {port:orders_api} --store {plug:store_client}
    sockets = orders_api, admin
    plugs = store_client
    ready = port
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from ccproxy import Problem, kinds, option
from ccproxy.config.resolve import suggest

from .sections import NamedSection, read

HELLO, PORT, SPAWN, NOTIFY = "hello", "port", "spawn", "notify"

_FIELD = re.compile(r"\{([a-z]+)(?::([^{}]*))?\}")
_PLAIN = ("name", "id", "address", "agent", "token", "service")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise kinds.wrong(text, f"a command line ({error})") from None
    if not words:
        raise kinds.wrong(text, "a command line")
    return words


def _variables(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for word in _command(text) if text.strip() else ():
        name, equals, value = word.partition("=")
        if not equals or not _VARIABLE.fullmatch(name):
            raise kinds.wrong(word, "variables such as LEVEL=info COLOR='light blue'")
        found.append((name, value))
    return tuple(found)


def _fits(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for word in kinds.names.parse(text):
        plug, colon, socket = (part.strip() for part in word.partition(":"))
        if not (plug and colon and socket):
            raise kinds.wrong(word, "plugs with the sockets they fit such as store_client:sql")
        found.append((plug, socket))
    return tuple(found)


def _signal(text: str) -> str:
    name = text.strip().upper().removeprefix("SIG")
    if f"SIG{name}" not in signal.Signals.__members__:
        raise kinds.wrong(text, "a signal such as TERM, INT or QUIT")
    return name


COMMAND = kinds.checked("command line", _command)
VARIABLES = kinds.checked("variables", _variables)
FITS = kinds.checked("PLUG:SOCKET, ...", _fits)
SIGNAL = kinds.checked("signal", _signal)
_TIME = kinds.duration("s")


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """The options of `[program NAME]`."""

    exec: tuple[str, ...] = option(
        COMMAND,
        help="command line; {port:SOCKET}, {plug:PLUG}, {name}, {id}, {address}, {agent}, {token}",
    )
    sockets: tuple[str, ...] = option(kinds.names, default=(), help="sockets it listens on")
    plugs: tuple[str, ...] = option(kinds.names, default=(), help="plugs it connects with")
    env: tuple[tuple[str, str], ...] = option(VARIABLES, default=(), help="NAME=value ...")
    user: str = option(kinds.text, default="", help="user it runs as; default: that of the agent")
    directory: str = option(kinds.file, default="", help="directory it runs in")
    ready: str = option(
        kinds.choice(HELLO, PORT, SPAWN, NOTIFY), default=HELLO,
        help="when it is ready: after hello, when its ports accept, when started, when it says so",
    )  # fmt: skip
    ready_timeout: float = option(
        _TIME, default=25.0, aliases=("ready_timeout",), help="killed if it is not ready after this"
    )
    stop_signal: str = option(
        SIGNAL, default="TERM", aliases=("stop_signal",), help="signal that ends it gracefully"
    )
    kill_grace: float = option(
        _TIME, default=0.0, aliases=("kill_grace",),
        help="time between stop-signal and KILL when it is killed",
    )  # fmt: skip
    most: int = option(kinds.natural, default=0, help="instances at the same time; 0: any number")
    forward: bool = option(
        kinds.flag, default=False,
        help="a local port for every plug, forwarded to its session, for unmodified programs",
    )  # fmt: skip
    plug_sockets: tuple[tuple[str, str], ...] = option(
        FITS, default=(), aliases=("plug_sockets",),
        help="PLUG:SOCKET ..., which socket each plug fits; for forwarded ones",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(ProgramOptions):
    """One program: its name, which its section's header says, and its options."""

    name: str

    @property
    def speaks(self) -> bool:
        """True if it has an SSMMP library inside."""
        return self.ready == HELLO


@dataclass(frozen=True, slots=True)
class Repository:
    """All programs by name."""

    programs: Mapping[str, Program]

    @property
    def names(self) -> tuple[str, ...]:
        """What the agent tells the Manager."""
        return tuple(self.programs)


TABLES: Mapping[str, type] = {"[program NAME]": ProgramOptions}
"""The sections of a repository file and their options."""


def parse(file: str, text: str) -> tuple[Repository | None, list[Problem]]:
    """The repository of a text, None if there are problems; all at once, in order of line."""
    sections, problems = read(file, text, TABLES)
    programs: dict[str, Program] = {}
    for section in sections:
        if section.options:
            program = programs[section.name] = _program(section)
            problems += _check(section, program)
    if not sections and not problems:
        problems.append(Problem(file, 0, "no [program NAME] section"))
    return (None if problems else Repository(programs)), sorted(problems)


def _program(section: NamedSection) -> Program:
    values = {one.name: getattr(section.options, one.name) for one in fields(ProgramOptions)}
    return Program(name=section.name, **values)


def _check(section: NamedSection, program: Program) -> Iterator[Problem]:
    for option_, names in (("sockets", program.sockets), ("plugs", program.plugs)):
        if len(set(names)) < len(names):
            yield section.problem(option_, f"{option_}: a name is given twice")
    for option_, texts in (("exec", program.exec), ("env", [text for _, text in program.env])):
        for text in texts:
            yield from _check_fields(section, option_, program, text)
    if program.ready == PORT and not program.sockets:
        yield section.problem("ready", "ready = port, but there are no sockets")
    yield from _check_fits(section, program)
    if program.forward and program.speaks:
        what = "forward = yes for a program that speaks SSMMP"
        yield section.problem("forward", what, "write ready = port, spawn or notify")


def _check_fits(section: NamedSection, program: Program) -> Iterator[Problem]:
    fits = dict(program.plug_sockets)
    for plug in fits.keys() - set(program.plugs):
        what = f"plug-sockets: no plug {plug}"
        yield section.problem("plug_sockets", what, suggest(plug, program.plugs))
    missing = [one for one in program.plugs if one not in fits]
    if program.forward and missing:
        what = f"forward = yes, but nothing says which socket {', '.join(missing)} fits"
        yield section.problem("forward", what, f"add plug-sockets = {missing[0]}:SOCKET")


def _check_fields(
    section: NamedSection, option_: str, program: Program, text: str
) -> Iterator[Problem]:
    known = {"port": program.sockets, "plug": program.plugs}
    for match in _FIELD.finditer(text):
        kind, name = match[1], match[2]
        if kind in known and name is not None:
            if name not in known[kind]:
                what = f"{match[0]}: no such {'socket' if kind == 'port' else 'plug'}"
                yield section.problem(option_, what, suggest(name, known[kind]))
            elif kind == "plug" and not program.forward:
                yield section.problem(option_, f"{match[0]} needs forward = yes")
        elif kind not in _PLAIN or name is not None:
            expected = ", ".join(f"{{{one}}}" for one in _PLAIN)
            what = f"{match[0]}, expected {{port:SOCKET}}, {{plug:PLUG}}, {expected}"
            yield section.problem(option_, what)


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its `{...}` replaced; what `values` does not have stays as it is."""
    return _FIELD.sub(lambda match: values.get(match[0][1:-1], match[0]), text)

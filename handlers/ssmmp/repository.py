"""The repository file of an agent: which programs it can run, and how. Text to values, all mistakes
with their lines. It must never start anything or look at the file system.

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
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ccproxy import Problem, kinds, option

from .inifile import Section, Sheet, close, fill, read

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
class Program:
    """The options of `[program NAME]`, and its name."""

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
    ready_timeout: float = option(_TIME, default=25.0, help="killed if it is not ready after this")
    stop_signal: str = option(SIGNAL, default="TERM", help="signal that ends it gracefully")
    kill_grace: float = option(
        _TIME, default=0.0, help="time between stop-signal and KILL when it is killed"
    )
    most: int = option(kinds.natural, default=0, help="instances at the same time; 0: any number")
    forward: bool = option(
        kinds.flag, default=False,
        help="a local port for every plug, forwarded to its session, for unmodified programs",
    )  # fmt: skip
    plug_sockets: tuple[tuple[str, str], ...] = option(
        FITS, default=(), help="PLUG:SOCKET ..., which socket each plug fits; for forwarded ones"
    )
    name: str = option(kinds.text, default="", help="taken from the section")
    line: int = option(kinds.natural, default=0, help="taken from the section")

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


def parse(file: str, text: str) -> tuple[Repository | None, list[Problem]]:
    """The repository of a text, None if there are problems; all at once, in order of line."""
    sheet = read(file, text, {"program": True})
    programs: dict[str, Program] = {}
    for section in sheet.of("program"):
        for word in ("name", "line"):
            if word in section.entries:
                sheet.problem(section.line_of(word), f'"{word}" is taken from the section')
        program = fill(sheet, section, Program)
        if program:
            programs[section.name] = _named(program, section)
            _check(sheet, section, program)
    if not sheet.sections and not sheet.problems:
        sheet.problem(0, "no [program NAME] section")
    return (None if sheet.problems else Repository(programs)), sorted(sheet.problems)


def _named(program: Program, section: Section) -> Program:
    values = {one.name: getattr(program, one.name) for one in fields(Program)}
    return Program(**{**values, "name": section.name, "line": section.line})


def _check(sheet: Sheet, section: Section, program: Program) -> None:
    for option_, names in (("sockets", program.sockets), ("plugs", program.plugs)):
        if len(set(names)) < len(names):
            sheet.problem(section.line_of(option_), f"{option_}: a name is given twice")
    for option_, texts in (("exec", program.exec), ("env", [text for _, text in program.env])):
        for text in texts:
            _check_fields(sheet, section.line_of(option_), program, text)
    if program.ready == PORT and not program.sockets:
        sheet.problem(section.line_of("ready"), "ready = port, but there are no sockets")
    _check_fits(sheet, section, program)
    if program.forward and program.speaks:
        what = "forward = yes for a program that speaks SSMMP"
        sheet.problem(section.line_of("forward"), what, "write ready = port, spawn or notify")


def _check_fits(sheet: Sheet, section: Section, program: Program) -> None:
    fits = dict(program.plug_sockets)
    for plug in fits.keys() - set(program.plugs):
        what = f"plug-sockets: no plug {plug}"
        sheet.problem(section.line_of("plug-sockets"), what, close(plug, program.plugs))
    missing = [one for one in program.plugs if one not in fits]
    if program.forward and missing:
        what = f"forward = yes, but nothing says which socket {', '.join(missing)} fits"
        hint = f"add plug-sockets = {missing[0]}:SOCKET"
        sheet.problem(section.line_of("forward"), what, hint)


def _check_fields(sheet: Sheet, line: int, program: Program, text: str) -> None:
    known = {"port": program.sockets, "plug": program.plugs}
    for match in _FIELD.finditer(text):
        kind, name = match[1], match[2]
        if kind in known and name is not None:
            if name not in known[kind]:
                what = f"{match[0]}: no such {'socket' if kind == 'port' else 'plug'}"
                sheet.problem(line, what, close(name, known[kind]))
            elif kind == "plug" and not program.forward:
                sheet.problem(line, f"{match[0]} needs forward = yes")
        elif kind not in _PLAIN or name is not None:
            expected = ", ".join(f"{{{one}}}" for one in _PLAIN)
            sheet.problem(line, f"{match[0]}, expected {{port:SOCKET}}, {{plug:PLUG}}, {expected}")


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its `{...}` replaced; what `values` does not have stays as it is."""
    return _FIELD.sub(lambda match: values.get(match[0][1:-1], match[0]), text)

"""An INI file as sections of entries, each of which knows its file and line.

The standard library's `configparser` reads the values. The rules around it are those of the
original server, except where `scan` reports a mistake that the original let pass. Problems are
collected, never raised. This module must never know what an option means.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from configparser import (
    BasicInterpolation,
    ConfigParser,
    InterpolationDepthError,
    InterpolationError,
    InterpolationMissingOptionError,
)
from dataclasses import dataclass, replace
from pathlib import Path

from ccproxy.config.problems import Problem, did_you_mean
from ccproxy.config.scan import (
    DEFAULT,
    ORIGINAL_FILE,
    SERVER_FILE,
    Grammar,
    Scan,
    asks_for_original,
    scan,
)

SERVER = "ccserver"
OVERRIDE = "--set"
"""The file name in problems with an option that was given on the command line."""

BUILT_IN = ("job_name", "service_name", "host_name", "config_dir", "config_file")
"""Names that every section can use in `%(...)s`, and can set itself."""

KEYS = ("curve", "curve-server")
"""Options whose value may be a key in Z85: a percent sign is one of its digits and stands for
itself, because two keys in five have one."""
_KEY = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")
_REFERENCE = re.compile(r"%\(([^)]*)\)s")


@dataclass(frozen=True, slots=True)
class Entry:
    """One option as written: its text, or the problem because of which it cannot be read."""

    name: str
    text: str
    file: str
    lines: tuple[int, ...]
    fault: Problem | None = None

    @property
    def line(self) -> int:
        """The line the option starts in; 0 = command line."""
        return self.lines[0] if self.lines else 0

    def line_at(self, offset: int) -> int:
        """The line of one character of the text."""
        row = self.text.count("\n", 0, offset)
        return self.lines[min(row, len(self.lines) - 1)] if self.lines else 0

    def problem(self, what: str, hint: str = "", *, warning: bool = False) -> Problem:
        """A problem with this entry."""
        return Problem(self.file, self.line, what, hint, warning)


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its own entries in order, and the entries it inherits from [DEFAULT]."""

    name: str
    file: str
    line: int
    entries: tuple[Entry, ...]
    inherited: tuple[Entry, ...] = ()
    references: frozenset[str] = frozenset()
    """Names that its own entries use in `%(...)s`."""
    variables: tuple[str, ...] = BUILT_IN
    """Built-in names that its entries can use and set; none where `%(...)s` has no meaning."""
    original: bool = False
    """True if the file is read as the original server read it (`compat = cc`)."""

    def own(self, name: str) -> Entry | None:
        """Its own entry of that name."""
        return next((one for one in self.entries if one.name == name), None)

    def entry(self, name: str) -> Entry | None:
        """The entry of that name: its own, or that of [DEFAULT]."""
        return next((one for one in (*self.entries, *self.inherited) if one.name == name), None)

    def problem(self, what: str, hint: str = "", *, warning: bool = False) -> Problem:
        """A problem with the section as a whole."""
        return Problem(self.file, self.line, what, hint, warning)

    def lenient(self, problem: Problem) -> Problem:
        """A problem that the original server did not mind: a warning, if its files are read."""
        return replace(problem, warning=True) if self.original else problem


@dataclass(frozen=True, slots=True)
class Ini:
    """A whole file. `defaults` is [DEFAULT], which is not among `sections`."""

    file: str
    job_name: str
    sections: tuple[Section, ...]
    defaults: Section

    def section(self, name: str) -> Section | None:
        """The section of that name."""
        return next((one for one in self.sections if one.name == name), None)


def read(path: str, overrides: Mapping[str, str]) -> tuple[Ini | None, list[Problem]]:
    """Read a file; `overrides` are options of [ccserver] from the command line."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        return None, [Problem(path, 0, what)]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        what = "the file is UTF-16, expected UTF-8"
        return None, [Problem(path, 0, what, "save it as UTF-8")]
    text, problems = decode(path, data)
    ini, more = parse(path, text, overrides, platform.node())
    return ini, sorted([*problems, *more])


def decode(file: str, data: bytes) -> tuple[str, list[Problem]]:
    """Bytes to text; each line that is not UTF-8 is a problem."""
    problems = []
    lines = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError as error:
            what = f"byte 0x{line[error.start]:02x} in column {error.start + 1} is not UTF-8"
            problems.append(Problem(file, number, what, "save the file as UTF-8"))
            lines.append(line.decode(errors="replace"))
    return "\n".join(lines), problems


def parse(
    file: str,
    text: str,
    overrides: Mapping[str, str],
    host: str,
    grammar: Grammar = SERVER_FILE,
) -> tuple[Ini, list[Problem]]:
    """Text to sections; `host` is the name of this machine."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if grammar is SERVER_FILE and (overrides.get("compat") or asks_for_original(lines)):
        grammar = SERVER_FILE if overrides.get("compat") == "no" else ORIGINAL_FILE
    scanned = scan(file, lines, grammar)
    reader = _Reader(scanned, grammar, file, overrides, host)
    sections = tuple(reader.section(name) for name in scanned.sections if name != DEFAULT)
    ini = Ini(file, Path(file).stem, sections, reader.section(DEFAULT))
    return ini, list(scanned.problems)


class _Reader:
    def __init__(
        self, scanned: Scan, grammar: Grammar, file: str, overrides: Mapping[str, str], host: str
    ) -> None:
        self.file = file
        self.scanned = scanned
        self.grammar = grammar
        self.overrides = overrides
        self.built_in = {
            "job_name": Path(file).stem,
            "host_name": host,
            "config_dir": str(Path(file).parent),
            "config_file": file,
        }
        self.names: dict[str, list[str]] = {DEFAULT: [], **{one: [] for one in scanned.sections}}
        for owner, option in scanned.options:
            self.names[owner].append(option)
        self.parser = ConfigParser(
            delimiters=("=",),
            comment_prefixes=("#", ";"),
            inline_comment_prefixes=grammar.comments,
            strict=False,
            default_section=DEFAULT,
            interpolation=BasicInterpolation() if grammar.variables else None,
        )
        form = str.lower if grammar.original else str
        self.parser.optionxform = form  # type: ignore[assignment,method-assign]
        self.parser.read_file(scanned.lines, file)

    def section(self, name: str) -> Section:
        extra = self.overrides if name == SERVER else {}
        own = [one for one in self.names[name] if one not in extra]
        inherited = {*self.names[DEFAULT]} - {*own, *extra} if name != DEFAULT else set()
        values = self.variables(name)
        lines = self.scanned.options
        return Section(
            name=name,
            file=self.file,
            line=self.scanned.sections.get(name, 0),
            entries=(
                *(self.entry(name, one, lines[name, one], values) for one in own),
                *(self.entry(name, one, (), values) for one in extra),
            ),
            inherited=tuple(
                self.entry(name, one, lines[DEFAULT, one], values)
                for one in self.names[DEFAULT]
                if one in inherited
            ),
            references=frozenset(self.references(name)),
            variables=BUILT_IN if self.grammar.variables else (),
            original=self.grammar.original,
        )

    def variables(self, section: str) -> dict[str, str]:
        """The values besides those of the file: built-in names, and options of the command line."""
        own = {*self.names[section], *self.names[DEFAULT]}
        service = SERVER if section == DEFAULT else section
        built_in = {**self.built_in, "service_name": service}
        variables = {
            name: text.replace("%", "%%") for name, text in built_in.items() if name not in own
        }
        return variables | dict(self.overrides if section == SERVER else {})

    def entry(
        self, section: str, name: str, lines: tuple[int, ...], variables: Mapping[str, str]
    ) -> Entry:
        file = self.file if lines else OVERRIDE
        if name in KEYS and _KEY.fullmatch(key := self.parser.get(section, name, raw=True)):
            return Entry(name, key, file, lines)
        try:
            text = self.parser.get(section, name, vars=variables)
        except InterpolationError as error:
            line = lines[0] if lines else 0
            what, hint = self.explain(section, name, error)
            return Entry(name, "", file, lines, Problem(file, line, what, hint))
        return Entry(name, text, file, lines)

    def explain(self, section: str, name: str, error: InterpolationError) -> tuple[str, str]:
        if isinstance(error, InterpolationMissingOptionError):
            missing = error.reference
            known = [*self.names[section], *self.names[DEFAULT], *BUILT_IN]
            what = f'"{name}" in [{section}] uses %({missing})s, which is not set'
            return what, did_you_mean(
                missing, known
            ) or f"set {missing} in [{section}] or [DEFAULT]"
        if isinstance(error, InterpolationDepthError):
            return f'"{name}" in [{section}] uses itself through %(...)s', ""
        what = f'"{name}" in [{section}] has a single "%"'
        return what, 'write "%%" for a percent sign, %(NAME)s for the value of an option'

    def references(self, section: str) -> Iterator[str]:
        if not self.grammar.variables:
            return
        for name in self.names[section]:
            raw = self.parser.get(section, name, raw=True)
            found = _REFERENCE.findall(raw.replace("%%", ""))
            yield from map(self.parser.optionxform, found)
        for raw in self.overrides.values() if section == SERVER else ():
            yield from _REFERENCE.findall(raw.replace("%%", ""))

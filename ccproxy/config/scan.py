"""The first pass over the lines of an INI file: what each line holds, and what is wrong with it.

`configparser` stops at the first faulty line and forgets line numbers. Therefore every line is
classified here first, in the same way as `configparser` will do it. Faulty lines are reported and
turned into comments; the others stay as they are. This module must never interpret a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ccproxy.config.problems import Problem

DEFAULT = "DEFAULT"

_SECTION = re.compile(r"\[([^\[\]]+)\]")
_SECTION_MEANT = re.compile(r"\[*\s*([^\[\]]*[^\[\]\s])")
_INDENTED_SECTION = re.compile(r"\[(ccserver|routes|DEFAULT|\w+:[^\[\]]+)\]")
_INDENTED_OPTION = re.compile(r"[\w.*-]+\s+=(\s|$)")
_INDENTED_WORD = re.compile(r"[a-z][a-z_-]*\s*=")
_WORD = re.compile(r"[\w.*-]+")
_COLON = re.compile(r"([\w.*-]+)\s*:\s*(.*)")
_COLON_FIRST = re.compile(r"[\w.*-]+\s*:(\s|$)")
_ORIGINAL_OPTION = re.compile(r"([^:=\s][^:=]*?)\s*([:=])\s*(.*)")
_COMPAT = re.compile(r"(?i:compat)\s*[:=]\s*cc")
_REMARK = re.compile(r"(?i:rem)(\s|$)")
_COMMENT = "#"


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the files of a server and those that handlers read do not have in common."""

    comments: tuple[str, ...] = (";",)
    """What begins a comment behind a value, after white space."""
    indented: bool = False
    """True: an indented header or `name = value` is one, and a header may have more white space
    than it needs; False: these are mistakes. Other indented lines continue the value above."""
    variables: bool = True
    """True: `%(NAME)s` stands for the value of an option; False: a percent sign is one."""
    example: str = "[ccserver]"
    """A header, for the hint that there is none."""
    original: bool = False
    """True: names are in lower case, a colon separates as well, and what is given twice is merged,
    the last one counting. So the original server read its files; each is a warning. A line whose
    first word is `rem` is a comment."""


SERVER_FILE = Grammar()
ORIGINAL_FILE = Grammar(original=True)
"""The files of a server with `compat = cc`."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The readable lines of a file; `options` has a line number for each line of a value."""

    lines: tuple[str, ...]
    sections: Mapping[str, int]
    options: Mapping[tuple[str, str], tuple[int, ...]]
    problems: tuple[Problem, ...]


def bare(line: str, grammar: Grammar = SERVER_FILE) -> str:
    """A line without its comment: empty if it begins with `#` or `;`, else up to e.g. ` ;`."""
    if line.lstrip().startswith(("#", ";")) or (grammar.original and _REMARK.match(line)):
        return ""
    return re.split(rf"\s[{''.join(grammar.comments)}]", line, maxsplit=1)[0].rstrip()


def asks_for_original(lines: list[str]) -> bool:
    """True if `compat = cc` stands in `[ccserver]`."""
    section = ""
    for line in map(bare, lines):
        if line.startswith("["):
            section = line
        elif section == "[ccserver]" and _COMPAT.fullmatch(line):
            return True
    return False


def scan(file: str, lines: list[str], grammar: Grammar = SERVER_FILE) -> Scan:
    """Classify all lines of a file."""
    scanner = _Scanner(file, grammar)
    readable = tuple(scanner.read(number, line) for number, line in enumerate(lines, 1))
    options = {key: tuple(where) for key, where in scanner.options.items()}
    return Scan(readable, scanner.sections, options, tuple(scanner.problems))


class _Scanner:
    def __init__(self, file: str, grammar: Grammar) -> None:
        self.file = file
        self.grammar = grammar
        self.problems: list[Problem] = []
        self.sections: dict[str, int] = {}
        self.options: dict[tuple[str, str], list[int]] = {}
        self.section: str | None = None
        self.value: list[int] | None = None
        """Line numbers of the option that an indented line continues."""
        self.skipping = False
        """True if the line above was faulty: indented lines below it are not reported again."""
        self.lost = False
        """True if there is no section for options, and this has been reported."""

    def read(self, number: int, line: str) -> str:
        """The line as it is given to configparser."""
        text = bare(line, self.grammar)
        if not text:
            return _COMMENT  # blank lines too: in the original they are not part of a value
        if line[0].isspace():
            if not self.begins(text.strip()):
                return self.indented(number, line, text.strip())
            line, text = line.strip(), text.strip()
        self.value, self.skipping = None, False
        if text.startswith("["):
            return self.header(number, text)
        return self.option(number, line, text)

    def begins(self, text: str) -> bool:
        """True if an indented text begins a section or an option in this grammar."""
        if not self.grammar.indented:
            return False
        return text.startswith("[") or _INDENTED_WORD.match(text) is not None

    def problem(self, number: int, what: str, hint: str = "") -> str:
        self.problems.append(Problem(self.file, number, what, hint))
        return _COMMENT

    def unlike_original(self, number: int, what: str, hint: str = "") -> str:
        """A mistake that is none in the original: a warning, if its files are read."""
        warning = self.grammar.original
        self.problems.append(Problem(self.file, number, what, hint, warning))
        return _COMMENT

    def indented(self, number: int, line: str, text: str) -> str:
        if self.skipping:
            return _COMMENT
        if _INDENTED_SECTION.fullmatch(text):
            self.skipping = True
            return self.problem(
                number, f"section header {text} is indented", "start it in column 1"
            )
        is_route = self.section == "routes" and "=" in text
        if self.value is None or is_route or _INDENTED_OPTION.match(text):
            return self.indented_option(number, text)
        self.value.append(number)
        return line

    def indented_option(self, number: int, text: str) -> str:
        if self.section is None:
            return self.no_section(number)
        if "=" not in text:
            self.skipping = True
            return self.problem(number, f'"{_short(text)}" is indented but continues nothing')
        name = text.partition("=")[0].strip()
        what = f'"{name} = ..." is indented'
        hint = "it would be part of the value above; start it in column 1"
        if self.value is None:
            hint = "start it in column 1"
        self.problem(number, what, hint)
        if _WORD.fullmatch(name):
            return self.option(number, text, text)
        self.skipping = True
        return _COMMENT

    def header(self, number: int, text: str) -> str:
        match = _SECTION.fullmatch(text)
        name = match[1].strip() if match else ""
        if match and self.grammar.indented:
            name = " ".join(name.split())
        elif not match or name != match[1]:
            meant = _SECTION_MEANT.match(text)
            name = meant[1] if meant else ""
            hint = f"write [{name}]" if name else "write [NAME]"
            self.problem(number, f'bad section header "{_short(text)}"', hint)
        if not name:
            self.section, self.lost, self.skipping = None, True, True
            return _COMMENT
        if name in self.sections:
            first = self.sections[name]
            what = f"section [{name}] is given twice"
            self.unlike_original(number, what, f"first in line {first}")
        self.sections.setdefault(name, number)
        self.section, self.lost = name, False
        return f"[{name}]"

    def option(self, number: int, line: str, text: str) -> str:
        if self.section is None:
            return self.no_section(number)
        if self.grammar.original and (found := _ORIGINAL_OPTION.fullmatch(text)):
            return self.original_option(number, line, found)
        if "=" not in text or text.startswith("=") or _COLON_FIRST.match(text.partition("=")[0]):
            return self.not_an_option(number, text)
        return self.known_option(number, line, text.partition("=")[0].strip())

    def known_option(self, number: int, line: str, name: str) -> str:
        assert self.section is not None
        key = self.section, name
        if key in self.options:
            hint = f"first in line {self.options[key][0]}"
            what = f'"{name}" is given twice in [{self.section}]'
            self.unlike_original(number, what, hint)
            if not self.grammar.original:
                self.skipping = True
                return _COMMENT
        self.value = self.options[key] = [number]
        return line

    def original_option(self, number: int, line: str, found: re.Match[str]) -> str:
        """An option as the original reads it."""
        name, separator, value = found.groups()
        if separator == ":":
            line = f"{name} = {value}"
            self.unlike_original(
                number, "a colon separates name and value", f'better write "{_short(line)}"'
            )
        if self.section == "routes" and name != name.lower():
            what = f'route "{name}" is read as "{name.lower()}", which no capital letter matches'
            self.unlike_original(number, what)
        return self.known_option(number, line, name.lower())

    def not_an_option(self, number: int, text: str) -> str:
        colon = _COLON.match(text)
        if colon:
            meant = f"{colon[1]} = {colon[2]}"
            what = 'a colon does not separate name and value, only "=" does'
            self.problem(number, what, f'write "{_short(meant)}"')
            return self.known_option(number, meant, colon[1])
        self.skipping = True
        if text.startswith("="):
            return self.problem(number, f'no name in front of "{_short(text)}"')
        hint = "write NAME = VALUE"
        if text.lower().startswith(("rem ", "//")):
            hint = 'comments start with "#" or ";"'
        return self.problem(number, f'no "=" in "{_short(text)}"', hint)

    def no_section(self, number: int) -> str:
        if not self.lost:
            hint = f"start with a line such as {self.grammar.example}"
            self.problem(number, "text before the first section", hint)
        self.lost = self.skipping = True
        return _COMMENT


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."

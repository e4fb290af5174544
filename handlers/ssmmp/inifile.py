"""Ini text as declared sections: every value knows its line, every mistake is a Problem.

The graph file and the repository file are read with it: `[kind NAME]` sections, one option a line,
`;` or `#` starts a comment. It must never open a file or know what an option means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, TypeVar

from ccproxy import Problem

_HEADER = re.compile(r"\[\s*([a-z]+)(?:\s+([A-Za-z0-9_.@-]+))?\s*\]")
_COMMENT = re.compile(r"(?:^|\s)[;#].*$")

Declared = TypeVar("Declared")


@dataclass(frozen=True, slots=True)
class Entry:
    """One option as written."""

    name: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """`[kind name]` with its options; `name` is empty for `[app]`."""

    kind: str
    name: str
    line: int
    entries: Mapping[str, Entry]

    def line_of(self, option: str) -> int:
        """The line of an option, that of the section if it is not given."""
        entry = self.entries.get(option)
        return entry.line if entry else self.line


@dataclass(slots=True)
class Sheet:
    """A whole file with the problems found so far."""

    file: str
    sections: list[Section] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, line: int, what: str, hint: str = "") -> None:
        """Report one mistake; the reading goes on."""
        self.problems.append(Problem(self.file, line, what, hint))

    def of(self, kind: str) -> list[Section]:
        """The sections of one kind, in order."""
        return [one for one in self.sections if one.kind == kind]


def read(file: str, text: str, kinds: Mapping[str, bool]) -> Sheet:
    """The sections of a text. `kinds`: the known kinds of sections, True = it has a name."""
    sheet = Sheet(file)
    entries: dict[str, Entry] | None = None
    seen: dict[tuple[str, str], int] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        line = _COMMENT.sub("", raw.rstrip("\r")).strip()
        if not line:
            continue
        if line.startswith("["):
            entries = _header(sheet, number, line, kinds, seen)
        elif entries is None:
            if not sheet.problems:
                sheet.problem(number, "text before the first section", "start with [KIND NAME]")
        else:
            _option(sheet, number, line, entries)
    return sheet


def _header(
    sheet: Sheet,
    number: int,
    line: str,
    kinds: Mapping[str, bool],
    seen: dict[tuple[str, str], int],
) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    match = _HEADER.fullmatch(line)
    kind, name = (match[1], match[2] or "") if match else ("", "")
    if kind not in kinds or bool(name) != kinds[kind]:
        forms = ", ".join(f"[{one} NAME]" if named else f"[{one}]" for one, named in kinds.items())
        sheet.problem(number, f"section header {line[:60]!r}, expected {forms}")
        return entries
    if (kind, name) in seen:
        sheet.problem(number, f"{line} is given twice", f"first in line {seen[kind, name]}")
    seen.setdefault((kind, name), number)
    sheet.sections.append(Section(kind, name, number, entries))
    return entries


def _option(sheet: Sheet, number: int, line: str, entries: dict[str, Entry]) -> None:
    name, equals, text = (part.strip() for part in line.partition("="))
    if not equals or not name:
        sheet.problem(number, f'no "=" in {line[:60]!r}', "write NAME = VALUE")
    elif name in entries:
        sheet.problem(number, f'"{name}" is given twice', f"first in line {entries[name].line}")
    else:
        entries[name] = Entry(name, text, number)


def fill(sheet: Sheet, section: Section, declared: type[Declared]) -> Declared | None:
    """The options of a section as a `declared` dataclass; None if one of them is wrong."""
    known = {one.name.replace("_", "-"): one for one in fields(declared)}  # type: ignore[arg-type]
    known.update({one.name: one for one in fields(declared)})  # type: ignore[arg-type]
    found = len(sheet.problems)
    values: dict[str, Any] = {}
    for entry in section.entries.values():
        option = known.get(entry.name)
        if option is None:
            hint = close(entry.name, known)
            sheet.problem(entry.line, f'unknown option "{entry.name}" in [{section.kind}]', hint)
            continue
        try:
            values[option.name] = option.metadata["option"]["kind"].parse(entry.text)
        except ValueError as error:
            sheet.problem(entry.line, f"{entry.name}: {error}")
            values[option.name] = None
    for option in {one.name: one for one in known.values()}.values():
        if option.default is MISSING and option.name not in values:
            sheet.problem(section.line, f'[{section.kind} {section.name}] without "{option.name}"')
    return declared(**values) if len(sheet.problems) == found else None


def close(word: str, known: Iterable[str]) -> str:
    """A hint with the known word that looks most like this one, empty if none does."""
    found = get_close_matches(word, list(known), n=1)
    return f'did you mean "{found[0]}"?' if found else ""

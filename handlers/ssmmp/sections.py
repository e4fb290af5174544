"""The sections of a graph or repository file: `[KIND NAME]` or `[KIND]`, read by their options.

The text is read as all INI files are, with what these files always allowed besides: `#` begins a
comment behind a value too, options may be indented, a percent sign is one. This module must never
know what an option means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ccproxy import Problem
from ccproxy.config.ini import Ini, Section, parse
from ccproxy.config.resolve import resolve
from ccproxy.config.scan import DEFAULT, Grammar

_HEADER = re.compile(r"([a-z]+)(?: ([A-Za-z0-9_.@-]+))?")
_KIND = re.compile(r"^\s*\[\s*([a-z]+)[^\]\n]*\]", re.MULTILINE)

Tables = Mapping[str, type]
"""The forms of headers, `[KIND NAME]` or `[KIND]`, and the dataclass with the options of each."""


@dataclass(frozen=True, slots=True)
class NamedSection:
    """One section: `name` is empty where its header has none, `options` is None if one of them is
    wrong."""

    kind: str
    name: str
    options: Any
    section: Section

    @property
    def line(self) -> int:
        """The line of its header."""
        return self.section.line

    def line_of(self, option: str) -> int:
        """The line of an option by its field, that of the header if it is not given."""
        entry = self.section.entry(option.replace("_", "-")) or self.section.entry(option)
        return entry.line if entry else self.section.line

    def problem(self, option: str, what: str, hint: str = "") -> Problem:
        """A problem in the line of an option."""
        return Problem(self.section.file, self.line_of(option), what, hint)


def read(file: str, text: str, tables: Tables) -> tuple[list[NamedSection], list[Problem]]:
    """The sections of a text with their options, and all problems so far."""
    grammar = Grammar((";", "#"), indented=True, variables=False, example=next(iter(tables)))
    ini, problems = parse(file, text, {}, "", grammar)
    sections = []
    for section in ini.sections:
        match = _HEADER.fullmatch(section.name)
        kind, name = (match[1], match[2] or "") if match else ("", "")
        declared = tables.get(f"[{kind} NAME]" if name else f"[{kind}]")
        if declared is None:
            problems.append(section.problem(*_unknown(section.name, tables)))
            continue
        resolved = resolve(section, declared)
        problems += resolved.problems
        sections.append(NamedSection(kind, name, resolved.options, section))
    return sections, [*problems, *_defaults(ini, tables)]


def has_sections_of(text: str, tables: Tables) -> bool:
    """True if a text has a section of one of these kinds, right or wrong."""
    kinds = {name.strip("[]").split()[0] for name in tables}
    return any(found in kinds for found in _KIND.findall(text))


def _unknown(name: str, tables: Tables) -> tuple[str, str]:
    return f"unknown section [{name}]", f"expected {', '.join(tables)}"


def _defaults(ini: Ini, tables: Tables) -> Iterator[Problem]:
    if ini.defaults.line:
        yield ini.defaults.problem(*_unknown(DEFAULT, tables))

"""The section `[routes]`: each option is a dotted prefix, its value a list of handler sections.

`ccproxy.core.routes` says which messages a prefix matches; here the section is read and checked.
This module must never look into a handler section.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ccproxy.config.ini import Entry, Section
from ccproxy.config.plan import RoutePlan
from ccproxy.config.problems import Problem

_PART = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Use:
    """One handler section that a route names, with the line of its name."""

    section: str
    prefix: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class RoutesSection:
    """All routes that can be read, and every section that they name, in order."""

    routes: tuple[RoutePlan, ...]
    uses: tuple[Use, ...]
    problems: tuple[Problem, ...]


def read_routes(section: Section) -> RoutesSection:
    """Read all routes of the section; in the original, options of [DEFAULT] are routes as well."""
    routes: list[RoutePlan] = []
    uses: list[Use] = []
    problems: list[Problem] = []
    for entry in (*(section.inherited if section.original else ()), *section.entries):
        dead = [section.lenient(one) for one in prefix_problems(entry)]
        problems += dead
        if entry.fault is not None:
            problems.append(entry.fault)
            continue
        found = list(_uses(entry))
        problems += _faults(entry, found)
        good = [use for use in found if use.section and "\n" not in use.section]
        uses += good
        if not (dead and section.original):
            named = tuple(use.section for use in good)
            routes.append(RoutePlan(entry.name, named, entry.line))
    return RoutesSection(tuple(routes), tuple(uses), tuple(problems))


def capital_problems(section: Section) -> Iterator[Problem]:
    """Warnings for routes that the original server would have read in lower case."""
    for entry in section.entries:
        small = entry.name.lower()
        if entry.name != small:
            what = f'route "{entry.name}" matches capital letters only as written'
            hint = f'CC read it as "{small}": write so, or compat = no in [ccserver] if it is meant'
            yield entry.problem(what, hint, warning=True)


def prefix_problems(entry: Entry) -> Iterator[Problem]:
    """Problems for a prefix that cannot match any message type."""
    prefix = entry.name
    if prefix == "*":
        return
    parts = prefix.split(".")
    if all(map(_PART.fullmatch, parts)):
        return
    meant = ".".join(part for part in parts if _PART.fullmatch(part))
    hint = f'write "{meant}"' if meant else 'write "*" for every type'
    if parts[-1] == "*" and ".".join(parts[:-1]) == meant and meant:
        what = f'route "{prefix}" never matches: "*" stands alone or not at all'
        hint = f'"{meant}" matches {meant} and everything below it'
    elif not all(parts):
        what = f'route "{prefix}" never matches: it has an empty part'
    else:
        what = f'route "{prefix}" never matches: it may have A-Z a-z 0-9 _ - between single dots'
        hint = ""
    yield entry.problem(what, hint)


def _uses(entry: Entry) -> Iterator[Use]:
    offset = 0
    for element in entry.text.split(","):
        name = element.strip()
        start = offset + len(element) - len(element.lstrip()) if name else offset
        yield Use(name, entry.name, entry.file, entry.line_at(start))
        offset += len(element) + 1


def _faults(entry: Entry, uses: list[Use]) -> Iterator[Problem]:
    if not entry.text.strip():
        yield entry.problem(f'route "{entry.name}" names no handler section')
        return
    for use in uses:
        if not use.section:
            what = f'route "{entry.name}" has an empty element'
            yield Problem(use.file, use.line, what, "two commas, or one at an end")
        elif "\n" in use.section:
            what = f'route "{entry.name}" names "{" ".join(use.section.split())}"'
            yield Problem(use.file, use.line, what, "write a comma between two sections")

"""Turns the entries of a section into its options, which are a frozen dataclass, or into problems.

It must never know a particular option: it reads the option table of the dataclass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ccproxy.config.ini import Entry, Section
from ccproxy.config.options import Option, options_of
from ccproxy.config.problems import Problem, did_you_mean
from ccproxy.core.plugin_code import PluginCode, fault_of


@dataclass(frozen=True, slots=True)
class Reference:
    """A section, or a protocol, that an option names, and that option."""

    section: str
    kind: str
    """handler, daemon or protocol."""
    option: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Resolved:
    """The options of one section; `options` is None if there is a mistake in them.

    `values` are the values that could be read, by field, so that one mistake hides no other.
    """

    options: Any
    values: Mapping[str, Any]
    problems: tuple[Problem, ...]
    references: tuple[Reference, ...] = ()


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint with the known word that was probably meant; letter case is ignored first."""
    known = list(known)
    same = next((one for one in known if one.casefold() == word.casefold()), None)
    if same is not None:
        return f'did you mean "{same}"?'
    return did_you_mean(word, known)


def resolve(
    section: Section,
    declared: type,
    besides: Collection[str] = (),
    elsewhere: Callable[[str], str] = lambda name: "",
) -> Resolved:
    """Read a section into an Options dataclass; `besides` are options that other code reads.

    `elsewhere` gives a hint for the name of an unknown option that nothing here resembles.
    """
    table = _Table(section, tuple(options_of(declared)))
    problems = [
        *table.unknown(besides, elsewhere),
        *table.doubled(getattr(declared, "exclusive", ())),
    ]
    values: dict[str, Any] = {}
    for option in table.options:
        problems += table.value(option, values)
    references = tuple(table.references(values))
    options = None
    if all(problem.warning for problem in problems):
        try:
            with PluginCode():
                options = declared(**values)
        except ValueError as error:  # from a __post_init__ that compares options
            problems.append(section.problem(f"[{section.name}]: {error}"))
        except Exception as error:
            what = f"[{section.name}]: {type(error).__name__}: {error}"
            problems.append(section.problem(what, fault_of("its options", error)))
    return Resolved(options, values, tuple(problems), references)


class _Table:
    def __init__(self, section: Section, options: tuple[Option, ...]) -> None:
        self.section = section
        self.options = options
        self.names: Mapping[str, Option] = {
            name: option for option in options for name in (option.name, *option.aliases)
        }

    def unknown(
        self, besides: Collection[str], elsewhere: Callable[[str], str]
    ) -> Iterator[Problem]:
        known = {*self.names, *besides, *self.section.variables, *self.section.references}
        for entry in self.section.entries:
            if entry.name not in known:
                what = f'unknown option "{entry.name}" in [{self.section.name}]'
                hint = suggest(entry.name, {*self.names, *besides}) or elsewhere(entry.name)
                yield self.section.lenient(entry.problem(what, hint))

    def doubled(self, exclusive: Iterable[tuple[str, str]]) -> Iterator[Problem]:
        inherited = {entry.name: entry for entry in self.section.inherited}
        given = inherited | {entry.name: entry for entry in self.section.entries}
        for option in self.options:
            twice = [name for name in (option.name, *option.aliases) if name in given]
            if len(twice) > 1:
                what = f'"{twice[1]}" is another name of "{twice[0]}", and both are given'
                yield given[twice[1]].problem(what, "keep one of them")
        for first, second in exclusive:
            if first in given and second in given:
                what = f'"{first}" sets "{second}", and both are given'
                yield given[first].problem(what, "keep one of them")

    def entry(self, option: Option) -> Entry | None:
        for entry in (*self.section.entries, *self.section.inherited):
            if self.names.get(entry.name) == option:
                return entry
        return None

    def value(self, option: Option, values: dict[str, Any]) -> Iterator[Problem]:
        entry = self.entry(option)
        if entry is None:
            if option.required:
                what = f'[{self.section.name}] lacks "{option.name}"'
                yield self.section.problem(what, option.help)
            return
        if option.ignored:
            what = f'"{entry.name}" in [{self.section.name}] has no effect'
            yield entry.problem(what, option.help, warning=True)
            return
        if entry.fault is not None:
            yield entry.fault
            return
        try:
            values[option.field] = option.kind.parse(entry.text)
        except ValueError as error:
            found = f"expected {option.kind.name}" if option.secret else error
            yield entry.problem(f'"{entry.name}" in [{self.section.name}]: {found}')

    def references(self, values: Mapping[str, Any]) -> Iterator[Reference]:
        for option in self.options:
            entry = self.entry(option)
            named = values.get(option.field)
            if not option.kind.refers or entry is None or not named:
                continue
            for section in (named,) if isinstance(named, str) else named:
                yield Reference(section, option.kind.refers, option.name, entry)

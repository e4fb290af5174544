"""State tables: cells of (state, event), each with its effects and its next state.

A machine walks its table: it looks up the cell, puts the row into the next state, and does the
effects in order. It must never hold a rule itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Rule(NamedTuple):
    """One cell: in `state`, on `event`, do the effects in order, and be in `next`."""

    state: str
    event: str
    next: str
    does: tuple[str, ...] = ()


class Table(NamedTuple):
    """All rules of one machine. `events` say what they mean; `timers` name the setting that
    limits the time in a state."""

    name: str
    events: Mapping[str, str]
    rules: Mapping[tuple[str, str], Rule]
    timers: Mapping[str, str]

    def rule(self, state: str, event: str) -> Rule | None:
        """The rule of a cell, None if there is none; KeyError for an event of another table."""
        self.events[event]
        return self.rules.get((state, event))


def table(
    name: str, events: Mapping[str, str], timers: Mapping[str, str], rules: Iterable[Rule]
) -> Table:
    """A table of rules; ValueError if two of them are for the same cell."""
    cells: dict[tuple[str, str], Rule] = {}
    for one in rules:
        if (one.state, one.event) in cells:
            raise ValueError(f"{name}: two rules for {one.state}, {one.event}")
        cells[one.state, one.event] = one
    return Table(name, events, cells, timers)


def lines(table: Table) -> list[str]:
    """The table as lines of text: state, event, effects, next state."""
    return [
        f"{one.state:<12} {one.event:<14} {', '.join(one.does) or '-':<40} {one.next}"
        for one in table.rules.values()
    ]

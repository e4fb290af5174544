"""State tables of the roles of SSMMP, and the machine that takes the cells of one.

    (state, event) -> the effects in order, the next state

A table says what may happen to a row: an agent, an instance, a session, a link. A StateMachine
looks up the cell of an event, has the row put into the next state, and then does the effects in
order. A cell without a rule changes nothing and is reported as ignored. This module must never
hold a rule itself, and never know where the rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar


class Rule(NamedTuple):
    """One cell: in `state`, on `event`, be in `next` and do the effects in order.

    `timer` is filled in by `table`: the setting that limits the time in `next`, if the rule enters
    another state that has a limit.
    """

    state: str
    event: str
    next: str
    does: tuple[str, ...] = ()
    timer: str = ""

    def deadline(self, now: float, settings: object) -> float:
        """When the time in the next state is over; 0 = it is not limited."""
        return now + float(getattr(settings, self.timer)) if self.timer else 0.0


class Table(NamedTuple):
    """All rules of one machine. `events` maps each event to its meaning, `timers` each state to the
    setting that limits the time in it."""

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
        timer = timers.get(one.next, "") if one.next != one.state else ""
        cells[one.state, one.event] = one._replace(timer=timer)
    return Table(name, events, cells, timers)


def lines(table: Table) -> list[str]:
    """The table as lines of text: state, event, effects, next state."""
    return [
        f"{one.state:<12} {one.event:<14} {', '.join(one.does) or '-':<40} {one.next}"
        for one in table.rules.values()
    ]


class Stateful(Protocol):
    """A row that is in a state of a table."""

    @property
    def state(self) -> str: ...


R = TypeVar("R", bound=Stateful)
Effects = Mapping[str, Callable[[R], None]]
"""The function of each effect of a table."""


class Rows(Protocol[R]):
    """Where the rows of a machine are: rows are values, so that a change makes another one."""

    def enter(self, row: R, rule: Rule, changes: Mapping[str, Any]) -> R:
        """Put a row into the next state of a rule, with changes of its other fields; the new
        row."""

    def current(self, row: R) -> R | None:
        """The row as the effects before have left it; None = the effects that follow are not
        done."""

    def ignored(self, name: str) -> None:
        """Count an event without a rule; the name is `ignored.TABLE.STATE.EVENT`."""


class StateMachine(Generic[R]):
    """`fire` takes one cell of `table` for a row."""

    def __init__(self, table: Table, effects: Effects[R], rows: Rows[R]) -> None:
        self.table = table
        self.effects = effects
        self._rows = rows

    def fire(self, row: R, event: str, **changes: Any) -> bool:
        """Take one event of a row; False if the table has no rule for it in this state."""
        rule = self.table.rule(row.state, event)
        if rule is None:
            self._rows.ignored(f"ignored.{self.table.name}.{row.state}.{event}")
            return False
        entered = self._rows.enter(row, rule, changes)
        for effect in rule.does:
            current = self._rows.current(entered)
            if current is not None:
                self.effects[effect](current)
        return True

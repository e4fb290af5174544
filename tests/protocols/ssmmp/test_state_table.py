"""State tables, and the machine that takes the cells of one."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from ccproxy.protocols.ssmmp.state_table import Rule, StateMachine, lines, table
from ccproxy_handlers.ssmmp.agent.engine import tables as agent
from ccproxy_handlers.ssmmp.manager.engine import tables as manager

DOOR = table(
    "door",
    {"open": "a push", "close": "a pull", "timeout": "the time in this state is over"},
    {"OPEN": "open_time"},
    [
        Rule("CLOSED", "open", "OPEN", ("ring", "count")),
        Rule("OPEN", "open", "OPEN", ("ring",)),
        Rule("OPEN", "close", "CLOSED"),
        Rule("OPEN", "timeout", "CLOSED", ("ring",)),
    ],
)


@dataclass(frozen=True)
class Door:
    key: int
    state: str
    bells: int = 0


class Doors:
    """Doors by number, as a role would have them."""

    def __init__(self):
        self.rows = {1: Door(1, "CLOSED")}
        self.deadline = None
        self.names = []
        self.counted = 0
        self.machine = StateMachine(DOOR, {"ring": self.ring, "count": self.count}, self)

    def enter(self, row, rule, changes):
        self.deadline = rule.deadline(10.0, SimpleNamespace(open_time=2.5))
        self.rows[row.key] = replace(row, state=rule.next, **changes)
        return self.rows[row.key]

    def current(self, row):
        return self.rows.get(row.key)

    def ignored(self, name):
        self.names.append(name)

    def ring(self, row):
        self.rows[row.key] = replace(row, bells=row.bells + 1)

    def count(self, row):
        self.counted += row.bells


@pytest.fixture
def doors():
    return Doors()


def test_the_state_changes_first_and_each_effect_sees_what_the_one_before_did(doors):
    assert doors.machine.fire(doors.rows[1], "open", bells=5)
    assert doors.rows[1] == Door(1, "OPEN", 6) and doors.counted == 6


def test_only_a_state_that_is_entered_sets_its_timer(doors):
    doors.machine.fire(doors.rows[1], "open")
    assert doors.deadline == 12.5
    doors.machine.fire(doors.rows[1], "open")
    assert doors.deadline == 0.0
    doors.machine.fire(doors.rows[1], "close")
    assert doors.deadline == 0.0


def test_a_cell_without_a_rule_changes_nothing(doors):
    assert not doors.machine.fire(doors.rows[1], "close")
    assert doors.rows == {1: Door(1, "CLOSED")} and doors.names == ["ignored.door.CLOSED.close"]


def test_effects_end_with_the_row(doors):
    doors.machine.effects = {"ring": lambda row: doors.rows.pop(row.key), "count": doors.count}
    assert doors.machine.fire(doors.rows[1], "open", bells=3)
    assert doors.rows == {} and doors.counted == 0


def test_an_event_of_another_table_is_a_mistake_of_the_programmer(doors):
    with pytest.raises(KeyError):
        doors.machine.fire(doors.rows[1], "explode")


def test_two_rules_for_one_cell_are_a_mistake():
    rules = [Rule("a", "go", "b"), Rule("a", "go", "c")]
    with pytest.raises(ValueError, match="two rules for a, go"):
        table("t", {"go": "it goes"}, {}, rules)


@pytest.mark.parametrize("one", [*manager.TABLES, *agent.TABLES], ids=lambda one: one.name)
def test_a_table_prints_itself(one):
    printed = lines(one)
    assert len(printed) == len(one.rules)
    for line, rule in zip(printed, one.rules.values(), strict=True):
        assert line.split()[0] == rule.state and line.split()[-1] == rule.next
    assert all(one.events.values())

"""Records of rows as text, and back."""

from dataclasses import dataclass
from enum import StrEnum

import pytest

from ccproxy_handlers.ssmmp.agent.engine.rows import OpenSession, ProcessRow
from ccproxy_handlers.ssmmp.agent.engine.tables import ProcessState
from ccproxy_handlers.ssmmp.journal import Journal, Record, last


class Colour(StrEnum):
    RED = "RED"


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Thing:
    key: int
    colour: Colour
    ports: tuple[tuple[str, int], ...] = ()
    parts: tuple[Part, ...] = ()
    pair: tuple[str, int] = ("", 0)
    used: bool = False


JOURNAL = Journal({"thing": Thing, "number": int})
WHOLE = Thing(1, Colour.RED, (("a", 1),), (Part("x"), Part("y", 2.5)), ("z", 3), True)


def test_a_row_is_a_list_of_its_values_in_their_order():
    text = JOURNAL.to_text(Record("thing", 1, WHOLE))
    assert text == (
        "thing", "1", '[1,"RED",[["a",1]],[["x",1.0],["y",2.5]],["z",3],true]'
    )  # fmt: skip
    found = JOURNAL.from_text(*text)
    assert found == Record("thing", 1, WHOLE)
    assert type(found.row.colour) is Colour and type(found.row.parts[0]) is Part


@pytest.mark.parametrize("row", [None, 7, Thing(2, Colour.RED)], ids=str)
def test_what_is_forgotten_counters_and_defaults(row):
    record = Record("thing" if isinstance(row, Thing) else "number", "k", row)
    assert JOURNAL.from_text(*JOURNAL.to_text(record)) == record


def test_a_row_of_an_older_version_gets_the_defaults_of_what_is_new():
    assert JOURNAL.from_text("thing", "1", '[1,"RED"]').row == Thing(1, Colour.RED)


@pytest.mark.parametrize(
    ("table", "key", "row"),
    [
        ("no table", "1", "1"),
        ("thing", "1", "[1]"),
        ("thing", "1", '[1,"RED",[],[],["z",3],true,"more"]'),
        ("thing", "1", '[1,"BLUE"]'),
        ("thing", "1", '[1,"RED",[],[["x",1.0,"more"]]]'),
        ("thing", "1", '[1,"RED",[],[],["z"]]'),
        ("thing", "1", '{"key":1}'),
        ("thing", "1", "7"),
        ("thing", "1", "[1"),
        ("thing", "one", '[1,"RED"]'),
    ],
)
def test_what_no_journal_has_written_is_an_error_that_names_it(table, key, row):
    with pytest.raises(ValueError, match=f"journal row {table} {key}"):
        JOURNAL.from_text(table, key, row)


def test_a_type_that_cannot_be_text_is_a_mistake_of_the_programmer():
    @dataclass(frozen=True, slots=True)
    class Wrong:
        key: int
        names: dict[str, int]

    with pytest.raises(TypeError, match="dict"):
        Journal({"wrong": Wrong})


def test_the_last_record_of_a_key_wins():
    first, other, second = (
        Record("number", key, row) for key, row in (("a", 1), ("b", 1), ("a", 2))
    )
    assert list(last([first, other, second]).values()) == [second, other]


OLD_AGENT_FILE = [
    ("process", "7", '[7, "orders", "READY", 4711, [["api", 54001]], "secret", 1, 2, 3, true, '
     'false, 200, 5.0, 6.5]'),
    ("connection", '"7 40000 ::1 1"', '["7 40000 ::1 1", 7, "p", 40000, "::1", 1, 2]'),
]  # fmt: skip
"""What version 4f6df47 of an agent wrote into its state file."""


def test_a_state_file_of_an_older_agent_is_read():
    journal = Journal({"process": ProcessRow, "connection": OpenSession})
    process, connection = (journal.from_text(*one).row for one in OLD_AGENT_FILE)
    assert connection == OpenSession("7 40000 ::1 1", 7, "p", 40000, "::1", 1, 2)
    assert (process.key, process.state, process.pid) == (7, ProcessState.READY, 4711)
    assert process.sockets == (("api", 54001),)
    assert (process.start, process.stop, process.kill) == (1, 2, 3)
    assert (process.health, process.since, process.deadline) == (200, 5.0, 6.5)

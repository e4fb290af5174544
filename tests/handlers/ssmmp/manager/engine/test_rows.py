"""The rows of the Manager's state, and their text in a state file."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.ssmmp.commands import Scale
from ccproxy_handlers.ssmmp.journal import last
from ccproxy_handlers.ssmmp.manager import Manager, Record
from ccproxy_handlers.ssmmp.manager.engine.rows import (
    COUNTER,
    JOURNAL,
    TABLES,
    AgentRow,
    DesiredState,
    InstanceRow,
    NodeFailures,
    OperationRow,
    OperationStep,
    SessionRow,
)
from ccproxy_handlers.ssmmp.manager.engine.tables import AgentState, InstanceState, SessionState


def test_every_record_of_a_life_survives_as_text(talk):
    talk.ready(talk.do(Scale("orders", 2)))
    talk.ask("a", 1, 9, "orders_client orders orders_api")
    talk.gone("b")
    talk.wait(100)
    tables = {one.table for one in talk.journal}
    assert tables == {*TABLES, COUNTER} - {"trouble"} | tables
    texts = [JOURNAL.to_text(one) for one in talk.journal]
    assert [JOURNAL.from_text(*one) for one in texts] == talk.journal
    for _, key, row in texts:
        json.loads(key)
        assert row is None or json.loads(row) is not None


def test_a_database_with_an_upsert_gives_the_same_state(talk):
    talk.ready(talk.do(Scale("orders", 2)))
    talk.ask("a", 1, 9, "orders_client orders orders_api")
    state = talk.manager.state.store.tables()
    for records in (last(talk.journal).values(), talk.manager.snapshot()):
        again = Manager.restore(records, talk.graph, talk.settings)
        assert again.state.store.tables() == state


ROWS = [
    AgentRow("a", "fd00::1", "", "p", AgentState.SUSPECT, ("x", "y")),
    InstanceRow(
        1,
        "a",
        "b",
        InstanceState.UNKNOWN,
        sockets=(("s", 1),),
        previous_state=InstanceState.RUNNING,
    ),
    SessionRow(1, 1, "a", "b", 2, "p", "s", "k", SessionState.OPEN, deadline=1.5),
    OperationRow(1, "scale", (OperationStep("goal", "a"), OperationStep("await", "a", number=2))),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_rows_keep_their_types(row):
    name = next(name for name, one in TABLES.items() if one is type(row))
    found = JOURNAL.from_text(*JOURNAL.to_text(Record(name, row.key, row))).row
    assert found == row
    assert type(found.state) is type(row.state)


def test_a_row_of_an_older_version_gets_the_defaults_of_what_is_new():
    table, key, row = JOURNAL.to_text(Record("instance", 1, ROWS[1]))
    short = json.dumps(json.loads(row)[:5])
    found = JOURNAL.from_text(table, key, short).row
    assert (found.key, found.agent, found.ports_reserved) == (1, "", False)


OLD_STATE_FILE = [
    ("agent", '"fd00::1/n"',
     '["fd00::1/n","fd00::1","n","p","SUSPECT",["orders","web"],true,true,false,12.5,42.5]'),
    ("instance", "7",
     '[7,"orders","orders@2","UNKNOWN","fd00::1/n","fd00::1","n",[["api",54001],["admin",54002]],'
     'true,"DRAINING",9,500,2,1,504,3.25,4.0,0.0,77]'),
    ("session", "5",
     '[5,6,"web","fd00::1/n",9,"orders_client","orders","api","CLOSING",7,"fd00::1",40000,'
     '"fd00::1",54001,54003,11,"source","both",true,true,"dest",200,8.0,18.0]'),
    ("goal", '"orders"', '["orders",2,"orders@2",true,"status 422",1.5]'),
    ("trouble", '"orders@fd00::1/n"', '["orders@fd00::1/n",[1.0,2.5],2,30.0,302.5]'),
    ("operation", "3",
     '[3,"update orders=orders@2",[["program","orders","orders@2",0,0,"planned",0,0.0],'
     '["start","orders","n",0,1,"running",7,62.0]],"running",1,"orders","",2.0,62.0]'),
    ("counter", '"instance"', "7"),
    ("goal", '"web"', None),
]  # fmt: skip
"""What version 4f6df47 wrote into a state file."""

OLD_ROWS = [
    AgentRow("fd00::1/n", "fd00::1", "n", "p", AgentState.SUSPECT, ("orders", "web"), True, True,
          False, 12.5, 42.5),
    InstanceRow(7, "orders", "orders@2", InstanceState.UNKNOWN, "fd00::1/n", "fd00::1", "n",
             (("api", 54001), ("admin", 54002)), True, InstanceState.DRAINING, 9, 500, 2, 1, 504,
             3.25, 4.0, 0.0, 77),
    SessionRow(5, 6, "web", "fd00::1/n", 9, "orders_client", "orders", "api", SessionState.CLOSING,
            7, "fd00::1", 40000, "fd00::1", 54001, 54003, 11, "source", "both", True, True, "dest",
            200, 8.0, 18.0),
    DesiredState("orders", 2, "orders@2", True, "status 422", 1.5),
    NodeFailures("orders@fd00::1/n", (1.0, 2.5), 2, 30.0, 302.5),
    OperationRow(3, "update orders=orders@2", (
        OperationStep("program", "orders", "orders@2", group=0),
        OperationStep("start", "orders", "n", 0, 1, "running", 7, 62.0),
    ), "running", 1, "orders", "", 2.0, 62.0),
    7,
    None,
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "row"),
    list(zip(OLD_STATE_FILE, OLD_ROWS, strict=True)),
    ids=[one[0] for one in OLD_STATE_FILE],
)
def test_a_state_file_of_an_older_version_is_read(text, row):
    found = JOURNAL.from_text(*text)
    assert (found.table, found.row) == (text[0], row)
    again = JOURNAL.to_text(found)
    if text[0] not in ("instance", "goal") or text[2] is None:
        assert again == text
        return
    # Newer versions have more fields, at the end.
    assert again[:2] == text[:2]
    assert json.loads(again[2])[: len(json.loads(text[2]))] == json.loads(text[2])


@given(st.sampled_from([*TABLES, COUNTER, "nothing"]), st.text(max_size=20), st.text(max_size=40))
def test_nonsense_is_a_value_error(table, key, row):
    try:
        JOURNAL.from_text(table, key, row)
    except ValueError:
        return
    json.loads(key)

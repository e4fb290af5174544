import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.ssmmp.manager import Manager, Record, Scale, from_text, to_text
from ccproxy_handlers.ssmmp.manager.engine.journal import COUNTER, last
from ccproxy_handlers.ssmmp.manager.engine.rows import (
    TABLES,
    Agent,
    Instance,
    Operation,
    Session,
    Step,
)
from ccproxy_handlers.ssmmp.manager.engine.tables import AgentState, InstanceState, SessionState


def test_every_record_of_a_life_survives_as_text(talk):
    talk.ready(talk.do(Scale("orders", 2)))
    talk.ask("a", 1, 9, "orders_client orders orders_api")
    talk.gone("b")
    talk.wait(100)
    tables = {one.table for one in talk.journal}
    assert tables == {*TABLES, COUNTER} - {"trouble"} | tables
    texts = [to_text(one) for one in talk.journal]
    assert [from_text(*one) for one in texts] == talk.journal
    for _, key, row in texts:
        json.loads(key)
        assert row is None or json.loads(row) is not None


def test_a_database_with_an_upsert_gives_the_same_state(talk):
    talk.ready(talk.do(Scale("orders", 2)))
    talk.ask("a", 1, 9, "orders_client orders orders_api")
    state = talk.manager.mesh.store.tables()
    for records in (last(talk.journal).values(), talk.manager.snapshot()):
        again = Manager.restore(records, talk.graph, talk.settings)
        assert again.mesh.store.tables() == state


ROWS = [
    Agent("a", "fd00::1", "", "p", AgentState.SUSPECT, ("x", "y")),
    Instance(1, "a", "b", InstanceState.UNKNOWN, sockets=(("s", 1),), was=InstanceState.RUNNING),
    Session(1, 1, "a", "b", 2, "p", "s", "k", SessionState.OPEN, deadline=1.5),
    Operation(1, "scale", (Step("goal", "a"), Step("await", "a", number=2))),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_rows_keep_their_types(row):
    name = next(name for name, one in TABLES.items() if one is type(row))
    found = from_text(*to_text(Record(name, row.key, row))).row
    assert found == row
    assert type(found.state) is type(row.state)


def test_a_row_of_an_older_version_gets_the_defaults_of_what_is_new():
    table, key, row = to_text(Record("instance", 1, ROWS[1]))
    short = json.dumps(json.loads(row)[:5])
    found = from_text(table, key, short).row
    assert (found.key, found.agent, found.held) == (1, "", False)


@given(st.sampled_from([*TABLES, COUNTER, "nothing"]), st.text(max_size=20), st.text(max_size=40))
def test_nonsense_is_a_value_error(table, key, row):
    try:
        from_text(table, key, row)
    except ValueError:
        return
    json.loads(key)

from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.ssmmp.manager import Record
from ccproxy_handlers.ssmmp.manager.engine.index import Index
from ccproxy_handlers.ssmmp.manager.engine.rows import Instance, Trouble
from ccproxy_handlers.ssmmp.manager.engine.store import Store, leaving, staying
from ccproxy_handlers.ssmmp.manager.engine.tables import InstanceState


def test_put_and_drop_leave_records():
    store = Store()
    row = Trouble("a@b", until=5.0)
    store.put(row)
    store.drop(row)
    assert store.log == [Record("trouble", "a@b", row), Record("trouble", "a@b", None)]
    assert store.troubles == {}


def test_counters_never_give_a_number_twice():
    store = Store()
    numbers = [store.next("instance") for _ in range(3)]
    again = Store()
    again.restore(store.log)
    assert [*numbers, again.next("instance")] == [1, 2, 3, 4]


def test_deadlines_come_once_and_only_if_they_still_hold():
    store = Store()
    store.put(Trouble("a", deadline=5.0))
    store.put(Trouble("b", deadline=3.0))
    store.put(Trouble("c", deadline=4.0))
    store.put(Trouble("b", deadline=0.0))
    assert store.next_deadline() == 4.0
    assert store.due(3.9) is None
    assert store.due(4.0).key == "c" and store.due(4.9) is None
    assert store.due(9.0).key == "a" and store.due(9.0) is None
    assert store.next_deadline() is None


def test_staying_and_leaving():
    row = Instance(1, "a", "a", InstanceState.UNKNOWN, was=InstanceState.DRAINING)
    assert leaving(row) and not staying(row)
    row = Instance(1, "a", "a", InstanceState.UNKNOWN, was=InstanceState.RUNNING)
    assert staying(row) and not leaving(row)
    assert not staying(Instance(1, "a", "a", InstanceState.FAILED))


CHANGES = st.lists(
    st.tuples(st.integers(0, 5), st.none() | st.frozensets(st.integers(0, 3))), max_size=30
)


@given(CHANGES)
def test_an_index_is_what_a_scan_would_find(changes):
    index = Index(lambda row: tuple(sorted(row)))
    rows = {}
    for key, row in changes:
        index.update(key, rows.get(key), row)
        rows[key] = row
        for group in range(4):
            found = {k for k, r in rows.items() if r is not None and group in r}
            assert set(index.of(group)) == found and index.size(group) == len(found)
            assert index.first(group) in (found or {None})
    assert set(index.groups()) == {g for r in rows.values() if r for g in r}


def test_the_tally_is_what_there_is():
    store = Store()
    for key in range(1, 6):
        store.put(Instance(key, "a", "a", InstanceState.PLANNED))
    store.put(Instance(1, "a", "a", InstanceState.RUNNING))
    store.put(Instance(1, "a", "a", InstanceState.RUNNING, health=200))
    store.drop(store.instances[2])
    store.put(Trouble("x"))
    found = {state: count for (_, state), count in store.tally.items() if state and count}
    assert found == {"PLANNED": 3, "RUNNING": 1}

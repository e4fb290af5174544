"""The rows of the Manager: what changes them, what is due, how many there are."""

from ccproxy_handlers.ssmmp.manager import Record
from ccproxy_handlers.ssmmp.manager.engine.rows import InstanceRow, NodeFailures
from ccproxy_handlers.ssmmp.manager.engine.store import Store, leaving, staying
from ccproxy_handlers.ssmmp.manager.engine.tables import InstanceState


def test_put_and_drop_leave_records():
    store = Store()
    row = NodeFailures("a@b", until=5.0)
    store.put(row)
    store.drop(row)
    assert store.log == [Record("trouble", "a@b", row), Record("trouble", "a@b", None)]
    assert store.failures == {}


def test_counters_never_give_a_number_twice():
    store = Store()
    numbers = [store.next("instance") for _ in range(3)]
    again = Store()
    again.restore(store.log)
    assert [*numbers, again.next("instance")] == [1, 2, 3, 4]


def test_deadlines_come_once_and_only_if_they_still_hold():
    store = Store()
    store.put(NodeFailures("a", deadline=5.0))
    store.put(NodeFailures("b", deadline=3.0))
    store.put(NodeFailures("c", deadline=4.0))
    store.put(NodeFailures("b", deadline=0.0))
    assert store.next_deadline() == 4.0
    assert store.due(3.9) is None
    assert store.due(4.0).key == "c" and store.due(4.9) is None
    assert store.due(9.0).key == "a" and store.due(9.0) is None
    assert store.next_deadline() is None


def test_staying_and_leaving():
    row = InstanceRow(1, "a", "a", InstanceState.UNKNOWN, previous_state=InstanceState.DRAINING)
    assert leaving(row) and not staying(row)
    row = InstanceRow(1, "a", "a", InstanceState.UNKNOWN, previous_state=InstanceState.RUNNING)
    assert staying(row) and not leaving(row)
    assert not staying(InstanceRow(1, "a", "a", InstanceState.FAILED))


def test_the_tally_is_what_there_is():
    store = Store()
    for key in range(1, 6):
        store.put(InstanceRow(key, "a", "a", InstanceState.PLANNED))
    store.put(InstanceRow(1, "a", "a", InstanceState.RUNNING))
    store.put(InstanceRow(1, "a", "a", InstanceState.RUNNING, health=200))
    store.drop(store.instances[2])
    store.put(NodeFailures("x"))
    found = {state: count for (_, state), count in store.tally.items() if state and count}
    assert found == {"PLANNED": 3, "RUNNING": 1}

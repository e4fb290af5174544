"""The least loaded instance, against looking at all of them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy_handlers.ssmmp.manager.engine.rows import InstanceRow, SessionRow
from ccproxy_handlers.ssmmp.manager.engine.store import Store
from ccproxy_handlers.ssmmp.manager.engine.tables import InstanceState, SessionState

STATES = (InstanceState.RUNNING, InstanceState.UNKNOWN, InstanceState.STOPPED)
CHANGES = st.one_of(
    st.tuples(st.just("instance"), st.integers(1, 5), st.sampled_from(STATES), st.just(200)),
    st.tuples(st.just("instance"), st.integers(1, 5), st.just(STATES[0]), st.just(500)),
    st.tuples(st.just("open"), st.integers(1, 30), st.integers(1, 5), st.just(0)),
    st.tuples(st.just("close"), st.integers(1, 30), st.integers(1, 5), st.just(0)),
    st.tuples(st.just("ask"), st.just(0), st.just(0), st.just(0)),
)


def session(key, dest, state):
    return SessionRow(key, 9, "web", "A", key, "p", "orders", "api", state, dest)


@settings(max_examples=100, deadline=None)
@given(st.lists(CHANGES, max_size=80))
def test_the_least_is_found(changes):
    store = Store()
    for kind, key, other, health in [*changes, ("ask", 0, 0, 0)]:
        if kind == "instance":
            store.put(InstanceRow(key, "orders", "orders", other, health=health))
        elif kind == "open":
            store.put(session(key, other, SessionState.OPEN))
        elif kind == "close" and key in store.sessions:
            store.drop(store.sessions[key])
        else:
            ready = store.instance_index.of(("ready", "orders"))
            loads = [(store.session_index.size(("to", one)), one) for one in ready]
            assert store.least_loaded.least("orders") == min(loads, default=(0, 0))[1]


def test_old_entries_do_not_pile_up():
    store = Store()
    store.put(InstanceRow(1, "orders", "orders", InstanceState.RUNNING))
    for number in range(1, 5000):
        assert store.least_loaded.least("orders") == 1
        store.put(session(number, 1, SessionState.OPEN))
    assert len(store.least_loaded._heaps["orders"]) < 2000

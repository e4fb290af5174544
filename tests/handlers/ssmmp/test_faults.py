"""Every flow of the reference, with every message between Manager and agents delayed, lost with its
connection, and repeated: in the end the Manager's view is true, and no request waits for ever."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccproxy_handlers.ssmmp.commands import Migrate, StopInstance
from ccproxy_handlers.ssmmp.manager.engine.tables import SessionState


def started(world):
    world.node("fd00::1", "one")
    world.node("fd00::2", "two")
    world.run(1)
    return world.processes("web")[0]


def opened(world):
    web = started(world)
    web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    (orders,) = world.processes("orders")
    orders.ask("store_client", "store", "sql")
    world.run(1)
    return web, orders


def register(world):
    world.node("fd00::1", "one")


def execute(world):
    register(world)


def session_running(world):
    web, _ = opened(world)
    yield
    web.ask("orders_client", "orders", "orders_api")


def session_on_demand(world):
    web = started(world)
    yield
    web.ask("orders_client", "orders", "orders_api")


def session_refused(world):
    web = started(world)
    yield
    web.ask("orders_client", "store", "sql")


def session_connect_failed(world):
    web, orders = opened(world)
    orders.sockets = {"elsewhere": 1}
    yield
    web.ask("orders_client", "orders", "orders_api")
    world.later(20, lambda: orders.sockets.update(orders_api=54002))
    row = world.manager.state.store.instances[orders.id]
    world.later(20, lambda: orders.sockets.update(row.sockets))


def close_by_source(world):
    opened(world)
    yield
    world.sessions[0].end(by="source")


def close_by_dest(world):
    opened(world)
    yield
    world.sessions[0].end(by="dest")


def close_by_manager(world):
    opened(world)
    yield
    manager = world.manager
    world.manager.state.begin(world.now)
    for row in list(manager.state.store.sessions.values()):
        manager.sessions.close(row)
    world.act(world.manager._done())


def close_dest_source_failed(world):
    _, orders = opened(world)
    yield
    orders.exit(9)


def graceful_shutdown(world):
    _, orders = opened(world)
    yield
    orders.retries = False
    world.act(world.manager.execute(world.now, StopInstance(orders.id))[1])


def hard_shutdown(world):
    _, orders = opened(world)
    yield
    world.act(world.manager.execute(world.now, StopInstance(orders.id, hard=True))[1])


def health_ok(world):
    opened(world)
    yield
    world.run(12)


def health_abnormal(world):
    _, orders = opened(world)
    yield
    orders.health = 500


def health_silent(world):
    _, orders = opened(world)
    yield
    orders.health = None


def migrate(world):
    _, orders = opened(world)
    yield
    orders.retries = False
    world.act(world.manager.execute(world.now, Migrate(orders.id))[1])


FLOWS = [
    register, execute, session_running, session_on_demand, session_refused, session_connect_failed,
    close_by_source, close_by_dest, close_by_manager, close_dest_source_failed, graceful_shutdown,
    hard_shutdown, health_ok, health_abnormal, health_silent, migrate,
]  # fmt: skip
MOST = 22
"""Messages of a flow that are tried one after the other; the rest is like them."""


def played(world, flow, fault=None):
    steps = flow(world)
    if steps is not None:
        next(steps)
    begin = len(world.sent)
    if fault:
        world.fault = lambda n, way, message: fault(n - begin)
    if steps is not None:
        next(steps, None)
    world.run(4)
    count = len(world.sent) - begin
    world.run(60)
    world.fault = None
    return count


def settled(world):
    world.run(70)
    world.truth()
    store = world.manager.state.store
    waiting = [r for r in store.sessions.values() if r.state in (SessionState.WAITING, "OFFERED")]
    assert not waiting
    for process in world.processes():
        assert process.retries is False or not process.asked, process.asked
    assert not world.notices or not [one for one in world.notices if one.what == "stranger"]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_undisturbed(make_world, flow):
    world = make_world()
    world.boot()
    assert played(world, flow)
    settled(world)


@pytest.mark.parametrize("what", ["delay", "lose", "repeat"])
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_every_message(make_world, flow, what):
    first = make_world()
    first.checks = False
    first.boot()
    count = min(played(first, flow), MOST)
    for number in range(count):
        world = make_world()
        world.checks = number % 11 == 0
        world.boot()
        played(world, flow, lambda n, number=number: what if n == number else "")
        settled(world)


@given(st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_faults(make_world, data):
    world = make_world()
    world.checks = False
    world.boot()
    flow = data.draw(st.sampled_from(FLOWS), label="flow")
    faults = data.draw(st.dictionaries(st.integers(0, 30), st.sampled_from(["delay", "lose"])))
    played(world, flow, lambda n: faults.get(n, ""))
    settled(world)

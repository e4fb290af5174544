"""What the steps of operations do: here those of `down` and `up`, and why a step fails."""

import pytest

from ccproxy_handlers.ssmmp.commands import Down, Scale, Up
from ccproxy_handlers.ssmmp.manager import ManagerSettings
from ccproxy_handlers.ssmmp.manager.engine.plans import OperationPlan
from ccproxy_handlers.ssmmp.manager.engine.rows import OperationStep


@pytest.fixture
def shop(make_world):
    """Two nodes; web, two of orders with six sessions, and store with one."""
    world = make_world(settings=ManagerSettings(session_wait=10))
    world.boot()
    world.node("fd00::1", "one")
    world.node("fd00::2", "two")
    world.run(1)
    do(world, Scale("orders", 2))
    (web,) = world.processes("web")
    for _ in range(6):
        web.ask("orders_client", "orders", "orders_api")
    world.processes("orders")[0].ask("store_client", "store", "sql")
    world.run(1)
    assert len(world.sessions) == 7
    return world


def do(world, command, seconds=60):
    key, actions = world.manager.execute(world.now, command)
    world.act(actions)
    world.run(seconds)
    return world.manager.state.store.operations[key]


def names(world):
    return sorted(one.program for one in world.processes())


def test_down_ends_everything_in_order_and_it_stays_so(shop):
    shop.sent.clear()
    assert do(shop, Down()).state == "done"
    ended = [m.text("service_name") for m in shop.told("graceful_shutdown_request", "down")]
    assert ended == ["web", "orders", "orders", "store"]
    assert not shop.told("hard_shutdown_request") and not shop.sessions
    shop.kill_manager()
    shop.revive_manager()
    shop.run(100)
    assert names(shop) == []
    shop.truth()


def test_up_starts_what_ran_before(shop):
    do(shop, Down())
    shop.sent.clear()
    done = do(shop, Up())
    assert done.state == "done"
    assert names(shop) == ["orders", "orders", "web"], "storage that nobody uses waits for demand"
    order = [m.text("service_name") for m in shop.told("execution_request", "down")]
    assert order == ["orders", "orders", "web"]
    shop.processes("orders")[0].ask("store_client", "store", "sql")
    shop.run(5)
    assert names(shop) == ["orders", "orders", "store", "web"]
    shop.truth()


def test_requests_for_what_is_down_are_refused_at_once(shop):
    """A service that is stopped before its clients are, since one of them is not in the graph."""
    shop.manager.state.begin(shop.now)
    key = shop.manager.operations.execute(OperationPlan("down", (OperationStep("down", "store"),)))
    shop.act(shop.manager._done())
    shop.run(5)
    assert shop.manager.state.store.operations[key].state == "done"
    orders = shop.processes("orders")[0]
    orders.retries = False
    before = len(orders.refused)
    orders.ask("store_client", "store", "sql")
    shop.run(0)
    assert orders.refused[before:] == [503]
    assert names(shop) == ["orders", "orders", "web"]


def test_what_an_agent_that_was_away_still_runs_is_ended(shop):
    node = next(one.node for one in shop.processes("web"))
    node.reachable = False
    shop.cut(node.peer)
    key, actions = shop.manager.execute(shop.now, Down())
    shop.act(actions)
    shop.run(5)
    assert shop.manager.state.store.operations[key].state == "running"
    node.reachable = True
    shop.run(60)
    assert shop.manager.state.store.operations[key].state == "done" and names(shop) == []
    shop.truth()


def test_a_cancelled_down_goes_no_further_and_up_brings_back_what_it_stopped(shop):
    (web,) = shop.processes("web")
    web.ignores_stop = True
    key, actions = shop.manager.execute(shop.now, Down())
    shop.act(actions)
    shop.run(1)
    shop.act(shop.manager.stop_operation(shop.now, key))
    shop.run(60)
    assert shop.manager.state.store.operations[key].state == "cancelled"
    assert names(shop) == ["orders", "orders", "store"]
    assert do(shop, Up()).state == "done"
    assert names(shop) == ["orders", "orders", "store", "web"]


def test_nothing_is_started_by_an_older_operation_meanwhile(shop):
    do(shop, Down())
    shop.manager.state.begin(shop.now)
    key = shop.manager.operations.execute(
        OperationPlan("start orders", (OperationStep("start", "orders"),))
    )
    shop.act(shop.manager._done())
    shop.run(5)
    assert shop.manager.state.store.operations[key].state == "failed" and names(shop) == []


def test_a_step_that_waits_in_vain_says_why(make_talk):
    talk = make_talk()
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web"))
    talk.do(Scale("store", 1))
    talk.wait(100)
    assert talk.manager.state.store.operations[1].reason == (
        "await store failed: there is no place for instance 2: no node has store"
    )

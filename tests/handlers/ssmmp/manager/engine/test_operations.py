import pytest

from ccproxy_handlers.ssmmp.commands import (
    Drain,
    Migrate,
    Rebalance,
    Scale,
    StopInstance,
    Undrain,
    Update,
)
from ccproxy_handlers.ssmmp.manager import ManagerSettings


@pytest.fixture
def shop(make_world):
    world = make_world(settings=ManagerSettings(update_watch=5))
    world.boot()
    world.node("fd00::1", "one")
    world.node("fd00::2", "two")
    world.run(1)
    (web,) = world.processes("web")
    for _ in range(6):
        web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    return world


def do(world, command, seconds=60):
    key, actions = world.manager.execute(world.now, command)
    world.act(actions)
    world.run(seconds)
    return world.manager.state.store.operations.get(key)


def test_a_node_without_another_place_is_drained_only_by_force(make_world):
    world = make_world()
    world.boot()
    world.node("fd00::1", "one")
    world.run(1)
    plan = world.manager.plan(Drain("one"))
    assert "no other node can run web" in plan.refusal and "--force" in plan.refusal
    done = do(world, Drain("one", force=True))
    assert done.state == "done" and not world.processes()
    assert world.manager.state.store.agents["fd00::1/one"].state == "DRAINED"
    do(world, Undrain("one"))
    assert world.processes("web")


def test_drain(shop):
    do(shop, Scale("orders", 2))
    done = do(shop, Drain("one"))
    assert done.state == "done" and done.progress == (len(done.steps), len(done.steps))
    assert {one.node.name for one in shop.processes()} == {"two"}
    assert len(shop.processes("orders")) == 2
    shop.truth()


def test_storage_moves_without_running_twice(shop):
    (orders,) = shop.processes("orders")
    orders.ask("store_client", "store", "sql")
    shop.run(1)
    (store,) = shop.processes("store")
    most = []
    shop.fault = lambda *_: most.append(len(shop.processes("store"))) or ""
    done = do(shop, Migrate(store.id))
    assert done.state == "done" and max(most) == 1
    (moved,) = shop.processes("store")
    assert moved.node is not store.node
    assert not orders.refused
    assert [one.source for one in shop.sessions if one.dest is moved] == [orders]
    shop.truth()


def test_scale_up_and_down(shop):
    assert do(shop, Scale("orders", 3)).state == "done"
    assert len(shop.processes("orders")) == 3
    assert do(shop, Scale("orders", 1)).state == "done"
    assert len(shop.processes("orders")) == 1 and len(shop.sessions) == 6
    shop.truth()


def test_rebalance_ends_within_one_session_of_even(shop):
    do(shop, Scale("orders", 4))
    done = do(shop, Rebalance("orders"))
    loads = [sum(s.dest is one for s in shop.sessions) for one in shop.processes("orders")]
    assert done.state == "done" and sum(loads) == 6 and max(loads) - min(loads) <= 1


def test_sessions_that_do_not_close_do_not_hold_a_rebalance_up(shop):
    shop.processes("web")[0].refuses_close = True
    do(shop, Scale("orders", 2))
    assert do(shop, Rebalance("orders")).state == "done"
    shop.truth()


def test_update(shop):
    do(shop, Scale("orders", 2))
    assert do(shop, Update("orders", "orders@2")).state == "done"
    assert {one.program for one in shop.processes("orders")} == {"orders@2"}
    assert len(shop.sessions) == 6
    shop.truth()


def test_an_update_that_fails_is_turned_back(shop):
    do(shop, Scale("orders", 2))
    for node in shop.nodes:
        node.broken_programs.add("orders@2")
    done = do(shop, Update("orders", "orders@2"), 200)
    assert done.state == "failed"
    assert {one.program for one in shop.processes("orders")} == {"orders"}
    assert shop.manager.state.desired("orders").program == "orders"
    assert len(shop.processes("orders")) == 2 and len(shop.sessions) == 6
    shop.truth()


def test_a_new_instance_that_dies_while_watched_turns_an_update_back(shop):
    do(shop, Scale("orders", 1))
    key, actions = shop.manager.execute(shop.now, Update("orders", "orders@2"))
    shop.act(actions)
    shop.run(2)
    shop.processes("orders")[0].exit(1)
    shop.run(100)
    assert shop.manager.state.store.operations[key].state == "failed"
    assert {one.program for one in shop.processes("orders")} == {"orders"}
    shop.truth()


def test_stopped_between_steps(shop):
    do(shop, Scale("orders", 4))
    key, actions = shop.manager.execute(shop.now, Update("orders", "orders@2"))
    shop.act(actions)
    shop.act(shop.manager.stop_operation(shop.now, key))
    shop.run(30)
    found = shop.manager.state.store.operations[key]
    assert found.state == "stopped" and 0 < found.progress[0] < found.progress[1]
    shop.truth()


def test_an_operation_goes_on_after_the_manager_was_killed(shop):
    do(shop, Scale("orders", 3))
    key, actions = shop.manager.execute(shop.now, Update("orders", "orders@2"))
    shop.act(actions)
    shop.run(0)
    shop.kill_manager()
    shop.run(2)
    shop.revive_manager()
    shop.run(100)
    assert shop.manager.state.store.operations[key].state == "done"
    assert {one.program for one in shop.processes("orders")} == {"orders@2"}
    shop.truth()


def test_ended_operations_are_forgotten(shop):
    key = do(shop, Scale("orders", 2)).key
    shop.checks = False
    shop.run(3700)
    assert key not in shop.manager.state.store.operations


def test_stop_lowers_the_goal(shop):
    do(shop, Scale("orders", 2))
    assert do(shop, StopInstance(shop.processes("orders")[0].id)).state == "done"
    assert len(shop.processes("orders")) == 1
    assert do(shop, StopInstance(shop.processes("orders")[0].id, hard=True)).state == "done"

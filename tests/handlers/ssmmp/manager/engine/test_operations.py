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
    assert done.reason.endswith(f"; operation {done.key + 1} turns it back")
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


def test_a_version_that_dies_after_two_seconds_replaces_nothing(shop):
    do(shop, Scale("orders", 4))
    old = {one.id for one in shop.processes("orders")}
    key, actions = shop.manager.execute(shop.now, Update("orders", "orders@2"))
    shop.act(actions)
    shop.run(2)
    new = [one for one in shop.processes("orders") if one.program == "orders@2"]
    assert len(new) == 1
    new[0].exit(1)
    shop.run(1)
    assert {one.id for one in shop.processes("orders")} >= old
    shop.run(100)
    found = shop.manager.state.store.operations[key]
    assert found.state == "failed" and "the program ended" in found.reason
    assert {one.id for one in shop.processes("orders")} == old
    assert len(shop.sessions) == 6
    shop.truth()


def test_stopped_between_steps(shop):
    do(shop, Scale("orders", 4))
    key, actions = shop.manager.execute(shop.now, Update("orders", "orders@2"))
    shop.act(actions)
    shop.act(shop.manager.stop_operation(shop.now, key))
    shop.run(30)
    found = shop.manager.state.store.operations[key]
    assert found.state == "cancelled" and 0 < found.progress[0] < found.progress[1]
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


FIXED = """
[app]
[service gw]
kind = gateway
sockets = http:8080
replicas = 1-4
"""


@pytest.fixture
def gateways(make_talk):
    """One gateway on each of `a` and `b`, on a fixed port."""
    talk = make_talk(FIXED)
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "gw", "x_ssmmp=1"))
    talk.register("b", "fd00::2", "gw", "x_ssmmp=1")
    talk.ready(talk.do(Scale("gw", 2)))
    assert [talk.row(key).state for key in (1, 2)] == ["RUNNING", "RUNNING"]
    return talk


def test_a_failed_drain_leaves_the_node_and_nothing_else_behind(gateways):
    talk = gateways
    talk.register("c", "fd00::3", "gw", "x_ssmmp=1")
    for line in talk.do(Drain("fd00::1")):
        if "execution_request" in line:
            talk.say("c", f"execution_response {line.split()[2]} status=502 x_reason=status_3")
    operation = talk.manager.state.store.operations[talk.operation]
    assert operation.state == "failed"
    assert operation.reason.endswith(
        "instance 3 on fd00::3, status 502 (the program ended): status_3"
    )
    assert talk.manager.state.store.agents["fd00::1"].state == "REGISTERED"
    rows = talk.manager.state.store.instances.values()
    assert [one.key for one in rows if one.state == "RUNNING"] == [1, 2]
    assert not [one for one in rows if one.state == "PLANNED"]


def test_a_failed_drain_takes_back_the_instance_that_found_no_place(gateways):
    talk = gateways
    talk.register("c", "fd00::3", "gw", "x_ssmmp=1")
    said = talk.do(Drain("fd00::1"))
    assert any("execution_request" in line for line in said)
    talk.gone("c")
    talk.wait(200)
    assert talk.manager.state.store.operations[talk.operation].state == "failed"
    assert talk.manager.state.store.agents["fd00::1"].state == "REGISTERED"
    assert not [one for one in talk.manager.state.store.instances.values()
                if one.state in ("PLANNED", "STARTING")]  # fmt: skip


def test_scaling_down_ends_what_cannot_start_before_what_runs(gateways):
    talk = gateways
    talk.manager.state.begin(talk.now)
    talk.manager.services.plan(talk.manager.state.graph.services["gw"])
    talk.act(talk.manager._done())
    assert talk.row(3).state == "PLANNED"
    steps = talk.manager.plan(Scale("gw", 1)).steps
    assert [one.subject for one in steps if one.kind == "drain"] == ["3", "1"]


def test_what_a_cancelled_operation_only_waits_for_does_not_hold_it_up(gateways):
    talk = gateways
    talk.do(Scale("gw", 1))
    talk.register("c", "fd00::3", "gw", "x_ssmmp=1")
    talk.do(Scale("gw", 2))
    talk.act(talk.manager.stop_operation(talk.now, talk.operation))
    operation = talk.manager.state.store.operations[talk.operation]
    assert (operation.state, operation.reason) == ("cancelled", "")


def test_a_step_that_fails_after_cancel_ends_as_cancelled(gateways):
    talk = gateways
    talk.register("c", "fd00::3", "gw", "x_ssmmp=1")
    said = talk.do(Drain("fd00::1"))
    talk.act(talk.manager.stop_operation(talk.now, talk.operation))
    [line] = [one for one in said if "execution_request" in one]
    talk.say("c", f"execution_response {line.split()[2]} status=502")
    assert talk.manager.state.store.operations[talk.operation].state == "cancelled"
    assert talk.manager.state.store.agents["fd00::1"].state == "REGISTERED"
    assert "operation failed" not in [one.what for one in talk.notices]


def test_plans_that_fixed_ports_make_impossible_are_refused(gateways):
    talk = gateways
    assert "http:8080 of gw is taken" in talk.manager.plan(Migrate(1)).refusal
    assert "http:8080 of gw is taken" in talk.manager.plan(Migrate(1, "fd00::2")).refusal
    assert "http:8080 of gw is taken" in talk.manager.plan(Drain("fd00::1")).refusal
    assert talk.manager.plan(Scale("gw", 3)).refusal == (
        "1 more of gw, but http:8080 is free on 0 addresses"
    )
    talk.register("c", "fd00::3", "gw", "x_ssmmp=1")
    assert talk.manager.plan(Migrate(1)).refusal == ""
    assert talk.manager.plan(Scale("gw", 3)).refusal == ""


def test_a_scale_beyond_the_graph_is_refused(gateways):
    assert gateways.manager.plan(Scale("gw", 5)).refusal == (
        "5 instances, but the graph has replicas = 1-4 for gw"
    )


def test_stop_lowers_the_goal(shop):
    do(shop, Scale("orders", 2))
    assert do(shop, StopInstance(shop.processes("orders")[0].id)).state == "done"
    assert len(shop.processes("orders")) == 1
    assert do(shop, StopInstance(shop.processes("orders")[0].id, hard=True)).state == "done"

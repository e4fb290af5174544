"""What a command would do, before it is done."""

import pytest

from ccproxy_handlers.ssmmp.commands import (
    COMMANDS,
    Down,
    Drain,
    Migrate,
    Rebalance,
    Scale,
    StopInstance,
    Undrain,
    Up,
    Update,
)
from ccproxy_handlers.ssmmp.manager.engine.rows import LAST, WHOLE_GROUPS


@pytest.fixture
def shop(make_world):
    """Two nodes; one web, and one orders with six sessions."""
    world = make_world()
    world.boot()
    world.node("fd00::1", "one")
    world.node("fd00::2", "two")
    world.run(1)
    (web,) = world.processes("web")
    for _ in range(6):
        web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    return world


REFUSED = [
    (Drain("nowhere"), "no node nowhere"), (Undrain("nowhere"), "no node nowhere"),
    (Migrate(99), "no instance 99"), (Migrate(1, "nowhere"), "no nowhere can run web"),
    (Scale("nothing", 1), "no service"), (Scale("store", 2), "not replicated"),
    (Update("nothing", "x"), "no service"), (Update("orders", "x"), "no node has the program x"),
    (Rebalance("nothing"), "no service"), (StopInstance(99), "no instance 99"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "why"), REFUSED, ids=lambda one: str(one))
def test_refused(shop, command, why):
    before = shop.manager.state.store.tables()
    assert why in shop.manager.plan(command).refusal
    key, actions = shop.manager.execute(shop.now, command)
    assert key == 0 and actions[-1].what == "refused"
    assert shop.manager.state.store.tables() == before


def test_a_plan_changes_nothing_and_names_the_clients(shop):
    (orders,) = shop.processes("orders")
    before = shop.manager.state.store.tables()
    plan = shop.manager.plan(Migrate(orders.id))
    assert [one.kind for one in plan.steps] == ["start", "drain"]
    assert plan.touches == (f"orders {orders.id}: 6 sessions of 1 clients in, 0 out",)
    assert shop.manager.state.store.tables() == before


def test_every_command_has_a_plan(shop):
    assert set(shop.manager.planner._plans) == set(COMMANDS.values())


def steps_of(world, command):
    plan = world.manager.plan(command)
    assert plan.refusal == ""
    return [(one.kind, one.subject, one.number, one.group) for one in plan.steps]


def test_storage_ends_before_it_starts_elsewhere(shop):
    (orders,) = shop.processes("orders")
    orders.ask("store_client", "store", "sql")
    shop.run(1)
    (store,) = shop.processes("store")
    assert steps_of(shop, Migrate(store.id)) == [
        ("hold", "store", 0, 1), ("drain", str(store.id), 0, 1), ("start", "store", 0, 1),
        ("release", "store", 0, 1),
    ]  # fmt: skip


def test_a_node_takes_nothing_more_before_anything_moves(shop):
    agent = shop.manager.state.store.instances[shop.processes("web")[0].id].agent
    steps = steps_of(shop, Drain("one"))
    assert steps[0] == ("empty node", agent, 0, 0)
    assert all(group > 0 for _, _, _, group in steps[1:])
    assert steps_of(shop, Undrain("one")) == [("use node", agent, 0, 1)]


def test_scaling_down_ends_the_instances_with_the_fewest_sessions(shop):
    (orders,) = shop.processes("orders")
    key, actions = shop.manager.execute(shop.now, Scale("orders", 3))
    shop.act(actions)
    shop.run(10)
    ended = {one.id for one in shop.processes("orders")} - {orders.id}
    steps = steps_of(shop, Scale("orders", 1))
    assert steps[0] == ("goal", "orders", 1, 0)
    assert {int(subject) for _, subject, _, _ in steps[1:]} == ended
    assert steps_of(shop, Scale("orders", 4))[-1] == ("await", "orders", 4, 1)


def test_an_update_watches_the_first_and_the_last_instances(shop):
    key, actions = shop.manager.execute(shop.now, Scale("orders", 3))
    shop.act(actions)
    shop.run(10)
    steps = shop.manager.plan(Update("orders", "orders@2")).steps
    assert [(one.kind, one.group) for one in steps] == [
        ("program", 0), ("start", 0), ("watch", 0), ("drain", 0), ("start", 1), ("drain", 1),
        ("start", 2), ("drain", 2), ("watch", LAST),
    ]  # fmt: skip


def test_an_update_is_watched_before_the_old_one_ends_and_knows_its_way_back(shop):
    plan = shop.manager.plan(Update("orders", "orders@2"))
    assert [one.kind for one in plan.steps] == ["program", "start", "watch", "drain"]
    assert (plan.previous_program, plan.parallel) == ("orders", 1)


def test_a_rebalance_closes_what_is_above_the_fair_share(shop):
    (orders,) = shop.processes("orders")
    key, actions = shop.manager.execute(shop.now, Scale("orders", 2))
    shop.act(actions)
    shop.run(10)
    assert steps_of(shop, Rebalance("orders")) == [("close", str(orders.id), 3, 1)]


def test_stopping_one_lowers_what_is_wanted_first(shop):
    (web,) = shop.processes("web")
    assert steps_of(shop, StopInstance(web.id)) == [
        ("goal", "web", 0, 0), ("drain", str(web.id), 0, 1),
    ]  # fmt: skip
    assert steps_of(shop, StopInstance(web.id, hard=True))[-1][0] == "kill"


def test_everything_is_stopped_from_the_users_inwards_and_started_from_the_storage_outwards(shop):
    plan = shop.manager.plan(Down())
    assert [(one.kind, one.subject, one.number, one.group) for one in plan.steps] == [
        ("down", "web", 1, 0), ("down", "orders", 1, 1), ("down", "store", 0, 2),
    ]  # fmt: skip
    assert plan.parallel == WHOLE_GROUPS and len(plan.touches) == 2
    assert steps_of(shop, Up()) == [], "nothing is down"
    key, actions = shop.manager.execute(shop.now, Down())
    shop.act(actions)
    shop.run(60)
    assert steps_of(shop, Down()) == []
    assert steps_of(shop, Up()) == [
        ("up", "store", 0, 0),
        ("up", "orders", 0, 1),
        ("up", "web", 1, 2),
    ]
    assert "is down" in shop.manager.plan(Scale("orders", 2)).refusal

"""The Manager and agents together: what the reference's conformance list asks of both."""

from ccproxy_handlers.ssmmp.commands import Drain, Migrate, Rebalance, Scale, StopInstance, Update


def shop(world):
    """Two nodes, and a gateway that has asked for orders."""
    one, two = world.node("fd00::1"), world.node("fd00::2")
    world.run(1)
    return one, two


def gateway(world):
    (web,) = world.processes("web")
    return web


def test_gateway_starts_with_the_first_node(world):
    shop(world)
    assert [p.program for p in world.processes()] == ["web"]
    world.truth()


def test_session_on_demand(world):
    shop(world)
    web = gateway(world)
    web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    (session,) = world.sessions
    assert session.dest.program == "orders"
    world.truth()


def test_start_storm(world):
    shop(world)
    web = gateway(world)
    for _ in range(100):
        web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    assert len(world.told("execution_request")) == 2
    assert len(world.sessions) == 100
    world.truth()


def test_storage_is_reached_through_orders(world):
    shop(world)
    gateway(world).ask("orders_client", "orders", "orders_api")
    world.run(1)
    (orders,) = world.processes("orders")
    orders.ask("store_client", "store", "sql")
    world.run(1)
    assert len(world.sessions) == 2
    world.truth()


def test_migrate(world):
    shop(world)
    web = gateway(world)
    web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    (orders,) = world.processes("orders")
    orders.ask("store_client", "store", "sql")
    world.run(1)
    orders.retries = False
    key, actions = world.manager.execute(world.now, Migrate(orders.id))
    world.act(actions)
    world.run(5)
    (moved,) = world.processes("orders")
    assert moved.id != orders.id and moved.node is not orders.node
    assert world.manager.state.store.operations[key].state == "done"
    assert [one.dest for one in world.sessions] == [moved]
    world.truth()


def test_drain_and_manager_kill(world):
    one, two = shop(world)
    web = gateway(world)
    for _ in range(5):
        web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    key, actions = world.manager.execute(world.now, Drain("fd00::1"))
    world.act(actions)
    world.run(10)
    assert world.manager.state.store.operations[key].state == "done"
    assert not one.processes
    world.truth()


def test_kill_and_restart_of_the_manager(world):
    shop(world)
    web = gateway(world)
    for _ in range(5):
        web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    before = {one.key for one in world.sessions}
    for _ in range(3):
        world.kill_manager()
        world.run(3)
        world.revive_manager()
        world.run(5)
        assert {one.key for one in world.sessions} == before
        world.truth()


def test_agent_restart(world):
    one, two = shop(world)
    web = gateway(world)
    web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    for node in (one, two):
        node.restart()
    world.run(5)
    assert len(world.sessions) == 1
    world.truth()


def test_instance_dies(world):
    shop(world)
    web = gateway(world)
    web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    (orders,) = world.processes("orders")
    orders.exit(1)
    web.ask("orders_client", "orders", "orders_api")
    world.run(10)
    assert world.processes("orders")
    world.truth()


def test_node_dies(world):
    one, two = shop(world)
    web = gateway(world)
    web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    node = world.processes("orders")[0].node
    node.die()
    world.run(60)
    web = gateway(world)
    web.ask("orders_client", "orders", "orders_api")
    world.run(20)
    assert world.processes("orders")
    world.truth()


def test_scale_rebalance_update_stop(world):
    shop(world)
    web = gateway(world)
    for _ in range(9):
        web.ask("orders_client", "orders", "orders_api")
    world.run(1)
    for command in (Scale("orders", 3), Rebalance("orders")):
        key, actions = world.manager.execute(world.now, command)
        world.act(actions)
        world.run(30)
        assert world.manager.state.store.operations[key].state == "done", command
        world.truth()
    loads = [sum(s.dest is one for s in world.sessions) for one in world.processes("orders")]
    assert sorted(loads) == [3, 3, 3]
    key, actions = world.manager.execute(world.now, Update("orders", "orders@2"))
    world.act(actions)
    world.run(60)
    assert world.manager.state.store.operations[key].state == "done"
    assert {one.program for one in world.processes("orders")} == {"orders@2"}
    assert len(world.sessions) == 9
    world.truth()
    key, actions = world.manager.execute(
        world.now, StopInstance(world.processes("orders")[0].id, True)
    )
    world.act(actions)
    world.run(30)
    assert len(world.processes("orders")) == 2
    world.truth()

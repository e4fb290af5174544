"""Anything in any order: after it the mesh comes to rest, the Manager's view is what is, and at
every point the journal gave back the state (see `World.act`)."""

import random

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
from ccproxy_handlers.ssmmp.manager.engine.tables import SessionState

SETTINGS = ManagerSettings(restart_limit=1000)


class Monkey:
    def __init__(self, world, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.down = 0

    def play(self, steps: int) -> None:
        for _ in range(steps):
            names = [one for one in dir(self) if one.startswith("do_")]
            getattr(self, self.random.choice(names))()
            self.world.run(self.random.choice([0, 0, 0.01, 0.5, 3, 12]))

    def one(self, things):
        found = sorted(things, key=lambda one: getattr(one, "id", 0) or getattr(one, "port", 0))
        return self.random.choice(found) if found else None

    def do_ask(self):
        for _ in range(self.random.randint(1, 4)):
            web = self.one(self.world.processes("web"))
            if web:
                web.ask("orders_client", "orders", "orders_api")

    do_ask_more = do_ask

    def do_store(self):
        orders = self.one(self.world.processes("orders"))
        if orders:
            orders.ask("store_client", "store", "sql")

    def do_end_session(self):
        session = self.one(self.world.sessions)
        if session:
            session.end(by=self.random.choice(["source", "dest"]))

    def do_exit(self):
        process = self.one(self.world.processes())
        if process:
            process.exit(self.random.choice([0, 1]))

    def do_sick(self):
        process = self.one(self.world.processes())
        if process:
            process.health = self.random.choice([500, 429, 200, 503, None])

    def do_cut(self):
        peers = sorted(self.world.wires)
        if peers:
            self.world.cut(self.random.choice(peers))

    def do_unreachable(self):
        node = self.random.choice(self.world.nodes)
        node.reachable = False
        self.world.cut(node.peer)
        self.world.later(self.random.choice([1, 20, 45]), lambda: setattr(node, "reachable", True))

    def do_restart_agent(self):
        self.random.choice(self.world.nodes).restart()

    def do_kill_manager(self):
        if self.world.manager:
            self.world.kill_manager()
            self.world.run(self.random.choice([0, 2, 40]))
            self.world.revive_manager()

    def do_command(self):
        ids = [one.id for one in self.world.processes()] or [1]
        command = self.random.choice([
            Scale("orders", self.random.randint(0, 4)), Rebalance("orders"),
            Migrate(self.random.choice(ids)), Drain("fd00::1", force=True), Undrain("fd00::1"),
            StopInstance(self.random.choice(ids)), StopInstance(self.random.choice(ids), hard=True),
            Update("orders", self.random.choice(["orders", "orders@2"])),
        ])  # fmt: skip
        self.world.act(self.world.manager.execute(self.world.now, command)[1])

    def do_stop_operation(self):
        operations = sorted(self.world.manager.state.store.operations)
        if operations:
            key = self.random.choice(operations)
            self.world.act(self.world.manager.stop_operation(self.world.now, key))


def rest(world):
    for node in world.nodes:
        node.reachable = True
    for process in world.processes():
        process.health = 200
    world.run(200)


@pytest.mark.parametrize("seed", range(40))
def test_monkey(make_world, seed):
    world = make_world(settings=SETTINGS)
    world.checks = seed % 5 == 0
    world.boot()
    for number in range(3):
        world.node(f"fd00::{number % 2 + 1}", f"node-{number}")
    world.run(1)
    monkey = Monkey(world, seed)
    monkey.play(60)
    rest(world)
    world.truth()
    store = world.manager.state.store
    assert not [one for one in store.sessions.values() if one.state is SessionState.WAITING]
    assert not [one.command for one in store.operations.values() if one.state == "running"]
    for process in world.processes():
        assert not process.asked, (process.id, process.asked)
    goal = world.manager.state.desired("orders")
    assert len(world.processes("orders")) >= min(goal.target, 4)
    holding = [row for row in store.instances.values() if row.ports_reserved]
    held = {port for row in holding for _, port in row.sockets}
    used = {port for one in world.processes() for port in one.sockets.values()}
    assert used <= held

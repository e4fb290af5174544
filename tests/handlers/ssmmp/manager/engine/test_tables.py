import pytest

from ccproxy_handlers.ssmmp.manager import Manager, Record
from ccproxy_handlers.ssmmp.manager.engine.rows import Agent, Instance, Session
from ccproxy_handlers.ssmmp.manager.engine.tables import (
    AGENT,
    INSTANCE,
    SESSION,
    TABLES,
    AgentState,
    InstanceState,
    SessionState,
)  # fmt: skip

STATES = {"agent": AgentState, "instance": InstanceState, "session": SessionState}
CELLS = [
    pytest.param(table, state, event, id=f"{table.name}-{state}-{event}")
    for table in TABLES
    for state in STATES[table.name]
    for event in table.events
]


def row_in(table, state):
    if table is AGENT:
        return Agent("fd00::1", "fd00::1", "", "", state, ("orders",))
    if table is INSTANCE:
        return Instance(1, "orders", "orders", state, "fd00::1", "fd00::1")
    return Session(1, 1, "web", "fd00::1", 9, "orders_client", "orders", "orders_api", state)


def machine_of(manager, table):
    mesh = manager.mesh
    machines = {"agent": mesh.agents, "instance": mesh.instances, "session": mesh.sessions}
    return machines[table.name]


@pytest.mark.parametrize(("table", "state", "event"), CELLS)
def test_every_cell(parse_graph, table, state, event):
    row = row_in(table, state)
    manager = Manager.restore([Record(table.name, row.key, row)], parse_graph())
    manager._at(50.0)
    machine = machine_of(manager, table)
    done = []
    machine.effects = {
        word: lambda row, word=word: done.append((word, row.state)) for word in machine.effects
    }
    taken = machine.fire(row if table is SESSION else row.key, event)
    rule = table.rules.get((state, event))
    rows = manager.mesh.store.tables()[table.name]
    if rule is None:
        assert not taken and not done and rows == {row.key: row}
        counted = [one.name for one in manager._done() if hasattr(one, "name")]
        assert counted == [f"ignored.{table.name}.{state}.{event}"]
        return
    assert taken
    assert [word for word, _ in done] == list(rule.does)
    assert all(found == rule.next for _, found in done)
    if rule.next == SessionState.END:
        assert rows == {}
        return
    assert rows[row.key].state == rule.next
    timer = table.timers.get(rule.next)
    if rule.next != state:
        wait = getattr(manager.mesh.settings, timer) if timer else -50.0
        assert rows[row.key].deadline == 50.0 + wait


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_are_whole(parse_graph, table):
    states = set(STATES[table.name])
    rules = table.rules.values()
    assert {one.state for one in rules} | {one.next for one in rules} <= states
    assert {one.event for one in rules} == set(table.events)
    assert set(table.timers) <= states
    machine = machine_of(Manager(parse_graph()), table)
    assert {word for one in rules for word in one.does} == set(machine.effects)
    for state in table.timers:
        assert (state, "timeout") in table.rules, state
    for name in table.timers.values():
        assert getattr(Manager(parse_graph()).mesh.settings, name) > 0


def test_an_unknown_event_is_a_mistake_of_the_programmer():
    with pytest.raises(KeyError):
        SESSION.rule("OPEN", "explode")

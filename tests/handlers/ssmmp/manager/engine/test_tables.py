import pytest

from ccproxy_handlers.ssmmp.manager import Manager, Record
from ccproxy_handlers.ssmmp.manager.engine.rows import AgentRow, InstanceRow, SessionRow
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
SPECIFIED = {
    "agent": """
        REGISTERED  register  REGISTERED
        REGISTERED  drain     DRAINING
        DRAINING    emptied   DRAINED
        REGISTERED  gone      SUSPECT
        DRAINING    gone      SUSPECT
        SUSPECT     return    REGISTERED
        SUSPECT     timeout   LOST
        LOST        return    REGISTERED
    """,
    "instance": """
        PLANNED     place     STARTING
        STARTING    ready     RUNNING
        STARTING    refused   FAILED
        STARTING    timeout   FAILED
        RUNNING     drain     DRAINING
        DRAINING    emptied   STOPPING
        DRAINING    timeout   STOPPING
        STOPPING    ended     STOPPED
        STOPPING    unended   KILLING
        STOPPING    timeout   KILLING
        KILLING     killed    STOPPED
        RUNNING     sick      FAILED
        RUNNING     died      FAILED
        STARTING    lost      UNKNOWN
        RUNNING     lost      UNKNOWN
        DRAINING    lost      UNKNOWN
        STOPPING    lost      UNKNOWN
        KILLING     lost      UNKNOWN
        UNKNOWN     found     RUNNING
        UNKNOWN     missing   FAILED
    """,
    "session": """
        REQUESTED    refuse    END
        REQUESTED    offer     OFFERED
        REQUESTED    wait      WAITING
        WAITING      offer     OFFERED
        WAITING      refuse    END
        WAITING      timeout   END
        OFFERED      ack       OPEN
        OFFERED      nack      CLOSED
        OFFERED      timeout   UNCONFIRMED
        UNCONFIRMED  ack       OPEN
        UNCONFIRMED  info      HALF_CLOSED
        OPEN         info      HALF_CLOSED
        HALF_CLOSED  info      CLOSED
        HALF_CLOSED  timeout   CLOSED
        OPEN         close     CLOSING
        CLOSING      closed    CLOSED
        CLOSING      info      CLOSED
        CLOSING      unclosed  OPEN
        CLOSING      timeout   OPEN
    """,
}
"""State, event and next state of each row of the specification's tables (chapter 8). What they call
the end of an offered session is kept as CLOSED here for the time of a tombstone."""

WALKED = [
    ("agent", "SUSPECT", "return", "REGISTERED", ["reconcile", "use"], 0.0),
    ("agent", "DRAINING", "register", "DRAINING", ["welcome_again"], None),
    ("instance", "STARTING", "ready", "RUNNING", ["serve"], 0.0),
    ("instance", "RUNNING", "drain", "DRAINING", ["empty"], 50.0 + 30.0),
    ("instance", "RUNNING", "died", "FAILED", ["close_far_ends", "release", "settle"], 50.0 + 60.0),
    ("session", "OPEN", "close", "CLOSING", ["request"], 50.0 + 10.0),
    ("session", "CLOSED", "timeout", None, [], None),
    ("session", "WAITING", "refuse", None, ["answer", "tell_ends"], None),
]
"""Cells, and what a machine at the time 50 makes of them: next state, effects, deadline."""

NO_RULE = [("agent", "LOST", "drain"), ("instance", "FAILED", "ready"), ("session", "OPEN", "ack")]


def row_in(table, state):
    if table is AGENT:
        return AgentRow("fd00::1", "fd00::1", "", "", state, ("orders",))
    if table is INSTANCE:
        return InstanceRow(1, "orders", "orders", state, "fd00::1", "fd00::1")
    return SessionRow(1, 1, "web", "fd00::1", 9, "orders_client", "orders", "orders_api", state)


def machine_of(manager, table):
    machines = {
        "agent": manager.agents,
        "instance": manager.instances,
        "session": manager.sessions,
    }
    return machines[table.name]


def walk(parse_graph, name, state, event):
    """Let a machine take one event: the row after it, the effects with the states they saw, the
    counts."""
    [table] = [one for one in TABLES if one.name == name]
    row = row_in(table, state)
    manager = Manager.restore([Record(name, row.key, row)], parse_graph())
    manager.state.begin(50.0)
    machine = machine_of(manager, table)
    done = []
    machine.machine.effects = {
        word: lambda row, word=word: done.append((word, row.state))
        for word in machine.machine.effects
    }
    machine.fire(row if table is SESSION else row.key, event)
    counted = [one.name for one in manager._done() if hasattr(one, "name")]
    return row, manager.state.store.tables()[name].get(row.key), done, counted


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_the_rows_of_the_specification(table):
    for line in SPECIFIED[table.name].strip().splitlines():
        state, event, following = line.split()
        rule = table.rule(state, event)
        assert rule is not None and rule.next == following, line


@pytest.mark.parametrize(("name", "state", "event", "following", "effects", "deadline"), WALKED)
def test_a_machine_does_what_its_table_says(
    parse_graph, name, state, event, following, effects, deadline
):
    _, row, done, _ = walk(parse_graph, name, state, event)
    assert [word for word, _ in done] == effects
    assert {seen for _, seen in done} <= {following or SessionState.END}
    assert (row and row.state) == following
    if deadline is not None:
        assert row.deadline == deadline


@pytest.mark.parametrize(("name", "state", "event"), NO_RULE)
def test_an_event_without_a_rule_changes_nothing_and_is_counted(parse_graph, name, state, event):
    before, row, done, counted = walk(parse_graph, name, state, event)
    assert (row, done) == (before, [])
    assert counted == [f"ignored.{name}.{state}.{event}"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_are_whole(parse_graph, table):
    states = set(STATES[table.name])
    rules = table.rules.values()
    assert {one.state for one in rules} | {one.next for one in rules} <= states
    assert {one.event for one in rules} == set(table.events)
    assert set(table.timers) <= states
    machine = machine_of(Manager(parse_graph()), table)
    assert {word for one in rules for word in one.does} == set(machine.machine.effects)
    for state in table.timers:
        assert (state, "timeout") in table.rules, state
    for name in table.timers.values():
        assert getattr(Manager(parse_graph()).state.settings, name) > 0


def test_an_unknown_event_is_a_mistake_of_the_programmer():
    with pytest.raises(KeyError):
        SESSION.rule("OPEN", "explode")

import pytest

from ccproxy_handlers.ssmmp.agent.engine import Count, Engine, Identity
from ccproxy_handlers.ssmmp.agent.engine.rows import LinkRow, ProcessRow
from ccproxy_handlers.ssmmp.agent.engine.tables import (
    LINK,
    TABLES,
    LinkState,
    ProcessState,
)

STATES = {"link": LinkState, "process": ProcessState}

SPECIFIED = {
    "link": """
        DISCONNECTED  linked    CONNECTED
        CONNECTED     welcomed  REGISTERED
        CONNECTED     refused   DISCONNECTED
        CONNECTED     busy      DISCONNECTED
        CONNECTED     unlinked  DISCONNECTED
        REGISTERED    unlinked  DISCONNECTED
    """,
    "process": """
        SPAWNED   attach  ATTACHED
        ATTACHED  ready   READY
        READY     stop    STOPPING
        STOPPING  exit    EXITED
        SPAWNED   kill    KILLED
        ATTACHED  kill    KILLED
        READY     kill    KILLED
        STOPPING  kill    KILLED
        SPAWNED   exit    EXITED
        ATTACHED  exit    EXITED
        READY     exit    EXITED
        KILLED    exit    EXITED
    """,
}
"""State, event and next state as the specification has them (chapter 8, the agent)."""


@pytest.fixture
def agent(parse_repository):
    made = Engine(Identity("fd00::1"), parse_repository())
    made._at(50.0)
    return made


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_the_rows_of_the_specification(table):
    for line in SPECIFIED[table.name].strip().splitlines():
        state, event, following = line.split()
        rule = table.rule(state, event)
        assert rule is not None and rule.next == following, line


def fire_process(agent, state, event):
    """Let a process take one event: the effects that were done."""
    agent.state.rows[1] = ProcessRow(1, "orders", state)
    machine = agent.processes.machine
    done = []
    machine.effects = {word: lambda row, word=word: done.append(word) for word in machine.effects}
    machine.fire(agent.state.rows[1], event)
    return done


def fire_link(agent, state, event):
    agent.state.link = LinkRow(state)
    machine = agent.link.machine
    done = []
    machine.effects = {word: lambda row, word=word: done.append(word) for word in machine.effects}
    machine.fire(agent.state.link, event)
    return done


def test_a_process_does_what_its_table_says(agent):
    assert fire_process(agent, "SPAWNED", "timeout") == ["answer_start", "kill"]
    assert agent.state.rows[1].state == "KILLED"
    assert fire_process(agent, "READY", "stop") == ["pass_stop"]
    assert agent.state.rows[1].state == "STOPPING"


def test_the_link_does_what_its_table_says(agent):
    assert fire_link(agent, "REGISTERED", "unlinked") == ["drop_pending", "retry"]
    assert agent.state.link.state == "DISCONNECTED"
    assert fire_link(agent, "CONNECTED", "disowned") == ["kill_all"]
    assert agent.state.link.state == "REGISTERED"


def test_an_event_without_a_rule_changes_nothing_and_is_counted(agent):
    assert fire_process(agent, "READY", "attach") == []
    assert agent.state.rows[1] == ProcessRow(1, "orders", "READY")
    assert fire_link(agent, "DISCONNECTED", "welcomed") == []
    assert agent.state.link.state == "DISCONNECTED"
    ignored = ["ignored.process.READY.attach", "ignored.link.DISCONNECTED.welcomed"]
    assert agent.state.log == [Count(name) for name in ignored]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_are_whole(agent, table):
    states = set(STATES[table.name])
    rules = table.rules.values()
    assert {one.state for one in rules} | {one.next for one in rules} <= states
    assert {one.event for one in rules} == set(table.events)
    machine = agent.link.machine if table is LINK else agent.processes.machine
    assert {word for one in rules for word in one.does} == set(machine.effects)
    for state, timer in table.timers.items():
        assert (state, "timeout") in table.rules
        assert getattr(agent.state.settings, timer) > 0

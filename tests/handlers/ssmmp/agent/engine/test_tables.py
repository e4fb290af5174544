import pytest

from ccproxy_handlers.ssmmp.agent import Agent, Count, Identity
from ccproxy_handlers.ssmmp.agent.engine.rows import Process
from ccproxy_handlers.ssmmp.agent.engine.tables import (
    LINK,
    PROCESS,
    TABLES,
    LinkState,
    ProcessState,
)

STATES = {"link": LinkState, "process": ProcessState}


@pytest.fixture
def agent(parse_repository):
    made = Agent(Identity("fd00::1"), parse_repository())
    made._at(50.0)
    return made


@pytest.mark.parametrize("state", ProcessState)
@pytest.mark.parametrize("event", PROCESS.events)
def test_every_cell_of_a_process(agent, state, event):
    row = Process(1, "orders", state)
    agent.house.rows[1] = row
    machine = agent.house.processes
    done = []
    machine.effects = {word: lambda row, word=word: done.append(word) for word in machine.effects}
    taken = machine.fire(1, event)
    rule = PROCESS.rules.get((state, event))
    if rule is None:
        assert not taken and not done and agent.house.rows[1] == row
        assert agent.house.log == [Count(f"ignored.process.{state}.{event}")]
        return
    assert taken and done == list(rule.does)
    assert agent.house.rows[1].state == rule.next


@pytest.mark.parametrize("state", LinkState)
@pytest.mark.parametrize("event", LINK.events)
def test_every_cell_of_the_link(agent, state, event):
    link = agent.house.link
    link.state = state
    done = []
    link.effects = {word: lambda word=word: done.append(word) for word in link.effects}
    taken = link.fire(event)
    rule = LINK.rules.get((state, event))
    if rule is None:
        assert not taken and not done and link.state == state
        assert agent.house.log == [Count(f"ignored.link.{state}.{event}")]
        return
    assert taken and done == list(rule.does)
    assert link.state == rule.next


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_are_whole(agent, table):
    states = set(STATES[table.name])
    rules = table.rules.values()
    assert {one.state for one in rules} | {one.next for one in rules} <= states
    assert {one.event for one in rules} == set(table.events)
    machine = agent.house.link if table is LINK else agent.house.processes
    assert {word for one in rules for word in one.does} == set(machine.effects)
    for state, timer in table.timers.items():
        assert (state, "timeout") in table.rules
        assert getattr(agent.house.settings, timer) > 0

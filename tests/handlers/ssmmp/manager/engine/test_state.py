"""What the parts share: what is wanted of a service, editions, and how a row enters a state."""

import pytest

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import Rule
from ccproxy_handlers.ssmmp.manager import ClosePeer, Count, ManagerSettings, Notice, Tell
from ccproxy_handlers.ssmmp.manager.engine.events import Changed
from ccproxy_handlers.ssmmp.manager.engine.rows import (
    AgentRow,
    DesiredState,
    InstanceRow,
    SessionRow,
)
from ccproxy_handlers.ssmmp.manager.engine.state import State, StoredRows
from ccproxy_handlers.ssmmp.manager.engine.tables import (
    INSTANCE,
    SESSION,
    AgentState,
    InstanceState,
    SessionState,
)

GRAPH = """
[service web]
start = eager
replicas = 2-3
program = web@2
[service orders]
sockets = api
"""


@pytest.fixture
def state(parse_graph):
    settings = ManagerSettings(edition_1_1=("fd00::2",), start_timeout=7.0)
    made = State(parse_graph(GRAPH), settings, lambda: 0.5)
    made.begin(50.0)
    for number, address in enumerate(("fd00::1", "fd00::2"), 1):
        row = AgentRow(address, address, "", f"p{number}", AgentState.REGISTERED, ("web",))
        made.store.put(row)
    made.begin(50.0)
    return made


def test_what_is_wanted_is_that_of_the_graph_until_it_is_changed(state):
    assert state.desired("web") == DesiredState("web", 2, "web@2")
    assert state.desired("orders") == DesiredState("orders", 0, "orders")
    state.store.put(DesiredState("orders", 4, "orders@2"))
    assert state.desired("orders").target == 4


def test_nothing_is_wanted_of_a_service_that_left_the_graph(state):
    assert state.service("mail") is None
    assert state.desired("mail") == DesiredState("mail", 0, "mail")


def test_each_peer_is_spoken_to_in_its_edition(state):
    assert state.edition("p1") is ssmmp.Edition.BASE
    assert state.edition("p2") is ssmmp.Edition.V11
    assert state.edition("stranger") is ssmmp.Edition.BASE
    assert (state.connection("fd00::1"), state.connection("fd00::9")) == ("p1", "")


def test_what_is_told_to_no_connection_is_counted(state):
    message = ssmmp.MANAGER_TO_AGENT.make("initiation_response", 1, status=200)
    state.tell("", message)
    state.tell("p1", message)
    assert state.log == [Count("told.nobody"), Tell("p1", message)]


def test_actions_of_a_call(state):
    state.count("a")
    state.notice("b", 1, "c")
    state.alarm("d", 2)
    state.close("p1", "e")
    state.changed()
    assert state.log == [
        Count("a"), Notice("b", "1", "c"), Notice("d", "2", "", alarm=True),
        ClosePeer("p1", "e"),
    ]  # fmt: skip
    assert list(state.pending) == [Changed()]
    state.begin(51.0)
    assert state.log == [] and state.now == 51.0


@pytest.fixture
def instances(state):
    return StoredRows(state, state.store.instances)


PLANNED = InstanceRow(1, "orders", "orders", InstanceState.PLANNED, since=3.0)


def test_a_row_that_enters_a_state_gets_its_deadline(state, instances):
    state.store.put(PLANNED)
    entered = instances.enter(PLANNED, INSTANCE.rule("PLANNED", "place"), {"agent": "fd00::1"})
    assert entered == instances.current(PLANNED) == state.store.instances[1]
    found = (entered.state, entered.agent, entered.since, entered.deadline)
    assert found == (InstanceState.STARTING, "fd00::1", 50.0, 57.0)


def test_changes_may_have_a_deadline_of_their_own(instances):
    rule = INSTANCE.rule("PLANNED", "place")
    assert instances.enter(PLANNED, rule, {"deadline": 0.0}).deadline == 0.0


def test_a_row_that_stays_is_stored_only_if_it_changes(state, instances):
    stays = Rule("PLANNED", "timeout", "PLANNED")
    assert instances.enter(PLANNED, stays, {}) is PLANNED
    assert state.log == [] and instances.current(PLANNED) is None
    assert instances.enter(PLANNED, stays, {"deadline": 9.0}).since == 3.0
    assert len(state.log) == 1


def test_a_session_that_ends_is_dropped(state):
    sessions = StoredRows(state, state.store.sessions)
    row = SessionRow(1, 1, "web", "fd00::1", 9, "p", "orders", "api", SessionState.CLOSED)
    rule = SESSION.rule("CLOSED", "timeout")
    assert sessions.enter(row, rule, {}).state == SessionState.END
    assert state.log == [], "one that was never stored leaves nothing"
    state.store.put(row)
    sessions.enter(row, rule, {})
    assert state.store.sessions == {}


def test_what_has_no_rule_is_counted(state, instances):
    instances.ignored("ignored.instance.PLANNED.ready")
    assert state.log == [Count("ignored.instance.PLANNED.ready")]

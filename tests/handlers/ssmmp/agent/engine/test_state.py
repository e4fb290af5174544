"""What the parts of an agent share."""

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.agent.engine import (
    AgentSettings,
    Count,
    Identity,
    Notice,
    Record,
    ToInstance,
    ToManager,
)
from ccproxy_handlers.ssmmp.agent.engine.rows import LinkRow, OpenSession, ProcessRow
from ccproxy_handlers.ssmmp.agent.engine.state import State
from ccproxy_handlers.ssmmp.agent.engine.tables import LinkState, ProcessState

PROCESS = ProcessRow(7, "job", ProcessState.READY)
SESSION = OpenSession("7 1 ::1 2", 7, "plug", 1, "::1", 2, 2)


@pytest.fixture
def state(parse_repository):
    return State(Identity("fd00::1"), parse_repository(), AgentSettings(), lambda: "")


def test_every_change_of_a_row_is_recorded(state):
    state.put(PROCESS)
    state.put(SESSION)
    assert (state.rows, state.sessions) == ({7: PROCESS}, {SESSION.key: SESSION})
    state.drop(PROCESS)
    state.drop(SESSION)
    state.drop(SESSION)
    assert not state.rows and not state.sessions
    assert state.log == [
        Record("process", 7, PROCESS), Record("connection", SESSION.key, SESSION),
        Record("process", 7, None), Record("connection", SESSION.key, None),
    ]  # fmt: skip


def test_numbers_grow_also_when_the_clock_does_not(state):
    state.now = 5.0
    assert [state.number(), state.number()] == [5000, 5001]
    state.now = 6.0
    assert state.number() == 6000
    state.now = 1.0
    assert state.number() == 6001


def test_without_a_registration_only_the_request_for_one_is_sent(state):
    made = ssmmp.AGENT_TO_MANAGER.make("graceful_shutdown_response", 3, status=200)
    state.to_manager(made)
    asked = ssmmp.AGENT_TO_MANAGER.make(
        "initiation_request", 1, agent_network_address="fd00::1", service_repository=("job",)
    )
    state.to_manager(asked)
    assert state.log == [Count("unlinked.graceful_shutdown_response"), ToManager(asked)]
    state.link = LinkRow(LinkState.REGISTERED)
    state.to_manager(made)
    assert state.registered and state.log[-1] == ToManager(made)


def test_a_request_that_is_not_there_is_not_answered(state):
    state.link = LinkRow(LinkState.REGISTERED)
    state.answer("graceful_shutdown_response", 0, 200)
    assert state.log == []
    state.answer("graceful_shutdown_response", 4, 200)
    assert state.log[0].message.id == 4


def test_an_instance_gets_messages_while_it_is_attached(state):
    made = ssmmp.AGENT_TO_INSTANCE.make(
        "health_control_request", 9, service_name="job", service_instance_id=7
    )
    assert not state.to_instance(7, made) and state.log == []
    state.controls[7] = "c"
    assert state.to_instance(7, made) and state.log == [ToInstance("c", made)]


def test_notices_name_their_subject_as_text(state):
    state.notice("exited", 7, "status 0")
    assert state.log == [Notice("exited", "7", "status 0", False)]

"""The tables of a session inside a service."""

from ccproxy.service import Configuration, Core
from ccproxy.service.states import MEANING, PLUG, SOCKET, SessionEvent, State

SPECIFIED = """
    ASKED    granted    GRANTED
    ASKED    refused    GONE
    ASKED    busy       WAITING
    WAITING  timeout    ASKED
    GRANTED  connected  OPEN
    GRANTED  failed     WAITING
    OPEN     requested  CLOSING
    OPEN     closed     GONE
    CLOSING  closed     GONE
"""
"""State, event and next state of a plug's session as the specification has them (chapter 8, the
library). Its GRANTED and CONNECTING are one state here, and CLOSED is GONE."""


def test_the_table_of_a_plug_has_the_rows_of_the_specification():
    for line in SPECIFIED.strip().splitlines():
        state, event, following = line.split()
        assert PLUG.rules[state, event].next == following, line


def test_tables_are_whole(environment):
    known = set(Core(Configuration.from_environment(environment)).sessions.effects)
    assert set(MEANING) == set(SessionEvent)
    for table in (PLUG, SOCKET):
        assert {word for rule in table.rules.values() for word in rule.does} <= known
        assert {one.next for one in table.rules.values()} <= set(State)
    assert {word for rule in PLUG.rules.values() for word in rule.does} == known


def test_an_accepted_session_begins_open_and_ends_as_one_of_a_plug():
    assert {state for state, _ in SOCKET.rules} == {State.OPEN, State.CLOSING}
    assert all(PLUG.rules[cell] == rule for cell, rule in SOCKET.rules.items())

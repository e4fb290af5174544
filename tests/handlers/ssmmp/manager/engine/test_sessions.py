"""The session machine: acks, refusals, and closing one session."""

import pytest

from ccproxy_handlers.ssmmp.manager.engine.events import ClientFailed, SessionGone
from ccproxy_handlers.ssmmp.manager.engine.rows import SessionRow
from ccproxy_handlers.ssmmp.manager.engine.tables import SessionState

WISH = "orders_client orders orders_api"


@pytest.fixture
def open_session(talk):
    """The session 1 of web (1) to orders (2) is open."""
    talk.ready(talk.ask("a", 1, 9, WISH))
    talk.ack("a", 9, 40000)
    assert talk.session(1).state == "OPEN"
    return talk


def fire(talk, row, event, **changes):
    """One event for the session machine alone; the events that it leaves."""
    talk.manager.state.begin(talk.now)
    talk.manager.sessions.fire(row, event, **changes)
    left = list(talk.manager.state.pending)
    talk.act(talk.manager._done())
    return left


def test_the_end_of_a_session_is_left_to_both_its_ends(open_session):
    left = fire(open_session, open_session.session(1), "info", first="dest")
    assert left == [SessionGone(1), SessionGone(2)]


def test_a_refused_request_is_answered_though_it_was_never_stored(talk):
    row = SessionRow(0, 1, "web", "fd00::1", 9, "p", "orders", "api", SessionState.REQUESTED)
    talk.manager.state.begin(talk.now)
    talk.manager.sessions.refuse(row, 404)
    [line] = talk.act(talk.manager._done())
    assert line.startswith("a session_response 9 status=404")
    assert "session.refused.404" in talk.counts
    assert talk.notices[-1].what == "refused"
    assert talk.manager.state.store.sessions == {}


@pytest.mark.parametrize(("status", "events"), [(502, [ClientFailed(2)]), (408, [])])
def test_an_instance_is_looked_at_only_when_it_was_not_reached(talk, status, events):
    talk.ready(talk.ask("a", 1, 9, WISH))
    left = fire(talk, talk.session(1), "nack", status=status)
    assert left == [*events, SessionGone(1), SessionGone(2)]
    assert "edge.failed.web.orders_client" in talk.counts


def test_a_session_that_no_end_can_close_stays_and_is_told_to_the_operator(open_session):
    talk = open_session
    talk.gone("b")
    talk.gone("a")
    talk.manager.state.begin(talk.now)
    talk.manager.sessions.close(talk.session(1))
    talk.act(talk.manager._done())
    row = talk.session(1)
    assert (row.state, row.stuck, row.asked) == ("OPEN", True, "")
    assert talk.notices[-1].what == "stuck"


def test_an_offered_session_is_closed_when_its_ack_comes(talk):
    talk.ready(talk.ask("a", 1, 9, WISH))
    talk.manager.state.begin(talk.now)
    talk.manager.sessions.close(talk.session(1))
    assert talk.act(talk.manager._done()) == []
    [line] = talk.ack("a", 9, 40000)
    assert line.split()[1] == "source_service_session_close_request"
    assert talk.session(1).state == "CLOSING"


def test_waiting_requests_of_a_group_are_refused_together(talk):
    talk.ask("a", 1, 9, WISH)
    talk.ask("a", 1, 10, WISH)
    talk.manager.state.begin(talk.now)
    talk.manager.sessions.refuse_waiting(("waiting", "orders"), 503)
    said = talk.act(talk.manager._done())
    assert [line.split()[1:4] for line in said] == [
        ["session_response", "9", "status=503"], ["session_response", "10", "status=503"],
    ]  # fmt: skip

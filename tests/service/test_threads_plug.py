"""Plugs in both flavours: sessions that are opened when needed and closed when asked."""

import threading

import pytest

from ccproxy.service import SessionRefused
from ccproxy.testing import free_ports

SECONDS = 60.0


def test_a_unit_over_a_session_that_is_kept(made, agent, echo):
    unit = made.unit()
    ack = agent.open(echo.port)
    assert unit.result(SECONDS) == b"hello\n"
    assert ack.number("source_plug_port") == echo.socks[0].getpeername()[1]
    assert made.unit().result(SECONDS) == b"hello\n"
    assert len(echo.socks) == 1


def test_connection_refused_then_success_elsewhere(made, agent, echo):
    unit = made.unit()
    agent.grant(free_ports(1)[0])
    assert agent.expect("session_ack").status == 502
    assert agent.open(echo.port).status == 200
    assert unit.result(SECONDS) == b"hello\n"


def test_refused_for_good(made, agent):
    unit = made.unit()
    agent.grant(0, 403)
    with pytest.raises(SessionRefused, match="403"):
        unit.result(SECONDS)


def test_nobody_answers(made, agent):
    with pytest.raises(TimeoutError):
        made.unit(wait=0.1).result(SECONDS)


def test_an_idle_session_is_closed_at_once(made, agent, echo):
    unit = made.unit()
    ack = agent.open(echo.port)
    unit.result(SECONDS)
    id = agent.close_session(ack, echo.port)
    answer = agent.expect("source_service_session_close_response")
    assert (answer.id, answer.status) == (id, 200)


def test_a_unit_of_work_is_finished_before_its_session_is_closed(made, agent, echo):
    asked, done = threading.Event(), threading.Event()
    unit = made.unit(lambda: (asked.set(), done.wait(SECONDS)))
    ack = agent.open(echo.port)
    assert asked.wait(SECONDS)
    id = agent.close_session(ack, echo.port)
    health = agent.ask("health_control_request", service_name="orders", service_instance_id=7)
    assert agent.expect("health_control_response").id == health
    assert not agent.messages, "nothing is answered in the middle of a unit"
    done.set()
    assert unit.result(SECONDS) == b"hello\n"
    assert agent.expect("source_service_session_close_response").id == id


def test_the_far_side_of_an_idle_session_ends(made, agent, echo):
    unit = made.unit()
    ack = agent.open(echo.port)
    unit.result(SECONDS)
    echo.hang_up()
    info = agent.expect("source_service_session_close_info")
    assert info.number("source_plug_port") == ack.number("source_plug_port")


def test_what_breaks_in_a_unit_is_reported_as_broken(made, agent, echo):
    unit = made.unit(lambda: 1 / 0)
    agent.open(echo.port)
    with pytest.raises(ZeroDivisionError):
        unit.result(SECONDS)
    assert agent.expect("source_service_session_close_info").status == 122

"""What is passed on between instances and the Manager, and answered in place of one."""

import pytest

from ccproxy_handlers.ssmmp.agent.engine import (
    Count,
)  # fmt: skip


def test_a_session_goes_both_ways(harness):
    harness.up()
    (request,) = harness.messages(harness.ask())
    assert request.sub_type == "agent_to_Manager"
    assert request.text("agent_network_address") == "fd00::1"
    (response,) = harness.messages(harness.offer())
    assert response.sub_type == "agent_to_service"
    (ack,) = harness.messages(harness.ack())
    assert ack.sub_type == "agent_to_Manager"
    assert [one.port for one in harness.agent.state.sessions.values()] == [40000]


def test_an_instance_speaks_for_itself_only(harness):
    harness.up(2)
    harness.up(3)
    actions = harness.said("c3", "session_request", 9, source_service_name="orders",
                         source_service_instance_id=2, source_plug_name="store_client",
                         dest_service_name="store", dest_socket_name="sql")  # fmt: skip
    assert harness.short(actions) == [("session_response", 403)]
    assert Count("foreign.session_request") in actions


def test_equal_ids_of_two_instances(harness):
    harness.up(2)
    harness.up(3)
    harness.ask(2)
    assert harness.short(harness.ask(3)) == [("session_response", 409)]
    assert harness.short(harness.ack(3)) == []


def test_an_instance_may_use_the_same_id_for_every_session(harness):
    harness.up()
    for port in (40000, 40001):
        assert [one.type for one in harness.messages(harness.ask())] == ["session_request"]
        harness.offer()
        harness.ack(port=port)
    assert [one.port for one in harness.agent.state.sessions.values()] == [40000, 40001]


def test_a_request_with_an_id_that_is_pending_is_held_until_the_ack(harness):
    harness.up()
    harness.ask()
    assert harness.ask() == []
    assert [one.type for one in harness.messages(harness.offer())] == ["session_response"]
    assert [one.type for one in harness.messages(harness.ack())] == [
        "session_ack", "session_request"
    ]  # fmt: skip
    harness.offer()
    harness.ack(port=40001)
    assert [one.port for one in harness.agent.state.sessions.values()] == [40000, 40001]


def test_a_held_request_is_taken_up_when_the_pending_one_is_refused(harness):
    harness.up()
    harness.ask()
    harness.ask()
    types = [one.type for one in harness.messages(harness.offer(status=503))]
    assert types == ["session_response", "session_request"]


def test_a_held_request_does_not_wait_for_ever_for_an_ack(harness):
    harness.up()
    harness.ask()
    harness.ask()
    harness.offer()
    assert ("session_response", 409) in harness.short(harness.wait(8.1))
    assert harness.agent.relay.held == {}


def test_held_requests_end_with_the_connections(harness):
    harness.up()
    harness.ask()
    harness.ask()
    assert harness.short(harness.do("unlinked")) == [("session_response", 503)] * 2
    assert harness.agent.relay.held == {}
    harness.do("linked")
    harness.welcome(208)
    harness.ask()
    harness.ask()
    harness.do("detached", "c2")
    assert harness.agent.relay.held == {}


def close_request(harness, side="source", id=7):
    fields = {"source_service_name": "orders", "source_service_instance_id": 2} if (
        side == "source") else {"dest_service_instance_id": 2}  # fmt: skip
    return harness.told(
        f"{side}_service_session_close_request", id, source_plug_port=40000,
        source_service_instance_network_address="fd00::1", source_plug_name="store_client",
        dest_service_name="store", dest_service_instance_network_address="fd00::2",
        dest_socket_name="sql", dest_socket_port=54009, dest_socket_new_port=54009, **fields,
    )  # fmt: skip


@pytest.mark.parametrize("side", ["source", "dest"])
def test_close_requests(harness, side):
    answer = f"{side}_service_session_close_response"
    assert harness.short(close_request(harness, side)) == [(answer, 404)]
    harness.up()
    harness.ask()
    harness.offer()
    harness.ack()
    (passed,) = harness.messages(close_request(harness, side))
    assert passed.sub_type == f"agent_to_{side}_service"
    (back,) = harness.messages(harness.said("c2", answer, 7, status=200))
    assert (back.sub_type, back.status) == ("agent_to_Manager", 200)
    assert bool(harness.agent.state.sessions) == (side == "dest")
    close_request(harness, side, 8)
    assert (answer, 504) in harness.short(harness.wait(8.1))
    harness.do("detached", "c2")
    assert harness.short(close_request(harness, side, 9)) == [(answer, 502)]


def test_pending_requests_to_one_that_dies_are_answered(harness):
    harness.up()
    close_request(harness)
    found = harness.short(harness.do("exited", 2, 1))
    assert ("source_service_session_close_response", 404) in found

"""The sessions of an instance, from the wish to the end: transcripts, without any I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.service.events import CloseWanted, SessionDenied, SessionGranted
from ccproxy.service.states import State

FIRST = 7_000_000
STEPS = ["link", "unlink", "ask", "grant", "refuse", "connect", "fail", "close", "request", "time"]


def test_session(talk):
    key = talk.ask()
    request = talk.grant()
    assert request.id == FIRST + 2
    assert request.text("dest_service_name") == "store"
    assert talk.news == [SessionGranted(key, "127.0.0.2", 54009)]
    talk.do(talk.core.connected(talk.now, key, 40001))
    ack = talk.take("session_ack")
    assert (ack.id, ack.status) == (request.id, 200)
    assert (ack.number("source_plug_port"), ack.number("dest_socket_new_port")) == (40001, 54009)
    talk.do(talk.core.closed(talk.now, key))
    info = talk.take("source_service_session_close_info")
    assert info.id != request.id
    assert (info.status, info.number("source_plug_port")) == (111, 40001)
    assert not talk.core.sessions.rows


def test_connection_refused_then_success_elsewhere(talk):
    key = talk.ask()
    first = talk.grant()
    talk.do(talk.core.failed(talk.now, key, 502))
    assert talk.take("session_ack").status == 502
    talk.pass_time(0.1)
    second = talk.grant(port=54010)
    assert second.id != first.id
    assert talk.news[-1] == SessionGranted(key, "127.0.0.2", 54010)


@pytest.mark.parametrize("status", [403, 404, 410, 400])
def test_refused_for_good(talk, status):
    key = talk.ask()
    talk.grant(status)
    assert talk.news == [SessionDenied(key, status)]
    assert not talk.core.sessions.rows


@pytest.mark.parametrize("status", [429, 503, 504])
def test_refused_for_now(talk, status):
    talk.ask()
    talk.grant(status)
    talk.pass_time(0.09)
    assert not talk.said
    talk.pass_time(0.02)
    talk.grant(status)
    talk.pass_time(0.15)
    assert not talk.said, "the wait grows"
    talk.pass_time(0.06)
    assert talk.grant()


def test_an_id_that_is_in_use_is_replaced_at_once(talk):
    talk.ask()
    first = talk.grant(409)
    assert talk.grant().id != first.id


def test_a_grant_that_comes_too_late_is_disclaimed(talk):
    key = talk.ask()
    talk.do(talk.core.closed(talk.now, key))
    request = talk.grant()
    ack = talk.take("session_ack")
    assert (ack.id, ack.status) == (request.id, 408)


def test_closed_on_request(talk):
    key = talk.open()
    talk.close_request()
    assert talk.news == [CloseWanted(key)] and not talk.said
    talk.do(talk.core.closed(talk.now, key))
    answer = talk.take("source_service_session_close_response")
    assert (answer.id, answer.status) == (900, 200)
    assert not talk.said, "the answer says it, no info follows"


def test_close_requests_may_be_repeated(talk):
    key = talk.open()
    talk.close_request(900)
    talk.close_request(901)
    talk.do(talk.core.closed(talk.now, key))
    found = [talk.take("source_service_session_close_response").id for _ in range(2)]
    assert found == [900, 901]
    talk.close_request(902)
    assert talk.take("source_service_session_close_response").status == 404


def test_a_close_can_be_declined(talk):
    key = talk.open()
    talk.close_request()
    talk.do(talk.core.declined(talk.now, key))
    assert talk.take("source_service_session_close_response").status == 409
    talk.do(talk.core.closed(talk.now, key))
    assert talk.take("source_service_session_close_info")


def test_a_close_request_crosses_a_close_info(talk):
    key = talk.open()
    talk.do(talk.core.closed(talk.now, key, 122))
    talk.close_request()
    assert talk.take("source_service_session_close_info").status == 122
    assert talk.take("source_service_session_close_response").status == 404


def test_an_address_that_was_translated_is_no_obstacle(talk):
    key = talk.open()
    talk.close_request(dest_service_instance_network_address="10.0.0.9")
    assert talk.news == [CloseWanted(key)]


def test_accepted_sessions(talk):
    key = talk.accept()
    talk.do(talk.core.closed(talk.now, key))
    info = talk.take("dest_service_session_close_info")
    assert info.number("dest_service_instance_id") == 7
    assert info.text("source_service_instance_network_address") == "127.0.0.3"
    assert (info.number("source_plug_port"), info.number("dest_socket_port")) == (50001, 54001)


def test_accepted_sessions_are_closed_on_request(talk):
    keys = [talk.accept(port) for port in (50001, 50002)]
    talk.close_request(
        side="dest", source_service_instance_network_address="127.0.0.3", source_plug_port=50002,
        dest_socket_port=54001,
    )  # fmt: skip
    assert talk.news == [CloseWanted(keys[1])]
    talk.do(talk.core.closed(talk.now, keys[1]))
    assert talk.take("dest_service_session_close_response").status == 200


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_every_session_ends_in_one_word(make_talk, steps):
    """Whatever happens, an open session ends with an info or with answers to all close requests."""
    talk = make_talk()
    told = 0
    opened = 0
    for step in [*steps, "link", "close"]:
        rows = list(talk.core.sessions.rows.values())
        row = rows[0] if rows else None
        if step == "link" and not talk.core.attached:
            talk.do(talk.core.linked(talk.now))
            hello = next(one for one in talk.said if one.type == "instance_hello_request")
            talk.tell("instance_hello_response", hello.id, status=200)
        elif step == "unlink" and talk.core.attached:
            talk.do(talk.core.unlinked(talk.now))
        elif step == "ask" and row is None:
            talk.do(talk.core.ask(talk.now, "store_client")[1])
        elif step in ("grant", "refuse") and row and row.request and row.state is State.ASKED:
            status = 200 if step == "grant" else 503
            talk.tell("session_response", row.request, status=status, dest_socket_port=54009,
                      dest_service_instance_network_address="127.0.0.2")  # fmt: skip
        elif step == "connect" and row and row.state is State.GRANTED:
            talk.do(talk.core.connected(talk.now, row.key, 40001))
            opened += 1
        elif step == "fail" and row and row.state is State.GRANTED:
            talk.do(talk.core.failed(talk.now, row.key, 502))
        elif step == "close" and row:
            talk.do(talk.core.closed(talk.now, row.key))
        elif step == "request" and row and talk.core.attached:
            talk.close_request()
        elif step == "time":
            talk.pass_time(3.0)
    for one in talk.said:
        told += one.type == "source_service_session_close_info"
        answered = one.type == "source_service_session_close_response"
        told += answered and one.status == 200
    assert told >= opened and not talk.core.sessions.rows
    ids = [one.id for one in talk.said if one.type in ("session_request", "session_ack")]
    assert all(id // 1_000_000 == 7 for id in ids)

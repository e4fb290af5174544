"""The core of the library towards its agent: transcripts, without any I/O."""

import pytest

from ccproxy.service import Settings
from ccproxy.service.events import Attach, Detach, SessionGranted, StopWanted


def test_hello_names_the_instance_and_its_token(make_talk):
    hello = make_talk().link()
    assert hello.number("service_instance_id") == 7
    assert hello.extra("x_token") == "secret"


def test_the_agent_is_away(talk):
    key, waiting = talk.open(), talk.ask()
    asked = talk.take("session_request")
    talk.close_request()
    talk.do(talk.core.unlinked(talk.now))
    assert talk.news[-1] == Attach(0.1)
    talk.do(talk.core.closed(talk.now, key))
    assert not talk.said
    talk.link()
    assert talk.take("source_service_session_close_info"), "the agent has forgotten its request"
    assert talk.grant().id != asked.id
    assert talk.news[-1] == SessionGranted(waiting, "127.0.0.2", 54009)


def test_attempts_to_attach_become_rarer(talk):
    for _ in range(8):
        talk.do(talk.core.unlinked(talk.now))
    delays = [one.delay for one in talk.news]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


def test_an_agent_that_says_nothing_is_left(make_talk):
    talk = make_talk()
    talk.do(talk.core.linked(talk.now))
    assert talk.core.next_deadline() == talk.now + 5.0
    talk.pass_time(5.0)
    assert isinstance(talk.news[-1], Detach)


def test_an_agent_without_the_extension_will_do(make_talk):
    talk = make_talk()
    talk.link(501)
    assert talk.core.attached


def test_an_instance_that_was_replaced_ends(make_talk):
    talk = make_talk(Settings(unknown_replies=2))
    for _ in range(2):
        assert StopWanted() not in talk.news
        talk.link(404)
        talk.do(talk.core.unlinked(talk.now))
    assert talk.news.count(StopWanted()) == 1


def test_graceful_shutdown(talk):
    talk.tell("graceful_shutdown_request", 50, service_name="orders", service_instance_id=7)
    talk.tell("graceful_shutdown_request", 51, service_name="orders", service_instance_id=7)
    assert talk.news == [StopWanted()] and talk.core.stopping
    talk.do(talk.core.stopped(talk.now))
    answer = talk.take("graceful_shutdown_response")
    assert (answer.id, answer.status) == (51, 200)


def test_leaving_is_announced(talk):
    talk.do(talk.core.leave(talk.now))
    assert talk.take("service_instance_termination_info").number("service_instance_id") == 7


@pytest.mark.parametrize("type", ["health_control", "service_instance_health"])
def test_health(talk, type):
    fields = {"service_name": "orders", "service_instance_id": 7}
    if type == "service_instance_health":
        fields = {"service_instance_id": 7, "service_instance_network_address": "127.0.0.1"}
    talk.core.health = 429
    talk.tell(f"{type}_request", 60, **fields)
    answer = talk.take(f"{type}_response")
    assert (answer.id, answer.status) == (60, 429)


def test_what_cannot_be_read_is_answered_if_that_is_possible(talk):
    [sent] = talk.core.received(talk.now, b"type: dance_request\nmessage_id: 5\n\n")
    assert b"type: dance_response\nmessage_id: 5\nstatus: 501" in sent.data
    assert talk.core.received(talk.now, b"type: dance\nmessage_id: 5\n\n") == []

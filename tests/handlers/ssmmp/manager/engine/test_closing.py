import pytest

from ccproxy_handlers.ssmmp.commands import StopInstance
from ccproxy_handlers.ssmmp.manager import ManagerSettings

WISH = "orders_client orders orders_api"
STORE = "store_client store sql"


@pytest.fixture
def chain(make_talk):
    """web (1) on a, orders (2) on b, store (3) on c; 1 -> 2 and 2 -> 3 are open."""
    talk = make_talk()
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web"))
    talk.register("b", "fd00::2", "orders")
    talk.register("c", "fd00::3", "store")
    talk.ready(talk.ask("a", 1, 9, WISH))
    talk.ack("a", 9, 40000)
    talk.ready(talk.ask("b", 2, 19, STORE, "orders"))
    talk.ack("b", 19, 41000)
    return talk


def closes(lines):
    return [line.split() for line in lines if "_session_close_request" in line]


def answer(talk, words, status=200):
    type = words[1].replace("_request", "_response")
    return talk.say(words[0], f"{type} {words[2]} status={status}")


def test_order_of_a_graceful_shutdown(chain):
    (first,) = closes(chain.do(StopInstance(2)))
    assert first[:2] == ["a", "source_service_session_close_request"]
    (second,) = closes(answer(chain, first))
    assert second[:2] == ["b", "source_service_session_close_request"]
    assert "source_service_name=orders" in second
    (last,) = answer(chain, second)
    assert last.split()[:2] == ["b", "graceful_shutdown_request"]


@pytest.mark.parametrize("status", [409, 500, 502, 504])
def test_the_other_end_is_asked_then_the_drain_goes_on(chain, status):
    (first,) = closes(chain.do(StopInstance(2)))
    (other,) = closes(answer(chain, first, status))
    assert other[:2] == ["b", "dest_service_session_close_request"]
    lines = answer(chain, other, status)
    assert [one[:2] for one in closes(lines)] == [["b", "source_service_session_close_request"]]
    assert chain.session(1).stuck


def test_silence_is_like_a_refusal(chain):
    chain.do(StopInstance(2))
    lines = chain.wait(10.5)
    assert [one[1] for one in closes(lines)] == ["dest_service_session_close_request"]
    lines = chain.wait(21)
    assert any("graceful_shutdown_request" in line for line in chain.said)


def test_drain_timeout_ends_the_waiting(make_talk, chain):
    chain.manager.state.settings = chain.settings = ManagerSettings(
        close_timeout=1000, health_interval=1e6
    )
    chain.do(StopInstance(2))
    assert any("graceful_shutdown_request" in line for line in chain.wait(31))


def test_a_close_request_crosses_a_close_info(chain):
    (first,) = closes(chain.do(StopInstance(2)))
    port = chain.row(2).sockets[0][1]
    chain.say("b", "dest_service_session_close_info 99 "
              "source_service_instance_network_address=fd00::1 source_plug_name=orders_client "
              "source_plug_port=40000 dest_service_name=orders "
              "dest_service_instance_network_address=fd00::2 dest_service_instance_id=2 "
              f"dest_socket_name=orders_api dest_socket_port={port} "
              f"dest_socket_new_port={port}")  # fmt: skip
    assert chain.session(1).state == "CLOSED"
    assert answer(chain, first, 404) == []
    assert "unexpected.source_service_session_close_response" in chain.counts


def test_an_answer_404_counts_as_closed(chain):
    (first,) = closes(chain.do(StopInstance(2)))
    answer(chain, first, 404)
    assert chain.session(1).state == "CLOSED"


def test_a_session_not_yet_acknowledged_is_closed_when_it_is(chain):
    chain.ask("a", 1, 10, WISH)
    (first,) = closes(chain.do(StopInstance(2)))
    assert chain.session(3).unwanted
    (late,) = closes(chain.ack("a", 10, 40001))
    assert "source_plug_port=40001" in late
    answer(chain, first)
    assert closes(answer(chain, late))[0][0] == "b"


def test_only_so_many_at_a_time(chain):
    for n in range(20):
        chain.ask("a", 1, 100 + n, WISH)
        chain.ack("a", 100 + n, 42000 + n)
    first = closes(chain.do(StopInstance(2)))
    assert len(first) == 8
    assert len(closes(answer(chain, first[0]))) == 1


def test_a_dead_source_is_closed_at_its_destinations(chain):
    lines = chain.say(
        "a", "health_control_response 5 service_name=web service_instance_id=1 status=502"
    )
    (only,) = closes(lines)
    assert only[:2] == ["b", "dest_service_session_close_request"]
    assert "dest_service_instance_id=2" in only and "source_plug_port=40000" in only
    answer(chain, only)
    assert chain.session(1).state == "CLOSED"


def test_a_dead_destination_is_closed_at_its_sources_and_the_other_way(chain):
    lines = chain.say(
        "b", "health_control_response 5 service_name=orders service_instance_id=2 status=502"
    )
    assert sorted(one[:2] for one in closes(lines)) == [
        ["a", "source_service_session_close_request"],
        ["c", "dest_service_session_close_request"],
    ]


def test_a_lost_agent_is_like_the_death_of_all_its_instances(chain):
    chain.gone("b")
    assert [chain.session(n).state for n in (1, 2)] == ["OPEN", "OPEN"]
    assert [one[0] for one in closes(chain.wait(31))] == ["c", "a"]


def test_both_ends_lost(chain):
    chain.gone("a")
    chain.gone("b")
    chain.wait(31)
    assert chain.session(1).state == "CLOSED"


def test_the_agent_of_the_asked_end_goes_away(chain):
    chain.do(StopInstance(2))
    lines = chain.gone("a")
    assert [one[:2] for one in closes(lines)] == [["b", "dest_service_session_close_request"]]


def test_waiting_requests_of_a_dead_client_are_forgotten(talk):
    talk.ask("a", 1, 9, WISH)
    talk.say("a", "health_control_response 5 service_name=web service_instance_id=1 status=502")
    assert talk.session(1) is None

import pytest

from ccproxy_handlers.ssmmp.commands import Scale

WISH = "orders_client orders orders_api"


@pytest.fixture
def pair(make_talk):
    """web (1) on a, orders (2) on b."""
    talk = make_talk()
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web"))
    talk.register("b", "fd00::2", "orders")
    talk.ready(talk.do(Scale("orders", 1)))
    return talk


def opened(talk, id=9, port=40000):
    talk.ask("a", 1, id, WISH)
    talk.ack("a", id, port)


def info(talk, side, port=40000, address="fd00::1", peer=None, status="", **other):
    dest = talk.row(2)
    values = {
        "source_service_name": "web", "source_service_instance_network_address": address,
        "source_service_instance_id": 1, "source_plug_name": "orders_client",
        "source_plug_port": port, "dest_service_name": "orders",
        "dest_service_instance_network_address": "fd00::2", "dest_service_instance_id": 2,
        "dest_socket_name": "orders_api", "dest_socket_port": dest.sockets[0][1],
        "dest_socket_new_port": dest.sockets[0][1], **other,
    }  # fmt: skip
    hidden = ("dest_service_instance_id",) if side == "source" else (
        "source_service_name", "source_service_instance_id")  # fmt: skip
    pairs = " ".join(f"{k}={v}" for k, v in values.items() if k not in hidden)
    peer = peer or ("a" if side == "source" else "b")
    return talk.say(peer, f"{side}_service_session_close_info 99 {pairs} {status}".strip())


@pytest.mark.parametrize("order", [("source", "dest"), ("dest", "source")])
def test_infos_in_both_orders_and_twice(pair, order):
    opened(pair)
    for _ in range(2):
        info(pair, order[0])
        assert pair.session(1).state == "HALF_CLOSED"
    info(pair, order[1])
    assert pair.session(1).state == "CLOSED"
    before = pair.session(1)
    for side in order:
        info(pair, side)
    assert pair.session(1) == before
    assert pair.counts.count("ignored.session.CLOSED.info") >= 1
    pair.wait(61)
    assert pair.session(1) is None


def test_the_second_info_may_never_come(pair):
    opened(pair)
    info(pair, "dest")
    pair.wait(61)
    assert pair.session(1).state == "CLOSED"
    pair.wait(61)
    assert pair.session(1) is None


def test_an_unknown_session_is_counted(pair):
    assert info(pair, "source") == []
    assert "unknown.source_service_session_close_info" in pair.counts


def test_an_agent_that_reports_for_another_is_refused(pair):
    opened(pair)
    info(pair, "source", peer="b")
    info(pair, "dest", peer="a")
    assert pair.session(1).state == "OPEN"
    assert "foreign.source_service_session_close_info" in pair.counts
    assert "foreign.dest_service_session_close_info" in pair.counts


def test_translated_addresses(pair):
    opened(pair)
    opened(pair, 10, 40001)
    info(pair, "dest", address="10.9.9.9", port=40001)
    assert [pair.session(n).state for n in (1, 2)] == ["OPEN", "HALF_CLOSED"]


def test_two_sessions_to_one_port_are_told_apart(pair):
    opened(pair)
    opened(pair, 10, 40001)
    info(pair, "source", port=40001)
    assert [pair.session(n).state for n in (1, 2)] == ["OPEN", "HALF_CLOSED"]


def test_the_system_uses_a_port_again(pair):
    opened(pair)
    info(pair, "source")
    info(pair, "dest")
    opened(pair, 10, 40000)
    info(pair, "dest")
    assert [pair.session(n).state for n in (1, 2)] == ["CLOSED", "HALF_CLOSED"]


def test_the_info_overtakes_the_ack(pair):
    pair.ask("a", 1, 9, WISH)
    info(pair, "dest")
    assert pair.session(1).state == "HALF_CLOSED"
    pair.ack("a", 9, 40000)
    assert pair.session(1).state == "HALF_CLOSED"
    info(pair, "source")
    assert pair.session(1).state == "CLOSED"


def test_a_lost_ack_is_resolved_by_an_info(pair):
    pair.ask("a", 1, 9, WISH)
    pair.wait(16)
    assert pair.session(1).state == "UNCONFIRMED"
    info(pair, "source", port=40007)
    assert (pair.session(1).state, pair.session(1).from_port) == ("HALF_CLOSED", 40007)


def test_a_late_ack_is_taken(pair):
    pair.ask("a", 1, 9, WISH)
    pair.wait(16)
    pair.ack("a", 9, 40000)
    assert pair.session(1).state == "OPEN"


def test_what_is_never_confirmed_is_given_up(pair):
    pair.ask("a", 1, 9, WISH)
    pair.wait(16 + 3601 + 61)
    assert pair.session(1) is None


def test_a_broken_connection_is_counted_for_its_edge(pair):
    opened(pair)
    info(pair, "source", status="status=122")
    assert "edge.broken.web.orders_client" in pair.counts


def test_an_ack_that_no_session_waits_for(pair):
    assert pair.ack("a", 77, 40000) == []
    assert "unexpected.session_ack" in pair.counts

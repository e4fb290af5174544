from dataclasses import replace

import pytest

from ccproxy_handlers.ssmmp.commands import Scale, StopInstance
from ccproxy_handlers.ssmmp.manager import ManagerSettings
from ccproxy_handlers.ssmmp.manager.engine import offers

WISH = "orders_client orders orders_api"

TWO_PLUGS = """
[app]
[service web]
kind = gateway
plugs = orders_client -> orders.orders_api, store_client -> store.sql
[service orders]
sockets = orders_api
[service store]
kind = baas
sockets = sql
"""


def status(lines):
    found = [line for line in lines if " session_response " in line]
    return [int(line.partition("status=")[2].split()[0]) for line in found]


def running(talk, count=1):
    """Instances of orders, all running."""
    talk.ready(talk.do(Scale("orders", count)))
    return [row.key for row in talk.manager.state.store.instances.values() if row.key > 1]


def test_the_offer_names_address_and_port(talk):
    running(talk)
    row = talk.row(2)
    (line,) = talk.ask("a", 1, 9, WISH)
    assert line == (
        f"a session_response 9 status=200 dest_service_instance_network_address={row.address} "
        f"dest_socket_port={row.sockets[0][1]}"
    )


@pytest.mark.parametrize(
    ("source", "wish", "name", "expected"),
    [
        (1, "orders_client nothing orders_api", "web", 404),
        (1, "orders_client orders nothing", "web", 404),
        (1, "orders_client store sql", "web", 403),
        (1, "other_client orders orders_api", "web", 403),
        (1, WISH, "orders", 403),
        (99, WISH, "web", 403),
    ],
)
def test_refusals(talk, source, wish, name, expected):
    (line,) = talk.ask("a", source, 9, wish, name)
    assert line == (
        f"a session_response 9 status={expected} dest_service_instance_network_address=:: "
        "dest_socket_port=0"
    )
    assert f"session.refused.{expected}" in talk.counts
    assert talk.notices[-1].what == "refused"
    assert not talk.manager.state.store.sessions


def test_an_agent_that_speaks_for_the_instance_of_another(talk):
    assert status(talk.ask("b", 1, 9, WISH)) == [403]
    assert "foreign.session_request" in talk.counts


def test_a_request_of_an_agent_that_is_not_registered(talk):
    assert status(talk.ask("stranger", 1, 9, WISH)) == [403]
    assert talk.say("stranger", "execution_response 5 status=200") == []
    assert "unregistered.execution_response" in talk.counts


def test_one_start_for_a_hundred_requests(talk):
    lines = [line for n in range(100) for line in talk.ask("a", 1, 100 + n, WISH)]
    assert [line.split()[1] for line in lines] == ["execution_request"]
    answers = talk.ready(lines)
    assert status(answers) == [200] * 50, "half of them now, and the others at the next tick"
    answers += talk.act(talk.manager.tick(talk.now))
    assert status(answers) == [200] * 100
    assert [line.split()[2] for line in answers] == [str(100 + n) for n in range(100)]


def test_requests_of_two_instances_with_equal_ids(make_talk):
    talk = make_talk(TWO_PLUGS.replace("kind = gateway", "kind = gateway\nreplicas = 1-2"))
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    talk.ready(talk.do(Scale("web", 2)))
    talk.ask("a", 1, 9, WISH)
    web = max(talk.manager.state.store.instances)
    other = next(r.key for r in talk.manager.state.store.instances.values() if r.key != 1)
    assert talk.row(other).service in ("web", "orders") and web
    lines = talk.ask("a", other, 9, WISH, talk.row(other).service)
    assert status(lines) == [409]


def test_a_repeated_request_gets_the_same_offer(talk):
    running(talk)
    first = talk.ask("a", 1, 9, WISH)
    assert talk.ask("a", 1, 9, WISH) == first
    talk.ack("a", 9, 40000)
    assert len(talk.manager.state.store.sessions) == 1


def test_a_client_may_use_the_same_id_for_every_session(talk):
    running(talk)
    for port in (40000, 40001, 40002):
        assert status(talk.ask("a", 1, 9, WISH)) == [200]
        talk.ack("a", 9, port)
    rows = talk.manager.state.store.sessions.values()
    assert [(one.state, one.from_port) for one in rows] == [
        ("OPEN", 40000), ("OPEN", 40001), ("OPEN", 40002)
    ]  # fmt: skip


def test_a_request_with_an_id_that_is_pending_is_held_until_the_ack(make_talk):
    talk = make_talk(TWO_PLUGS)
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders,store"))
    talk.ready(talk.do(Scale("orders", 1)))
    talk.ready(talk.do(Scale("store", 1)))
    assert status(talk.ask("a", 1, 9, WISH)) == [200]
    assert talk.ask("a", 1, 9, "store_client store sql") == []
    assert status(talk.ack("a", 9, 40000)) == [200]
    talk.ack("a", 9, 40001)
    rows = talk.manager.state.store.sessions.values()
    assert [(one.service, one.from_port) for one in rows] == [("orders", 40000), ("store", 40001)]


def test_a_held_request_is_taken_up_when_the_pending_one_fails(make_talk):
    talk = make_talk(TWO_PLUGS)
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders,store"))
    talk.ready(talk.do(Scale("orders", 1)))
    talk.ready(talk.do(Scale("store", 1)))
    talk.ask("a", 1, 9, WISH)
    talk.ask("a", 1, 9, "store_client store sql")
    assert status(talk.ack("a", 9, 0, 502)) == [200]


def test_an_offer_that_was_never_acknowledged_does_not_silence_its_id(talk):
    running(talk)
    assert status(talk.ask("a", 1, 9, WISH)) == [200]
    talk.wait(talk.manager.state.settings.ack_timeout + 1)
    assert talk.session(1).state == "UNCONFIRMED"
    said = talk.ask("a", 1, 9, WISH) + talk.wait(talk.manager.state.settings.unconfirmed + 1)
    assert status(said) == [200]


def test_a_repeated_request_that_waits_is_quiet(talk):
    talk.ask("a", 1, 9, WISH)
    assert talk.ask("a", 1, 9, WISH) == []
    assert talk.ask("a", 1, 9, "orders_client nothing orders_api")[0].split()[3] == "status=404"


def test_no_agent_has_the_program(make_talk):
    talk = make_talk()
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web"))
    assert status(talk.ask("a", 1, 9, WISH)) == [503]
    talk.register("b", "fd00::2", "orders", "x_ssmmp=1")
    assert status(talk.ready(talk.ask("a", 1, 10, WISH))) == [200]


def test_a_request_waits_no_longer_than_session_wait(talk):
    talk.ask("a", 1, 9, WISH)
    talk.manager.state.settings = ManagerSettings(start_timeout=1000, health_interval=1e6)
    talk.settings = talk.manager.state.settings
    talk.manager.state.store.put(replace(talk.row(2), deadline=talk.now + 1000))
    talk.journal.append(talk.manager.state.store.log[-1])
    assert status(talk.wait(36)) == [504]


def test_extension_peers_are_told_when_to_ask_again(make_talk):
    talk = make_talk()
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web", "x_ssmmp=1"))
    (line,) = talk.ask("a", 1, 9, WISH)
    assert line.endswith("x_retry_after=1") and status([line]) == [503]


def test_least_sessions(talk):
    keys = running(talk, 3)
    for n in range(9):
        talk.ask("a", 1, 100 + n, WISH)
        talk.ack("a", 100 + n, 40000 + n)
    size = talk.manager.state.store.session_index.size
    assert [size(("to", key)) for key in keys] == [3, 3, 3]


@pytest.mark.parametrize(
    ("choose", "expected"),
    [("round-robin", [2, 3, 4, 2]), ("local-first", [2, 4, 2, 4]), ("random-two", [3, 3, 3, 3])],
)
def test_other_policies(make_talk, parse_graph, choose, expected):
    text = (
        "[service web]\nkind = gateway\nplugs = orders_client -> orders.orders_api\n"
        f"[service orders]\nsockets = orders_api\nreplicas = 0-4\nchoose = {choose}\n"
    )
    talk = make_talk(text)
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    talk.register("b", "fd00::2", "orders")
    manager = talk.manager
    talk.manager.state.begin(talk.now)
    for node in ("fd00::1", "fd00::2", "fd00::1"):
        manager.services.plan(manager.state.graph.services["orders"], node)
    talk.ready(talk.act(talk.manager._done()))
    found = []
    for n in range(4):
        talk.ask("a", 1, 100 + n, WISH)
        talk.ack("a", 100 + n, 40000 + n)
        found.append(max(talk.manager.state.store.sessions.values(), key=lambda one: one.key).dest)
    assert found == expected


def test_what_a_client_could_not_reach_is_not_offered_to_it_again(talk):
    keys = running(talk, 2)
    talk.ask("a", 1, 9, WISH)
    first = talk.session(1).dest
    talk.say("a", "session_ack 9 status=502 source_plug_port=0 dest_socket_new_port=0")
    talk.ask("a", 1, 10, WISH)
    assert talk.session(2).dest in set(keys) - {first}
    assert "edge.failed.web.orders_client" in talk.counts


def test_the_only_instance_is_offered_again_all_the_same(talk):
    running(talk)
    talk.ask("a", 1, 9, WISH)
    talk.say("a", "session_ack 9 status=504 source_plug_port=0 dest_socket_new_port=0")
    assert status(talk.ask("a", 1, 10, WISH)) == [200]


def test_overloaded_ones_come_last(talk):
    keys = running(talk, 2)
    row = talk.row(keys[0])
    peer = "a" if row.agent == "fd00::1" else "b"
    talk.say(peer, f"health_control_response 5 service_name=orders service_instance_id={row.key} "
                   "status=429")  # fmt: skip
    for n in range(3):
        talk.ask("a", 1, 100 + n, WISH)
        talk.ack("a", 100 + n, 40000 + n)
    assert {one.dest for one in talk.manager.state.store.sessions.values()} == {keys[1]}


def test_session_limit_of_an_edge(make_talk):
    talk = make_talk(
        "[service web]\nkind = gateway\nplugs = orders_client -> orders.orders_api\n"
        "max_sessions = 2\n[service orders]\nsockets = orders_api\n"
    )
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    running(talk)
    found = [status(talk.ask("a", 1, 100 + n, WISH)) for n in range(3)]
    assert found == [[200], [200], [429]]


def test_more_waiting_than_allowed(make_talk):
    talk = make_talk(settings=ManagerSettings(max_waiting=2, health_interval=1e6))
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    found = [status(talk.ask("a", 1, 100 + n, WISH)) for n in range(3)]
    assert found == [[], [], [503]]


def test_a_gateway_may_ask_until_it_has_ended(talk):
    (orders,) = running(talk)
    talk.ask("a", 1, 9, WISH)
    talk.ack("a", 9, 40000)
    talk.now += 1
    said = talk.do(StopInstance(1))
    talk.now += 1
    [close] = [line for line in said if "source_service_session_close_request" in line]
    assert talk.row(1).state == "DRAINING"
    assert status(talk.ask("a", 1, 10, WISH)) == [200]
    talk.ack("a", 10, 40001)
    said = talk.say("a", f"source_service_session_close_response {close.split()[2]} status=200")
    # Its new session is that of a user who is still there; the gateway itself waits for it.
    assert [line.split()[1] for line in said] == ["graceful_shutdown_request"]
    assert status(talk.ask("a", 1, 11, WISH)) == [200]
    talk.ack("a", 11, 40002)
    said = talk.say("a", f"graceful_shutdown_response {said[0].split()[2]} status=200")
    assert talk.row(1).state == "STOPPED"
    assert status(talk.ask("a", 1, 12, WISH)) == [403]


def test_a_request_of_a_draining_gateway_that_waits_is_answered(talk):
    lines = talk.ask("a", 1, 9, WISH)
    talk.do(StopInstance(1))
    assert status(talk.ready(lines)) == [200]


def test_a_draining_client_may_ask_while_others_use_it(talk):
    (orders,) = running(talk)
    talk.ask("a", 1, 9, WISH)
    talk.ack("a", 9, 40000)
    peer = "a" if talk.row(orders).agent == "fd00::1" else "b"
    talk.do(StopInstance(orders))
    assert talk.row(orders).state == "DRAINING"
    lines = talk.ask(peer, orders, 2_000_001, "store_client store sql", "orders")
    assert any(" execution_request " in line for line in lines)
    close = next(line for line in talk.said if "source_service_session_close_request" in line)
    lines = talk.say("a", f"source_service_session_close_response {close.split()[2]} status=200")
    assert status(lines) == [410]
    lines = talk.ask(peer, orders, 2_000_002, "store_client store sql", "orders")
    assert status(lines) == [410]


def test_an_instance_that_never_acknowledges_is_refused_in_the_end(talk, monkeypatch):
    monkeypatch.setattr(offers, "MAX_UNACKED", 3)
    talk.ready(talk.ask("a", 1, 9, WISH))
    assert [status(talk.ask("a", 1, id, WISH)) for id in (10, 11, 12)] == [[200], [200], [429]]
    talk.ack("a", 10, 40000)
    assert status(talk.ask("a", 1, 13, WISH)) == [200]

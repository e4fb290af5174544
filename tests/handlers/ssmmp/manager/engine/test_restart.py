"""What takes long is done in pieces, and a restart between two of them loses none."""

import pytest

from ccproxy_handlers.ssmmp.commands import Scale
from ccproxy_handlers.ssmmp.manager import ManagerSettings, Record
from ccproxy_handlers.ssmmp.manager.engine.plans import OperationPlan
from ccproxy_handlers.ssmmp.manager.engine.rows import OperationStep

GRAPH = """
[app]
ports = 20000-30000
[service web]
plugs = orders_client -> orders.api
kind = gateway
[service orders]
sockets = api
replicas = 0-1000
"""
WISH = "orders_client orders api"
MOST = 20
"""Rows of the real handler's ticks."""


@pytest.fixture
def large(make_talk):
    """100 instances of orders on `b`; web with 120 sessions to the first of them."""
    talk = make_talk(GRAPH, ManagerSettings(health_interval=1e6, agent_lost=10, tombstone=1000))
    talk.checks = False
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web", "x_ssmmp=1"))
    talk.register("b", "fd00::2", "orders", "x_ssmmp=1")
    talk.ready(talk.do(Scale("orders", 1)))
    for id in range(1000, 1120):
        talk.ask("a", 1, id, WISH)
        talk.ack("a", id, 30000 + id)
    talk.ready(talk.do(Scale("orders", 100)))
    assert pieces(talk, talk.ready) > 3
    assert states(talk, "orders") == ["RUNNING"] * 100
    return talk


def states(talk, service):
    rows = talk.manager.state.store.instances.values()
    return [str(one.state) for one in rows if one.service == service]


def step(talk, longest=400):
    """One tick as the handler makes them; no piece is long."""
    actions = talk.manager.tick(talk.now, MOST)
    assert sum(isinstance(one, Record) for one in actions) <= longest
    return talk.act(actions)


def pieces(talk, answer=lambda said: None):
    """Ticks until nothing is left to do now; how many."""
    count = 0
    while talk.manager.next_deadline() <= talk.now:
        answer(step(talk))
        count += 1
        assert count < 1000
    return count


def lose(talk):
    talk.gone("b")
    talk.now += 10
    step(talk)


def test_a_lost_agent_is_given_up_in_pieces(large):
    lose(large)
    assert 0 < states(large, "orders").count("FAILED") < 100
    assert pieces(large) > 10
    assert states(large, "orders").count("FAILED") == 100


def test_a_restart_goes_on_with_an_agent_that_is_given_up(large):
    lose(large)
    failed = states(large, "orders").count("FAILED")
    large.restart()
    assert failed <= states(large, "orders").count("FAILED") < 100
    pieces(large)
    assert states(large, "orders").count("FAILED") == 100


def test_the_sessions_of_an_instance_that_has_ended_are_closed_in_pieces(large):
    said = large.say(
        "b", "health_control_response 5 service_name=orders service_instance_id=2 status=502"
    )
    assert 0 < sum("session_close_request" in line for line in said) < 120
    large.restart()
    large.register("c", "fd00::1", "web", "x_ssmmp=1 x_running=((web,1))")
    pieces(large)
    large.wait(60)
    assert not large.manager.state.store.session_index.size(("to", 2))


def stop_orders(talk):
    talk.manager.state.begin(talk.now)
    talk.manager.operations.execute(OperationPlan("down", (OperationStep("down", "orders"),)))
    return talk.act(talk.manager._done())


def test_requests_that_nothing_can_serve_any_more_are_refused_in_pieces(large):
    large.manager.state.begin(large.now)
    large.manager.services.change("orders", hold=True, target=0)
    large.act(large.manager._done())
    for key in list(large.manager.state.store.instance_index.of(("ready", "orders"))):
        large.say(
            "b",
            f"service_instance_termination_info 5 service_name=orders service_instance_id={key} "
            "service_instance_network_address=fd00::2",
        )
    for id in range(5000, 5200):
        assert large.ask("a", 1, id, WISH) == []
    said = stop_orders(large)
    assert sum("status=503" in line for line in said) == 50
    pieces(large, said.extend)
    assert sum("status=503" in line for line in said) == 200


def test_a_service_is_stopped_in_pieces(large):
    stop_orders(large)
    assert 0 < states(large, "orders").count("RUNNING") < 100
    pieces(large)
    assert "RUNNING" not in states(large, "orders")

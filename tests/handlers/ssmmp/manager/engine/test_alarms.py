"""Alarms: raised once, stand as long as their cause does, cleared with a line."""

import pytest

from ccproxy_handlers.ssmmp.commands import Scale, StopInstance
from ccproxy_handlers.ssmmp.manager import ManagerSettings

SMALL = """
[app]
ports = 54001-54002
[service web]
kind = gateway
plugs = orders_client -> orders.api
[service orders]
sockets = api
replicas = 0-9
scale_at = 2
cooldown = 0 s
"""
WISH = "orders_client orders api"


@pytest.fixture
def small(make_talk):
    """One node, on which instance 1 of web runs; two ports."""
    settings = ManagerSettings(health_interval=1e6, restart_limit=3, backoff_first=1)
    made = make_talk(SMALL, settings)
    made.start()
    made.ready(made.register("a", "fd00::1", "web,orders", "x_ssmmp=1"))
    return made


def raised(talk, what=""):
    return [f"{one.what} {one.subject}" for one in talk.notices if one.alarm and what in one.what]


def cleared(talk):
    return [f"{one.detail} {one.subject}" for one in talk.notices if one.what == "cleared"]


def standing(talk):
    return sorted(talk.manager.state.store.alarms)


def answer(talk, said, type):
    """What the Manager says when every request of a type is answered."""
    found = []
    for line in said:
        peer, asked, id = line.split()[:3]
        if asked == f"{type}_request":
            found += talk.say(peer, f"{type}_response {id} status=200")
    return found


def test_an_instance_without_a_place(make_talk):
    talk = make_talk()
    talk.start()
    assert talk.wait(29) == [] and not raised(talk), "at the start agents take a moment to come"
    talk.wait(300)
    assert raised(talk) == ["no place web"]
    assert talk.manager.state.store.alarms["no place web"].detail == "no node has web"
    talk.restart()
    talk.wait(100)
    assert raised(talk) == ["no place web"], "a restart does not raise it again"
    talk.register("a", "fd00::1", "web")
    assert cleared(talk) == ["no place web"] and standing(talk) == []


def test_the_pool_of_ports_is_used_up_until_an_instance_ends(small):
    small.ready(small.do(Scale("orders", 3)))
    small.wait(100)
    assert standing(small) == ["no place orders"]
    [row] = small.manager.state.store.alarms.values()
    assert row.detail == "fd00::1: no port of 54001-54002 is free"
    waiting = [one.key for one in small.manager.state.store.instances.values() if not one.agent]
    said = small.do(StopInstance(2))
    said += answer(small, said, "graceful_shutdown")
    assert f"service_instance_id={waiting[0]}" in said[-1], "it gets the port that is free again"
    assert cleared(small) == ["no place orders"]


def test_the_reason_names_what_is_in_the_way_on_each_node(small):
    find = small.manager.placement.obstacle
    assert find("orders", "orders@2") == "no node has orders@2"
    assert find("orders", "orders", "elsewhere") == "elsewhere has not the program orders"
    small.gone("a")
    assert find("orders", "orders") == "fd00::1: is SUSPECT"


def test_more_load_than_the_graph_allows_instances_for(make_talk):
    talk = make_talk(SMALL.replace("replicas = 0-9", "replicas = 0-1"))
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    talk.ready(talk.do(Scale("orders", 1)))

    def open_(id):
        talk.ask("a", 1, id, WISH)
        talk.ack("a", id, 40000 + id)

    def close(id):
        row = next(s for s in talk.manager.state.store.sessions.values() if s.message == id)
        talk.say(
            "a",
            f"source_service_session_close_info {id + 100} source_service_name=web "
            "source_service_instance_network_address=fd00::1 source_service_instance_id=1 "
            f"source_plug_name=orders_client source_plug_port={row.from_port} "
            "dest_service_name=orders dest_service_instance_network_address=fd00::1 "
            f"dest_socket_name=api dest_socket_port={row.to_port} dest_socket_new_port=1",
        )

    open_(11)
    assert raised(talk) == []
    for id in (12, 13, 14):
        open_(id)
    assert raised(talk) == ["at its most orders"]
    close(14)
    close(13)
    assert standing(talk) == ["at its most orders"], "at the limit it is not cleared and raised"
    close(12)
    assert cleared(talk) == ["at its most orders"] and standing(talk) == []


def test_an_alarm_of_load_ends_when_the_graph_allows_more(small, parse_graph):
    small.ready(small.do(Scale("orders", 1)))
    small.manager.state.begin(small.now)
    small.manager.alarms.begin("at its most", "orders", "")
    small.act(small.manager._done())
    small.graph = parse_graph(SMALL)
    small.act(small.manager.reload(small.now, small.graph))
    assert cleared(small) == ["at its most orders"]


def test_restarts_that_are_used_up(small):
    said = small.do(Scale("orders", 2))
    for _ in range(6):
        small.ready(said, 500)
        said = small.wait(10)
    assert raised(small, "given up") == ["given up orders@fd00::1"], "once, for all failures"
    [row] = [one for one in small.manager.state.store.alarms.values() if one.what == "given up"]
    assert row.detail == (
        "3 failures, not started there for 300 s: status 500 (the program could not be started)"
    )
    small.wait(31)
    assert standing(small) == ["given up orders@fd00::1", "no place orders"]
    said = small.wait(300)
    assert "execution_request" in said[0]
    assert sorted(cleared(small)) == ["given up orders@fd00::1", "no place orders"]


def test_a_lost_agent_comes_back(small):
    small.gone("a")
    small.wait(40)
    assert standing(small) == ["lost fd00::1"]
    small.register("b", "fd00::1", "web,orders", "x_ssmmp=1")
    assert cleared(small) == ["lost fd00::1"]

"""Whether there is room for what a plan wants: fixed ports on the nodes that have a program."""

import pytest

from ccproxy_handlers.ssmmp.commands import Migrate, Scale, Update
from ccproxy_handlers.ssmmp.manager import ManagerSettings

FIXED = """
[service gw]
kind = gateway
sockets = http:8080
replicas = 1-4
"""


@pytest.fixture
def gateway(make_talk):
    """One gateway on a fixed port, on the only node that has its next version."""
    talk = make_talk(FIXED)
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "gw,gw@2", "x_ssmmp=1"))
    return talk


def test_an_update_that_finds_no_fixed_port_free_is_refused(gateway):
    plan = gateway.manager.plan(Update("gw", "gw@2"))
    assert plan.refusal == "http:8080 is taken on every node that has gw@2" and not plan.steps
    gateway.register("b", "fd00::2", "gw", "x_ssmmp=1")
    assert gateway.manager.plan(Update("gw", "gw@2")).refusal, "b has not the new version"
    gateway.register("c", "fd00::3", "gw,gw@2", "x_ssmmp=1")
    assert gateway.manager.plan(Update("gw", "gw@2")).refusal == ""


def test_an_update_goes_round_with_one_free_port(gateway):
    gateway.register("b", "fd00::2", "gw,gw@2", "x_ssmmp=1")
    gateway.register("c", "fd00::3", "gw,gw@2", "x_ssmmp=1")
    gateway.ready(gateway.do(Scale("gw", 2)))
    assert gateway.manager.plan(Update("gw", "gw@2")).refusal == ""
    gateway.ready(gateway.do(Scale("gw", 3)))
    assert "is taken on every node" in gateway.manager.plan(Update("gw", "gw@2")).refusal


def test_more_updates_at_once_than_there_are_free_ports_are_refused(make_talk):
    talk = make_talk(FIXED, ManagerSettings(health_interval=1e6, update_parallel=2))
    talk.start()
    for number in range(1, 5):
        talk.ready(talk.register(f"p{number}", f"fd00::{number}", "gw,gw@2", "x_ssmmp=1"))
    talk.ready(talk.do(Scale("gw", 3)))
    assert "is taken on every node" in talk.manager.plan(Update("gw", "gw@2")).refusal
    talk.register("p9", "fd00::9", "gw,gw@2", "x_ssmmp=1")
    assert talk.manager.plan(Update("gw", "gw@2")).refusal == ""


def test_storage_on_a_fixed_port_leaves_before_its_next_version_comes(make_talk):
    talk = make_talk("[service s]\nkind = baas\nsockets = sql:5432\nreplicas = 1\nstart = eager\n")
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "s,s@2", "x_ssmmp=1"))
    assert talk.manager.plan(Update("s", "s@2")).refusal == ""


def test_an_instance_moves_to_a_node_where_its_port_is_free(make_talk):
    talk = make_talk(FIXED + "place = pack\n")
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "gw", "x_ssmmp=1"))
    talk.register("b", "fd00::2", "gw", "x_ssmmp=1")
    talk.ready(talk.do(Scale("gw", 2)))
    talk.register("c", "fd00::3", "gw", "x_ssmmp=1")
    (step, _) = talk.manager.plan(Migrate(1)).steps
    assert (step.kind, step.node) == ("start", "fd00::3"), "pack prefers b, where the port is taken"

"""The two forms of a connection to the Manager."""

import pytest

from ccproxy.protocols import ssmmp
from ccproxy.testing import message, run_handler
from ccproxy_handlers.ssmmp.agent.handler import SsmmpAgent
from ccproxy_handlers.ssmmp.agent.manager_connections import CONNECT_TIMEOUT


def test_it_calls_again_when_the_line_is_lost(node):
    node.connect()
    node.wire.owner.closed(node.wire, "reset")
    node.ctx.advance(0.49)
    assert len(node.ctx.wires) == 1
    node.ctx.advance(0.1)
    assert len(node.ctx.wires) == 2
    node.wire.owner.closed(node.wire, "refused")
    node.ctx.advance(1.1)
    assert len(node.ctx.wires) == 3


def test_a_manager_behind_other_servers(options):
    with run_handler(SsmmpAgent, options | {"manager": "tcp://10.0.0.9:22632"}) as running:
        ctx = running.ctx
        ctx.advance(0.0)
        [link] = ctx.links
        [asked] = link.take()
        assert asked.type == "ssmmp.initiation_request"
        asked = ssmmp.parse(asked.value()["text"])
        made = ssmmp.MANAGER_TO_AGENT.make("initiation_response", asked.id, status=200)
        link.receive(message(ssmmp.type_of(made), ssmmp.value_of(made)))
        assert running.handler.status()["link"] == "REGISTERED"
        link.receive(message("ssmmp.initiation_response", {"word": 1}))
        assert "no text from the Manager" in ctx.lines[-1]
        link.become("connecting")
        assert running.handler.status()["link"] == "DISCONNECTED"
        ctx.advance(0.5 + CONNECT_TIMEOUT)
        link.become("up")
        ctx.advance(5.0)
        assert [one.type for one in link.take()] == ["ssmmp.initiation_request"]
        assert len(ctx.links) == 1


@pytest.fixture
def linked(options):
    """An agent behind other servers that has asked to be registered."""
    with run_handler(SsmmpAgent, options | {"manager": "tcp://10.0.0.9:22632"}) as running:
        running.ctx.advance(0.0)
        (link,) = running.ctx.links
        link.take()
        yield running, link


def test_a_link_that_is_down_for_a_moment_is_a_new_connection(linked):
    running, link = linked
    link.become("connecting")
    link.become("up")
    assert running.handler.status()["link"] == "DISCONNECTED"
    running.ctx.advance(0.5)
    assert [one.type for one in link.take()] == ["ssmmp.initiation_request"]


def test_a_link_that_does_not_come_up_is_an_attempt_that_failed(linked):
    running, link = linked
    link.become("connecting")
    running.ctx.advance(0.5)
    running.ctx.advance(CONNECT_TIMEOUT)
    link.become("up")
    assert link.take() == [], "the engine waits before the next attempt"
    running.ctx.advance(1.0)
    assert [one.type for one in link.take()] == ["ssmmp.initiation_request"]


def test_what_comes_over_a_link_that_counts_as_closed_is_not_taken(linked):
    running, link = linked
    link.become("connecting")
    made = ssmmp.MANAGER_TO_AGENT.make("initiation_response", 1, status=200)
    link.receive(message(ssmmp.type_of(made), ssmmp.value_of(made)))
    assert running.handler.status()["link"] == "DISCONNECTED"

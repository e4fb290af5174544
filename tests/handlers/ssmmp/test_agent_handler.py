"""The handler `ssmmp-agent` without sockets: both lines to the Manager, and its files."""

import asyncio
import os
import signal
import sys
from dataclasses import replace

import pytest

from ccproxy import NativeAnswer, Plan
from ccproxy.protocols import ssmmp
from ccproxy.testing import message, options_for, run_handler
from ccproxy_handlers.ssmmp.agent.engine import Record
from ccproxy_handlers.ssmmp.agent.handler import SsmmpAgent
from ccproxy_handlers.ssmmp.agent.manager_link import LOOK, PATIENCE

REPOSITORY = f"""
[program job]
exec = {sys.executable} -c 'import time; time.sleep(600)'
ready = hello
"""


class Node:
    """A running agent, and the two ends of what it says."""

    def __init__(self, running):
        self.running = running
        self.ctx = running.ctx
        self.agent = running.handler.agent

    @property
    def wire(self):
        return self.ctx.wires[-1]

    def connect(self):
        """The Manager takes the call."""
        self.ctx.advance(0.0)
        self.wire.owner.opened(self.wire)
        return self.said("initiation_request")

    def said(self, type):
        """The last thing that was said to the Manager in plain text."""
        found = ssmmp.parse(self.wire.written[-1].rstrip(b"\n"))
        assert found.type == type
        return found

    def tell(self, type, id, **fields):
        made = ssmmp.MANAGER_TO_AGENT.make(type, id, **fields)
        self.wire.owner.received(self.wire, ssmmp.format(made))

    def instance(self, type, id, **fields):
        made = ssmmp.INSTANCE_TO_AGENT.make(type, id, **fields)
        return self.running.send(ssmmp.type_of(made), ssmmp.value_of(made))

    def execute(self, key=7):
        self.tell(
            "execution_request", 900, agent_network_address="10.0.0.1", service_name="job",
            service_instance_id=key, socket_configuration=(), plug_configuration=(),
        )  # fmt: skip
        until(self, lambda: key in self.running.handler.hosting.children)


def until(node, condition):
    """Let the loop run; a process is what is waited for."""
    for _ in range(2000):
        node.ctx.settle()
        node.ctx._loop.run_until_complete(_pause())
        if condition():
            return
    raise AssertionError("not within two seconds")


async def _pause():
    await asyncio.sleep(0.001)


@pytest.fixture
def options(tmp_path):
    (tmp_path / "repo.ini").write_text(REPOSITORY)
    return {
        "manager": "ssmmp://10.0.0.9:55555", "address": "10.0.0.1", "node": "n1",
        "repository": str(tmp_path / "repo.ini"), "state": str(tmp_path / "agent.db"),
    }  # fmt: skip


@pytest.fixture
def node(options):
    with run_handler(SsmmpAgent, options) as running:
        node = Node(running)
        yield node
        for key in list(node.agent.state.rows):
            running.handler.hosting.children.kill(key, "KILL")


def test_registration_in_plain_text(node):
    asked = node.connect()
    assert node.wire.address == "tcp://10.0.0.9:55555"
    assert asked.text("agent_network_address") == "10.0.0.1"
    assert (asked.extra("x_node"), asked.extra("x_running")) == ("n1", "()")
    node.tell("initiation_response", asked.id, status=200)
    assert node.running.handler.status()["link"] == "REGISTERED"


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


def test_it_goes_where_it_is_sent(node):
    asked = node.connect()
    made = ssmmp.MANAGER_TO_AGENT.make(
        "initiation_response", asked.id, (("x_manager", "10.0.0.8:55555"),), status=307
    )
    first = node.wire
    first.owner.received(first, ssmmp.format(made))
    node.ctx.advance(0.01)
    assert first.closed and node.wire.address == "tcp://10.0.0.8:55555"
    assert node.running.handler.status()["manager"] == "ssmmp://10.0.0.8:55555"


def test_a_manager_that_falls_silent_is_called_again(node):
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    node.ctx.advance(60)
    assert len(node.ctx.wires) == 1, "this one never said that it would speak"
    node.tell("agent_health_control_request", 5, agent_network_address="10.0.0.1")
    assert node.said("agent_health_control_response").id == 5
    node.ctx.advance(14.9)
    assert len(node.ctx.wires) == 1
    node.ctx.advance(1.0)
    assert len(node.ctx.wires) == 2


def test_what_the_manager_says_wrongly_is_answered(node):
    node.connect()
    node.wire.owner.received(node.wire, b"type: dance_request\nmessage_id: 4\n\n")
    assert b"status: 501" in node.wire.written[-1]
    assert node.ctx.counters["malformed.manager"] == 1


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
        link.state = "connecting"
        ctx.advance(LOOK)
        assert running.handler.status()["link"] == "DISCONNECTED"
        ctx.advance(0.5 + PATIENCE + LOOK)
        link.state = "up"
        ctx.advance(5.0)
        assert [one.type for one in link.take()] == ["ssmmp.initiation_request"]
        assert len(ctx.links) == 1


def test_hello_and_end(node):
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    node.execute()
    token = node.agent.state.rows[7].token
    fields = {"service_name": "job", "service_instance_id": 7}
    refused = ssmmp.parse(node.instance("instance_hello_request", 1, **fields)[0].value()["text"])
    assert refused.status == 403, "the token is missing"
    hello = ssmmp.INSTANCE_TO_AGENT.make(
        "instance_hello_request", 2, (("x_token", token),), **fields
    )
    [answer] = node.running.send(ssmmp.type_of(hello), ssmmp.value_of(hello))
    assert ssmmp.parse(answer.value()["text"]).status == 200
    assert node.said("execution_response").status == 200
    node.ctx.departures[0](b"client")
    assert not node.agent.state.controls
    node.running.handler.hosting.children.kill(7, "TERM")
    until(node, lambda: 7 not in node.agent.state.rows)
    assert node.said("health_control_response").status == 502


def test_it_answers_what_cannot_be_read(node):
    [answer] = node.running.send(
        "ssmmp.session_request", {"text": "type: session_request\nmessage_id: 3"}
    )
    assert ssmmp.parse(answer.value()["text"]).status == 400
    assert node.running.send("ssmmp.session_ack", {"text": "type: x"}) == []
    with pytest.raises(ValueError, match="field 'text'"):
        node.running.send("ssmmp.session_ack", {})
    assert node.ctx.counters["malformed"] == 2


def test_only_what_instances_say_is_taken(node):
    assert type(node.running.handler.decide("ssmmp.initiation_request")).__name__ == "Discard"
    assert type(node.running.handler.decide("ssmmp.session_ack")).__name__ == "Deliver"


def test_the_repository_is_read_again(node, tmp_path):
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    handler = node.running.handler

    def reload(text):
        (tmp_path / "repo.ini").write_text(text)
        handler.reloaded()

    reload("[program other]\nexec = x\n")
    assert node.said("initiation_request").items("service_repository") == ("other",)
    reload("[program other]\nexc = x\n")
    assert "the old repository stays" in node.ctx.lines[-1]
    assert list(node.agent.state.repository.programs) == ["other"]


def test_a_successor_knows_what_runs(options):
    with run_handler(SsmmpAgent, options) as running:
        node = Node(running)
        asked = node.connect()
        node.tell("initiation_response", asked.id, status=200)
        node.execute()
        pid = node.agent.state.rows[7].pid
    with run_handler(SsmmpAgent, options) as running:
        node = Node(running)
        assert list(node.agent.state.rows) == [7]
        assert 7 in running.handler.hosting.children
        os.killpg(pid, signal.SIGKILL)
        until(node, lambda: not node.agent.state.rows)


def test_another_process_with_the_same_id_is_none_of_ours(options):
    with run_handler(SsmmpAgent, options) as running:
        node = Node(running)
        asked = node.connect()
        node.tell("initiation_response", asked.id, status=200)
        node.execute()
        state, keep = node.agent.state, running.handler._keep
        pid = state.rows[7].pid
        # As if the process had ended and this one had got its id.
        row = replace(state.rows[7], pid=os.getpid())
        keep.write([Record("process", 7, row)])
    with run_handler(SsmmpAgent, options) as running:
        assert not running.handler.agent.state.rows
    os.killpg(pid, signal.SIGKILL)


def test_a_start_that_fails_leaves_nothing(options, tmp_path):
    with pytest.raises(OSError), run_handler(SsmmpAgent, options | {"repository": "/nowhere"}):
        pass


@pytest.mark.parametrize(
    ("option", "text", "what"),
    [
        ("manager", "ssmmp://host", "port"),
        ("manager", "http://host:1", "expected"),
        ("address", "somewhere", "network address"),
    ],
)
def test_wrong_options_are_named(options, option, text, what):
    with pytest.raises(ValueError, match=what):
        options_for(SsmmpAgent, options | {option: text})


def test_check_names_what_is_missing(options, tmp_path):
    handler = SsmmpAgent("h:agent", options_for(SsmmpAgent, options))
    plan = Plan("a.ini", "a", None, (), (), ())
    whats = [one.what for one in handler.check(plan)]
    assert "no listener with protocol = ssmmp is there" in whats[0]
    assert "no route leads to it" in whats[1]
    (tmp_path / "repo.ini").write_text("[program a]\n")
    assert any("lacks" in one.what for one in handler.check(plan))
    (tmp_path / "repo.ini").unlink()
    assert any("No such file" in one.what for one in handler.check(plan))


def test_it_hangs_up_on_instances_when_it_stops(options):
    told = []

    class Origin:
        def answer(self, message, answer):
            told.append(answer)
            return "replied"

    with run_handler(SsmmpAgent, options) as running:
        made = ssmmp.INSTANCE_TO_AGENT.make(
            "instance_hello_request", 1, service_name="job", service_instance_id=1
        )
        running.give(replace(message(ssmmp.type_of(made), ssmmp.value_of(made)), origin=Origin()))
    assert told[-1] == NativeAnswer(b"")

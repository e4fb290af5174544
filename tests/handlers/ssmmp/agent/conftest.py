"""A running agent without sockets, and the two ends of what it says."""

import asyncio
import sys
import time

import pytest

from ccproxy.protocols import ssmmp
from ccproxy.testing import run_handler
from ccproxy_handlers.ssmmp.agent.handler import SsmmpAgent

SECONDS = 60.0

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
        self.until(lambda: key in self.running.handler.runner.children)

    def until(self, condition):
        """Let the loop run; a process is what is waited for."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.ctx.settle()
            self.ctx._loop.run_until_complete(asyncio.sleep(0.001))
            if condition():
                return
        raise AssertionError("it did not happen")


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
            running.handler.runner.children.kill(key, "KILL")


@pytest.fixture
def running_node():
    """What makes a Node of a handler that runs."""
    return Node

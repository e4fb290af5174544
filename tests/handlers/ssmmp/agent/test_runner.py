"""What runs on the node, over a restart of the agent."""

import os
import signal
from dataclasses import replace

from ccproxy.testing import run_handler
from ccproxy_handlers.ssmmp.agent.engine import Record
from ccproxy_handlers.ssmmp.agent.handler import SsmmpAgent


def test_a_successor_knows_what_runs(options, running_node):
    with run_handler(SsmmpAgent, options) as running:
        node = running_node(running)
        asked = node.connect()
        node.tell("initiation_response", asked.id, status=200)
        node.execute()
        pid = node.agent.state.rows[7].pid
    with run_handler(SsmmpAgent, options) as running:
        node = running_node(running)
        assert list(node.agent.state.rows) == [7]
        assert 7 in running.handler.runner.children
        os.killpg(pid, signal.SIGKILL)
        node.until(lambda: not node.agent.state.rows)


def test_another_process_with_the_same_id_is_none_of_ours(options, running_node):
    with run_handler(SsmmpAgent, options) as running:
        node = running_node(running)
        asked = node.connect()
        node.tell("initiation_response", asked.id, status=200)
        node.execute()
        state, file = node.agent.state, running.handler._file
        pid = state.rows[7].pid
        # As if the process had ended and this one had got its id.
        row = replace(state.rows[7], pid=os.getpid())
        file.write([Record("process", 7, row)])
    with run_handler(SsmmpAgent, options) as running:
        assert not running.handler.agent.state.rows
    os.killpg(pid, signal.SIGKILL)

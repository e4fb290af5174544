"""A plan through bluesky-queueserver: queueserver_calls.py CONTROL-ADDRESS CONSOLE-ADDRESS.

Runs with the Python that has bluesky-queueserver. Says in JSON how the plan ended, and what lines
of the manager's console have come.
"""

import json
import sys
import threading
import time

from bluesky_queueserver import ReceiveConsoleOutput, ZMQCommSendThreads

SECONDS = 60
COUNT = {"name": "count", "args": [["det1", "det2"]], "kwargs": {"num": 3}, "item_type": "plan"}
WHO = {"user": "tester", "user_group": "primary"}


class Manager:
    """The client of a manager."""

    def __init__(self, address):
        self._client = ZMQCommSendThreads(zmq_server_address=address, timeout_recv=1000 * SECONDS)

    def call(self, method, **params):
        """The answer to a call that the manager has to obey."""
        answer = self._client.send_message(method=method, params=params)
        if answer.get("success") is False:
            raise RuntimeError(f"{method}: {answer['msg']}")
        return answer

    def wait_for(self, **wanted):
        """Until the status is so."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            status = self.call("status")
            if all(status[name] == value for name, value in wanted.items()):
                return
            time.sleep(0.1)
        raise TimeoutError(status)


def console_lines(address, lines):
    """Collect the console of the manager, for as long as the program runs."""
    console = ReceiveConsoleOutput(zmq_subscribe_addr=address, timeout=1000)
    while True:
        try:
            lines.append(console.recv()["msg"])
        except TimeoutError:
            continue


def main(control, console):
    lines = []
    threading.Thread(target=console_lines, args=(console, lines), daemon=True).start()
    manager = Manager(control)
    manager.call("environment_open")
    manager.wait_for(worker_environment_exists=True, manager_state="idle")
    manager.call("queue_item_add", item=COUNT, **WHO)
    manager.call("queue_start")
    manager.wait_for(items_in_history=1, manager_state="idle")
    [done] = manager.call("history_get")["items"]
    manager.call("environment_close")
    manager.wait_for(worker_environment_exists=False, manager_state="idle")
    print(json.dumps([done["name"], done["result"]["exit_status"], "".join(lines)]))


main(*sys.argv[1:])

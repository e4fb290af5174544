"""What test_programs.py asks of Jupyter: two clients of one kernel, through all of its channels.

jupyter_clients.py CONNECTION-FILE; prints what they saw as one line of JSON.
"""

import json
import sys

import zmq
from jupyter_client import BlockingKernelClient

SECONDS = 60


class Client:
    def __init__(self, connection_file):
        self.client = BlockingKernelClient(connection_file=connection_file)
        self.client.load_connection_file()
        # By default a kernel that needs more than a second to start, or to answer, is dead.
        self.client.hb_channel.time_to_dead = SECONDS
        self.client.start_channels()
        self.client.wait_for_ready(SECONDS)
        self.printed = ""

    def beats(self):
        """Whether a heartbeat is answered."""
        with self.client.context.socket(zmq.REQ) as heart:
            heart.linger, heart.rcvtimeo = 0, 1000 * SECONDS
            heart.connect(self.client.hb_channel.address)
            heart.send(b"ping")
            return heart.recv() == b"ping"

    def run(self, code, answer=None):
        """Execute it; what was printed, and what the kernel asked."""
        asked = []
        self.printed = ""

        def stdin(message):
            asked.append(message["content"]["prompt"])
            self.client.input(answer)

        reply = self.client.execute_interactive(
            code,
            stop_on_error=False,  # or the kernel aborts what comes next, for a moment
            allow_stdin=answer is not None,
            timeout=SECONDS,
            output_hook=self.output,
            stdin_hook=stdin,
        )
        return [reply["content"]["status"], self.printed, asked]

    def output(self, message):
        if message["msg_type"] == "stream":
            self.printed += message["content"]["text"]

    def ask(self, kind, content):
        """A request on the control channel; the type of its reply."""
        request = self.client.session.msg(kind, content)
        self.client.control_channel.send(request)
        while True:
            reply = self.client.get_control_msg(timeout=SECONDS)
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return [reply["msg_type"], reply["content"]["status"]]

    def interrupted_by(self, other):
        """Run what would never end; how it ends.

        It sleeps in short steps: a SIGINT that arrives just before the system call of a sleep is
        seen only after it, by any Python.
        """
        code = "import time\nprint('begun', flush=True)\nwhile True:\n    time.sleep(0.05)"
        request = self.client.execute(code, stop_on_error=False)
        self.printed = ""
        while "begun" not in self.printed:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") == request:
                self.output(message)
        said = other.ask("interrupt_request", {})
        reply = self.client._recv_reply(request, timeout=SECONDS)
        return [*said, reply["content"]["ename"]]


def main(connection_file):
    one, two = Client(connection_file), Client(connection_file)
    found = {
        "run": one.run("print(6 * 7)"),
        "asked one": one.run("name = input('who? ')\nprint('hello', name)", "Ada"),
        "asked two": two.run("other = input('and? ')\nprint(name, other)", "Grace"),
        "large": len(two.run("print('x' * 3_000_000)")[1]),
        "error": one.run("1 / 0")[0],
        "interrupted": one.interrupted_by(two),
        "after": two.run("print(name)"),
        "heartbeats": [each.beats() for each in (one, two)],
        "shutdown": two.ask("shutdown_request", {"restart": False}),
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

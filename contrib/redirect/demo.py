#!/usr/bin/env python3
"""The redirector at work: conf/redirect.ini on free ports, in front of two services in Python.

    clients --sodep--> /!/Sum, /!/Sub --> ccserver --sodep--> sum, sub

Clients call both services by resource name, by operation, and through CC; then one service is
stopped and its callers are told at once. Exit status 1 if any answer is not the expected one.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from ccproxy.client import Client
from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.values import Answer, Call, Fault, Tree
from ccproxy.testing import running_server

HERE = Path(__file__).resolve().parent
CONF = HERE.parents[1] / "conf" / "redirect.ini"
ANSWER_TIMEOUT = 10.0
"""Seconds a client waits."""


class SodepClient:
    """A client that speaks sodep, as a Jolie program with a location of its own for each name."""

    def __init__(self, port: int) -> None:
        self._form = Sodep()
        self._side = self._form.service()
        self._sock = socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT)

    def ask(self, path: str, operation: str, x: int, y: int) -> Answer:
        """Make one call and wait for its answer."""
        value = Tree(None, {"x": [Tree(x)], "y": [Tree(y)]})
        request = self._form.request(Call(path, operation, value), 1)
        self._sock.sendall(b"".join(self._side.send(request)))
        while not (found := self._side.feed(self._sock.recv(65536))):
            pass
        return found[0].answer

    def close(self) -> None:
        """Hang up."""
        self._sock.close()


def shown(answer: Answer) -> str:
    """An answer as one word or line."""
    payload = answer.value.tree().payload
    return f"fault {answer.name}: {payload!s}" if isinstance(answer, Fault) else str(payload)


def service(operation: str) -> tuple[subprocess.Popen[str], str]:
    """Start a service; its process and port."""
    command = [sys.executable, str(HERE / "service.py"), operation]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def stop(process: subprocess.Popen[str]) -> None:
    """End a service."""
    process.send_signal(signal.SIGINT)
    process.wait(ANSWER_TIMEOUT)
    assert process.stdout is not None
    process.stdout.close()


def configuration(sum_port: str, sub_port: str) -> str:
    """conf/redirect.ini with the ports of the services, and free ones for the server."""
    text = CONF.read_text("utf-8").replace("22661", sum_port).replace("22662", sub_port)
    return re.sub(r"\b226(\d\d)\b", r"PORT\1", text)


def run(stack: ExitStack) -> bool:
    """The whole demonstration; True if every answer was the expected one."""
    (summing, sum_port), (subtracting, sub_port) = service("sum"), service("sub")
    stack.callback(stop, subtracting)
    server = stack.enter_context(running_server(configuration(sum_port, sub_port)))
    caller = SodepClient(server.ports["PORT60"])
    stack.callback(caller.close)
    right = True

    def say(what: str, found: str, expected: str) -> None:
        nonlocal right
        right &= expected in found
        print(f"  {what:<44} {found}" + ("" if expected in found else f"   EXPECTED {expected}"))

    where = f"socket://127.0.0.1:{server.ports['PORT60']}"
    print(f"services sum at {sum_port}, sub at {sub_port}; callers use {where}")
    say(f"{where}/!/Sum  sum 5 3", shown(caller.ask("/Sum", "sum", 5, 3)), "8")
    say(f"{where}/!/Sub  sub 5 3", shown(caller.ask("/Sub", "sub", 5, 3)), "2")
    say(f"{where}  sub 5 3", shown(caller.ask("/", "sub", 5, 3)), "2")
    with Client(server.address("PORT59")) as client:
        data = client.request("calc.Sum.sum", {"x": 5, "y": 3}).value["data"]
        say("the same by CC: calc.Sum.sum 5 3", str(data), "8")
    say("  /!/Nope  sum 5 3", shown(caller.ask("/Nope", "sum", 5, 3)), "Unknown resource: /Nope")
    stop(summing)
    say("  /!/Sum   once it is stopped", shown(caller.ask("/Sum", "sum", 5, 3)), "IOException")
    say("  /!/Sub   is not harmed", shown(caller.ask("/Sub", "sub", 7, 3)), "4")
    return right


def main() -> int:
    """Run; the exit status is returned."""
    with ExitStack() as stack:
        right = run(stack)
    print("every answer was the expected one" if right else "FAILED")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""A CLARA-style orchestrator: finds the DPEs, deploys two services, and sends texts through them.

    python orchestrator.py 127.0.0.1%7791_python

The name is that of the front-end. Exit status 1 if an answer is missing or wrong.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from names import DpeName, chain
from registry import Registrar, query
from xmsg import TEXT, Connection, Connections, Message, Proxy

TIMEOUT = 10.0
"""Seconds to wait for any answer."""


class Orchestrator:
    """Requests of one user to any DPE; belongs to one thread."""

    def __init__(self, frontend: DpeName, name: str = "orchestrator", **connecting: Any) -> None:
        """`connecting` are arguments of its connections."""
        self.name = name
        self._frontend = frontend
        self._connections = Connections(**connecting)
        self._registrar = Registrar(frontend.registrar, sender=name)
        self._number = 0

    def __enter__(self) -> Orchestrator:
        return self

    def __exit__(self, *error: object) -> None:
        self._registrar.close()
        self._connections.close()

    def dpes(self) -> list[DpeName]:
        """All DPEs that are registered."""
        found = self._registrar.ask("filterSubscriber", query("dpe"))
        return sorted(DpeName.parse(one.name) for one in found)

    def services(self) -> list[str]:
        """All services that are registered."""
        found = self._registrar.ask("allSubscriber", query())
        return sorted(one.name for one in found if one.domain not in ("dpe", "container"))

    def deploy(self, dpe: DpeName, container: str, engine: str, class_name: str) -> str:
        """Start a service, and its container; the name of the service."""
        self.command(dpe, f"startContainer?{container}?1?undefined")
        self.command(dpe, f"startService?{container}?{engine}?{class_name}?1?undefined?undefined")
        return f"{dpe}:{container}:{engine}"

    def command(self, dpe: DpeName, text: str) -> str:
        """A request to a DPE; the text of the answer, ValueError if it is an error."""
        return _text(self._ask(dpe.proxy, Message.text(f"dpe:{dpe}", text, author=self.name)))

    def set_reports(self, service: str, what: str, number: int) -> None:
        """Let a service report `Done` or `Data` after each `number` requests."""
        message = Message.text(service, f"serviceReport{what}?{number}", author=self.name)
        _text(self._ask(DpeName.parse(service).proxy, message))

    def ask(self, service: str, kind: str, data: bytes) -> Message:
        """Let one service work on data, and wait for the result."""
        message = self._data(service, f"{service};", kind, data)
        return self._ask(DpeName.parse(service).proxy, message)

    def send(self, composition: str, kind: str, data: bytes) -> int:
        """Send data along a composition; the number that its reports will carry."""
        first = chain(composition)[0]
        message = self._data(first, composition, kind, data)
        there = self._connections.at(DpeName.parse(first).proxy)
        if not there.wanted(first, TIMEOUT):
            raise TimeoutError(f"{first} does not run")
        there.publish(message)
        return self._number

    def watch(self, topic: str) -> Connection:
        """Subscribe to reports at the front-end, such as `data:NAME` or `dpeAlive:`."""
        found = self._connections.at(self._frontend.proxy)
        found.subscribe(topic)
        return found

    def _data(self, service: str, composition: str, kind: str, data: bytes) -> Message:
        self._number += 1
        fields = {"author": self.name, "sender": self.name, "communicationId": self._number}
        return Message.of(service, kind, data, action="EXECUTE", composition=composition, **fields)

    def _ask(self, proxy: Proxy, message: Message) -> Message:
        return self._connections.at(proxy).request(message, TIMEOUT)


def _text(answer: Message) -> str:
    if answer.meta.status == 3:
        raise ValueError(answer.data.decode())
    return answer.data.decode()


def work(orchestrator: Orchestrator, requests: int) -> bool:
    """Deploy on all DPEs, ask and send; True if all answers were right."""
    dpes = orchestrator.dpes()
    print(f"DPEs: {', '.join(map(str, dpes))}")
    upper = orchestrator.deploy(dpes[0], "text", "Upper", "Upper")
    reverse = orchestrator.deploy(dpes[-1], "text", "Reverse", "Reverse")
    orchestrator.set_reports(reverse, "Data", 1)
    reports = orchestrator.watch(f"data:{reverse}")
    right = 0
    for number in range(requests):
        answer = orchestrator.ask(upper, TEXT, b"text %d" % number)
        right += answer.data == b"TEXT %d" % number
    print(f"{upper} answered, {right} of {requests} right")
    sent = {
        orchestrator.send(f"{upper}+{reverse};", TEXT, b"event %d" % number): number
        for number in range(requests)
    }
    for _ in range(requests):
        report = reports.receive(TIMEOUT)
        if report is None:
            break
        expected = f"EVENT {sent.pop(report.meta.communicationId)}"[::-1]
        right += report.data.decode() == expected
    print(f"{upper} + {reverse}: {requests - len(sent)} of {requests} came back")
    return right == 2 * requests


def main() -> int:
    """Run once; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("frontend", type=DpeName.parse, help="HOST[%%PORT]_LANGUAGE")
    parser.add_argument("--requests", type=int, default=100, help="how many of each kind")
    args = parser.parse_args()
    with Orchestrator(args.frontend) as orchestrator:
        fine = work(orchestrator, args.requests)
    print("all answers were right" if fine else "FAILED")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

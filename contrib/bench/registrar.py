#!/usr/bin/env python3
"""How quickly `xmsg-registrar` answers with 100,000 records, and how long it ever stops its loop.

    python contrib/bench/registrar.py [--records N] [--queries N] [--state]

A client registers services of 50 DPEs as CLARA does, and then asks each kind of question; a second
client asks a small question all the time, also while the first gets all records. What that one
waits is what every other client waits. Run it while nothing else does.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import zmq

from ccproxy.testing import running_server
from ccproxy_handlers.xmsg.messages import classes

MESSAGE = classes()["Registration"]
DPES, CONTAINERS = 50, 20
INI = """
[ccserver]
cc-role = local
[h:registrar]
handler = xmsg-registrar
address = tcp://127.0.0.1:PORT1
"""
WINDOW = 100
"""Registrations on their way at a time."""


def service(number: int) -> Any:
    """The registration of a service."""
    host = f"10.1.{number % DPES}.1"
    dpe, container = f"{host}_java", f"c{number // DPES % CONTAINERS}"
    return MESSAGE(
        name=f"{dpe}:{container}:e{number}", host=host, port=7771, domain=dpe, subject=container,
        type=f"e{number}",
    )  # fmt: skip


def query(host: str = "undefined", **parts: str) -> Any:
    """A question; parts that are not given are any."""
    wanted = {"domain": "*", "subject": "*", "type": "*", **parts}
    return MESSAGE(name="undefined", host=host, port=0, **wanted)


QUESTIONS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "exactSubscriber, one service": ("exactSubscriber", service),
    "findSubscriber, one service": ("findSubscriber", service),
    "filterSubscriber, a type": ("filterSubscriber", lambda n: query(type=f"e{n}")),
    "filterSubscriber, a container of a DPE": (
        "filterSubscriber",
        lambda n: query(domain=f"10.1.{n % DPES}.1_java", subject=f"c{n % CONTAINERS}"),
    ),
    "filterSubscriber, a host (1/50 of all)": (
        "filterSubscriber", lambda n: query(host=f"10.1.{n % DPES}.1"),
    ),
}  # fmt: skip


class Client:
    """A DEALER that speaks as a REQ, so that several requests can be on their way."""

    def __init__(self, address: str) -> None:
        self._socket = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.linger, self._socket.rcvtimeo = 0, 60_000
        self._socket.connect(address)

    def send(self, action: str, message: Any) -> None:
        """Send one request."""
        self._socket.send_multipart([b"", action.encode(), b"bench", message.SerializeToString()])

    def answer(self) -> int:
        """Take one answer, which must be a success; how many records it has."""
        frames = self._socket.recv_multipart()
        assert frames[3] == b"success", frames[3]
        return len(frames) - 4

    def ask(self, action: str, message: Any) -> tuple[float, int]:
        """Milliseconds of a request, and how many records came."""
        begun = time.perf_counter()
        self.send(action, message)
        count = self.answer()
        return 1000 * (time.perf_counter() - begun), count


def shown(title: str, times: list[float], note: str = "") -> None:
    """One line of the result."""
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    print(f"{title:<42} p50 {p50:7.2f}  p99 {p99:7.2f}  worst {times[-1]:7.2f} ms  {note}")


def register(client: Client, records: int) -> None:
    """Register all services, `WINDOW` at a time."""
    begun = time.perf_counter()
    for number in range(records + WINDOW):
        if number < records:
            client.send("registerSubscriber", service(number))
        if number >= WINDOW:
            client.answer()
    seconds = time.perf_counter() - begun
    print(f"{records} registrations in {seconds:.1f} s, {records / seconds:.0f}/s")


def beside(address: str, work: Callable[[], None]) -> list[float]:
    """Milliseconds of small questions of one client while this work is done."""
    ended = threading.Event()
    times: list[float] = []

    def ask() -> None:
        client = Client(address)
        while not ended.is_set():
            times.append(client.ask("exactSubscriber", service(1))[0])

    thread = threading.Thread(target=ask)
    thread.start()
    work()
    ended.set()
    thread.join()
    return times


def main() -> int:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000, help="of each kind")
    parser.add_argument("--state", action="store_true", help="keep the records in a file")
    args = parser.parse_args()
    text = INI + ("state = records.db\n" if args.state else "")
    with running_server(text, 60) as server:
        address = server.address()
        client = Client(address)
        shown("beside registrations", beside(address, lambda: register(client, args.records)))
        for title, (action, question) in QUESTIONS.items():
            asked = [client.ask(action, question(n)) for n in range(args.queries)]
            shown(title, [one for one, _ in asked], f"{asked[-1][1]} records")
        every: list[float] = []
        times = beside(
            address,
            lambda: every.extend(client.ask("allSubscriber", query())[0] for _ in range(20)),
        )
        shown("allSubscriber", every, f"{args.records} records")
        shown("beside allSubscriber", times)
        removal = beside(address, lambda: remove(client))
        shown("beside the removal of all hosts", removal)
    return 0


def remove(client: Client) -> None:
    """Remove all hosts, one after the other, and wait a moment for the end of that."""
    for number in range(DPES):
        client._socket.send_multipart(
            [b"", b"removeAllRegistration", b"bench", f"10.1.{number}.1".encode()]
        )
        client.answer()
    time.sleep(1.0)


if __name__ == "__main__":
    sys.exit(main())

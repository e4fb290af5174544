#!/usr/bin/env python3
"""How the cost of a published message grows with topics, subscribers and changes of subscriptions.

    python contrib/bench/bus.py [--runs 3] [--messages 200000] [--only topics,subscribers,all,churn]

A `ccserver` with an XSUB listener and an XPUB handler, a publisher and subscribers that are plain
sockets with prepared ZMTP bytes, so that the server limits the speed. Prints a Markdown table:
messages published per second, the server's processor time per message and per delivery, as medians,
and the time per message divided by that of the first row of the group. Needs Linux.
"""

from __future__ import annotations

import argparse
import random
import selectors
import socket
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from growth import connect, cpu, joined
from subscriptions import Server

from ccproxy.wire.zmtp import pack

BODY = b"x" * 200
AHEAD = 16 * 1024 * 1024
"""Bytes that the publisher may be ahead of the subscribers, so that no queue gets full."""
LAST = b"~last"
"""The topic of the last message, which every subscriber wants."""


@dataclass(frozen=True)
class Case:
    """One row: topics, subscribers, changes of subscriptions per second, and who wants what."""

    group: str
    topics: int = 1000
    subscribers: int = 1
    changes: int = 0

    @property
    def deliveries(self) -> int:
        """Subscribers of each message: one, or all of them."""
        return self.subscribers if self.group == "all" else 1

    def prefixes(self, number: int) -> list[bytes]:
        """What a subscriber wants: everything, or its share of the topics, each by its name."""
        if self.group == "all":
            return [b""]
        return [topic(one) for one in range(number, self.topics, self.subscribers)]


CASES = [
    *(Case("topics", topics=n) for n in (1, 10, 100, 1_000, 10_000)),
    *(Case("subscribers", subscribers=n) for n in (1, 10, 100, 1_000)),
    *(Case("all", topics=1, subscribers=n) for n in (1, 10, 100, 1_000)),
    *(Case("churn", subscribers=100, changes=n) for n in (0, 10, 100, 1_000, 10_000)),
]


def topic(number: int) -> bytes:
    """The name of a topic."""
    return b"t%06d" % number


class Subscribers(threading.Thread):
    """All subscribers of a case: they count bytes until each has got the last message."""

    def __init__(self, socks: list[socket.socket], expected: int) -> None:
        super().__init__(daemon=True)
        self.got = 0
        self.expected = expected
        self.ended = 0.0
        self._selector = selectors.DefaultSelector()
        for sock in socks:
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ)

    def run(self) -> None:
        """Read until everything has come."""
        buffer = bytearray(1 << 20)
        while self.got < self.expected:
            for key, _ in self._selector.select(10):
                assert isinstance(key.fileobj, socket.socket)
                self.got += key.fileobj.recv_into(buffer)
        self.ended = time.perf_counter()


class Churn(threading.Thread):
    """A subscriber that subscribes to topics and cancels them, so many times a second."""

    def __init__(self, sock: socket.socket, case: Case) -> None:
        super().__init__(daemon=True)
        self.over = False
        self.changes = 0
        self._sock = sock
        self._case = case

    def run(self) -> None:
        """Change until it is over."""
        begun = time.perf_counter()
        while not self.over:
            due = int((time.perf_counter() - begun) * self._case.changes) - self.changes
            changes = []
            for number in range(self.changes, self.changes + due):
                wanted = b"\1" if number % 2 == 0 else b"\0"
                changes.append(pack([wanted + b"u" + topic(number // 2 % self._case.topics)]))
            self._sock.sendall(b"".join(changes))
            self.changes += due
            time.sleep(0.005)


def batches(case: Case, messages: int) -> tuple[list[bytes], int]:
    """The messages in pieces, topics in random order; bytes of them all."""
    order = random.Random(1)
    topics = (topic(order.randrange(case.topics)) for _ in range(messages))
    made = joined(pack([name, BODY]) for name in topics)
    return made, sum(map(len, made))


def measure(case: Case, messages: int) -> tuple[float, float]:
    """One run: messages a second, microseconds of the server's processor time per message."""
    messages //= case.deliveries if case.deliveries < 100 else 100
    pieces, size = batches(case, messages)
    with ExitStack() as stack:
        server = Server(Path(stack.enter_context(TemporaryDirectory(prefix="bus-"))))
        stack.callback(server.process.wait)
        stack.callback(server.process.terminate)
        publisher = stack.enter_context(connect(server.front, b"PUB"))
        socks = []
        for number in range(case.subscribers):
            sock = stack.enter_context(connect(server.back, b"SUB"))
            prefixes = [*case.prefixes(number), LAST]
            sock.sendall(b"".join([pack([b"\1" + prefix]) for prefix in prefixes]))
            socks.append(sock)
        ready(publisher, socks)
        churn = Churn(stack.enter_context(connect(server.back, b"SUB")), case)
        subscribers = Subscribers(socks, case.deliveries * size)
        begun, before = time.perf_counter(), cpu(server.process.pid)
        subscribers.start()
        if case.changes:
            churn.start()
        sent = 0
        for piece in pieces:
            while sent * case.deliveries - subscribers.got > AHEAD:
                time.sleep(0.001)
            publisher.sendall(piece)
            sent += len(piece)
        subscribers.join(300)
        used = cpu(server.process.pid) - before
        churn.over = True
    if not subscribers.ended:
        raise TimeoutError(f"{case}: messages are missing")
    return messages / (subscribers.ended - begun), used / messages * 1e6


def ready(publisher: socket.socket, socks: list[socket.socket]) -> None:
    """Wait until each subscriber gets messages, and take those out."""
    message = pack([LAST, b""])
    for sock in socks:
        sock.settimeout(0.2)
    left = list(socks)
    while left:
        publisher.sendall(message)
        time.sleep(0.1)
        left = [sock for sock in left if not drained(sock)]
    time.sleep(0.5)
    for sock in socks:
        drained(sock)


def drained(sock: socket.socket) -> bool:
    """Read what is there; True if there was something."""
    sock.setblocking(False)
    try:
        return bool(sock.recv(1 << 16))
    except BlockingIOError:
        return False


def main() -> int:
    """Measure all cases in turn, `--runs` times, and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--only", default="topics,subscribers,all,churn")
    args = parser.parse_args()
    cases = [case for case in CASES if case.group in args.only.split(",")]
    found: dict[Case, list[tuple[float, float]]] = {case: [] for case in cases}
    for _ in range(args.runs):
        for case in random.sample(cases, len(cases)):
            found[case].append(measure(case, args.messages))
    print("| topics / subscribers of each message, of all / changes per second | messages/s |"
          " us per message | per delivery | ratio |")  # fmt: skip
    print("|---|---|---|---|---|")
    first: dict[str, float] = {}
    for case in cases:
        rate, used = (statistics.median(values) for values in zip(*found[case], strict=True))
        base = first.setdefault(case.group, used)
        title = f"{case.topics:,} / {case.deliveries:,}, {case.subscribers:,} / {case.changes:,}"
        each = used / case.deliveries
        print(f"| {title} | {rate:,.0f} | {used:.2f} | {each:.2f} | {used / base:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

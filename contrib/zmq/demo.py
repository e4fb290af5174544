#!/usr/bin/env python3
"""ZeroMQ programs at work around one ccserver, which runs a copy of conf/devices.ini on free ports.

    2 publishers -> bus  -> 3 SUB       each message to the subscribers of its topic
    PUSH         -> job  -> 3 PULL      each job to one worker
    4 REQ        -> call -> 2 REP       each answer to the program that asked

The programs are threads with pyzmq that know nothing of ccproxy. Everything must arrive where it
should, once; otherwise the exit status is 1.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from ccproxy.testing import RunningServer, running_server

CONF = Path(__file__).resolve().parents[2] / "conf" / "devices.ini"
TOPICS = ("traffic", "weather.lima", "weather.oslo")
PUBLISHED = 300
"""Messages of each publisher."""
JOBS = 300
CALLS = 100
"""Calls of each caller."""
TIMEOUT = 20
"""Seconds that a program waits for a message."""
END = b"end"

Work = Callable[[Any], Any]


class Programs:
    """Threads with one socket each; `found` has what each of them returned, by its name."""

    def __init__(self, server: RunningServer) -> None:
        self.found: dict[str, Any] = {}
        self.ended = threading.Event()
        """Tells workers and services that nothing more will come."""
        self._server = server
        self._threads: dict[str, threading.Thread] = {}

    def start(self, name: str, kind: int, port: int, work: Work) -> None:
        """Run a program; `work` gets its socket, which connects to this port of the INI file."""

        def run() -> None:
            with zmq.Context() as context, context.socket(kind) as made:
                made.linger = made.rcvtimeo = made.sndtimeo = 1000 * TIMEOUT
                made.connect(self._server.address(f"PORT{port}"))
                try:
                    self.found[name] = work(made)
                except zmq.Again:
                    print(f"  {name}: nothing came for {TIMEOUT} s")

        self._threads[name] = threading.Thread(target=run)
        self._threads[name].start()

    def join(self, *names: str) -> None:
        """Wait until these programs have ended; without a name, until all have."""
        for name in names or tuple(self._threads):
            self._threads[name].join()

    def sums(self, *names: str) -> int:
        """What these programs have counted together."""
        return sum(self.found.get(name, 0) for name in names)

    def until_the_end(self, work: Work) -> Work:
        """A program that does this with each message until `ended`; it counts them."""

        def loop(made: Any) -> int:
            count = 0
            while not self.ended.is_set():
                if made.poll(20):
                    work(made)
                    count += 1
            return count

        return loop


def publish(made: Any) -> int:
    """Publish once all three subscribers are known, which an XPUB is told and a PUB is not."""
    wanted: set[bytes] = set()
    while wanted != {b"\1", b"\1weather", b"\1weather.oslo", b"\1" + END}:
        wanted.add(made.recv())
    for number in range(PUBLISHED):
        made.send_multipart([TOPICS[number % 3].encode(), b"%d" % number])
    made.send(END)
    return PUBLISHED


def subscribe(prefix: str) -> Work:
    """Count messages by their topic until both publishers have ended."""

    def work(made: Any) -> Counter[str]:
        made.subscribe(prefix)
        made.subscribe(END)
        came: Counter[str] = Counter()
        while came[END.decode()] < 2:
            came[made.recv_multipart()[0].decode()] += 1
        del came[END.decode()]
        return came

    return work


def bus(server: RunningServer) -> bool:
    """Publish/subscribe; True if each subscriber got what it wanted, once."""
    programs = Programs(server)
    prefixes = ("", "weather", "weather.oslo")
    for prefix in prefixes:
        programs.start(prefix, zmq.SUB, 5556, subscribe(prefix))
    for name in ("publisher 1", "publisher 2"):
        programs.start(name, zmq.XPUB, 5555, publish)
    programs.join()
    fine = True
    for prefix in prefixes:
        came = programs.found.get(prefix, {})
        each = 2 * PUBLISHED // len(TOPICS)
        fine &= came == {topic: each for topic in TOPICS if topic.startswith(prefix)}
        shown = " ".join(f"{topic}={count}" for topic, count in sorted(came.items()))
        print(f"  SUB {prefix!r:<14} got {shown}")
    return fine


def jobs(server: RunningServer) -> bool:
    """A pool of workers; True if each job was done once, and no worker was idle."""
    programs = Programs(server)
    done: list[bytes] = []

    def work(made: Any) -> None:
        done.append(made.recv_multipart()[1])

    def produce(made: Any) -> None:
        while len(done) < len(workers):  # the first jobs find all workers, one after the other
            made.send_multipart([b"job", b"first"])
            time.sleep(0.01)
        for number in range(JOBS):
            made.send_multipart([b"job", b"%d" % number])

    workers = ("worker 1", "worker 2", "worker 3")
    for name in workers:
        programs.start(name, zmq.PULL, 5558, programs.until_the_end(work))
    programs.start("producer", zmq.PUSH, 5557, produce)
    wanted = {b"%d" % number for number in range(JOBS)}
    end = time.monotonic() + TIMEOUT
    while not wanted <= set(done) and time.monotonic() < end:
        time.sleep(0.01)
    programs.ended.set()
    programs.join()
    print("  " + ", ".join(f"{name} did {programs.found.get(name)}" for name in workers))
    idle = [name for name in workers if not programs.found.get(name)]
    numbered = [one for one in done if one != b"first"]
    return len(numbered) == JOBS and set(numbered) == wanted and not idle


def calls(server: RunningServer) -> bool:
    """Calls; True if each caller got the answers to its own questions, in order."""
    programs = Programs(server)

    def call(made: Any) -> int:
        right = 0
        name = threading.current_thread().name.encode()
        for number in range(CALLS):
            made.send_multipart([name, b"%d" % number])
            right += made.recv_multipart()[1:] == [name, b"%d" % number]
        return right

    def answer(made: Any) -> None:
        made.send_multipart([b"answer", *made.recv_multipart()])

    services = ("service 1", "service 2")
    for name in services:
        programs.start(name, zmq.REP, 5560, programs.until_the_end(answer))
    callers = [f"caller {number}" for number in range(1, 5)]
    for name in callers:
        programs.start(name, zmq.REQ, 5559, call)
    programs.join(*callers)
    programs.ended.set()
    programs.join()
    print("  " + ", ".join(f"{name} answered {programs.found.get(name)}" for name in services))
    print(f"  {programs.sums(*callers)} answers were right")
    return programs.sums(*callers) == programs.sums(*services) == len(callers) * CALLS


def main() -> int:
    """Run the three parts; return the exit status."""
    text = re.sub(r"\b(226|55)(\d\d)\b", r"PORT\1\2", CONF.read_text("utf-8"))
    with running_server(text, TIMEOUT) as server:
        fine = True
        for title, part in (("publish/subscribe", bus), ("jobs", jobs), ("calls", calls)):
            print(f"{title}:")
            fine &= part(server)
        fine &= server.stop() == 0
        print("ledger: " + server.wait_for("ledger ").partition("ledger ")[2])
    print("everything arrived, the server stopped cleanly" if fine else "FAILED")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

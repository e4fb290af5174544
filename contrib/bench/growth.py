#!/usr/bin/env python3
"""How the cost of a message grows with types, clients, size and fan-out; prints a Markdown table.

    python contrib/bench/growth.py [--runs 3] [--megabytes 64] [--only types,clients,body,fan]

Sender and sinks are plain sockets that send prepared ZMTP bytes and only count bytes, so that the
server limits the speed. Measured are its CPU time per message received (all threads, from the
scheduler) and the rate at the slowest sink, as medians; `ratio` is the CPU time divided by that of
the first row of the group. Needs Linux.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ccproxy.wire.zmtp import Handshake, Ready, Transmit, pack

SERVER = """[ccserver]
cc-socket = tcp://127.0.0.1:{port}
cc-role = remote
flows = 200000
[routes]
log = {names}
"""
LINK = """
[h:sink{number}]
handler = proxy
remote-cc = tcp://127.0.0.1:{port}
queue = 256 MiB
on-full = block
"""
CHUNK = 256 * 1024
"""Bytes that are sent at a time."""


@dataclass(frozen=True)
class Case:
    """One row: the types and size of the messages, the number of senders and of sinks."""

    group: str
    types: int = 1
    clients: int = 1
    body: int = 200
    fan: int = 1

    @property
    def title(self) -> str:
        """The row's first column."""
        return f"{self.types} / {self.clients} / {self.body} B / {self.fan}"


CASES = [
    *(Case("types", types=n) for n in (1, 10, 100, 1_000, 10_000, 100_000)),
    *(Case("clients", clients=n) for n in (1, 10, 100, 1_000)),
    *(Case("body", body=n) for n in (200, 1_024, 8_192, 65_536)),
    *(Case("fan", fan=n) for n in (1, 2, 4, 8)),
]


def shake(sock: socket.socket, socket_type: bytes) -> bytes:
    """Do the ZMTP handshake on a blocking socket; return the bytes behind it."""
    handshake = Handshake(socket_type)
    sock.sendall(handshake.start())
    while True:
        for event in handshake.receive(sock.recv(4096)):
            if isinstance(event, Transmit):
                sock.sendall(event.data)
            elif isinstance(event, Ready):
                return handshake.rest
            else:
                raise RuntimeError(event.reason)


class Sink(threading.Thread):
    """A receiver that counts bytes until it has received all of them."""

    def __init__(self, expected: int) -> None:
        super().__init__(daemon=True)
        self.expected = expected
        self.begun = self.ended = 0.0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def run(self) -> None:
        """Accept one connection and read from it."""
        sock, _ = self.listening.accept()
        with sock:
            got = len(shake(sock, b"ROUTER"))
            buffer = bytearray(1 << 20)
            while got < self.expected:
                count = sock.recv_into(buffer)
                if not count:
                    return
                self.begun = self.begun or time.perf_counter()
                got += count
            self.ended = time.perf_counter()


def batches(case: Case, messages: int) -> list[bytes]:
    """Encoded messages in pieces, with their types in random order."""
    order = random.Random(1)
    types = (b"log.t%d" % order.randrange(case.types) for _ in range(messages))
    return joined(pack([b"", type, b"x" * case.body, b""]) for type in types)


def joined(messages: Iterable[bytes]) -> list[bytes]:
    """Encoded messages, joined to pieces of about `CHUNK` bytes."""
    made, piece, size = [], [], 0
    for message in messages:
        piece.append(message)
        size += len(message)
        if size > CHUNK:
            made.append(b"".join(piece))
            piece, size = [], 0
    return [*made, b"".join(piece)] if piece else made


def cpu(pid: int) -> float:
    """The CPU time of all threads of a process, in seconds."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def connect(port: int, kind: bytes = b"DEALER") -> socket.socket:
    """A peer of the server, which may still be starting."""
    end = time.monotonic() + 30
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
            continue
        shake(sock, kind)
        return sock


def measure(case: Case, megabytes: int) -> tuple[float, float]:
    """One run: messages a second, microseconds of the server's CPU per message."""
    messages = min(400_000, megabytes * 1_000_000 // (case.body + 30))
    pieces = batches(case, messages)
    # The server puts the sender's identity (5 bytes and a frame header) in front of each message.
    expected = sum(map(len, pieces)) + 7 * messages
    with ExitStack() as stack:
        sinks = [Sink(expected) for _ in range(case.fan)]
        for sink in sinks:
            stack.callback(sink.listening.close)
            sink.start()
        server, port = start(stack, sinks)
        clients = [stack.enter_context(connect(port)) for _ in range(case.clients)]
        before = cpu(server.pid)
        for number, piece in enumerate(pieces):
            clients[number % len(clients)].sendall(piece)
        for sink in sinks:
            sink.join(120)
        used = cpu(server.pid) - before
        slowest = max(sink.ended - sink.begun for sink in sinks)
    return messages / slowest, used / messages * 1e6


def start(stack: ExitStack, sinks: list[Sink]) -> tuple[subprocess.Popen[bytes], int]:
    """A server with a link to each sink; it ends with the stack."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    names = ", ".join(f"h:sink{number}" for number in range(len(sinks)))
    text = SERVER.format(port=port, names=names)
    text += "".join(LINK.format(number=i, port=sink.port) for i, sink in enumerate(sinks))
    ini = Path(stack.enter_context(tempfile.TemporaryDirectory()), "growth.ini")
    ini.write_text(text)
    command = [sys.executable, "-m", "ccproxy", "-q", str(ini)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    stack.callback(server.wait, 10)
    stack.callback(server.terminate)
    return server, port


def main() -> int:
    """Measure all cases in turn, `--runs` times, and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=64, help="bytes sent in a run, at most")
    parser.add_argument("--only", default="types,clients,body,fan")
    args = parser.parse_args()
    cases = [case for case in CASES if case.group in args.only.split(",")]
    found: dict[Case, list[tuple[float, float]]] = {case: [] for case in cases}
    for _ in range(args.runs):
        for case in random.sample(cases, len(cases)):
            found[case].append(measure(case, args.megabytes))
    print("| types / clients / body / fan | msg/s | us CPU per message | ratio |")
    print("|---|---|---|---|")
    first: dict[str, float] = {}
    for case in cases:
        rate, used = (statistics.median(values) for values in zip(*found[case], strict=True))
        base = first.setdefault(case.group, used)
        print(f"| {case.title} | {rate:,.0f} | {used:.2f} | {used / base:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

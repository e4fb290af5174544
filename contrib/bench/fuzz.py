#!/usr/bin/env python3
"""Attacks one listener with mutated bytes while good clients of the same server are timed.

    python contrib/bench/fuzz.py LISTENER [--minutes 10] [--seed 1] [--calm] [--nice -10]

LISTENER is cc, http, sodep, jsonrpc or ssmmp. The inputs are those of `tests/vectors` and of
`worst_shapes.py`: bits flipped, slices cut, doubled and exchanged, numbers made large, random bytes
between them, in segments of any size, on connections that are closed, half-closed or reset at any
moment. Two good clients, of cc and of the attacked listener, measure the time to each answer; two
others do the same with a second server that nobody attacks, so that what other work of the machine
does to the figures is seen; `--nice` keeps other work away. At the end: times, memory, tracebacks
in the log, and whether every message that was received has its fate. With `--calm` the attackers
send whole inputs unchanged, as a soak. The exit status is 1 if there was a traceback, or a message
without a fate. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import select
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from growth import shake
from worst_shapes import CALL, PORTS, SERVER, SSMMP, VOID, post, shapes, sodep

from ccproxy.testing import RunningServer, running_server
from ccproxy.wire.zmtp import pack

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"
ATTACKERS = 6
"""Connections of attackers at a time."""
LONGEST = 200_000
"""Bytes of one mutated input."""
PAUSE = 0.002
"""Seconds between two questions of a good client."""
ECHO = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
QUESTIONS = {
    "cc": pack([b"", b"echo.request", json.dumps(ECHO).encode(), b""]),
    "http": post(b"{}"),
    "jsonrpc": post(CALL),
    "sodep": sodep(b"/a", b"op", VOID),
    "ssmmp": SSMMP.replace(b"session_request", b"unknown_request"),
}
"""What good clients ask; each is answered at once, a call by a fault."""
BORDERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 24, (1 << 31) - 1, (1 << 32) - 1, 1 << 62]


def corpus(listener: str) -> list[bytes]:
    """What programs of this protocol send, and the worst shapes of it."""
    found = [one.unit[:LONGEST] for one in shapes() if one.listener == listener]
    if listener == "ssmmp":
        for one in json.loads((VECTORS / "ssmmp/spec/base.json").read_text())["messages"]:
            found += [one[framing].encode() for framing in ("lines", "tilde", "semicolon")]
    elif listener == "cc":
        found += [pack([b"", word, b"{}", b"", b"blob"]) for word in (b"data.a", b"echo.request")]
        found += [pack([b"id", b"hop", b"", b"echo.request"]), QUESTIONS["cc"]]
    else:
        word = {"http": b"HTTP/1", "jsonrpc": b"HTTP/1", "sodep": b"\0\0\0"}[listener]
        for file in sorted((VECTORS / "jolie").glob("*.json")):
            inputs = [
                bytes.fromhex(one) for one in re.findall(r'"hex": "([0-9a-f]+)"', file.read_text())
            ]
            found += [one for one in inputs if word in one]
    return [*found, QUESTIONS[listener]]


class Mutator:
    """Makes inputs out of a corpus."""

    def __init__(self, inputs: list[bytes], dice: random.Random) -> None:
        self._inputs = inputs
        self._dice = dice

    def make(self, calm: bool) -> bytes:
        """One input; with `calm` as it is."""
        dice = self._dice
        data = bytearray(dice.choice(self._inputs))
        if not calm:
            for _ in range(dice.choice((0, 1, 1, 2, 5, 20))):
                self._change(data)
        return bytes(data[:LONGEST])

    def _change(self, data: bytearray) -> None:
        dice = self._dice
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.choice((1, 2, 4, 8, 50, 2000)))
        kind = dice.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * dice.choice((1, 2, 100))
        elif kind == 3:
            other = dice.choice(self._inputs)
            start = dice.randrange(len(other) + 1)
            data[at:end] = other[start : start + dice.choice((1, 10, 500))]
        elif kind == 4:
            data[at:at] = dice.randbytes(dice.choice((1, 4, 30)))
        elif kind == 5:
            size = dice.choice((1, 2, 4, 8))
            number = dice.choice(BORDERS) & ((1 << 8 * size) - 1)
            data[at : at + size] = number.to_bytes(size, "big")
        else:
            del data[at:]


class Attacker:
    """One connection at a time, opened again when it is over."""

    def __init__(self, address: tuple[str, int], mutator: Mutator, dice: random.Random) -> None:
        self.sent = self.opened = 0
        self._address = address
        self._mutator = mutator
        self._dice = dice
        self._sock: socket.socket | None = None

    def step(self, zmtp: bool, calm: bool) -> None:
        """Send one input in segments, read a little, and perhaps end the connection."""
        dice = self._dice
        try:
            sock = self._open(zmtp and (calm or dice.random() < 0.9))
            data = self._mutator.make(calm)
            step = len(data) if calm else dice.choice((1, 7, 100, 5000, LONGEST))
            for at in range(0, min(len(data), 500 * step), step or 1):
                sock.sendall(data[at : at + step])
            self.sent += 1
            if calm or dice.random() < 0.8:
                while select.select([sock], [], [], 0)[0]:
                    if not sock.recv(1 << 18):
                        raise ConnectionResetError
        except OSError:
            self._end(reset=False)
            return
        if dice.random() < (0.01 if calm else 0.1):
            if dice.random() < 0.3:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)
            self._end(reset=dice.random() < 0.3)

    def close(self) -> None:
        """Close the connection."""
        self._end(reset=False)

    def _open(self, greet: bool) -> socket.socket:
        if self._sock is None:
            self.opened += 1
            self._sock = socket.create_connection(self._address, 5)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if greet:
                shake(self._sock, b"DEALER")
            self._sock.settimeout(0.2)
        return self._sock

    def _end(self, reset: bool) -> None:
        if self._sock is not None:
            if reset:
                linger = struct.pack("ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._sock.close()
            self._sock = None


def ask(listener: str, port: int, seconds: float) -> None:
    """A good client, in a process of its own: the times to its answers, in ms, as JSON."""
    times, end = [], time.monotonic() + seconds
    sock: socket.socket | None = None
    lost = 0
    while time.monotonic() < end:
        begun = time.perf_counter()
        try:
            if sock is None:
                sock = socket.create_connection(("127.0.0.1", port), 10)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if listener == "cc":
                    shake(sock, b"DEALER")
                begun = time.perf_counter()
            sock.sendall(QUESTIONS[listener])
            if not sock.recv(65536):
                raise ConnectionResetError
        except OSError:
            lost += 1
            if sock is not None:
                sock.close()
            sock = None
            continue
        times.append((time.perf_counter() - begun) * 1000)
        time.sleep(PAUSE)
    if sock is not None:
        sock.close()
    times.sort()
    print(json.dumps({"times": times, "lost": lost}))


@dataclass(frozen=True)
class Timed:
    """What a good client measured, in ms."""

    listener: str
    attacked: bool
    times: list[float]
    lost: int

    def __str__(self) -> str:
        where = "attacked server" if self.attacked else "other server"
        count = len(self.times)
        at = [self.times[min(count - 1, int(count * part))] for part in (0.5, 0.99, 0.999, 1)]
        over = sum(one > 50 for one in self.times)
        return (
            f"{where}: {self.listener} answers={count} lost={self.lost} p50={at[0]:.2f} "
            f"p99={at[1]:.2f} p99.9={at[2]:.2f} max={at[3]:.1f} ms, over 50 ms: {over}"
        )


class GoodClients:
    """Processes that time answers, of each server one for each listener."""

    def __init__(
        self, servers: list[RunningServer], listeners: list[str], seconds: float, nice: int
    ) -> None:
        self._processes = []
        for number, server in enumerate(servers):
            for listener in listeners:
                port = str(server.ports[PORTS[listener]])
                command = [sys.executable, __file__, listener, "--ask", port, "--minutes"]
                process = subprocess.Popen(
                    [*command, str(seconds / 60)], stdout=subprocess.PIPE, text=True
                )
                os.setpriority(os.PRIO_PROCESS, process.pid, nice)
                self._processes.append((process, listener, number == 0))
            os.setpriority(os.PRIO_PROCESS, server.process.pid, nice)

    def results(self) -> Iterator[Timed]:
        """What they measured."""
        for process, listener, attacked in self._processes:
            found = json.loads(process.communicate()[0])
            yield Timed(listener, attacked, found["times"], found["lost"])


def memory(server: RunningServer) -> float:
    """MiB of the server that are in memory."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


def processor(server: RunningServer) -> str:
    """The CPU time of a server, and how long it was ready to run while other processes did."""
    used, waited, _ = Path(f"/proc/{server.process.pid}/schedstat").read_text().split()
    return (
        f"used the processor for {int(used) / 1e9:.0f} s, waited {int(waited) / 1e9:.0f} s for it"
    )


def attack(server: RunningServer, args: argparse.Namespace) -> None:
    """Attack until the time is over, and say now and then how much memory the server has."""
    dice = random.Random(args.seed)
    mutator = Mutator(corpus(args.listener), dice)
    address = ("127.0.0.1", server.ports[PORTS[args.listener]])
    attackers = [Attacker(address, mutator, dice) for _ in range(ATTACKERS)]
    begun = time.monotonic()
    sizes = [memory(server)]
    while (now := time.monotonic()) < begun + args.minutes * 60:
        dice.choice(attackers).step(args.listener == "cc", args.calm)
        if now > begun + len(sizes) * max(1.0, args.minutes * 6):
            sizes.append(memory(server))
    for one in attackers:
        one.close()
    sent, opened = (sum(getattr(one, name) for one in attackers) for name in ("sent", "opened"))
    print(f"{args.listener} inputs={sent} connections={opened} seed={args.seed} calm={args.calm}")
    middle = statistics.median(sizes)
    print(f"memory MiB: {' '.join(f'{one:.0f}' for one in sizes)} (median {middle:.0f})")


def verdict(server: RunningServer) -> int:
    """Look at the log and the ledger of a server that was stopped; 1 if something is wrong."""
    tracebacks = [line for line in server.lines if "Traceback" in line or "internal error" in line]
    ledger = [line for line in server.lines if " ledger received=" in line]
    numbers = [int(one) for one in re.findall(r"=(\d+)", ledger[-1].partition("ledger ")[2])]
    print(f"{ledger[-1].partition('ledger ')[2]}")
    print(
        f"tracebacks={len(tracebacks)} lines={len(server.lines)} exit={server.process.returncode}"
    )
    if numbers[0] != sum(numbers[1:]):
        print(f"messages without a fate: {numbers[0] - sum(numbers[1:])}")
    return int(bool(tracebacks) or numbers[0] != sum(numbers[1:]) or server.process.returncode != 0)


def main() -> int:
    """Attack and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("listener", choices=[*PORTS])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calm", action="store_true", help="whole inputs, unchanged")
    parser.add_argument(
        "--nice", type=int, default=0, help="nice value of the servers and the good clients"
    )
    parser.add_argument("--ask", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask:
        ask(args.listener, args.ask, args.minutes * 60)
        return 0
    with running_server(SERVER) as server, running_server(SERVER) as other:
        listeners = list(dict.fromkeys(["cc", args.listener]))
        clients = GoodClients([server, other], listeners, args.minutes * 60, args.nice)
        attack(server, args)
        for one in clients.results():
            print(one)
        print(f"attacked server: {processor(server)}; other server: {processor(other)}")
        server.stop(30)
        return verdict(server)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What many topics, subscribers and changes of subscriptions cost a publish/subscribe bus.

    python contrib/bench/subscriptions.py                          about two minutes
    python contrib/bench/subscriptions.py --peers 200 --prefixes 2000

A `ccserver` with an XSUB listener and an XPUB handler; publishers and subscribers are plain sockets
with prepared ZMTP bytes. Each line is one thing that happens, with the longest turn of the server's
loop meanwhile (processor time, see `turns.py`), the server's memory, its processor time per message
that the publisher has sent, and the rate of that publisher's flow to a good subscriber.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import turns
from growth import shake

from ccproxy.wire.zmtp import pack

CONF = """[ccserver]
cc-socket = tcp://127.0.0.1:{cc}
cc-role = remote
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:{front}
type = bus
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:{back}
"""
BODY = b"x" * 200
BATCH, SMALL_BATCH = 500, 10
"""Messages that are published at a time; and while every peer gets everything."""
GOOD = b"~good"


Meanwhile = Callable[[], Coroutine[None, None, None]]


class Peer(asyncio.Protocol):
    """A subscriber: it counts bytes."""

    def __init__(self) -> None:
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.size += len(data)

    def tell(self, *changes: bytes) -> None:
        """Subscribe (01 in front) or cancel (00)."""
        self.transport.write(b"".join([pack([one]) for one in changes]))


class Server:
    """The process that is measured."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            for each in (one, two, three):
                each.bind(("127.0.0.1", 0))
            cc, self.front, self.back = (each.getsockname()[1] for each in (one, two, three))
        self.file = directory / "bench.ini"
        self.file.write_text(CONF.format(cc=cc, front=self.front, back=self.back), "utf-8")
        command = [sys.executable, __file__, turns.SERVE, str(self.file)]
        with (directory / "output").open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

    def turn(self) -> tuple[float, str]:
        """The longest callback since the last call, and its name."""
        return turns.longest(self.process.pid, self.file)[0]

    def memory(self) -> int:
        """Resident megabytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") >> 20

    def cpu(self) -> float:
        """Seconds of processor time."""
        text = Path(f"/proc/{self.process.pid}/schedstat").read_text("ascii")
        return int(text.split()[0]) / 1e9

    async def connect(self, port: int, kind: bytes) -> Peer:
        sock = socket.socket()
        end = time.monotonic() + 20
        while sock.connect_ex(("127.0.0.1", port)):
            if time.monotonic() > end:
                raise TimeoutError("the server does not listen")
            sock.close()
            await asyncio.sleep(0.05)
            sock = socket.socket()
        rest = await asyncio.to_thread(shake, sock, kind)
        sock.setblocking(False)
        _, peer = await asyncio.get_running_loop().create_connection(Peer, sock=sock)
        peer.data_received(rest)
        return peer


class Bench:
    """The server, its peers, and what happens to them."""

    def __init__(self, server: Server, args: argparse.Namespace) -> None:
        self.server = server
        self.args = args
        self.longest = 0.0
        self.batch = BATCH

    async def flow(self, topics: int, seconds: float = 1.0) -> tuple[float, float]:
        """Publish for some time, each second message for the good subscriber: processor time per
        message, and messages per second at the good one."""
        names = [b"%06d" % number for number in range(topics)]
        good = pack([GOOD, BODY])
        began, cpu, sent, at = time.monotonic(), self.server.cpu(), 0, 0
        before = self.good.size
        while time.monotonic() - began < seconds:
            some = [names[(at + number) % topics] for number in range(self.batch)]
            at += self.batch
            self.publisher.transport.write(b"".join([pack([one, BODY]) + good for one in some]))
            sent += self.batch
            while self.good.size - before < (sent - 4 * self.batch) * len(good):
                await asyncio.sleep(0)
        while self.good.size - before < sent * len(good):
            await asyncio.sleep(0)
        took = time.monotonic() - began
        return (self.server.cpu() - cpu) / (2 * sent), sent / took

    async def measure(self, what: str, topics: int = 1, meanwhile: Meanwhile | None = None) -> None:
        """Print a line about something that happens while messages flow."""
        task = None if meanwhile is None else asyncio.create_task(meanwhile())
        cpu, rate = await self.flow(topics)
        if task is not None:
            await task
            await self.flow(1, 0.1)
        took, name = await asyncio.to_thread(self.server.turn)
        self.longest = max(self.longest, took)
        cells = f"{1000 * took:.1f} | {self.server.memory()} | {1e6 * cpu:.1f} | {rate:.0f}"
        print(f"| {what} | {cells} | {name}", flush=True)

    async def run(self) -> None:
        server, args = self.server, self.args
        self.publisher = await server.connect(server.front, b"PUB")
        self.good = await server.connect(server.back, b"SUB")
        self.good.tell(b"\1" + GOOD)
        print("| what happens | turn, ms | memory, MB | us per message | messages/s | turn of")
        print("|---|---|---|---|---|---")
        while not self.good.size:
            self.publisher.transport.write(pack([GOOD, BODY]))
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        self.server.turn()
        await self.measure("1 topic, nobody else")
        await self.measure("10,000 topics, nobody else", 10_000)
        peers = [await server.connect(server.back, b"SUB") for _ in range(args.peers)]
        self.server.turn()
        each = max(1, args.prefixes // args.peers)

        async def subscribe() -> None:
            for number, peer in enumerate(peers):
                peer.tell(*(b"\1%06d" % (number * each + one) for one in range(each)))

        await self.measure(f"{args.peers} peers subscribe, {each} prefixes each", 1, subscribe)
        await self.measure("1 topic", 1)
        await self.measure("65,536 topics", 65_536)
        one, every = partial(self.churn, peers, b"0"), partial(self.churn, peers, b"")
        await self.measure("65,536 topics, 100 changes/s", 65_536, one)
        await self.measure('65,536 topics, 100 changes/s of ""', 65_536, every)

        async def all_of_them() -> None:
            for peer in peers:
                peer.tell(b"\1")

        self.batch = SMALL_BATCH
        await self.measure('all subscribe to ""', 1, all_of_them)
        await self.measure("65,536 topics to all", 65_536)
        await self.measure('the same, 100 changes/s of ""', 65_536, every)
        for peer in peers:
            peer.tell(b"\0")
        await asyncio.sleep(1)
        self.batch = BATCH
        await self.strange()
        await self.measure("the peers leave", 1, partial(self.leave, peers))
        await self.measure("1 topic, nobody else", 1)
        print(f"longest turn {1000 * self.longest:.1f} ms")

    async def strange(self) -> None:
        """A peer of 99,000 prefixes, another of prefixes of 1 MB."""
        server = self.server
        one = await server.connect(server.back, b"SUB")
        other = await server.connect(server.back, b"SUB")

        async def many() -> None:
            one.tell(*(b"\1many%d" % number for number in range(99_000)))

        async def large() -> None:
            other.tell(*(b"\1%07d" % number + b"x" * (1 << 20) for number in range(8)))

        await self.measure("99,000 prefixes of one peer", 1, many)
        await self.measure("it leaves", 1, partial(self.leave, [one]))
        await self.measure("8 prefixes of 1 MB", 1, large)
        await self.measure("it leaves", 1, partial(self.leave, [other]))

    async def churn(self, peers: list[Peer], prefix: bytes) -> None:
        for number in range(100):
            peer = peers[number % len(peers)]
            peer.tell(b"\1" + prefix)
            await asyncio.sleep(0.005)
            peer.tell(b"\0" + prefix)
            await asyncio.sleep(0.005)

    async def leave(self, peers: list[Peer]) -> None:
        for peer in peers:
            peer.transport.abort()


def main() -> int:
    if turns.SERVE in sys.argv:
        return turns.serve(sys.argv[sys.argv.index(turns.SERVE) + 1 :])
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=int, default=1000, help="default: 1000")
    parser.add_argument("--prefixes", type=int, default=10_000, help="of all; default: 10000")
    args = parser.parse_args()
    with TemporaryDirectory(prefix="subscriptions-") as directory:
        server = Server(Path(directory))
        try:
            asyncio.run(Bench(server, args).run())
        finally:
            server.process.kill()
            server.process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

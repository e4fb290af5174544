#!/usr/bin/env python3
"""What it costs a server to be watched: scrapes, probes, the verbs, a tap, and the live page.

    python contrib/bench/watching.py                          about a minute
    python contrib/bench/watching.py --peers 1000 --types 60000
    python contrib/bench/watching.py --pairs 9                what it costs the messages, 2 minutes

Each line is one way to look at a `ccserver` with many peers and message types: the processor time
that a look costs it, and the longest turn of its loop meanwhile (processor time, see `turns.py`).
With `--pairs`, clients send as fast as they can, with and without watchers in turn: an open page, a
`top` and a scrape each second. What is compared is the processor time of the server for a message.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import turns
from growth import cpu, shake

from ccproxy.server.control_client import Refused, request, stream
from ccproxy.testing import free_ports
from ccproxy.wire.zmtp import pack

CONF = """[ccserver]
cc-socket = tcp://127.0.0.1:{cc}
cc-role = remote
http = 127.0.0.1:{http}
http-token = %(config_dir)s/token
control = control.sock
max-peers-per-address = 0
[routes]
data = h:bin
[h:bin]
handler = disposer
"""
SECONDS = 60.0
TOKEN = "0123456789abcdef0123"
SEND = "--send"
"""The argument by which this program is the clients that send."""
SLOW_LOOKS = 10
"""No more looks that take a second each."""
CHUNK = 200
"""Messages that a client sends at once."""


class Watched:
    """A server whose loop notes how long its turns are."""

    def __init__(self, directory: Path, timed: bool = True) -> None:
        """`timed`: it notes how long its turns are, which costs it some time."""
        self.cc, self.http = free_ports(2)
        (directory / "token").write_text(TOKEN, "utf-8")
        (directory / "token").chmod(0o600)
        self.file = directory / "bench.ini"
        self.file.write_text(CONF.format(cc=self.cc, http=self.http), "utf-8")
        self.control = directory / "control.sock"
        command = [sys.executable, __file__, turns.SERVE, str(self.file)]
        if not timed:
            command = [sys.executable, "-m", "ccproxy", str(self.file)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(self.control.exists)

    def status(self) -> dict[str, object]:
        value: dict[str, object] = request("GET", "/v1/status", [self.control], SECONDS).value
        return value

    def page(self, part: str, most: int) -> None:
        request("GET", f"/v1/status/{part}?most={most}", [self.control], SECONDS)

    def get(self, path: str) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}") as found:
            found.read()

    @contextmanager
    def open_page(self) -> Iterator[Callable[[], None]]:
        """An open page; each call waits for its next update."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.http}/updates")
        asked.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(asked) as found:

            def update() -> None:
                while found.readline() not in (b"\n", b""):
                    pass

            yield update

    def longest_turn(self) -> float:
        """Seconds of the longest turn since this was asked last."""
        rows = turns.longest(self.process.pid, self.file)
        return rows[0][0] if rows else 0.0


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the server does not do what is waited for")
        time.sleep(0.01)


def fill(server: Watched, peers: int, types: int, stack: ExitStack) -> None:
    """Connect peers, and let each send its part of the types."""
    for peer in range(peers):
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.cc)))
        shake(sock, b"DEALER")
        mine = range(peer, types, peers)
        sock.sendall(b"".join(pack([b"", b"data.type%d" % one, b"x"]) for one in mine))
    until(lambda: request("GET", "/v1/status", [server.control], SECONDS).value["flows"] >= types)


def tapped(server: Watched) -> None:
    """Put a tap on all types; within a second the server sees that its client has gone."""
    until(lambda: not refused(server))


def refused(server: Watched) -> bool:
    """True if there are as many taps as there may be."""
    try:
        with stream("/v1/tap?prefix=*", [server.control], SECONDS) as values:
            next(values)
    except Refused:
        return True
    return False


def measured(server: Watched, what: str, look: Callable[[], object], looks: int) -> None:
    """Look so often; say what a look costs."""
    server.longest_turn()
    before = cpu(server.process.pid)
    for _ in range(looks):
        look()
    used = (cpu(server.process.pid) - before) / looks
    longest = server.longest_turn()
    print(f"{what:<28} {1000 * used:7.2f} ms a look   longest turn {1000 * longest:5.2f} ms")


def looks(args: argparse.Namespace) -> None:
    """Measure each way to look."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        server = Watched(Path(name))
        stack.callback(server.process.wait)
        stack.callback(server.process.terminate)
        fill(server, args.peers, args.types, stack)
        slow = min(SLOW_LOOKS, args.looks)
        measured(server, "nothing, for a second", partial(time.sleep, 1.0), slow)
        with server.open_page() as update:
            update()
            measured(server, "the page, for a second", update, slow)
        for what, look in (
            ("GET /metrics", partial(server.get, "/metrics")),
            ("GET /readyz", partial(server.get, "/readyz")),
            ("ccserver status", server.status),
            ("ccserver top, its types", partial(server.page, "types", 200)),
            ("ccserver status FILE peers", partial(server.page, "peers", 1000)),
        ):
            measured(server, what, look, args.looks)
        measured(server, "ccserver tap, on and off", partial(tapped, server), args.looks)


def send(port: int, peers: int, types: int) -> None:
    """Be clients that send as fast as the server reads."""
    with ExitStack() as stack:
        chunks = []
        for peer in range(peers):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            shake(sock, b"DEALER")
            mine = cycle(range(peer, types, peers))
            packed = (pack([b"", b"data.type%d" % next(mine), b"x" * 100]) for _ in range(CHUNK))
            chunks.append((sock, b"".join(packed)))
        while True:
            for sock, chunk in chunks:
                sock.sendall(chunk)


@contextmanager
def watchers(server: Watched) -> Iterator[None]:
    """An open page, a `top`, and a scrape each second."""
    ended = threading.Event()

    def page() -> None:
        with server.open_page() as update:
            while not ended.is_set():
                update()

    def others() -> None:
        while not ended.wait(1.0):
            server.status()
            server.page("types", 200)
            server.get("/metrics")

    threads = [threading.Thread(target=one) for one in (page, others)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def per_message(server: Watched, seconds: float) -> float:
    """Microseconds of the server's processor time for a message, over so many seconds."""
    received: Callable[[], int] = lambda: server.status()["ledger"]["received"]  # type: ignore[index]  # noqa: E731
    messages, used = received(), cpu(server.process.pid)
    time.sleep(seconds)
    until(lambda: received() > messages)
    used = cpu(server.process.pid) - used
    return 1e6 * used / (received() - messages)


def pairs(args: argparse.Namespace) -> None:
    """Measure messages with and without watchers, in turn."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        server = Watched(Path(name), timed=False)
        stack.callback(server.process.wait)
        stack.callback(server.process.terminate)
        command = [sys.executable, __file__, SEND, *map(str, (server.cc, args.peers, args.types))]
        clients = stack.enter_context(subprocess.Popen(command))
        stack.callback(clients.kill)
        until(lambda: server.status()["flows"] == args.types)  # type: ignore[arg-type]
        ratios = []
        for number in range(args.pairs):
            found = {}
            for watched in (number % 2 == 0, number % 2 == 1):
                with watchers(server) if watched else ExitStack():
                    found[watched] = per_message(server, args.seconds)
            ratios.append(found[True] / found[False])
            print(
                f"alone {found[False]:.3f} us a message, watched {found[True]:.3f}, "
                f"ratio {ratios[-1]:.3f}   load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        print(f"median of {args.pairs}: {statistics.median(ratios):.3f}")


def main() -> int:
    """Measure looks, or messages."""
    if turns.SERVE in sys.argv:
        return turns.serve(sys.argv[sys.argv.index(turns.SERVE) + 1 :])
    if SEND in sys.argv:
        send(*map(int, sys.argv[sys.argv.index(SEND) + 1 :]))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", type=int, default=100)
    parser.add_argument("--types", type=int, default=10_000)
    parser.add_argument("--looks", type=int, default=50)
    parser.add_argument("--pairs", type=int, help="measure messages, so many times")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a measurement of messages")
    args = parser.parse_args()
    if args.pairs:
        pairs(args)
    else:
        looks(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What it costs a server to be watched: scrapes, probes, the verbs, and a tap.

    python contrib/bench/watching.py                          about half a minute
    python contrib/bench/watching.py --peers 1000 --types 60000

Each line is one way to look at a `ccserver` with many peers and message types: the processor time
that a look costs it, and the longest turn of its loop meanwhile (processor time, see `turns.py`).
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
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
control = control.sock
max-peers-per-address = 0
[routes]
data = h:bin
[h:bin]
handler = disposer
"""
SECONDS = 60.0


class Watched:
    """A server whose loop notes how long its turns are."""

    def __init__(self, directory: Path) -> None:
        self.cc, self.http = free_ports(2)
        self.file = directory / "bench.ini"
        self.file.write_text(CONF.format(cc=self.cc, http=self.http), "utf-8")
        self.control = directory / "control.sock"
        command = [sys.executable, __file__, turns.SERVE, str(self.file)]
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


def main() -> int:
    """Measure each way to look."""
    if turns.SERVE in sys.argv:
        return turns.serve(sys.argv[sys.argv.index(turns.SERVE) + 1 :])
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", type=int, default=100)
    parser.add_argument("--types", type=int, default=10_000)
    parser.add_argument("--looks", type=int, default=50)
    args = parser.parse_args()
    with TemporaryDirectory() as name, ExitStack() as stack:
        server = Watched(Path(name))
        stack.callback(server.process.wait)
        stack.callback(server.process.terminate)
        fill(server, args.peers, args.types, stack)
        for what, look in (
            ("GET /metrics", partial(server.get, "/metrics")),
            ("GET /readyz", partial(server.get, "/readyz")),
            ("ccserver status", server.status),
            ("ccserver top, its types", partial(server.page, "types", 200)),
            ("ccserver status FILE peers", partial(server.page, "peers", 1000)),
            ("ccserver tap, on and off", partial(tapped, server)),
        ):
            measured(server, what, look, args.looks)
    return 0


if __name__ == "__main__":
    sys.exit(main())

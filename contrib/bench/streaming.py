#!/usr/bin/env python3
"""A large body through a listener with `http = pass`, or a large call, beside small ones of others.

    python contrib/bench/streaming.py
    python contrib/bench/streaming.py --mb 20 --only call

`download` and `upload` pass a body from or to the service; `call` is one call with JSON whose value
is a string of this size, answered with the same. Others ask every 2 ms over connections of their
own. Printed are the rate, the memory over that of the idle server, the wait of the others
(p50, p99) beside what they wait while nothing else happens, and the longest turns of the server's
event loop in processor time, which other programs do not change. Needs Linux.
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import turns

from ccproxy.testing import free_ports

PIECE = bytes(64 * 1024)
INI = """[ccserver]
cc-socket = tcp://127.0.0.1:{cc}
cc-role = remote

[listen:pass]
protocol = http
http = pass
address = tcp://127.0.0.1:{passed}
type = web

[listen:calls]
protocol = http
address = tcp://127.0.0.1:{calls}
type = web
max-message = 256 MiB

[routes]
web = h:service

[h:service]
handler = redirect
protocol = http
location = socket://127.0.0.1:{service}
max-message = 256 MiB
"""
PLACES = {"download": "passed", "upload": "passed", "call": "calls"}


def served(sock: socket.socket) -> None:
    """Answer the requests of one connection: /download/N with N bytes, others with their body."""
    with closing(sock), sock.makefile("rb") as file:
        while line := file.readline():
            length = 0
            while (header := file.readline()) not in (b"\r\n", b""):
                if header.lower().startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            target = line.split()[1]
            if target.startswith(b"/upload"):
                while length:
                    length -= len(file.read(min(length, len(PIECE))))
            body = file.read(length)
            size = int(target.rpartition(b"/")[2]) if target.startswith(b"/download") else len(body)
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            sock.sendall(head % size + body)
            if target.startswith(b"/download"):
                for start in range(0, size, len(PIECE)):
                    sock.sendall(PIECE[: size - start])


def service() -> None:
    """Be the service: print the port, then answer for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=served, args=listener.accept()[:1], daemon=True).start()


def request(target: str, body: bytes = b"") -> bytes:
    """A request."""
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def ask(sock: socket.socket, parts: list[bytes]) -> int:
    """Send a request; the bytes of the body that comes back."""
    sender = threading.Thread(target=lambda: [sock.sendall(one) for one in parts])
    sender.start()
    found = sock.recv(65536)
    while b"\r\n\r\n" not in found:
        found += sock.recv(65536)
    head, _, body = found.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"a wrong answer: {found[:200]!r}")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    assert length is not None
    size, buffer = len(body), bytearray(1 << 20)
    while size < int(length[1]):
        size += sock.recv_into(buffer)
    sender.join()
    return size


def connected(port: int) -> socket.socket:
    """A connection."""
    sock = socket.create_connection(("127.0.0.1", port), 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Others:
    """Callers that ask every 2 ms; `waits` are theirs, in milliseconds."""

    def __init__(self, port: int, count: int = 2) -> None:
        self.waits: list[float] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(port,)) for _ in range(count)]
        for one in self._threads:
            one.start()

    def _ask(self, port: int) -> None:
        small = [request("/small", b'{"x":1}')]
        with closing(connected(port)) as sock:
            while True:
                began = time.perf_counter()
                ask(sock, small)
                self.waits.append(1000 * (time.perf_counter() - began))
                if self._over.wait(0.002):
                    return

    def end(self) -> str:
        """Stop; p50 and p99."""
        self._over.set()
        for one in self._threads:
            one.join()
        waits = sorted(self.waits)
        p50, p99 = (waits[int(share * (len(waits) - 1))] for share in (0.5, 0.99))
        return f"{p50:5.1f} {p99:6.1f}"


def memory(pid: int, what: str) -> float:
    """Megabytes of a process: `VmRSS` now, `VmHWM` at most since the last reset."""
    found = re.search(rf"{what}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1000


def listening(port: int) -> None:
    """Wait until a server accepts connections."""
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextmanager
def server(plain: bool) -> Iterator[tuple[subprocess.Popen[str], dict[str, int], Path]]:
    """A ccserver and its service; with `plain` its turns are not timed."""
    with TemporaryDirectory(prefix="streaming-") as folder:
        command = [sys.executable, __file__, "--service"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            ports = dict(zip(("cc", "passed", "calls"), free_ports(3), strict=True))
            ini = Path(folder, "streaming.ini")
            ini.write_text(INI.format(service=int(other.stdout.readline()), **ports))
            run = ["-m", "ccproxy"] if plain else [turns.__file__, turns.SERVE]
            process = subprocess.Popen([sys.executable, *run, str(ini), "-q"], text=True)
            try:
                for port in ports.values():
                    listening(port)
                yield process, ports, ini
            finally:
                process.terminate()
                process.wait(20)
                other.terminate()


def large(what: str, size: int) -> list[bytes]:
    """The request of the large body, in parts."""
    if what == "download":
        return [request(f"/download/{size}")]
    if what == "call":
        return [request("/echo", b'{"v":"' + b"x" * size + b'"}')]
    head = request("/upload").replace(b"Length: 0", b"Length: %d" % size)
    return [head, *[PIECE] * (size // len(PIECE)), bytes(size % len(PIECE))]


def measured(what: str, size: int, seconds: float) -> str:
    """A line of the table; so long the others are alone."""
    place = PLACES[what]
    with server(plain=True) as (process, ports, _), closing(connected(ports[place])) as sock:
        others = Others(ports[place])
        time.sleep(seconds)
        alone = others.end()
        before = memory(process.pid, "VmRSS")
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")
        others, began = Others(ports[place]), time.perf_counter()
        ask(sock, large(what, size))
        took = time.perf_counter() - began
        beside, most = others.end(), memory(process.pid, "VmHWM") - before
    with server(plain=False) as (process, ports, ini), closing(connected(ports[place])) as sock:
        ask(sock, [request("/small", b'{"x":1}')])
        turns.longest(process.pid, ini)
        ask(sock, large(what, size))
        found = turns.longest(process.pid, ini)
    shown = ", ".join(f"{1000 * took:.1f} {name}" for took, name in found[:3])
    return f"{size / took / 1e6:6.0f} MB/s {most:7.1f} MB   {alone}   {beside}   {shown}"


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=float, default=100.0, help="of the large body (default: 100)")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="that the others are alone (default: 2)"
    )
    parser.add_argument("--only", choices=PLACES, nargs="+", default=list(PLACES))
    parser.add_argument("--service", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.service:
        service()
    print("               rate     memory   ms alone: p50, p99   beside   longest turns, ms")
    for what in args.only:
        print(f"{what:<10} {measured(what, int(1e6 * args.mb), args.seconds)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

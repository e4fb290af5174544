#!/usr/bin/env python3
"""One large call through a redirect while another client makes small ones on the same server.

For each pair of protocols and each shape of a value: how long the large call takes, what the small
ones wait meanwhile, and how much memory the server takes at most, over what it had before. The
service answers with the value it got, so that the conversion goes both ways. Needs Linux (/proc).

    python contrib/bench/large_calls.py
    python contrib/bench/large_calls.py --pairs http-sodep sodep-jsonrpc --shapes ints --mb 1 4 10
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from ccproxy.protocols.jolie.json_values import to_tree
from ccproxy.protocols.jolie.sodep import SodepLimits, SodepReader, encode, message
from ccproxy.testing import RunningServer, running_server

PROTOCOLS = ("sodep", "http", "jsonrpc")
PAIRS = [f"{one}-{other}" for one in PROTOCOLS for other in PROTOCOLS]
MAX_VALUES = 1_000_000
READ = 1 << 20

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote

[listen:calls]
protocol = {caller}
address = tcp://127.0.0.1:PORT2
type = calls

[routes]
calls = h:service

[h:service]
handler = redirect
protocol = {service}
location = socket://127.0.0.1:{port}
"""


def numbers(size: int) -> str:
    """Small numbers, one to nine digits."""
    made, left = [], min(MAX_VALUES - 3, size // 2)
    while left and size > 0:
        made.append(str(7919 * left % 10 ** (1 + left % 9)))
        size -= len(made[-1]) + 1
        left -= 1
    return f"[{','.join(made)}]"


def repeated(part: str, values: int) -> Callable[[int], str]:
    """A shape that is an array of one part, which counts as so many values and names."""

    def make(size: int) -> str:
        count = min((MAX_VALUES - 3) // values, size // (len(part) + 1))
        return f"[{','.join([part] * count)}]"

    return make


def named(size: int) -> str:
    """One object with as many short names as fit."""
    count = min((MAX_VALUES - 3) // 2, size // 10)
    members = ",".join([f'"{number:x}":1' for number in range(count)])
    return f"{{{members}}}"


SHAPES: dict[str, Callable[[int], str]] = {
    "ints": numbers,
    "lists": repeated("[1]", 3),
    "objects": repeated('{"a":1,"b":"x","c":1.5}', 7),
    "names": named,
    "deep": repeated("[" * 250 + "1" + "]" * 250, 501),
    "strings": repeated('"' + "text " * 20_000 + '"', 1),
    "escapes": repeated('"' + '\\n\\"\\u00e9' * 10_000 + '"', 1),
}


class Figures(NamedTuple):
    """Of one large call: bytes sent, seconds, milliseconds of the small calls, bytes of memory."""

    size: int
    took: float
    waits: list[float]
    memory: int

    def line(self) -> str:
        """The cells of the table."""
        waits = sorted(self.waits)
        p50, p99 = (waits[int(share * (len(waits) - 1))] for share in (0.5, 0.99))
        ratio = self.memory / self.size
        return (
            f"{self.size / 1e6:6.1f} {self.took:7.2f} {p50:8.1f} {p99:8.1f} {waits[-1]:8.1f}"
            f" {self.memory / 1e6:8.0f} {ratio:6.1f}"
        )


class Connection:
    """One connection of a caller; `call` waits for the answer."""

    def __init__(self, protocol: str, port: int) -> None:
        self.protocol = protocol
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=300)

    def request(self, text: str) -> bytes:
        """The bytes of a call with this JSON as its value."""
        if self.protocol == "sodep":
            value = encode(to_tree(json.loads(text)))
            return message(1, b"/", b"\0\0\0\4echo\0" + value)
        if self.protocol == "jsonrpc":
            text = f'{{"jsonrpc":"2.0","id":1,"method":"echo","params":{text}}}'
        body = text.encode()
        return b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body), body,
        )  # fmt: skip

    def call(self, request: bytes) -> bytes:
        """Send a call; its answer."""
        self.sock.sendall(request)
        return self.answer()

    def answer(self) -> bytes:
        """The next answer."""
        read = sodep_messages if self.protocol == "sodep" else http_messages
        return next(read(self.sock))

    def close(self) -> None:
        """Close it."""
        self.sock.close()


def sodep_messages(sock: socket.socket) -> Iterator[bytes]:
    """The messages that come, each from its id on."""
    reader = SodepReader(SodepLimits())
    while data := sock.recv(READ):
        for frame in reader.feed(data):
            yield message(frame.id, b"/", frame.tail)


def http_messages(sock: socket.socket) -> Iterator[bytes]:
    """The bodies that come."""
    data = bytearray()
    while more := sock.recv(READ):
        data += more
        head, end, _ = data[:4096].partition(b"\r\n\r\n")
        found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if end and found and len(data) >= (size := len(head) + 4 + int(found[1])):
            yield bytes(data[len(head) + 4 : size])
            del data[:size]


def serve(protocol: str, sock: socket.socket) -> None:
    """Answer the calls of one connection with the values they carry."""
    with closing(sock):
        if protocol == "sodep":
            for one in sodep_messages(sock):
                sock.sendall(one)
            return
        for body in http_messages(sock):
            if protocol == "jsonrpc":
                id = re.search(rb'"id":(\d+)', body)
                assert id is not None
                result = body[body.index(b'"params":') + 9 : -1]
                body = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (id[1], result)
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            sock.sendall(head % len(body) + body)


def service(protocol: str) -> None:
    """Be the service: print the port, then answer for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            accepted, _ = listener.accept()
            threading.Thread(target=serve, args=(protocol, accepted), daemon=True).start()


def memory(server: RunningServer, what: str) -> int:
    """Bytes of memory of the server: `VmRSS` now, `VmHWM` at most since the last reset."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(rf"{what}:\s*(\d+) kB", status)
    assert found is not None
    return 1024 * int(found[1])


def small_calls(connection: Connection, over: threading.Event, waits: list[float]) -> None:
    """Make small calls until it is over; append how long each took in milliseconds."""
    request = connection.request('{"x":1}')
    while not waits or not over.wait(0.002):
        begun = time.perf_counter()
        connection.call(request)
        waits.append(1000 * (time.perf_counter() - begun))


def measured(server: RunningServer, protocol: str, text: str) -> Figures:
    """Make one large call; RuntimeError if the answer is no echo."""
    port = server.ports["PORT2"]
    over, waits = threading.Event(), list[float]()
    with closing(Connection(protocol, port)) as small, closing(Connection(protocol, port)) as large:
        request = large.request(text)
        small.call(small.request('{"x":1}'))
        before = memory(server, "VmRSS")
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
        thread = threading.Thread(target=small_calls, args=(small, over, waits))
        thread.start()
        begun = time.perf_counter()
        answer = large.call(request)
        took = time.perf_counter() - begun
        over.set()
        thread.join()
    if len(answer) < len(text) // 4:
        raise RuntimeError(f"no echo: {answer[:200]!r}")
    return Figures(len(request), took, waits, memory(server, "VmHWM") - before)


@contextmanager
def started(protocol: str) -> Iterator[int]:
    """A service as a process of its own; its port."""
    command = [sys.executable, __file__, "--service", protocol]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--mb", nargs="+", type=float, default=[10.0], help="of JSON, at most")
    parser.add_argument("--service", choices=PROTOCOLS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.service:
        service(args.service)
    print("                                         small calls, ms            memory")
    print("pair             shape        MB       s      p50      p99      max       MB  /body")
    for pair in args.pairs:
        caller, target = pair.split("-")
        for shape in args.shapes:
            for size in args.mb:
                text = f'{{"v":{SHAPES[shape](int(1e6 * size))}}}'
                with (
                    started(target) as port,
                    running_server(INI.format(caller=caller, service=target, port=port)) as server,
                ):
                    print(
                        f"{pair:<16} {shape:<8}", measured(server, caller, text).line(), flush=True
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

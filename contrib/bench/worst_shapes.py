#!/usr/bin/env python3
"""What the worst shapes of input cost: CPU time of the server per MB, for each kind of listener.

    python contrib/bench/worst_shapes.py [--megabytes 0.3] [--only cc,http] [--over 50]

Each shape is bytes that one client sends as fast as it can, cut into segments of a size. The
server's CPU time (all threads, from the scheduler) is divided by what was sent. If the server
closes the connection, the client connects again and goes on. A row whose bytes are small whole
messages (valid or counted as malformed) or commands has the cost of one of them: a small message
costs as much as another. The other rows are marked if they cost more than `--over`. Needs Linux.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from growth import cpu, shake

from ccproxy.testing import RunningServer, running_server
from ccproxy.wire.zmtp import pack

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[listen:http]
protocol = http
address = tcp://127.0.0.1:PORT2
type = call
[listen:sodep]
protocol = sodep
address = tcp://127.0.0.1:PORT3
type = call
[listen:jsonrpc]
protocol = jsonrpc
address = tcp://127.0.0.1:PORT4
type = call
[listen:ssmmp]
protocol = ssmmp
address = tcp://127.0.0.1:PORT5
[routes]
data = h:drop
echo = h:echo
call = h:drop
ssmmp = h:drop
[h:drop]
handler = disposer
[h:echo]
handler = echo
"""
PORTS = {"cc": "PORT1", "http": "PORT2", "sodep": "PORT3", "jsonrpc": "PORT4", "ssmmp": "PORT5"}
SETTLED = 0.3
"""Seconds without use of the processor after which the server has dealt with everything."""
LIMIT = 60.0
"""Seconds that one shape may take."""


@dataclass(frozen=True)
class Shape:
    """Bytes for one kind of listener, repeated; `segment` = 0 leaves the cutting to the kernel."""

    listener: str
    title: str
    unit: bytes
    segment: int = 0
    messages: int = 0
    """Whole messages or commands in the unit that have their price each; 0 if it is none."""


def post(body: bytes, *headers: bytes, path: bytes = b"/op") -> bytes:
    """One request with a body of JSON."""
    head = [b"POST %b HTTP/1.1" % path, b"Host: localhost", b"Content-Type: application/json"]
    if not any(one.startswith(b"Transfer-Encoding") for one in headers):
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, *headers, b"", b""]) + body


def chunked(sizes: Iterator[int] | list[int], extension: bytes = b"", tail: bytes = b"") -> bytes:
    """One request whose body has chunks of these sizes."""
    chunks = [b"%x%b\r\n%b\r\n" % (size, extension, b" " * size) for size in sizes]
    body = b"".join([*chunks, b"2\r\n{}\r\n0\r\n", tail, b"\r\n"])
    return post(body, b"Transfer-Encoding: chunked")


def sodep(path: bytes, operation: bytes, value: bytes) -> bytes:
    """One sodep request with id 1."""
    texts = [len(one).to_bytes(4, "big") + one for one in (path, operation)]
    return (1).to_bytes(8, "big") + b"".join(texts) + b"\0" + value


def vector(name: bytes, values: list[bytes]) -> bytes:
    """The children of one name in a sodep value."""
    count = len(values).to_bytes(4, "big")
    return len(name).to_bytes(4, "big") + name + count + b"".join(values)


def nested(depth: int) -> bytes:
    """A sodep value with one child in one child in one child."""
    inner = b"\0" + bytes(4)
    for _ in range(depth):
        inner = b"\0" + (1).to_bytes(4, "big") + vector(b"a", [inner])
    return inner


def command(name: bytes, content: bytes) -> bytes:
    """A short ZMTP command."""
    body = bytes([len(name)]) + name + content
    return b"\4" + bytes([len(body)]) + body


VOID = b"\0" + bytes(4)
CALL = b'{"jsonrpc":"2.0","method":"op","id":1}'
SSMMP = (
    b"type: session_request\nmessage_id: 1000001\nsub_type: service_to_agent\n"
    b"source_service_name: web\nsource_service_instance_id: 1\nsource_plug_name: p\n"
    b"dest_service_name: shop\ndest_socket_name: api\n\n"
)
MESSAGE = pack([b"", b"data", bytes(180)])


def shapes() -> list[Shape]:
    """All of them."""
    return [*_cc(), *_http(), *_jsonrpc(), *_sodep(), *_ssmmp(), *_segments()]


def _segments() -> Iterator[Shape]:
    """Long messages of each protocol in tiny segments."""
    text = b"x" * 64_000
    fields = b"".join(b"x_%d: %b\n" % (one, text[:1500]) for one in range(20))
    long = {
        "cc": pack([b"", b"data", text]),
        "http": post(b'{"a":"%b"}' % text),
        "jsonrpc": post(b'{"jsonrpc":"2.0","method":"%b","id":1}' % text),
        "sodep": sodep(b"/a", b"op", b"\1" + len(text).to_bytes(4, "big") + text + bytes(4)),
        "ssmmp": SSMMP[:-1] + fields + b"\n",
    }
    for (name, unit), size in itertools.product(long.items(), (1, 10, 100)):
        yield Shape(name, f"a long message in segments of {size} B", unit, size)
    for name, unit in (("cc", MESSAGE), ("sodep", sodep(b"/a", b"op", VOID)), ("ssmmp", SSMMP)):
        yield Shape(name, f"messages of {len(unit)} B in segments of 1 B", unit, 1, messages=1)
    yield Shape("cc", "messages of 5 B in segments of 1 B", pack([b"", b"x"]), 1, messages=1)
    headers = b"GET /op HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 60_000 + b"\r\n\r\n"
    yield Shape("http", "a head in segments of 1 B", headers, 1)


def _cc() -> Iterator[Shape]:
    yield Shape("cc", "messages of 200 B", MESSAGE * 100, messages=100)
    yield Shape("cc", "smallest messages", pack([b"", b"data"]) * 100, messages=100)
    yield Shape("cc", "smallest, no route", pack([b"", b"x"]) * 100, messages=100)
    types = [pack([b"", b"data.%d" % one]) for one in range(20_000)]
    yield Shape("cc", "a new type each, 20,000", b"".join(types), messages=len(types))
    odd = [pack([b"", b"\xff%d" % one]) for one in range(2000)]
    yield Shape("cc", "invalid types", b"".join(odd), messages=len(odd))
    yield Shape("cc", "255 empty frames, no end", pack([b""] * 255) * 40)
    yield Shape("cc", "255 empty frames behind the type", pack([b"", b"data"] + [b""] * 255) * 40)
    yield Shape("cc", "255 route frames", pack([b"a"] * 255 + [b"", b"data"]) * 40)
    yield Shape("cc", "one empty frame", pack([b""]) * 100, messages=100)
    long = ((b"\3" + bytes(8)) * 2 + b"\2" + bytes(7) + b"\1x") * 50
    yield Shape("cc", "long form of short frames", long, messages=50)
    yield Shape("cc", "PING", command(b"PING", b"\0\0") * 100, messages=100)
    yield Shape(
        "cc", "PING with a context", command(b"PING", b"\0\0" + b"c" * 16) * 100, messages=100
    )
    yield Shape("cc", "unknown commands", command(b"X", b"") * 100, messages=100)
    yield Shape("cc", "SUBSCRIBE", command(b"SUBSCRIBE", b"t") * 100)
    yield Shape("cc", "subscription frames", pack([b"\1t"]) * 100, messages=100)
    parted = pack([b"", b"data", b"x"])
    yield Shape(
        "cc", "a command between messages", (parted + command(b"PONG", b"")) * 100, messages=200
    )
    inside = b"\1\0" + command(b"PONG", b"") + b"\1\4data" + command(b"PONG", b"") + b"\0\1x"
    yield Shape("cc", "commands inside messages", inside * 100, messages=300)
    yield Shape("cc", "bad echo requests", pack([b"", b"echo.request", b"{"]) * 100, messages=100)


def _http() -> Iterator[Shape]:
    yield Shape(
        "http",
        "smallest requests",
        b"GET /op HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50,
        messages=50,
    )
    for count, messages in ((250, 1), (8000, 0)):
        many = b"".join(b"a%d:\r\n" % one for one in range(count))
        yield Shape("http", f"{count} small headers", post(b"{}", many.rstrip()), 0, messages)
    yield Shape("http", "long header line", post(b"{}", b"X: " + b"x" * 60_000))
    for count in (4000, 30_000):
        path = b"/" + b"x/" * count
        yield Shape("http", f"target of {count} parts", post(b"{}", path=path))
    yield Shape("http", "long query", post(b"{}", path=b"/op?" + b"a=1&" * 15_000))
    yield Shape("http", "blank lines", b"\r\n" * 1000)
    yield Shape("http", "no end of a head", b"x" * 1000)
    yield Shape("http", "4,096 chunks of 1 B each body", chunked([1] * 4095))
    yield Shape("http", "300 chunks of 1 B each body", chunked([1] * 300), messages=1)
    yield Shape("http", "endless chunks of 1 B", chunked([1] * 100_000))
    yield Shape("http", "endless chunks of 128 B", chunked([128] * 20_000))
    yield Shape("http", "chunk extensions", chunked([1] * 4000, b";a=b"))
    yield Shape("http", "trailers", chunked([2], tail=b"a: b\r\n" * 5000))
    deep = b"[" * 30_000 + b"]" * 30_000
    yield Shape("http", "deep JSON", post(deep))
    yield Shape("http", "numbers", post(b"[" + b"1," * 50_000 + b"1]"))
    yield Shape("http", "strings of escapes", post(b'"' + b"\\u00e9" * 20_000 + b'"'))
    yield Shape("http", "an empty body", post(b"") * 50, messages=50)


def _jsonrpc() -> Iterator[Shape]:
    yield Shape("jsonrpc", "smallest requests", post(CALL) * 50, messages=50)
    some = b"[" + b"1," * 9 + b"1]"
    yield Shape("jsonrpc", "batches of 10 invalid values", post(some), messages=10)
    batch = b"[" + b",".join([CALL] * 1000) + b"]"
    yield Shape("jsonrpc", "batches of 1,000", post(batch), messages=1000)
    notes = b"[" + b",".join([b'{"method":"o"}'] * 1000) + b"]"
    yield Shape("jsonrpc", "batches of 1,000 notifications", post(notes), messages=1000)
    yield Shape(
        "jsonrpc", "batches of 1,000 invalid values", post(b"[" + b"1," * 999 + b"1]"), messages=1
    )
    yield Shape("jsonrpc", "a batch too long", post(b"[" + b"1," * 50_000 + b"1]"))
    yield Shape("jsonrpc", "deep JSON", post(b"[" * 30_000 + b"]" * 30_000))
    yield Shape("jsonrpc", "4,096 chunks of 1 B each body", chunked([1] * 4095))
    yield Shape("jsonrpc", "GET", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50, messages=50)


def _sodep() -> Iterator[Shape]:
    yield Shape("sodep", "smallest requests", sodep(b"", b"", VOID) * 50, messages=50)
    yield Shape("sodep", "requests", sodep(b"/a", b"op", VOID) * 50, messages=50)
    empty = vector(b"", [VOID] * 20_000)
    yield Shape("sodep", "20,000 empty values", sodep(b"", b"op", b"\0\0\0\0\1" + empty))
    names = (20_000).to_bytes(4, "big") + b"".join([vector(b"", [])] * 20_000)
    yield Shape("sodep", "20,000 empty vectors", sodep(b"", b"op", b"\0" + names))
    yield Shape("sodep", "200 values in each other", sodep(b"", b"op", nested(200)))
    yield Shape("sodep", "not UTF-8", sodep(b"\xff", b"\xff", VOID) * 50, messages=50)
    yield Shape("sodep", "zeros", bytes(1012), messages=44)
    yield Shape("sodep", "garbage", b"\xff" * 1000)


def _ssmmp() -> Iterator[Shape]:
    yield Shape("ssmmp", "messages", SSMMP * 50, messages=50)
    yield Shape("ssmmp", "blank lines", b"\n" * 1000)
    yield Shape("ssmmp", "lines of blanks", b"    \n" * 1000)
    fields = b"".join(b"f%d:\n" % one for one in range(240))
    yield Shape("ssmmp", "many small fields", SSMMP[:-1] + fields + b"\n", messages=1)
    yield Shape("ssmmp", "long fields", SSMMP[:-1] + (b"a: " + b"x" * 16_000 + b"\n") * 3 + b"\n")
    yield Shape("ssmmp", "no type", b"a:\n\n" * 100)
    yield Shape("ssmmp", "no field", b"x\n" * 100)
    one = SSMMP.strip().replace(b"\n", b" ~ ") + b"\n"
    yield Shape("ssmmp", "tildes", one[:-1] + b" ~ " * 15_000 + b"\n")
    semicolons = SSMMP.strip().replace(b": ", b":").replace(b"\n", b";")
    yield Shape("ssmmp", "semicolons", semicolons + b";" * 60_000 + b"\n")
    yield Shape("ssmmp", "parentheses", semicolons + b";a:" + b"(" * 60_000 + b"\n")


class Client:
    """A connection that sends one shape, is opened again when it is closed, and reads answers."""

    def __init__(self, server: RunningServer, listener: str) -> None:
        self._address = ("127.0.0.1", server.ports[PORTS[listener]])
        self._zmtp = listener == "cc"
        self._sock: socket.socket | None = None
        self.opened = 0

    def send(self, data: bytes) -> bool:
        """Send bytes as one segment, on a new connection if need be; False if it was cut."""
        try:
            self._open().sendall(data)
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Forget the connection."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _open(self) -> socket.socket:
        if self._sock is None:
            self.opened += 1
            self._sock = socket.create_connection(self._address, 10)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._zmtp:
                shake(self._sock, b"DEALER")
            threading.Thread(target=_read, args=(self._sock,), daemon=True).start()
        return self._sock


def _read(sock: socket.socket) -> None:
    """Throw away what comes, and end the connection for both sides when nothing more does."""
    try:
        while sock.recv(1 << 20):
            pass
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def measure(server: RunningServer, shape: Shape, size: int) -> tuple[float, int, int]:
    """Send about `size` bytes: seconds of CPU time, bytes sent, connections opened."""
    client = Client(server, shape.listener)
    unit = shape.unit
    step = shape.segment or len(unit)
    pieces = [unit[at : at + step] for at in range(0, len(unit), step)]
    before, sent = cpu(server.process.pid), 0
    end = time.monotonic() + LIMIT
    while sent < size and time.monotonic() < end:
        for piece in pieces:
            if sent >= size or not client.send(piece):
                break
            sent += len(piece)
    used = settled(server) - before
    client.close()
    settled(server)
    return used, sent, client.opened


def settled(server: RunningServer) -> float:
    """The server's CPU time once it rests; the housekeeping of a resting server is nothing."""
    last = cpu(server.process.pid)
    for _ in range(100):
        time.sleep(SETTLED)
        now = cpu(server.process.pid)
        if now - last < 0.003:
            return now
        last = now
    return last


def main() -> int:
    """Measure every shape and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=0.5, help="sent for each shape")
    parser.add_argument("--only", default=",".join(PORTS), help="listeners")
    parser.add_argument("--title", default="", help="only shapes whose title contains this")
    parser.add_argument("--over", type=float, default=50.0, help="ms per MB that are marked")
    args = parser.parse_args()
    wanted = args.only.split(",")
    print("| listener | shape | ms CPU per MB | us CPU per message | connections |")
    print("|---|---|---|---|---|", flush=True)
    with running_server(SERVER) as server:
        for shape in shapes():
            if shape.listener in wanted and args.title in shape.title:
                print(row(server, shape, int(args.megabytes * 1e6), args.over), flush=True)
    return 0


def row(server: RunningServer, shape: Shape, size: int, limit: float) -> str:
    """One row of the table."""
    used, sent, opened = measure(server, shape, size)
    cost = used / sent * 1e9
    each = ""
    if shape.messages:
        each = f"{used / sent * len(shape.unit) / shape.messages * 1e6:.2f}"
    mark = " **" if cost > limit and not shape.messages else ""
    return f"| {shape.listener} | {shape.title} | {cost:.1f}{mark} | {each} | {opened} |"


if __name__ == "__main__":
    sys.exit(main())

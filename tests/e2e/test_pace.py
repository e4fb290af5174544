"""Peers that begin and do not go on, at every listener of one server."""

import contextlib
import socket
import struct
import time
from dataclasses import dataclass

import pytest

from ccproxy.wire.zmtp import frame, pack

# A busy machine may take seconds for what the tests do between two bytes, a handshake for example.
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
handshake-timeout = 8 s
[listen:sodep]
protocol = sodep
type = calc
address = tcp://127.0.0.1:PORT2
handshake-timeout = 5 s
[listen:http]
protocol = http
type = calc
address = tcp://127.0.0.1:PORT3
handshake-timeout = 5 s
idle-timeout = 5 s
[listen:jsonrpc]
protocol = jsonrpc
type = calc
address = tcp://127.0.0.1:PORT4
handshake-timeout = 5 s
[listen:ssmmp]
protocol = ssmmp
address = tcp://127.0.0.1:PORT5
handshake-timeout = 5 s
[routes]
data = h:drop
[h:drop]
handler = disposer
"""

SODEP = struct.pack(">qi", 1, 1) + b"/" + struct.pack(">i", 4000)
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nX: "
BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
REQUEST = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Trickle:
    """A connection on which a byte is sent now and then."""

    what: str
    sock: socket.socket
    more: bool = True
    """False: nothing follows."""

    def closed(self) -> bool:
        """Send one byte; True if the other side has closed."""
        try:
            while data := self.sock.recv(65536):
                del data
            return True
        except BlockingIOError:
            pass
        except OSError:
            return True
        if self.more:
            with contextlib.suppress(OSError):
                self.sock.send(b"x")
        return False


@pytest.fixture
def server(start):
    return start(SERVER)


def test_half_a_message_is_not_waited_for(server, ports, dial, until):
    begun = {
        "sodep": ("PORT2", SODEP),
        "http head": ("PORT3", HEAD),
        "http body": ("PORT3", BODY),
        "http chunks": (
            "PORT3",
            BODY.replace(b"Content-Length: 100000", b"Transfer-Encoding: chunked"),
        ),
        "jsonrpc": ("PORT4", HEAD),
        "ssmmp line": ("PORT5", b"type: initiation_req"),
        "ssmmp lines": ("PORT5", b"type: initiation_request\n"),
    }
    peers = []
    for what, (port, data) in begun.items():
        sock = socket.create_connection(("127.0.0.1", ports[port]))
        sock.sendall(data)
        peers.append(Trickle(what, sock))
    zmtp = {
        "a frame": pack([b"", b"data", b"x" * 200])[:100],
        "frames": frame(b"", more=True) + frame(b"data", more=True),
        "a long frame": pack([b"", b"data", b"x" * 1_000_000])[:300_000],
    }
    for what, data in zmtp.items():
        wire = dial().greet()
        wire.sock.sendall(data)
        peers.append(Trickle(f"zmtp, {what}", wire.sock, what != "frames"))
    silent = [socket.create_connection(("127.0.0.1", ports[f"PORT{n}"])) for n in range(1, 6)]
    peers += [
        Trickle(f"silent {n}", sock, False)
        for n, sock in zip((1, 3, 4), (silent[0], *silent[2:4]), strict=True)
    ]
    idle = socket.create_connection(("127.0.0.1", ports["PORT3"]))
    idle.sendall(REQUEST)
    left = {one.what for one in peers}
    for one in peers:
        one.sock.setblocking(False)
    end = time.monotonic() + 60
    while left and time.monotonic() < end:
        for one in peers:
            if one.what in left and one.closed():
                left.discard(one.what)
        time.sleep(0.1)
    assert not left
    # An idle HTTP connection has got its answer first.
    idle.settimeout(60)
    answer = b""
    while data := idle.recv(65536):
        answer += data
    assert answer.startswith(b"HTTP/1.1 ")
    # Silent peers of the other protocols are in order.
    for sock in (silent[1], silent[4]):
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
    for sock in [*silent, idle, *(one.sock for one in peers)]:
        sock.close()
    server.wait_for_count("a message that has begun is not whole within 5 s", 4)
    server.wait_for("a message that has begun is not whole within 8 s")
    server.wait_for("nothing was sent within 5 s")


def test_a_slow_line_is_no_fault(server, dial):
    """9 s for one message, more than the time, at 13 KB/s."""
    wire = dial().greet()
    data = pack([b"", b"data", b"x" * 122_000])
    for at in range(0, len(data), 4700):
        wire.sock.sendall(data[at : at + 4700])
        time.sleep(0.35)
    wire.send(b"", b"data", b"end")
    wire.sock.close()
    server.stop()
    assert server.ledger()["discarded"] == 2

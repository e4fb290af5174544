"""A connection that is reset together with its last bytes is noticed, whatever it speaks."""

import json
import socket
import struct
import time
from contextlib import suppress

import pytest

from ccproxy.protocols.jolie.backpressure import MAX_PIPELINE
from ccproxy.protocols.jolie.sodep import message, request_tail
from ccproxy.protocols.jolie.values import Tree

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote

[listen:sodep]
protocol = sodep
address = tcp://127.0.0.1:PORT2
type = calc

[listen:http]
protocol = http
address = tcp://127.0.0.1:PORT3
type = calc

[listen:ssmmp]
protocol = ssmmp
address = tcp://127.0.0.1:PORT4

[routes]
calc = h:echo
ssmmp = h:echo

[h:echo]
handler = disposer
"""

GREETING = b"\xff" + bytes(8) + b"\x7f\3\1NULL" + bytes(48)
READY = b"\4\x1c\5READY\x0bSocket-Type\0\0\0\6DEALER"
FIRST = {
    "PORT1": [b"\xff\0\0", GREETING, GREETING + READY, GREETING + READY + b"\1\0"],
    "PORT2": [b"\0\0\1"],
    "PORT3": [b"GET / HT", b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n"],
    "PORT4": [b"type=", b""],
}
CLIENTS = 20


def reset(sock) -> None:
    """Close with a reset instead of an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("port", FIRST)
@pytest.mark.parametrize("pause", [0, 0.005], ids=["at once", "later"])
def test_no_connection_stays_behind_a_reset(start, until, port, pause):
    server = start(INI)
    before = server.descriptors
    for data in FIRST[port]:
        for _ in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", server.ports[port]), 60)
            client.sendall(data[:-1])
            time.sleep(pause)
            client.sendall(data[-1:])
            reset(client)
    until(lambda: server.descriptors <= before)


ECHO = INI.replace("disposer", "echo").replace("type = calc", "type = echo")
ECHO = ECHO.replace("calc = h:echo\nssmmp = h:echo", "* = h:echo")


def framed(*frames: bytes) -> bytes:
    """One ZMTP message of short and long frames."""
    flags = [1] * (len(frames) - 1) + [0]
    return b"".join(
        bytes([flag | 2]) + struct.pack(">Q", len(one)) + one
        for flag, one in zip(flags, frames, strict=True)
    )


ASKED = {"hostname": "x" * 300_000, "target": "y", "time": 1}
"""The answer repeats it."""
JSON = json.dumps({"req": "echo.request", **ASKED}).encode()
POST = b"POST /request HTTP/1.1\r\nHost: localhost\r\n"
POST += b"Content-Type: application/json\r\nContent-Length: "
TREE = Tree(None, {key: [Tree(value)] for key, value in ASKED.items()})
ANSWERED = {
    "PORT1": GREETING + READY + framed(b"", b"echo.request", JSON) * 12,
    "PORT3": (POST + str(len(JSON)).encode() + b"\r\n\r\n" + JSON) * 12,
    "PORT2": message(1, b"/", request_tail("request", TREE)) * 12,
}
"""What has more and longer answers than a socket takes."""


@pytest.mark.parametrize("port", ANSWERED)
def test_no_connection_stays_when_the_write_fails_before_the_read(start, until, port):
    server = start(ECHO)
    before = server.descriptors
    for _ in range(CLIENTS):
        client = socket.create_connection(("127.0.0.1", server.ports[port]), 60)
        client.settimeout(0.2)
        with suppress(TimeoutError, ConnectionError):
            client.sendall(ANSWERED[port])
        reset(client)
    until(lambda: server.descriptors <= before)


def test_calls_that_nobody_answers_do_not_keep_a_connection_that_is_reset(start, until):
    server = start(ECHO)
    before = server.descriptors
    with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 60) as client:
        for number in range(MAX_PIPELINE + 1):
            client.sendall(message(number, b"/", request_tail("other", Tree())))
        until(lambda: server.status()["ledger"]["received"] > MAX_PIPELINE // 2)
        reset(client)
    until(lambda: server.descriptors <= before)

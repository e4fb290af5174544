"""A connection that is reset together with its last bytes is noticed, whatever it speaks."""

import socket
import struct
import time

import pytest

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
READY = b"\4\x19\5READY\x0bSocket-Type\0\0\0\6DEALER"
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
def test_no_connection_stays_behind_a_reset(start, port, pause):
    server = start(INI)
    before = server.descriptors
    for data in FIRST[port]:
        for _ in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", server.ports[port]), 10)
            client.sendall(data[:-1])
            time.sleep(pause)
            client.sendall(data[-1:])
            reset(client)
    end = time.monotonic() + 5
    while server.descriptors > before and time.monotonic() < end:
        time.sleep(0.05)
    assert server.descriptors == before

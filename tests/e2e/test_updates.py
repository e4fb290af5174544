"""An open page beside clients of its port that break off, say nothing, or ask for nonsense."""

import os
import socket
import struct
import threading
import urllib.request
from contextlib import suppress

import pytest

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
http = 127.0.0.1:PORT2
[routes]
"""
HERE = b"Host: localhost\r\n\r\n"
ASKED = (
    b"", b"GET / HTTP/1.1\r\n", os.urandom(200), b"GET /updates HTTP/1.1\r\n" + HERE,
    b"GET /" + b"a" * 15_000 + b" HTTP/1.1\r\n" + HERE, b"\x16\x03\x01\x02\x00",
    b"GET /page.js HTTP/1.1\r\nHost: evil\r\n\r\n", b"POST /updates HTTP/1.1\r\n" + HERE,
)  # fmt: skip


@pytest.fixture
def server(start):
    return start(SERVER)


class OpenPage:
    """Counts the updates that it gets."""

    def __init__(self, port):
        self.updates = 0
        self.answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/updates", timeout=60)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        while line := self.answer.readline():
            self.updates += line == b"\n"

    def end(self):
        """After the end of the server."""
        self._thread.join()
        self.answer.close()


def test_the_page_goes_on_beside_hostile_clients(server, until):
    port = server.ports["PORT2"]
    page = OpenPage(port)
    until(lambda: page.updates)
    memory, descriptors = server.memory, server.descriptors
    clients = []
    for number in range(160):
        one = socket.create_connection(("127.0.0.1", port), 60)
        clients.append(one)
        with suppress(ConnectionError):  # the server may have closed it for one that came later
            one.sendall(ASKED[number % len(ASKED)])
    before = page.updates
    until(lambda: page.updates > before + 1)
    for one in clients:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()  # by RST, while updates are under way to some of them
    before = page.updates
    until(lambda: page.updates > before + 1)
    until(lambda: server.descriptors <= descriptors + 1)
    assert server.memory - memory < 8 << 20
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as found:
        assert found.read() == b"ok\n"
    server.stop()
    page.end()

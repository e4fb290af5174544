"""Peers that speak ZMTP 1.0, as libzmq 2.x does: clients and far sides, alone and among others.

`OldSocket` has code of its own for the old frames, so that a mistake of ours is not made twice.
"""

import json
import select
import socket
import struct

import pytest
import zmq

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
peer-heartbeat = 20 ms
peer-heartbeat-timeout = 10 s
[routes]
echo = h:echo
data = h:next
both = h:next, h:other
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
heartbeat = 20 ms
heartbeat-timeout = 10 s
reconnect = 20 ms
[h:other]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
"""
SECONDS = 60
SIGNATURE = b"\xff" + bytes(7) + b"\x01\x7f"
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"echo.request", json.dumps(REQUEST).encode(), b""]
SIZES = [0, 1, 200, 253, 254, 255, 256, 70_000, 20 << 20]


class OldSocket:
    """A blocking socket whose frames are those of ZMTP 1.0."""

    def __init__(self, sock, greeting=b"\x01\x00"):
        self.sock = sock
        sock.settimeout(SECONDS)
        sock.sendall(greeting)
        assert self.take(10) == SIGNATURE

    def take(self, size):
        found = bytearray()
        while len(found) < size:
            part = self.sock.recv(min(size - len(found), 1 << 20))
            if not part:
                raise ConnectionError("closed by the server")
            found += part
        return bytes(found)

    def send(self, *frames):
        for number, body in enumerate(frames, 1):
            length = len(body) + 1
            head = bytes([length]) if length < 255 else b"\xff" + struct.pack(">Q", length)
            self.sock.sendall(head + bytes([number < len(frames)]) + body)

    def receive(self):
        frames, more = [], True
        while more:
            length = self.take(1)[0]
            if length == 255:
                [length] = struct.unpack(">Q", self.take(8))
            assert length > 0
            flags = self.take(1)[0]
            assert flags in (0, 1)
            more = flags == 1
            frames.append(self.take(length - 1))
        return frames

    def silent(self, seconds):
        return not select.select([self.sock], [], [], seconds)[0]


@pytest.fixture
def old(ports):
    """Connect a client to PORT1, or wait for a link at a port."""
    made = []

    def old(word="PORT1", greeting=b"\x01\x00"):
        if word == "PORT1":
            sock = socket.create_connection(("127.0.0.1", ports[word]), SECONDS)
        else:
            listener = socket.create_server(("127.0.0.1", ports[word]))
            made.append(listener)
            listener.settimeout(SECONDS)
            sock, _ = listener.accept()
            listener.close()
        made.append(sock)
        return OldSocket(sock, greeting)

    yield old
    for sock in made:
        sock.close()


@pytest.mark.parametrize(
    "greeting",
    [
        b"\x01\x00",
        b"\x01\x7e",
        b"\x06\x00alice",
        b"\xff" + bytes(7) + b"\xff\x00" + b"i" * 254,
        b"\xff" + bytes(6) + b"\x01\x00\x7e" + b"i" * 255,
    ],
    ids=["anonymous", "2.1.11", "short", "254", "255"],
)
def test_a_client_asks(start, old, greeting):
    """As a DEALER does, and as a REQ; no PING comes, which libzmq 2 would give to its user."""
    start(SERVER)
    client = old(greeting=greeting)
    for number in range(20):
        client.send(b"Q%d" % number, b"", *ASK)
        assert client.receive()[:3] == [b"Q%d" % number, b"", b"echo.response"]
        client.send(b"", *ASK)
        assert client.receive()[:2] == [b"", b"echo.response"]
    assert client.silent(0.3)


def test_a_greeting_that_comes_byte_by_byte(start, old, ports):
    start(SERVER)
    client = old(greeting=b"")
    for octet in b"\x06\x7ealice":
        client.sock.sendall(bytes([octet]))
    client.send(b"", *ASK)
    assert client.receive()[1] == b"echo.response"


def test_an_old_client_an_old_far_side_and_all_sizes(start, old):
    start(SERVER)
    far = old("PORT2", b"\x01\x7e")
    client = old(greeting=b"\x03\x00me")
    for size in SIZES:
        client.send(b"", b"data", b"{}", b"z" * size, b"")
        received = far.receive()
        assert received == [b"me", b"", b"data", b"{}", b"z" * size, b""]
        far.send(*received)
        assert client.receive() == received[1:]
    assert far.silent(0.3)
    assert client.silent(0)


def test_between_old_and_new(start, old, make, fill):
    """One sender of each age; both kinds of far sides get both messages."""
    start(SERVER)
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    old_far = old("PORT2")
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"), identity=b"new")
    old_client = old(greeting=b"\x04\x00old")
    for size in SIZES:
        client.send_multipart([b"", b"both", b"n" * size])
        expected = [b"new", b"", b"both", b"n" * size]
        assert old_far.receive() == expected
        assert far.recv_multipart()[1:] == expected
        old_far.send(*expected)
        assert client.recv_multipart() == expected[1:]
        old_client.send(b"", b"both", b"o" * size)
        received = far.recv_multipart()
        assert received[1:] == old_far.receive() == [b"old", b"", b"both", b"o" * size]
        far.send_multipart(received)
        assert old_client.receive() == received[2:]


def test_many_messages_keep_their_order(start, old, until):
    server = start(SERVER)
    far = old("PORT2")
    client = old()
    bodies = [b"%d " % number + b"x" * (number * 37 % 600) for number in range(5000)]
    for body in bodies:
        client.send(b"", b"data", body)
    assert [far.receive()[-1] for _ in bodies] == bodies
    server.stop()
    assert server.ledger() == {"received": 5000, "forwarded": 5000}


def test_a_cut_link_loses_nothing_that_was_not_sent(start, old):
    """What an old far side got in part comes again as a whole, to the next one."""
    start(SERVER)
    far = old("PORT2")
    client = old()
    big = b"b" * (20 << 20)
    client.send(b"", b"data", b"before")
    assert far.receive()[-1] == b"before"
    client.send(b"", b"data", big)
    client.send(b"", b"data", b"behind")
    far.take(1000)
    far.sock.close()
    again = old("PORT2")
    assert again.receive()[-1] == big
    assert again.receive()[-1] == b"behind"


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, 65 << 20])
def test_a_length_that_is_only_claimed(start, old, length):
    server = start(SERVER)
    other = old()
    client = old()
    memory = server.memory
    client.sock.sendall(b"\x01\x01" + b"\xff" + struct.pack(">Q", length) + b"\x00" + bytes(1000))
    with pytest.raises(ConnectionError):
        client.receive()
    server.wait_for("message larger than max-message")
    assert server.memory - memory < 10 << 20
    other.send(b"", *ASK)
    assert other.receive()[1] == b"echo.response"
    server.stop()
    assert server.ledger()["too-big"] == 1


def test_a_length_of_nothing_is_named(start, old):
    server = start(SERVER)
    client = old()
    client.sock.sendall(b"\0\0")
    with pytest.raises(ConnectionError):
        client.receive()
    server.wait_for("a frame with the length 0")


BUS = """
[ccserver]
[h:bus]
handler = forwarder
in = tcp://127.0.0.1:PORT1
out = tcp://127.0.0.1:PORT2
heartbeat = 20 ms
heartbeat-timeout = 10 s
queue = 1 MiB
"""


def test_old_publishers_and_subscribers_of_a_bus(start, old, make, ports, fill):
    """An old subscriber sends no subscriptions and gets everything, as much as its queue takes; one
    of today gets its topics of an old publisher."""
    server = start(BUS)
    publisher = old()
    slow, quick = (
        OldSocket(socket.create_connection(("127.0.0.1", ports["PORT2"]), SECONDS))
        for _ in range(2)
    )
    new = make(zmq.SUB, connect=fill("tcp://127.0.0.1:PORT2"))
    new.subscribe(b"a")
    told = make(zmq.XPUB, connect=fill("tcp://127.0.0.1:PORT1"))
    assert {told.recv(), told.recv()} == {b"\1", b"\1a"}
    for size in SIZES[:-1]:
        for topic in (b"a", b"b"):
            publisher.send(topic, b"", b"x" * size)
            assert quick.receive() == [topic, b"", b"x" * size]
        assert new.recv_multipart() == [b"a", b"", b"x" * size]
    for _ in range(200):
        publisher.send(b"b", b"x" * 70_000)
        assert len(quick.receive()) == 2
    assert quick.silent(0.3)  # no PING, which libzmq 2 would give to its user
    slow.sock.close()
    quick.sock.close()
    server.stop()
    sent = 2 * len(SIZES[:-1]) + 200
    assert server.ledger() == {"received": sent, "forwarded": sent}
    [drops] = [one["dropped-full"] for one in server.outboxes().values() if "dropped-full" in one]
    assert 50 < drops < 200

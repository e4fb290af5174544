"""Our machines against real libzmq sockets, over a plain blocking TCP socket."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from ccproxy.wire.zmtp.commands import Ping, Pong, ping
from ccproxy.wire.zmtp.connection import (
    CommandReceived,
    ConnectionEvent,
    MessageReceived,
    WireConnection,
)
from ccproxy.wire.zmtp.frames import COMMAND
from ccproxy.wire.zmtp.handshake import Failed, Handshake, Ready, Transmit

SECONDS = 60
Make = Callable[..., Any]


class Wire:
    """A connection of ours on a TCP socket; `bytewise` feeds and sends single bytes."""

    def __init__(
        self, sock: socket.socket, connection: WireConnection, bytewise: bool = False
    ) -> None:
        sock.settimeout(SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.connection = connection
        self.bytewise = bytewise
        self.waiting: list[ConnectionEvent] = []
        self.silent = False
        self.write(connection.start())

    def write(self, data: bytes) -> None:
        step = 1 if self.bytewise else max(1, len(data))
        for at in range(0, len(data), step):
            self.sock.sendall(data[at : at + step])

    def read(self) -> None:
        data = self.sock.recv(4096)
        if not data:
            raise ConnectionError("closed by the peer")
        step = 1 if self.bytewise else len(data)
        for at in range(0, len(data), step):
            for event in self.connection.receive(data[at : at + step]):
                if isinstance(event, Transmit) and not (self.silent and event.data[0] == COMMAND):
                    self.write(event.data)
                self.waiting.append(event)

    def wait(self, *kinds: Any) -> Any:
        """The next event of these kinds; others before it are dropped."""
        while True:
            while self.waiting:
                event = self.waiting.pop(0)
                if isinstance(event, kinds):
                    return event
            self.read()

    def message(self) -> list[bytes]:
        event = self.wait(MessageReceived)
        assert isinstance(event, MessageReceived)
        return event.frames


@pytest.fixture
def make() -> Iterator[Make]:
    """A libzmq socket with options."""
    context = zmq.Context()
    sockets: list[Any] = []

    def make(kind: int, **options: Any) -> Any:
        made: Any = context.socket(kind)
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = SECONDS * 1000
        for name, value in options.items():
            setattr(made, name, value)
        sockets.append(made)
        return made

    yield make
    for made in sockets:
        made.close()
    context.term()


@pytest.fixture
def accept() -> Iterator[Callable[..., Wire]]:
    """Let a libzmq socket connect to our ROUTER."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(SECONDS)
    accepted: list[socket.socket] = []

    def accept(client: Any, bytewise: bool = False) -> Wire:
        client.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        accepted.append(listener.accept()[0])
        return Wire(accepted[-1], WireConnection(Handshake(b"ROUTER")), bytewise)

    yield accept
    for sock in [listener, *accepted]:
        sock.close()


@pytest.fixture
def dial() -> Iterator[Callable[..., Wire]]:
    """Connect our DEALER to a libzmq socket."""
    dialled: list[socket.socket] = []

    def dial(server: Any, identity: bytes = b"") -> Wire:
        port = server.bind_to_random_port("tcp://127.0.0.1")
        dialled.append(socket.create_connection(("127.0.0.1", port), timeout=SECONDS))
        return Wire(dialled[-1], WireConnection(Handshake(b"DEALER", identity)))

    yield dial
    for sock in dialled:
        sock.close()


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("identity", [b"", b"alice", b"i" * 255])
@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ])
def test_clients(make: Make, accept: Make, kind: int, identity: bytes, bytewise: bool) -> None:
    client = make(kind, **({"identity": identity} if identity else {}))
    wire = accept(client, bytewise)
    peer = wire.wait(Ready).peer
    assert (peer.version, peer.mechanism) == ((3, 1), b"NULL")
    assert (peer.socket_type, peer.identity) == (zmq.SocketType(kind).name.encode(), identity)
    client.send_multipart([b"question", b"", bytes(300)])
    received = wire.message()
    assert received[-3:] == [b"question", b"", bytes(300)]
    wire.write(wire.connection.send([*received[:-3], b"answer", b""]))
    assert client.recv_multipart() == [b"answer", b""]


def test_router_as_client(make: Make, accept: Make) -> None:
    client = make(zmq.ROUTER, identity=b"r", probe_router=1, router_mandatory=1)
    wire = accept(client)
    assert wire.wait(Ready).peer.socket_type == b"ROUTER"
    assert wire.message() == [b""]
    wire.write(wire.connection.send([b"hello"]))
    generated, text = client.recv_multipart()
    assert (generated[:1], text) == (b"\0", b"hello")
    client.send_multipart([generated, b"back"])
    assert wire.message() == [b"back"]


def test_our_dealer_and_a_router(make: Make, dial: Make) -> None:
    server = make(zmq.ROUTER)
    wire = dial(server, b"us")
    assert wire.wait(Ready).peer.socket_type == b"ROUTER"
    wire.write(wire.connection.send([b"", b"x" * 70_000]))
    assert server.recv_multipart() == [b"us", b"", b"x" * 70_000]
    server.send_multipart([b"us", b"y" * 70_000, b""])
    assert wire.message() == [b"y" * 70_000, b""]


def test_our_dealer_and_a_rep(make: Make, dial: Make) -> None:
    server = make(zmq.REP)
    wire = dial(server)
    assert wire.wait(Ready).peer.socket_type == b"REP"
    wire.write(wire.connection.send([b"route", b"", b"q"]))
    assert server.recv_multipart() == [b"q"]
    server.send(b"a")
    assert wire.message() == [b"route", b"", b"a"]


def test_our_dealer_and_a_dealer(make: Make, dial: Make) -> None:
    server = make(zmq.DEALER)
    wire = dial(server)
    assert wire.wait(Ready).peer.socket_type == b"DEALER"
    wire.write(wire.connection.send([b"a", b"b"]))
    assert server.recv_multipart() == [b"a", b"b"]
    server.send(b"c")
    assert wire.message() == [b"c"]


def test_heartbeats_of_libzmq(make: Make, accept: Make) -> None:
    client = make(zmq.DEALER, heartbeat_ivl=10, heartbeat_timeout=5000, heartbeat_ttl=3000)
    wire = accept(client)
    for _ in range(5):
        event = wire.wait(CommandReceived)
        assert event.command == Ping(30, b"")
    client.send(b"still here")
    assert wire.message() == [b"still here"]


@pytest.mark.parametrize("context_", [b"", b"c" * 16])
def test_libzmq_answers_our_ping(make: Make, accept: Make, context_: bytes) -> None:
    wire = accept(make(zmq.DEALER))
    wire.wait(Ready)
    wire.write(ping(100, context_))
    assert wire.wait(CommandReceived).command == Pong(context_)


def test_a_peer_that_stays_silent_is_given_up_by_its_ping(make: Make, accept: Make) -> None:
    client = make(zmq.DEALER, heartbeat_ivl=20, heartbeat_timeout=50)
    wire = accept(client)
    wire.wait(Ready)
    with pytest.raises(ConnectionError):
        while wire.sock.recv(4096):
            pass
        raise ConnectionError


def test_pings_between_the_frames_of_a_message(make: Make, accept: Make) -> None:
    client = make(zmq.DEALER, heartbeat_ivl=1, heartbeat_timeout=SECONDS * 1000, sndbuf=8192)
    wire = accept(client)
    wire.wait(Ready)
    message = [bytes((n % 256,)) * 700 for n in range(4000)]
    client.send_multipart(message)
    assert wire.message() == message


@pytest.mark.parametrize("kind", [zmq.SUB, zmq.PUSH, zmq.PULL, zmq.PUB, zmq.PAIR, zmq.REP])
def test_wrong_socket_types(make: Make, accept: Make, kind: int) -> None:
    wire = accept(make(kind))
    # libzmq closes as soon as it has our READY, sometimes before it has sent its own.
    wire.silent = True
    failed = wire.wait(Failed)
    name = zmq.SocketType(kind).name
    assert failed.reason == f"{name} socket cannot talk to our ROUTER; " + (
        "expected DEALER, REQ, ROUTER"
    )
    assert failed.transmit


def refusal(wire: Wire) -> str:
    """Why we refuse a peer. libzmq may close when it reads our mechanism, its own still unsent."""
    try:
        return str(wire.wait(Failed).reason)
    except ConnectionError:
        return "closed by the peer"


def test_a_plain_client(make: Make, accept: Make) -> None:
    client = make(zmq.DEALER, plain_username=b"u", plain_password=b"p")
    found = refusal(accept(client))
    assert found in ("security mechanism PLAIN; NULL expected", "closed by the peer")


@pytest.mark.skipif(not zmq.has("curve"), reason="libzmq without CURVE")
def test_a_curve_client(make: Make, accept: Make) -> None:
    public, secret = zmq.curve_keypair()
    client = make(
        zmq.DEALER, curve_serverkey=public, curve_publickey=public, curve_secretkey=secret
    )
    found = refusal(accept(client))
    assert found in ("security mechanism CURVE; NULL expected", "closed by the peer")

"""ZMTP PING and PONG between processes, in both directions, and peers that fall silent."""

import json
import signal

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from ccproxy.wire.zmtp import Ping, Pong, pack
from ccproxy.wire.zmtp.commands import ping

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
{server}
[routes]
data = h:next
echo = h:echo
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
reconnect = 20 ms
reconnect-max = 50 ms
{link}
"""
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"", b"echo.request", json.dumps(REQUEST).encode(), b""]
PEERS = "peer-heartbeat = 50 ms\npeer-heartbeat-timeout = {}"
LINK = "heartbeat = 50 ms\nheartbeat-timeout = {}"
PATIENT = "6 s"
"""Longer than a busy machine lets a process wait: for peers that are not silent and stay."""


@pytest.fixture
def watch():
    """A socket that tells when a libzmq socket loses a connection."""
    watched = []

    def watch(client):
        watched.append((client, client.get_monitor_socket(zmq.EVENT_DISCONNECTED)))
        return watched[-1][1]

    yield watch
    for client, events in watched:
        client.disable_monitor()
        events.close()


def ask(client):
    client.send_multipart(ASK)
    assert client.recv_multipart()[1] == b"echo.response"


def test_libzmq_and_we_ping_each_other_and_stay(start, make, fill, watch):
    """Both sides ping and send nothing else: neither gives up."""
    options = {"server": PEERS.format("60 s"), "link": LINK.format("60 s")}
    beats = {"heartbeat_ivl": 50, "heartbeat_timeout": 60_000}
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"), **beats)
    server = start(SERVER.format(**options))
    client = make(zmq.DEALER, heartbeat_ttl=60_000, **beats)
    events = watch(client)
    client.connect(fill("tcp://127.0.0.1:PORT1"))
    ask(client)
    assert not events.poll(700)
    client.send_multipart([b"", b"data", b"x"])
    assert far.recv_multipart()[-1] == b"x"
    assert server.count("link up") == 1


def test_our_pings_are_sent_and_answered(start, dial, await_dial):
    options = {
        "server": PEERS.format("60 s") + "\npeer-heartbeat-ttl = 2 s",
        "link": LINK.format("60 s"),
    }
    start(SERVER.format(**options))
    for wire in (dial().greet(), await_dial("PORT2").greet()):
        first = wire.command()
        assert first == Ping(20 if wire.connection.peer.socket_type == b"ROUTER" else 0, b"")
        assert wire.command() == first
        wire.sock.sendall(ping(0, b"context"))
        while (found := wire.command()) == first:
            pass
        assert found == Pong(b"context")


def test_a_silent_peer_is_given_up(start, dial, make, fill):
    """It keeps its connection open but answers nothing; a libzmq client beside it stays."""
    server = start(SERVER.format(server=PEERS.format(PATIENT), link=""))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    ask(client)
    silent = dial().greet()
    assert silent.closed()
    server.wait_for(f"no answer to PING in {PATIENT}")
    ask(client)
    assert server.count("no answer to PING") == 1


def test_a_silent_far_side_is_given_up_and_tried_again(start, dial, await_dial, make, fill):
    server = start(SERVER.format(server="", link=LINK.format("200 ms")))
    far = await_dial("PORT2").greet()
    assert far.closed()
    server.wait_for("link down link=h:next")
    server.wait_for("no answer to PING in 0.2 s")
    far.sock.close()
    again = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    dial().greet().send(b"", b"data", b"after")
    assert again.recv_multipart()[-1] == b"after"


def test_a_peer_that_breaks_its_own_ttl_is_given_up(start, dial):
    server = start(SERVER.format(server="", link=""))
    wire = dial().greet()
    wire.sock.sendall(ping(2, b""))
    assert wire.command() == Pong(b"")
    assert wire.closed()
    server.wait_for("silent for its own TTL of 0.2 s")


def test_a_stopped_server_is_noticed_and_comes_back(start, make, fill, watch):
    server = start(SERVER.format(server="", link=""))
    client = make(zmq.DEALER, heartbeat_ivl=50, heartbeat_timeout=6000)
    events = watch(client)
    client.connect(fill("tcp://127.0.0.1:PORT1"))
    ask(client)
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert recv_monitor_message(events)["event"] == zmq.EVENT_DISCONNECTED
    finally:
        server.process.send_signal(signal.SIGCONT)
    ask(client)


def test_a_frozen_far_side_of_a_chain(start, make, fill):
    """SIGSTOP: the link is given up by heartbeat and tried again until the far side wakes."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    second = SERVER.replace("PORT2", "PORT3").replace("PORT1", "PORT2")
    frozen = start(second.format(server="", link=""), name="second")
    quick = LINK.format("200 ms") + "\nhandshake-timeout = 200 ms"
    server = start(SERVER.format(server="", link=quick))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data", b"before"])
    assert far.recv_multipart()[-1] == b"before"
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        server.wait_for("link down link=h:next")
        server.wait_for("no connection link=h:next")
        client.send_multipart([b"", b"data", b"waits"])
        ask(client)
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    assert far.recv_multipart()[-1] == b"waits"


def test_a_peer_that_is_not_read_is_not_called_silent(start, make, fill):
    """A sender held back by `block` cannot be heard: that is our doing."""
    link = "queue = 100 KiB\non-full = block"
    server = start(SERVER.format(server=PEERS.format(PATIENT), link=link))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"), sndhwm=5, sndbuf=65536)
    sent = 0
    while client.poll(7000, zmq.POLLOUT):  # until nothing is read for longer than that
        client.send_multipart([b"", b"data", b"%d" % sent + bytes(20_000)])
        sent += 1
    assert not server.count("no answer to PING")
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    for number in range(sent):
        assert far.recv_multipart()[-1].rstrip(b"\0") == b"%d" % number
    assert not server.count("no answer to PING")


@pytest.mark.parametrize("half", [False, True])
def test_pings_to_a_peer_that_reads_slowly_do_not_pile_up(start, dial, half):
    """Bounded: with a message half sent no PING can go, and they are not kept for ever."""
    options = "peer-heartbeat = 1 ms\npeer-heartbeat-timeout = 1 s\npeer-queue = 8 MiB"
    server = start(SERVER.format(server=options, link=""))
    wire = dial(buffer=4096).greet()
    if half:
        wire.sock.sendall(pack(ASK) * 20_000)
    server.wait_for("no answer to PING in 1 s")
    assert wire.closed()

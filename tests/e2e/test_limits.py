"""Limits of messages and what peers do between messages: sizes, frames, commands, garbage."""

import random
import time

import pytest
import zmq

from ccproxy.net.notices import LOG_INTERVAL, PEER_LINES
from ccproxy.wire.zmtp import Error, Pong, command, frame, pack
from ccproxy.wire.zmtp.commands import error, ping

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
max-message = 100000
max-frames = 50
[routes]
data = h:next
drop = h:drop
[h:drop]
handler = disposer
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
"""


@pytest.fixture
def far(make, fill):
    """What is behind the server."""
    return make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"), rcvhwm=0)


@pytest.fixture
def server(far, start):
    return start(SERVER)


def test_commands_between_messages_and_between_frames(server, far, dial):
    wire = dial().greet()
    whole = pack([b"", b"data", b"x" * 300])
    inside = frame(b"", more=True) + ping(0, b"c1") + frame(b"data", more=True) + ping(0, b"c2")
    junk = command(b"UNKNOWN", b"whatever") + command(b"READY")
    dice = random.Random(3)
    stream = b"".join(
        whole if dice.random() < 0.5 else inside + frame(b"y" * 300) + junk for _ in range(200)
    )
    for at in range(0, len(stream), 997):
        wire.sock.sendall(stream[at : at + 997])
    bodies = [far.recv_multipart()[-1] for _ in range(200)]
    assert {body[:1] for body in bodies} == {b"x", b"y"}
    for _ in range(bodies.count(b"y" * 300)):
        assert [wire.command(), wire.command()] == [Pong(b"c1"), Pong(b"c2")]


@pytest.mark.parametrize("bare", [False, True])
def test_a_flood_of_commands_holds_no_other_peer_up(server, far, dial, bare):
    """Many commands in one read cost the server no more than as many messages."""
    wire = dial().greet()
    unit = command(b"PONG") + (b"" if bare else pack([b"", b"drop"]))
    inside = frame(b"", more=True) + command(b"PONG") + frame(b"drop")
    flood = unit * 100_000 if bare else (unit + inside) * 40_000
    before = server.cpu
    wire.sock.sendall(flood)
    wire.send(b"", b"data", b"end")
    assert far.recv_multipart()[-1] == b"end"
    assert server.cpu - before < 3
    assert server.memory < 200 << 20


def test_a_message_over_max_message_closes_its_sender_alone(server, far, dial):
    other = dial().greet()
    big = pack([b"", b"data", b"x" * 100_001])
    for cut in (1, 10, 5000):
        wire = dial().greet()
        wire.send(b"", b"data", b"x" * 99_900)
        assert len(far.recv_multipart()[-1]) == 99_900
        for part in (big[:cut], big[cut:12], big[max(12, cut) : 6000]):
            wire.sock.sendall(part)
        assert wire.closed()
    server.wait_for("message larger than max-message = 100000 bytes")
    other.send(b"", b"data", b"fine")
    assert far.recv_multipart()[-1] == b"fine"
    server.stop()
    assert server.ledger() == {"received": 7, "forwarded": 4, "too-big": 3}


def test_libzmq_connects_again_after_a_message_that_was_refused(server, far, make, fill):
    """It is told so by an ERROR, which it ignores."""
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    for life in range(1, 4):
        client.send_multipart([b"", b"data", b"x" * (100_001 * life**3)])
        server.wait_for_count("peer closed listener=ccserver", 1)
        came = 0
        while came < life:
            # What libzmq had written before it noticed the end is lost.
            client.send_multipart([b"", b"data", b"%d" % life])
            while far.poll(100):
                before, came = came, int(far.recv_multipart()[-1])
                assert before <= came <= life
    assert client.poll(0) == 0


def test_a_sender_is_told_that_its_message_is_refused(server, dial):
    wire = dial().greet()
    wire.sock.sendall(pack([b"", b"data", b"x" * 100_001])[:20])
    assert wire.command() == Error("message larger than max-message = 100000 bytes")
    wire = dial().greet()
    wire.sock.sendall(pack([b"", b"data", *[b""] * 60]))
    assert wire.command() == Error("not ZMTP: message of more than 50 frames")


def test_many_frames_that_are_too_big_together(server, far, dial):
    wire = dial().greet()
    wire.send(b"", b"data", *[b"x" * 20_000] * 4)
    assert len(far.recv_multipart()) == 8
    wire.sock.sendall(pack([b"", b"data", *[b"x" * 20_000] * 6]))
    assert wire.closed()
    server.wait_for("larger than max-message")


@pytest.mark.parametrize("size", [0, 3000])
def test_too_many_frames(server, far, dial, size):
    wire = dial().greet()
    wire.send(b"", b"data", *[b"x" * 1000] * 48)
    assert len(far.recv_multipart()) == 52
    wire.sock.sendall(pack([b"", b"data", *[b"x" * 1000] * 3, *[b""] * 46, b"x" * size]))
    assert wire.closed()
    server.wait_for("more than 50 frames")


GARBAGE = {
    "reserved flag": b"\x08\0",
    "all ones": b"\xff" * 100,
    "more and command": b"\x05\0",
    "wrong command": command(b"SUBSCRIBE"),
    "nameless command": b"\x04\0",
    "long command": b"\x06" + (9000).to_bytes(8, "big") + bytes(9000),
    "error": error("bye"),
}


@pytest.mark.parametrize("inside", [False, True])
def test_garbage_after_the_handshake(server, far, dial, inside):
    begun = frame(b"", more=True) + frame(b"data", more=True) if inside else b""
    for closed, (name, garbage) in enumerate(GARBAGE.items(), 1):
        wire = dial().greet()
        wire.send(b"", b"data", name.encode())
        wire.sock.sendall(begun + garbage)
        assert wire.closed()
        assert far.recv_multipart()[-1] == name.encode()
        server.wait_for_count("peer closed listener=ccserver peer=127.0.0.1", closed)
    server.stop()
    assert server.ledger()["forwarded"] == len(GARBAGE)


def test_random_types_cost_neither_memory_nor_the_log(server, far, dial, make, fill):
    """300,000 types without a route, valid and not, while another client is served."""
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    wire = dial().greet()
    dice = random.Random(9)
    memory, began = server.memory, time.monotonic()
    for turn in range(100):
        types = [b"t.%x" % dice.getrandbits(64) for _ in range(2700)]
        types += [dice.randbytes(12) or b"x" for _ in range(300)]
        wire.sock.sendall(b"".join([pack([b"", one, b"{}"]) for one in types]))
        client.send_multipart([b"", b"data", b"%d" % turn])
        assert far.recv_multipart()[-1] == b"%d" % turn
    wire.send(b"", b"data", b"end")
    assert far.recv_multipart()[-1] == b"end"
    assert server.memory - memory < 64 << 20
    # The limit is one of lines in a time, and a busy machine takes a minute for all this.
    lines = len(server.lines)
    assert lines < 100 + (time.monotonic() - began) * (PEER_LINES / LOG_INTERVAL + 1)
    server.stop()
    ledger = server.ledger()
    assert (ledger["received"], ledger["forwarded"]) == (300_101, 101)
    assert ledger["unrouted"] + ledger["malformed"] == 300_000

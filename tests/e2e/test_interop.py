"""Unmodified libzmq clients and far sides over one, two and three servers: bytes in, bytes out."""

import json
import random

import pytest
import zmq

HOPS = [1, 2, 3]
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT{here}
cc-role = remote
[routes]
data = h:next
echo = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT{there}
"""
ECHO = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT{here}
cc-role = remote
[routes]
echo = h:echo
[h:echo]
handler = echo
"""
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"echo.request", json.dumps(REQUEST).encode(), b""]


@pytest.fixture
def chain(start, fill):
    """Start this many servers in a row; the address of the first one and of what is behind all."""

    def chain(hops):
        for number in range(hops, 0, -1):
            start(SERVER.format(here=number, there=number + 1), name=f"hop{number}")
        return fill("tcp://127.0.0.1:PORT1"), fill(f"tcp://127.0.0.1:PORT{hops + 1}")

    return chain


@pytest.fixture
def echoes(start, fill):
    """As `chain`, the last one of them answers."""

    def echoes(hops):
        start(ECHO.format(here=hops), name="echo")
        for number in range(hops - 1, 0, -1):
            start(SERVER.format(here=number, there=number + 1), name=f"hop{number}")
        return fill("tcp://127.0.0.1:PORT1")

    return echoes


@pytest.mark.parametrize("hops", HOPS)
def test_answers_come_behind_the_request_ids_of_the_client(echoes, make, hops):
    address = echoes(hops)
    client, request = make(zmq.DEALER, connect=address), make(zmq.REQ, connect=address)
    for ids in [(), (b"Q000001",), (b"a", b"\0\xff" * 100, b"i" * 300)] * 3:
        client.send_multipart([*ids, b"", *ASK])
        *route, empty, kind, answer, signature = client.recv_multipart()
        assert (tuple(route), empty, kind, signature) == (ids, b"", b"echo.response", b"")
        assert json.loads(answer)["orig_target"] == "t"
        request.send_multipart(ASK)
        assert request.recv_multipart()[0] == b"echo.response"


@pytest.mark.parametrize("hops", HOPS)
def test_bodies_pass_byte_for_byte_both_ways(chain, make, hops):
    address, behind = chain(hops)
    far = make(zmq.ROUTER, bind=behind)
    client = make(zmq.DEALER, connect=address, identity=b"me")
    dice = random.Random(hops)
    for size in [0, 1, 254, 255, 256, 257, 65_535, 65_536, 1 << 20, 60_000_000]:
        body = dice.randbytes(size)
        payload = [b"data.x", b"{}", b"", body, b"", b"more", body[:300]]
        client.send_multipart([b"Q1", b"", *payload])
        received = far.recv_multipart()
        assert received[hops:] == [b"me", b"Q1", b"", *payload]
        far.send_multipart([*received, b"end"])
        assert client.recv_multipart() == [b"Q1", b"", *payload, b"end"]


def test_shapes_of_messages_pass(chain, make):
    address, behind = chain(2)
    far = make(zmq.ROUTER, bind=behind)
    client = make(zmq.DEALER, connect=address, identity=b"me")
    shapes = [
        [b"", b"data"],
        [b"", b"data", b""],
        [b"", b"data", b"", b"", b"", b""],
        [b"id", b"", b"data.a.b-c_9", b"\xff\xfe not json", b"sig", b"\0" * 256],
        [*[b"r"] * 50, b"", b"data", *[b"x" * n for n in range(300)]],
        [b"", b"data." + b"x" * 5000, b"{}"],
        [b"", b"data", *[b""] * 1000],
    ]
    for frames in shapes:
        client.send_multipart(frames)
    for frames in shapes:
        received = far.recv_multipart()
        assert received[2:] == [b"me", *frames]
        far.send_multipart(received)
    for frames in shapes:
        assert client.recv_multipart() == frames


@pytest.mark.parametrize("hops", HOPS)
def test_a_stream_keeps_its_order_both_ways(chain, make, hops):
    address, behind = chain(hops)
    far = make(zmq.ROUTER, bind=behind, rcvhwm=0, sndhwm=0)
    client = make(zmq.DEALER, connect=address, rcvhwm=0, sndhwm=0)
    dice = random.Random(7)
    sent = [b"%d " % n + bytes(dice.choice((0, 10, 300, 5000))) for n in range(5000)]
    for body in sent:
        client.send_multipart([b"", b"data." + body[:1], body])
    for body in sent:
        received = far.recv_multipart()
        assert received[-1] == body
        far.send_multipart(received)
    for body in sent:
        assert client.recv_multipart()[-1] == body


FAN = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[routes]
echo = h:a, h:b
[h:a]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
[h:b]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
"""


def test_fan_out_of_a_request_gives_two_replies(start, make, fill):
    start(ECHO.format(here=2), name="a")
    start(ECHO.format(here=3), name="b")
    server = start(FAN)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    for number in range(100):
        client.send_multipart([b"Q%d" % number, b"", *ASK])
    replies = [client.recv_multipart()[:3] for _ in range(200)]
    expected = [[b"Q%d" % number, b"", b"echo.response"] for number in range(100)]
    assert sorted(replies) == sorted(expected * 2)
    server.stop()
    assert server.ledger() == {"received": 300, "forwarded": 100, "replied": 200}


@pytest.mark.parametrize("kind", [zmq.REP, zmq.DEALER])
def test_other_far_sides(chain, make, kind):
    address, behind = chain(1)
    far = make(kind, bind=behind)
    client = make(zmq.DEALER, connect=address, identity=b"me")
    for number in range(10):
        client.send_multipart([b"Q%d" % number, b"", b"data", b"question"])
        received = far.recv_multipart()
        if kind == zmq.DEALER:
            assert received[:3] == [b"me", b"Q%d" % number, b""]
        assert received[-2:] == [b"data", b"question"]
        far.send_multipart([*received[:-2], b"data.reply", b"answer"])
        assert client.recv_multipart() == [b"Q%d" % number, b"", b"data.reply", b"answer"]


def test_a_router_as_client(echoes, make):
    client = make(zmq.ROUTER, probe_router=1, identity=b"router", router_mandatory=1)
    client.connect_rid = b"server"
    client.connect(echoes(2))
    with pytest.raises(zmq.ZMQError):
        client.send_multipart([b"unknown", b"", *ASK])
    while True:
        try:
            client.send_multipart([b"server", b"Q", b"", *ASK])
        except zmq.ZMQError:
            continue
        break
    assert client.recv_multipart()[:4] == [b"server", b"Q", b"", b"echo.response"]


def test_wrong_socket_types_are_refused_and_named(start, make, fill):
    """libzmq often closes before it has said what it is; then its silence is named."""
    server = start(ECHO.format(here=1))
    address = fill("tcp://127.0.0.1:PORT1")
    for kind in (zmq.PUB, zmq.SUB, zmq.PUSH, zmq.PULL, zmq.PAIR, zmq.REP):
        make(kind, connect=address)
    server.wait_for("peer closed listener=ccserver peer=127.0.0.1")
    good = make(zmq.REQ, connect=address)
    good.send_multipart(ASK)
    assert good.recv_multipart()[0] == b"echo.response"

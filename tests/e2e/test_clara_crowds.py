"""Many services and many subscribers at one proxy of xMsg."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

ROOT = Path(__file__).parents[2]
PLACES = [str(ROOT / "contrib/clara"), str(ROOT / "tests/contrib")]
sys.path[:0] = PLACES
from xmsg import Connection, Message, Proxy  # noqa: E402
from xmsg_servers import HOST, free_block  # noqa: E402

del sys.path[: len(PLACES)]

SECONDS = 120
DPES, SERVICES = 50, 20
"""DPEs, and the services of each."""
SUBSCRIBERS, TOPICS = 1000, 10
"""Subscribers, and the topics of each."""
INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[routes]
[h:dpe]
handler = xmsg-proxy
address = {address}
queue = 256 KiB
"""


@pytest.fixture
def proxy():
    return Proxy(HOST, free_block())


def test_a_thousand_services_of_fifty_dpes(start, proxy):
    start(INI.format(address=proxy.address()))
    with ExitStack() as stack:
        requester, *dpes = (
            stack.enter_context(Connection(proxy, timeout=SECONDS)) for _ in range(DPES + 1)
        )
        names = [f"10.1.{dpe}.1_java:c{n}:E" for dpe in range(DPES) for n in range(SERVICES)]
        for number, name in enumerate(names):
            dpes[number // SERVICES].subscribe(name)
        requester.subscribe("ret:1:")
        for name in names:
            assert requester.wanted(name, SECONDS)
            requester.publish(Message.text(name, name, replyTo=f"ret:1:{name}"))
        for number, name in enumerate(names):
            here = dpes[number // SERVICES]
            request = here.receive(SECONDS)
            assert request.topic == name
            assert here.wanted(request.meta.replyTo, SECONDS)
            here.publish(request.answer(name.encode()))
        answers = {requester.receive(SECONDS).topic for _ in names}
        assert answers == {f"ret:1:{name}" for name in names}


def test_a_thousand_subscribers_with_ten_thousand_topics_and_one_that_never_reads(start, proxy):
    server = start(INI.format(address=proxy.address()))
    with zmq.Context() as context, ExitStack() as stack:
        context.max_sockets = 4096

        def made(kind, offset):
            one = stack.enter_context(context.socket(kind))
            one.linger, one.rcvtimeo, one.sndtimeo = 0, 1000 * SECONDS, 1000 * SECONDS
            one.sndhwm = one.rcvhwm = 0
            if kind == zmq.SUB and offset is None:
                one.rcvhwm, one.rcvbuf = 1, 4096
            one.connect(proxy.address(offset or 1) if kind == zmq.SUB else proxy.address())
            return one

        publisher = made(zmq.XPUB, 0)
        deaf = made(zmq.SUB, None)
        deaf.subscribe(b"A:")
        subscribers = [made(zmq.SUB, 1) for _ in range(SUBSCRIBERS)]
        topics = [b"A:%05d:" % number for number in range(SUBSCRIBERS * TOPICS)]
        for number, topic in enumerate(topics):
            subscribers[number % SUBSCRIBERS].subscribe(topic)
        missing = {b"\1xmsg:control", b"\1A:", *(b"\1" + topic for topic in topics)}
        while missing:
            missing.discard(publisher.recv())
        for topic in topics:
            publisher.send_multipart([topic, b"meta", bytes(200)])
        for number, one in enumerate(subscribers):
            found = [one.recv_multipart()[0] for _ in range(TOPICS)]
            assert found == topics[number::SUBSCRIBERS]
        for _ in range(2000):  # the buffers of the deaf one are full long before
            publisher.send_multipart([topics[0], b"meta", bytes(10_000)])
            assert subscribers[0].recv_multipart()[0] == topics[0]
        assert "h:dpe" in server.wait_for("dropped outbox")

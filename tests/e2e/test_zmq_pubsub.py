"""PUB and SUB sockets of libzmq through a server, as through `zmq.proxy(XSUB, XPUB)`."""

import signal

import pytest
import zmq

from ccproxy.testing import running_server

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT2
type = bus
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT3
"""


def test_publishers_hear_of_subscriptions_and_subscribers_get_their_topics(make):
    with running_server(INI) as server:
        up, down = server.address("PORT2"), server.address("PORT3")
        publisher = make(zmq.XPUB, up)
        quick, other = make(zmq.SUB, down), make(zmq.XSUB, down)
        quick.subscribe(b"a")
        assert publisher.recv() == b"\1a"
        other.send(b"\1a")
        other.send(b"\1b")
        assert publisher.recv() == b"\1b"
        for topic in (b"a1", b"b1", b"c1", b"a2"):
            publisher.send_multipart([topic, b"", topic])
        assert [quick.recv_multipart() for _ in range(2)] == [
            [b"a1", b"", b"a1"],
            [b"a2", b"", b"a2"],
        ]
        assert [other.recv_multipart()[0] for _ in range(3)] == [b"a1", b"b1", b"a2"]
        other.send(b"to the publishers")
        assert publisher.recv() == b"to the publishers"
        late = make(zmq.XPUB, up)
        assert {late.recv(), late.recv()} == {b"\1a", b"\1b"}
        quick.unsubscribe(b"a")
        quick.close(0)
        other.send(b"\0a")
        assert publisher.recv() == late.recv() == b"\0a"
        server.stop()
        assert "received=4 forwarded=4" in server.wait_for("ledger")  # c1 stayed with its sender


def test_a_plain_pub_and_a_subscriber_of_everything(make):
    with running_server(INI) as server:
        listening = make(zmq.SUB, server.address("PORT3"))
        listening.subscribe(b"")
        publisher = make(zmq.XPUB, server.address("PORT2"))
        assert publisher.recv() == b"\1"
        plain = make(zmq.PUB, server.address("PORT2"))
        poller = zmq.Poller()
        poller.register(listening, zmq.POLLIN)
        for _ in range(400):  # until the PUB has heard that somebody listens
            plain.send(b"x")
            if poller.poll(50):
                break
        assert listening.recv() == b"x"


HUB = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[listen:publishers]
protocol = zmq
socket = sub
connect = ADDRESS1, ADDRESS2
reconnect = 20 ms
reconnect-max = 50 ms
type = bus
topics = yes
[routes]
bus.a = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
connect = ADDRESS3
reconnect = 20 ms
"""


def until_heard(publisher, listening):
    """Wait until a publisher is told that somebody wants a:1."""
    for _ in range(2000):
        listening.poll(0)
        while publisher.poll(10):
            if publisher.recv() == b"\1a:1":
                return True
    return False


def test_a_server_that_connects_to_publishers_and_subscribers(make):
    bound = [make(kind, bind="tcp://127.0.0.1:0") for kind in (zmq.XPUB, zmq.XPUB, zmq.SUB)]
    text = HUB
    for number, one in enumerate(bound, 1):
        text = text.replace(f"ADDRESS{number}", one.getsockopt_string(zmq.LAST_ENDPOINT))
    *publishers, listening = bound
    listening.subscribe(b"a:1")
    with running_server(text):
        # A socket of libzmq that is connected to sends its subscriptions when it is used next.
        assert all(until_heard(one, listening) for one in publishers)
        for one in publishers:
            one.send_multipart([b"a:1", b"x"])
        assert [listening.recv_multipart() for _ in publishers] == [[b"a:1", b"x"]] * 2
    with running_server(text):
        assert until_heard(publishers[0], listening)
        publishers[0].send_multipart([b"a:1", b"after a restart"])
        assert listening.recv_multipart() == [b"a:1", b"after a restart"]


ROUTED = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[routes]
bus = h:bus
bus.a = h:copies
[h:bus]
handler = forwarder
in = tcp://127.0.0.1:PORT2
out = tcp://127.0.0.1:PORT3
type = bus
topics = yes
[h:copies]
handler = zmq
socket = push
bind = tcp://127.0.0.1:PORT4
"""


def test_a_forwarder_with_a_type_follows_routes_over_a_reload(make):
    with running_server(ROUTED) as server:
        up, down, copies = (server.address(f"PORT{number}") for number in (2, 3, 4))
        publisher, worker, listening = make(zmq.XPUB, up), make(zmq.PULL, copies), make(zmq.SUB)
        assert publisher.recv() == b"\1"  # a route leads to h:copies, which wants everything
        listening.connect(down)
        listening.subscribe(b"a:")
        while not listening.poll(50):
            publisher.send_multipart([b"a:b", b"x"])
        assert listening.recv_multipart() == worker.recv_multipart() == [b"a:b", b"x"]
        file = server.directory / "server.ini"
        file.write_text(file.read_text().replace("bus.a = h:copies", ""))
        server.process.send_signal(signal.SIGHUP)
        assert publisher.recv() == b"\1a:" and publisher.recv() == b"\0"


@pytest.mark.parametrize("topics", ["no", "yes"])
def test_a_handler_sees_the_frames(make, topics):
    text = INI.replace("type = bus", f"type = bus\ntopics = {topics}")
    text = text.replace("bus = h:subscribers", "bus = h:log").partition("[h:subscribers]")[0]
    with running_server(text + "[h:log]\nhandler = locallogger\n") as server:
        publisher = make(zmq.XPUB, server.address("PORT2"))
        assert publisher.recv() == b"\1"
        publisher.send_multipart([b"a", b"", b"\xff"])
        publisher.send(b'{"job_name": 1}')
        server.wait_for(r"non-log msg: {'frames': [b'a', b'', b'\xff']}", 60)
        server.wait_for("non-log msg: {'job_name': 1}", 60)

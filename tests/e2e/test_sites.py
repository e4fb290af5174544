"""A bus over three sites in a ring: every subscriber gets every message once."""

from contextlib import ExitStack

import pytest
import zmq

from ccproxy.testing import free_ports, running_server

SITE = """
[ccserver]
cc-socket = tcp://127.0.0.1:{mine}
cc-role = local
hop-marks = yes
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT1
type = bus
[routes]
bus = h:subscribers, h:next
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT2
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:{next}
reconnect = 20 ms
"""


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made


def test_a_ring_of_three_sites(context):
    with ExitStack() as stack:
        ports = free_ports(3)
        sites = [
            stack.enter_context(running_server(SITE.format(mine=mine, next=following), 60))
            for mine, following in zip(ports, [*ports[1:], ports[0]], strict=True)
        ]
        subscribers, publishers = [], []
        for site in sites:
            site.wait_for("link up", 60)
            for kind, port, made in ((zmq.SUB, 2, subscribers), (zmq.XPUB, 1, publishers)):
                one = stack.enter_context(context.socket(kind))
                one.linger, one.rcvtimeo, one.sndtimeo = 0, 60_000, 60_000
                one.connect(site.address(f"PORT{port}"))
                made.append(one)
        for one in publishers:
            assert one.recv() == b"\1"  # a link to another site wants everything
        for subscriber, publisher in zip(subscribers, publishers, strict=True):
            # A site's own publisher shows that its subscriber is known.
            subscriber.subscribe(b"")
            while not subscriber.poll(50):
                publisher.send(b"hello")
        for number, publisher in enumerate(publishers):
            for body in range(10):
                publisher.send_multipart([b"site %d" % number, b"%d" % body])
        expected = sorted((b"site %d" % n, b"%d" % body) for n in range(3) for body in range(10))
        for subscriber in subscribers:
            found = []
            while len(found) < len(expected):
                frames = subscriber.recv_multipart()
                if frames != [b"hello"]:
                    found.append(tuple(frames))
            assert sorted(found) == expected and not subscriber.poll(200)
        for site in sites:
            site.stop(60)
            assert "looped=" in site.wait_for("ledger")

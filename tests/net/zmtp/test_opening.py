"""The opening of a connection: work, failures and their pause, the time it may take."""

import dataclasses

import pytest

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.net.flush import FlushQueue
from ccproxy.net.handshakes import Handshakes
from ccproxy.net.sender import Sender
from ccproxy.net.zmtp.opening import Opening
from ccproxy.net.zmtp.role import ConnectionConfig
from ccproxy.wire.zmtp import Handshake
from ccproxy.wire.zmtp.curve_server import CurveServer, CurveServerConfig
from tests.wire.zmtp.curve_partners import SERVER, client, up


class Connection:
    """Notes what its opening asks of it."""

    name = "10.0.0.1:5"

    def __init__(self):
        self.closed = False
        self.said = []

    def opened(self, peer, seal, rest):
        self.said.append(("opened", peer.credential.kind, seal is not None))

    def close(self, reason):
        self.closed = True
        self.said.append(("closed", reason))

    def read(self, yes):
        self.said.append(("read", yes))


@pytest.fixture
def begin(pair):
    """An opening as server, and the socket of the other side."""
    import asyncio

    def begin(admit=lambda credential: "", pause=lambda peer: 0.0, seconds=60.0):
        near, far = pair()
        connection = Connection()
        queue = FlushQueue(asyncio.get_running_loop())
        options = ZmtpListenerOptions(handshake_timeout=seconds)
        config = ConnectionConfig(
            queue, options, lambda: None, handshakes=Handshakes(), pause=pause
        )
        handshake = Handshake(b"ROUTER", mechanism=CurveServer(CurveServerConfig(SERVER, admit)))
        sender = Sender(near, queue, connection.close)
        opening = Opening(handshake, connection, sender, dataclasses.replace(config))
        opening.start()
        return opening, connection, far

    return begin


async def talk(opening, connection, far, until):
    """Be the client until the opening is over; its events."""
    ours = client()
    events = []
    opening.receive(ours.start())
    while not connection.closed and ("opened", "curve", True) not in connection.said:
        try:
            data = far.recv(65536)
        except BlockingIOError:
            await until(lambda: True)
            await __import__("asyncio").sleep(0)
            continue
        for event in ours.receive(data):
            events.append(event)
            if hasattr(event, "data"):
                opening.receive(event.data)
    return events


async def test_work_is_done_while_nothing_is_read(begin, until):
    opening, connection, far = begin()
    await talk(opening, connection, far, until)
    steps = [("read", False), ("read", True)]
    assert connection.said == [*steps, *steps, ("opened", "curve", True)]
    opening.stop()


async def test_a_failed_peer_waits_for_its_end(begin, until):
    paused = []

    def pause(peer):
        paused.append(peer)
        return 0.001

    opening, connection, far = begin(lambda credential: "not this one", pause)
    events = await talk(opening, connection, far, until)
    assert connection.said[-2:] == [("read", False), ("closed", "not this one")]
    assert paused == ["10.0.0.1:5"] and not up(events)


async def test_it_takes_only_so_long(begin, until):
    opening, connection, _ = begin(seconds=0.001)
    await until(lambda: connection.closed)
    assert connection.said == [
        ("closed", "no handshake within 0.001 s, still waiting for signature")
    ]
    assert opening.meaning_of_end("reset") == "closed by the peer, which has said nothing"

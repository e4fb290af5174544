import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.pace import NOTHING
from ccproxy.net import sweep
from ccproxy.net.stream import Stream
from ccproxy.net.stream_listener import StreamListener
from ccproxy.protocol import MessageProtocol


class Peer:
    """Sends back what comes."""

    lingers = False
    held = NOTHING

    def pending(self):
        return self.held

    def __init__(self, listener, sock, name):
        kit = listener.kit
        self.identity = kit.identities.next()
        self.stream = Stream(sock, name, self, kit, listener.options.limits)
        self.looks = []
        self._listener = listener

    def received(self, stream, data):
        if data:
            stream.write(data)

    def closed(self, stream, reason):
        self.reason = reason
        self._listener.left(self, self.identity)

    def expire(self, now):
        self.looks.append(now)


class Echoes(StreamListener):
    def make(self, sock, peer):
        return Peer(self, sock, peer)


@pytest.fixture
def make(kit):
    def make(**options):
        plan = ListenerPlan(
            "listen:x", "x", MessageProtocol, "tcp://127.0.0.1:0", ListenerOptions(**options), 1
        )
        listener = Echoes(plan, kit())
        listener.acceptor.open(plan.options)
        listener.acceptor.accept()
        return listener

    return make


async def connect(listener):
    port = int(listener.acceptor.bound.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port)


async def end(listener, *writers, seconds=1.0):
    listener.acceptor.close()
    for writer in writers:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    await listener.close_peers("the end", seconds)
    listener._sweep.stop()


async def test_peers_come_and_go_and_stay_in_the_books(make, until):
    listener = make()
    departed = []
    listener.kit.departures.append(departed.append)
    reader, writer = await connect(listener)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    [peer] = listener.peers
    assert listener.outboxes() == [listener.past, peer.stream.box]
    writer.close()
    await until(lambda: departed)
    assert departed == [peer.identity]
    assert (listener.outboxes(), listener.past.sent) == ([listener.past], 1)
    await end(listener, writer)


async def test_too_many_are_refused(make):
    listener = make(max_peers=1)
    first = await connect(listener)
    first[1].write(b"x")  # a silent one would be closed for the second
    assert await first[0].readexactly(1) == b"x"
    second = await connect(listener)
    assert await second[0].read() == b""
    assert (listener.acceptor.counts["too-many"], len(listener.peers)) == (1, 1)
    await end(listener, first[1], second[1])


async def test_who_stays_is_looked_at_and_an_empty_room_is_not(make, until, monkeypatch):
    monkeypatch.setattr(sweep, "INTERVAL", 0.005)
    listener = make()
    _, writer = await connect(listener)
    await until(lambda: listener.peers)
    [peer] = listener.peers
    await until(lambda: len(peer.looks) > 2)
    writer.close()
    await until(lambda: not listener._sweep.active)
    _, again = await connect(listener)
    await until(lambda: listener._sweep.active)
    await end(listener, writer, again)


async def test_muted_ones_read_no_more(make, until):
    listener = make()
    reader, writer = await connect(listener)
    await until(lambda: listener.peers)
    listener.stop_reading()
    writer.write(b"unheard")
    await asyncio.sleep(0.01)
    await end(listener, seconds=0.0)
    with suppress(ConnectionResetError):  # which of the two the kernel says depends on its timing
        assert await reader.read() == b""
    await end(listener, writer)


async def test_who_does_not_read_is_closed_after_the_time(make, until):
    listener = make()
    _, writer = await connect(listener)
    await until(lambda: listener.peers)
    [peer] = listener.peers
    peer.stream.write(b"x" * 30_000_000)
    await end(listener, seconds=0.02)
    assert (peer.reason, listener.past.dropped) == ("the end", {"gone": 1})
    await end(listener, writer)


async def test_new_limits_hold_at_once(make, until):
    listener = make()
    _, writer = await connect(listener)
    await until(lambda: listener.peers)
    [peer] = listener.peers
    listener.reconfigure(replace(listener.options, peer_queue=2048))
    assert peer.stream.box.limits.bytes == 2048
    await end(listener, writer)


async def test_a_subclass_makes_the_peers(kit):
    plan = ListenerPlan("listen:x", "x", MessageProtocol, "tcp://127.0.0.1:0", ListenerOptions(), 1)
    with pytest.raises(NotImplementedError):
        StreamListener(plan, kit()).make(None, "")


async def test_peers_are_dropped_by_name(make, until):
    listener = make()
    reader, writer = await connect(listener)
    await until(lambda: listener.peers)
    [peer] = listener.peers
    names = []
    assert listener.drop(names.append, "not this one") == 0
    host, port = writer.get_extra_info("sockname")
    assert names == [f"{host}:{port}"]
    assert listener.drop(lambda name: True, "an operator closed it") == 1
    assert (peer.reason, listener.peers) == ("an operator closed it", set())
    await end(listener, writer)

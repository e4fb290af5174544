import asyncio
from dataclasses import replace

import pytest

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.outbox import Limits
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.protocols.cc.protocol import CcProtocol
from ccproxy.wire import zmtp
from ccproxy.wire.zmtp import Handshake, pack


class Client:
    """One peer, by hand."""

    async def connect(self, listener, identity=b""):
        port = int(listener.acceptor.bound.rpartition(":")[2])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.codec = zmtp.WireConnection(Handshake(b"DEALER", identity))
        self.writer.write(self.codec.start())
        await self.wait(zmtp.Ready)
        return self

    async def wait(self, kind):
        while data := await self.reader.read(65536):
            for event in self.codec.receive(data):
                if isinstance(event, zmtp.Transmit):
                    self.writer.write(event.data)
                if isinstance(event, kind):
                    return event
        return None

    async def close(self):
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


@pytest.fixture
def make(kit):
    """Listeners that share one space of identities."""
    shared = []

    def make(name="cc", **options):
        if not shared:
            shared.append(kit())
        plan = ListenerPlan(
            name, "cc", CcProtocol, "tcp://127.0.0.1:0", ZmtpListenerOptions(**options), 1
        )
        listener = ZmtpListener(plan, shared[0])
        listener.acceptor.open(plan.options)
        listener.acceptor.accept()
        return listener, shared[0].switch

    return make


async def gone(listener, *clients):
    listener.acceptor.close()
    for client in clients:
        await client.close()
    await listener.close_peers("the test is over", 1)
    assert not listener.connections


async def test_peers_get_identities_outboxes_and_their_replies(make, until):
    listener, switch = make()
    one, two = await Client().connect(listener), await Client().connect(listener, b"two")
    await until(lambda: len(switch.peers) == 2)
    first = next(identity for identity in switch.peers if identity != b"two")
    assert (len(first), first[0]) == (5, 0)
    switch.peers[first].offer(pack([b"", b"a"]), 1)
    switch.peers[b"two"].offer(pack([b"", b"b"]), 1)
    assert (await one.wait(zmtp.MessageReceived)).frames == [b"", b"a"]
    assert (await two.wait(zmtp.MessageReceived)).frames == [b"", b"b"]
    await one.close()
    await until(lambda: len(switch.peers) == 1)
    assert (listener.past.queued, listener.past.sent) == (1, 1)
    assert [box.name for box in listener.outboxes()][0] == "cc peers gone"
    await gone(listener, two)
    assert switch.peers == {}


async def test_what_waited_for_a_peer_that_left_is_gone(make, until):
    listener, switch = make()
    one = await Client().connect(listener, b"one")
    box = await until(lambda: switch.peers.get(b"one"))
    box.offer(pack([b"", bytes(20_000_000)]), 1)
    await one.close()
    await until(lambda: not switch.peers)
    assert listener.past.dropped == {"gone": 1}
    await gone(listener)


async def test_a_look_whether_the_port_is_open_is_no_warning_and_no_failure(make, until, caplog):
    listener, _ = make()
    port = int(listener.acceptor.bound.rpartition(":")[2])
    for said in (b"", b"\xff"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        writer.close()
        await writer.wait_closed()
    await until(lambda: listener.counts["handshake-failed"] and not listener.connections)
    assert listener.counts["handshake-failed"] == 1
    [warning] = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert "said nothing" not in warning
    await gone(listener)


@pytest.mark.parametrize("across", [False, True])
async def test_a_second_peer_of_one_identity(make, until, across):
    listener, switch = make(identity_conflict="refuse")
    other, _ = make("other", identity_conflict="handover") if across else (listener, None)
    first = await Client().connect(listener, b"me")
    box = await until(lambda: switch.peers.get(b"me"))
    refused = await Client().connect(listener, b"me")
    assert await refused.wait(zmtp.MessageReceived) is None
    assert switch.peers[b"me"] is box
    assert listener.counts["duplicate-identity"] == 1
    if across:
        taker = await Client().connect(other, b"me")
        assert await first.wait(zmtp.MessageReceived) is None
        assert switch.peers[b"me"] is not box
        assert other.counts["handed-over"] == 1
        await gone(other, taker)
        assert not switch.peers
    await gone(listener, first, refused)


async def test_a_second_peer_of_one_identity_stays_and_is_not_served(make, until, caplog):
    listener, switch = make(identity_conflict="unserved")
    first = await Client().connect(listener, b"me")
    box = await until(lambda: switch.peers.get(b"me"))
    second = await Client().connect(listener, b"me")
    await until(lambda: listener.counts["duplicate-identity"] == 1)
    ping = zmtp.command(b"PING", b"\0\0x")
    second.writer.write(pack([b"", b"type", b"1"]) + pack([b"2"]) + ping)
    answer = await second.wait(zmtp.CommandReceived)
    assert answer.command == zmtp.Pong(b"x") and switch.ledger.fates == {"refused": 2}
    assert switch.ledger.balance() == 0 and switch.peers[b"me"] is box
    assert "not served listener=cc" in caplog.text and "has its identity me" in caplog.text
    await first.close()
    await until(lambda: not switch.peers)
    third = await Client().connect(listener, b"me")
    await until(lambda: b"me" in switch.peers)
    assert len(listener.connections) == 2
    await second.close()
    await until(lambda: len(listener.connections) == 1)
    assert b"me" in switch.peers and listener.counts["handshake-failed"] == 0
    await gone(listener, third)


async def test_limits_change_at_once_for_those_who_are_there(make, until):
    listener, switch = make()
    one = await Client().connect(listener)
    await until(lambda: switch.peers)
    listener.reconfigure(ZmtpListenerOptions(peer_queue=1234, max_peers=1))
    [box] = switch.peers.values()
    assert box.limits == Limits(bytes=1234)
    reader, writer = await asyncio.open_connection(*one.writer.get_extra_info("peername"))
    assert await reader.read() == b""
    writer.close()
    assert listener.counts["too-many"] == 1
    await gone(listener, one)


async def test_who_is_dismissed_gets_what_was_written(make, until):
    listener, switch = make()
    one = await Client().connect(listener, b"one")
    box = await until(lambda: switch.peers.get(b"one"))
    box.offer(pack([b"", b"last", bytes(100_000)]), 1)
    listener.stop_reading()
    assert (await one.wait(zmtp.MessageReceived)).frames[1] == b"last"
    assert await one.wait(zmtp.MessageReceived) is None
    assert listener.calls == 1
    await listener.close_peers("over", 0.01)
    await one.close()
    await gone(listener)


async def test_what_a_peer_has_sent_before_it_hears_of_the_end_is_read(make, until):
    listener, switch = make()
    one = await Client().connect(listener, b"one")
    await until(lambda: switch.peers.get(b"one"))
    listener.stop_reading()
    for _ in range(100):
        one.writer.write(pack([b"", b"in.time", bytes(10_000)]))
    assert await one.wait(zmtp.MessageReceived) is None
    one.writer.write(pack([b"", b"in.time"]))
    await one.close()
    await until(lambda: not listener.calls)
    assert switch.ledger.received == 101
    assert not listener.connections
    await gone(listener)


async def test_what_a_peer_sends_behind_its_half_of_the_handshake_is_read(make, until):
    listener, switch = make()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(listener.acceptor.bound.rpartition(":")[2])
    )
    codec = zmtp.WireConnection(Handshake(b"DEALER", b"one"))
    writer.write(codec.start())
    said = held = b""
    while not (b"READY" in said and held):
        said = await asyncio.wait_for(reader.read(65536), 60)
        for event in codec.receive(said):
            if isinstance(event, zmtp.Transmit):
                ours = b"READY" in event.data
                held = event.data if ours else held
                if not ours:
                    writer.write(event.data)
    listener.stop_reading()
    writer.write(held + pack([b"", b"in.time"]))
    await until(lambda: switch.ledger.received == 1)
    writer.close()
    await until(lambda: not listener.calls)
    await gone(listener)


async def test_a_handshake_that_does_not_end_is_not_waited_for_long(make, until):
    listener, switch = make(linger=3600.0)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(listener.acceptor.bound.rpartition(":")[2])
    )
    await until(lambda: listener.connections)
    listener.stop_reading()
    assert listener.calls == 1
    await until(lambda: not listener.calls)
    writer.close()
    await gone(listener)


async def test_a_peer_that_does_not_end_is_read_no_longer_than_linger(make, until):
    listener, switch = make(linger=0.02)
    one = await Client().connect(listener, b"one")
    await until(lambda: switch.peers.get(b"one"))
    listener.stop_reading()
    await until(lambda: not listener.calls)
    one.writer.write(pack([b"", b"too.late"]))
    await asyncio.sleep(0.02)
    assert (switch.ledger.received, len(listener.connections)) == (0, 1)
    await listener.close_peers("over", 0.01)
    await one.close()
    await gone(listener)


async def test_peers_out_of_pace_are_closed_and_counted(make, until, monkeypatch):
    monkeypatch.setattr("ccproxy.net.sweep.INTERVAL", 0.005)
    listener, switch = make()
    slow, idle = await Client().connect(listener), await Client().connect(listener)
    slow.writer.write(pack([b"", b"no.route", b"x" * 100])[:50])
    # Only now: a handshake takes its time on a busy machine.
    options = replace(listener.options, handshake_timeout=0.05, idle_timeout=0.05)
    listener.reconfigure(options)
    assert await slow.wait(zmtp.MessageReceived) is None
    assert await idle.wait(zmtp.MessageReceived) is None
    await until(lambda: not listener.connections)
    assert (listener.counts["slow"], listener.counts["idle"]) == (1, 1)
    await gone(listener, slow, idle)


async def test_peers_are_dropped_by_name(make, until):
    listener, switch = make()
    client = await Client().connect(listener, b"me")
    await until(lambda: switch.peers)
    names = []
    assert listener.drop(names.append, "not this one") == 0
    host, port = client.writer.get_extra_info("sockname")
    assert names == [f"{host}:{port}"]
    assert listener.drop(lambda name: True, "an operator closed it") == 1
    assert not switch.peers and not listener.connections
    await gone(listener, client)

import asyncio
import errno
import socket
import struct

import pytest

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.core import outbox
from ccproxy.core.flows import Flow, Target
from ccproxy.core.hot import scan
from ccproxy.core.memory import READ
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.stops import BLOCKED
from ccproxy.net.flush import FlushQueue
from ccproxy.net.zmtp import connection as connections
from ccproxy.net.zmtp.commands import CommandHandler
from ccproxy.net.zmtp.connection import CLOSED, Connection
from ccproxy.net.zmtp.role import ConnectionConfig
from ccproxy.wire import zmtp
from ccproxy.wire.zmtp import Handshake, command, frame, pack, unpack
from ccproxy.wire.zmtp.commands import ping

MESSAGE, FRAMES = 100_000, 50
"""Limits of one message."""


class Owner:
    """The owner of the connection under test, and the sink of its messages."""

    def __init__(self):
        self.box = Outbox("peer", Limits())
        self.full = Outbox("full", Limits(bytes=10, policy="block"))
        self.refusal = ""
        self.peers = []
        self.reasons = []
        self.too_big = []
        self.seen = []
        self.flow = Flow(Target())

    def ready(self, connection, peer):
        self.peers.append(peer)
        if not self.refusal:
            connection.use(self, self.box)
        return self.refusal

    def closed(self, connection, reason):
        self.reasons.append(reason)

    def feed(self, data):
        """As an ingress does; a full outbox blocks it."""
        if self.full.blocked:
            return 0, BLOCKED, [self.full]
        return scan(data, {}, lambda type: self.flow, self.emit, (MESSAGE, FRAMES))

    def emit(self, target, parts, size):
        self.seen += [unpack(bytes(part)) for part in parts[1:]]


class Other:
    """The other side: our own codec over the other end of a pair."""

    def __init__(self, sock):
        self.sock = sock
        self.codec = zmtp.WireConnection(Handshake(b"DEALER"))
        self.events = []

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def greet(self):
        await self.send(self.codec.start())
        await self.wait(zmtp.Ready)

    async def wait(self, kind):
        while not any(isinstance(one, kind) for one in self.events):
            await self.read()
        found = next(one for one in self.events if isinstance(one, kind))
        self.events.remove(found)
        return found

    async def read(self):
        data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
        if not data:
            raise ConnectionError
        for event in self.codec.receive(data):
            if isinstance(event, zmtp.Transmit):
                await self.send(event.data)
            self.events.append(event)


@pytest.fixture
def make(pair):
    made = []

    def make(**options):
        ours, theirs = pair()
        owner = Owner()
        limits = ZmtpListenerOptions(max_message=MESSAGE, max_frames=FRAMES, **options)
        flush_queue = FlushQueue(asyncio.get_running_loop())
        config = ConnectionConfig(flush_queue, limits, lambda: owner.too_big.append(1))
        made.append(Connection(ours, "peer:1", Handshake(b"ROUTER"), owner, config))
        made[-1].open()
        return made[-1], owner, Other(theirs)

    yield make
    for one in made:
        if not one.closed:
            one._sock.close()


async def test_messages_cut_anywhere_arrive_whole(make, until):
    connection, owner, other = make()
    await other.greet()
    frames = [b"id", b"", b"a.b", b"x" * 5000, b"", b"y" * 40_000]
    raw = pack(frames)
    for step in (1, 7, 1000, 50_000):
        size = len(raw) if step > 1 else 500
        for at in range(0, size, step):
            await other.send(raw[at : at + step])
            if step == 1:
                await asyncio.sleep(0)
        if step == 1:
            await other.send(raw[500:])
    await until(lambda: len(owner.seen) == 4)
    assert owner.seen == [frames] * 4
    assert owner.peers[0].socket_type == b"DEALER"
    connection.close("done")
    assert owner.reasons == ["done"]


async def test_reads_of_large_equal_messages_end_with_a_message(make, until):
    connection, owner, other = make()
    await other.greet()
    await until(lambda: owner.peers)
    raw = pack([b"", b"a.b", b"x" * 40_000])
    assert not connection._pass(raw * 3 + raw[:100])
    assert connection._reading.even(READ, connection._held()) == 7 * len(raw) - 100
    await other.send(raw[100:] + raw * 20)
    await until(lambda: len(owner.seen) == 24)
    assert owner.seen == [[b"", b"a.b", b"x" * 40_000]] * 24
    connection.close("done")


async def test_many_odd_messages_in_one_read(make, until):
    """Commands between frames: more of them than Python has stack frames."""
    connection, owner, other = make()
    await other.greet()
    odd = frame(b"", more=True) + command(b"PONG") + frame(b"a")
    plain = pack([b"", b"b"])
    await other.send((odd + plain) * 3000 + ping(0, b"end"))
    await until(lambda: len(owner.seen) == 6000)
    assert owner.seen == [[b"", b"a"], [b"", b"b"]] * 3000
    assert (await other.wait(zmtp.CommandReceived)).command == zmtp.Pong(b"end")
    connection.close("done")


async def test_commands_without_end_leave_turns_to_others(make, until, monkeypatch):
    """They are obeyed for 4 ms of a turn; 65,000 of them in one read took 240 ms of it."""
    monkeypatch.setattr(connections, "HANDLERS_TIME", 0.0)
    connection, owner, other = make()
    await other.greet()
    sent = asyncio.ensure_future(other.send((command(b"X") + pack([b"", b"a"])) * 3000))
    turns = 0
    while len(owner.seen) < 3000:
        turns += 1
        await asyncio.sleep(0)
    await sent
    assert turns > 100
    await other.send(pack([b"", b"b"]))
    await until(lambda: len(owner.seen) == 3001)
    connection.close("done")


async def test_a_message_in_single_bytes_takes_few_reads(make, until, monkeypatch):
    """It took a read for each byte: 2 s of processor time per MB."""
    reads = []
    heard = CommandHandler.heard
    monkeypatch.setattr(CommandHandler, "heard", lambda self: (reads.append(1), heard(self)))
    connection, owner, other = make()
    await other.greet()
    raw = pack([b"", b"a", bytes(3000)])
    for at in range(len(raw)):
        await other.send(raw[at : at + 1])
    await until(lambda: owner.seen)
    assert len(reads) < 300
    connection.close("done")


async def test_who_must_wait_is_not_read_and_goes_on_where_it_was(make, until):
    connection, owner, other = make()
    await other.greet()
    owner.full.offer(pack([b"", b"a" * 20]), 1)
    odd = frame(b"", more=True) + command(b"PONG") + frame(b"odd")
    await other.send(odd + pack([b"", b"one"]) + pack([b"", b"two", b"z" * 60_000])[:50])
    await asyncio.sleep(0.02)
    assert owner.seen == []
    await other.send(pack([b"", b"two", b"z" * 60_000])[50:] + pack([b"", b"three"]))
    await asyncio.sleep(0.02)
    assert owner.seen == []
    owner.full.clear("test")
    await until(lambda: len(owner.seen) == 4)
    assert [one[1] for one in owner.seen] == [b"odd", b"one", b"two", b"three"]
    connection.close("done")


async def test_who_is_muted_while_it_waits_is_not_read_again(make):
    connection, owner, other = make()
    await other.greet()
    owner.full.offer(pack([b"", b"a" * 20]), 1)
    await other.send(pack([b"", b"one"]))
    await asyncio.sleep(0.02)
    connection.stop_reading()
    owner.full.clear("test")
    await other.send(pack([b"", b"two"]))
    await asyncio.sleep(0.02)
    assert owner.seen == []
    owner.box.offer(pack([b"", b"still written"]), 1)
    assert (await other.wait(zmtp.MessageReceived)).frames == [b"", b"still written"]
    connection.close("done")


async def test_the_ends_a_connection_can_have(make, until):
    cases = {
        "message larger than max-message": pack([b"", b"a", bytes(100_001)])[:20],
        "not ZMTP: message of more than 50 frames": pack([b"", *[b"a"] * 60]),
        "not ZMTP: frame flags": b"\x08\0",
        "not ZMTP: command of": b"\x06" + (9000).to_bytes(8, "big") + b"x",
        "the peer said: bye": zmtp.commands.error("bye"),
    }
    for reason, data in cases.items():
        _, owner, other = make()
        await other.greet()
        await other.send(data)
        await until(lambda owner=owner: owner.reasons)
        assert owner.reasons[0].startswith(reason)
        assert len(owner.too_big) == reason.startswith("message larger")
        with pytest.raises(ConnectionError):
            await other.wait(zmtp.MessageReceived)


async def test_a_peer_is_told_why_it_is_closed(make, until):
    """Although there are bytes that nothing has read, it sees the end of the stream, no reset."""
    _, owner, other = make()
    await other.greet()
    await other.send(pack([b"", b"a", bytes(200_000)]))
    text = f"message larger than max-message = {MESSAGE} bytes"
    assert (await other.wait(zmtp.CommandReceived)).command == zmtp.Error(text)
    assert owner.reasons == [text]


async def half_sent(owner, other, until):
    """A message to the peer of which the kernel has taken a part."""
    await other.greet()
    await until(lambda: owner.box.wake is not None)
    owner.box.offer(pack([b"", bytes(20_000_000)]), 1)
    await until(lambda: owner.box.half_sent)


@pytest.mark.parametrize("end", ["in order", "error", "reset", "ours"])
async def test_only_an_end_in_order_counts_against_the_message_under_way(
    make, until, monkeypatch, end
):
    monkeypatch.setattr(outbox, "MAX_REFUSALS", 1)
    connection, owner, other = make()
    await half_sent(owner, other, until)
    if end == "in order":
        other.sock.shutdown(socket.SHUT_WR)
    elif end == "error":
        await other.send(zmtp.commands.error("too big for me"))
    elif end == "reset":
        await other.send(pack([b"", b"a"])[:3])
        other.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.sock.close()
    else:
        connection.close("ours")
    await until(lambda: owner.reasons)
    counts = end in ("in order", "error")
    assert bool(connection.refused) == counts
    assert (owner.box.waiting, owner.box.dropped["refused"]) == ((0, 1) if counts else (1, 0))
    if end == "error":
        assert owner.reasons == ["the peer said: too big for me"]


async def test_a_peer_that_leaves(make, until):
    _, owner, other = make()
    await other.greet()
    other.sock.close()
    await until(lambda: owner.reasons)
    assert owner.reasons == [CLOSED]
    assert owner.box.wake is None


async def test_a_peer_that_resets_only_what_came_behind_its_end_has_left(make, until):
    connection, owner, other = make()
    await other.greet()
    await until(lambda: owner.box.wake is not None)
    connection._broken(errno.EPIPE)
    assert owner.reasons == [CLOSED]


async def test_a_peer_that_leaves_before_its_ready(make, until):
    _, owner, other = make()
    await other.send(zmtp.greeting.OPENING + zmtp.greeting.closing(b"NULL", False))
    found = b""
    while b"READY" not in found:
        found += await asyncio.get_running_loop().sock_recv(other.sock, 4096)
    other.sock.close()
    await until(lambda: owner.reasons)
    assert owner.reasons == [
        "closed by the peer before its READY, often a wrong socket type or mechanism"
    ]


async def test_a_handshake_takes_no_longer_than_allowed(make, until):
    _, owner, _ = make(handshake_timeout=0.02)
    await until(lambda: owner.reasons)
    assert owner.reasons == ["no handshake within 0.02 s, still waiting for signature"]


async def test_a_refusal_by_the_owner(make, until):
    connection, owner, other = make()
    owner.refusal = "not you"
    await other.greet()
    await until(lambda: owner.reasons)
    assert (owner.reasons, connection.outbox) == (["not you"], None)


async def test_what_follows_the_handshake_in_the_same_read(make, until):
    _, owner, other = make()
    ready = command(b"READY", zmtp.metadata.encode({b"Socket-Type": b"DEALER"}))
    opening = zmtp.greeting.OPENING + zmtp.greeting.closing(b"NULL", False) + ready
    await other.send(opening + pack([b"", b"a"]) + ping(0, b"x") + pack([b"", b"b"]))
    await until(lambda: len(owner.seen) == 2)
    other.codec.start()
    await other.wait(zmtp.Ready)
    assert (await other.wait(zmtp.CommandReceived)).command == zmtp.Pong(b"x")


async def test_a_socket_that_is_released_stays_open(make):
    connection, owner, other = make()
    await other.greet()
    sock = connection.release("taken")
    assert (owner.reasons, connection.closed) == (["taken"], True)
    connection.close("again")
    assert owner.reasons == ["taken"]
    await asyncio.get_running_loop().sock_sendall(sock, pack([b"by hand"]))
    assert (await other.wait(zmtp.MessageReceived)).frames == [b"by hand"]
    sock.close()

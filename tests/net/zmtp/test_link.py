import asyncio
import socket
from dataclasses import replace

import pytest

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions
from ccproxy.net.zmtp import link as module
from ccproxy.net.zmtp.link import OutgoingLink, drained
from ccproxy.testing import free_ports
from ccproxy.wire import zmtp
from ccproxy.wire.zmtp import Handshake, pack

QUICK = LinkOptions(reconnect=0.002, reconnect_max=0.004, handshake_timeout=60.0)


class Far:
    """A far side: takes connections, does the handshake, keeps what comes."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.accepted = []

    async def accept(self, kind=b"ROUTER"):
        loop = asyncio.get_running_loop()
        sock, _ = await loop.sock_accept(self.sock)
        self.accepted.append(sock)
        codec = zmtp.WireConnection(Handshake(kind))
        await loop.sock_sendall(sock, codec.start())
        return sock, codec

    async def greet(self):
        sock, codec = await self.accept()
        await self.read(sock, codec, zmtp.Ready)
        return sock, codec

    async def read(self, sock, codec, kind):
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(sock, 65536)
            assert data
            for event in codec.receive(data):
                if isinstance(event, zmtp.Transmit):
                    await loop.sock_sendall(sock, event.data)
                if isinstance(event, kind):
                    return event

    def close(self):
        for sock in [self.sock, *self.accepted]:
            sock.close()


@pytest.fixture
def far():
    made = Far()
    yield made
    made.close()


@pytest.fixture
def make(kit, far):
    def make(options=QUICK, port=None):
        address = Address.remote(f"tcp://127.0.0.1:{port or far.port}")
        return OutgoingLink("h:x", address, options, kit())

    return make


async def test_what_waits_is_sent_when_the_far_side_is_there(make, far, until):
    link = make()
    assert (link.state, link.address) == ("connecting", f"tcp://127.0.0.1:{far.port}")
    link.outbox.offer(pack([b"", b"a"]), 1)
    sock, codec = await far.greet()
    assert (await far.read(sock, codec, zmtp.MessageReceived)).frames == [b"", b"a"]
    assert (link.state, link.outbox.sent) == ("up", 1)
    sock.close()
    await until(lambda: link.state != "up")
    assert link.reason == "closed by the peer"
    link.outbox.offer(pack([b"", b"b"]), 1)
    sock, codec = await far.greet()
    assert (await far.read(sock, codec, zmtp.MessageReceived)).frames == [b"", b"b"]
    assert link.reconnects == 1
    sock.close()
    await link.close(0)
    assert link.state == "gone"


async def test_messages_without_a_route_are_for_the_owner(make, far, until):
    link = make()
    seen = []
    link.on_message = seen.append
    sock, codec = await far.greet()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, codec.send([b"", b"echo.response", b"{}"]))
    await until(lambda: seen)
    assert (seen[0].type, seen[0].payload) == ("echo.response", (b"{}",))
    sock.close()
    await link.close(0)


async def test_nobody_there_and_nobody_polite(make, far, until, caplog):
    far.sock.close()
    link = make()
    await until(lambda: link.state == "refused")
    assert "no connection link=h:x" in caplog.text
    await link.close(0)


async def test_who_does_not_finish_the_handshake_is_refused(make, far, until):
    link = make(replace(QUICK, handshake_timeout=0.1))
    await far.accept()
    await until(lambda: link.state == "refused")
    assert link.reason == "no handshake within 0.1 s, still waiting for major version"
    await link.close(0)


async def test_the_wrong_socket_type_is_refused(make, far, until):
    link = make()
    sock, codec = await far.accept(b"PUB")
    with pytest.raises(AssertionError):
        await far.read(sock, codec, zmtp.Ready)
    await until(lambda: link.state == "refused")
    assert link.reason.startswith("PUB socket cannot talk to our DEALER")
    await link.close(0)


async def test_who_breaks_the_connection_at_once_is_waited_for_longer(
    make, far, until, monkeypatch
):
    waits = []

    class Waits:
        def __init__(self, first, most, random):
            waits.append((first, most))

        def next(self):
            waits.append("next")
            return 0.001

        def reset(self):
            waits.append("reset")

    monkeypatch.setattr(module, "Backoff", Waits)
    link = make()
    for _ in range(2):
        (await far.greet())[0].close()
    await until(lambda: link.reconnects == 2)
    monkeypatch.setattr(module, "STEADY_AFTER", 0.0)
    (await far.greet())[0].close()
    await far.greet()
    assert waits == [(0.002, 0.004), "next", "next", "reset", "next"]
    link.reconfigure(LinkOptions(reconnect=0.5, reconnect_max=1.0, queue=77))
    assert waits[-1] == (0.5, 1.0)
    assert link.outbox.limits.bytes == 77
    await link.close(0)


async def test_closing_sends_what_waits_for_as_long_as_it_may(make, far):
    link = make()
    far_side = asyncio.ensure_future(far.greet())
    link.outbox.offer(pack([b"", b"a"]), 1)
    closing = asyncio.ensure_future(link.close(5))
    sock, codec = await far_side
    assert (await far.read(sock, codec, zmtp.MessageReceived)).frames == [b"", b"a"]
    sock.close()
    await closing
    assert (link.outbox.sent, link.outbox.waiting) == (1, 0)


async def test_closing_in_the_handshake_waits_for_nobody(make, far, until):
    link = make(LinkOptions(linger=60.0))
    await until(lambda: link._connection)
    await link.close(60)
    assert link.state == "gone"


async def test_closing_drops_what_nobody_takes_and_counts_it(make, far, caplog):
    far.sock.close()
    link = make()
    link.outbox.offer(pack([b"", b"a"]) * 3, 3)
    await link.close(0.01)
    assert (link.outbox.dropped["stop"], link.outbox.waiting) == (3, 0)
    assert "dropped at stop link=h:x messages=3" in caplog.text


async def test_drained_says_whether_it_was(make, far):
    far.sock.close()
    link = make()
    assert await drained(link.outbox, 1)
    link.outbox.offer(pack([b"", b"a"]), 1)
    assert not await drained(link.outbox, 0.01)
    await link.close(0)


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
async def test_the_owner_hears_each_change_of_the_state_once(kit, until, caplog, kind):
    seen = []
    [port] = free_ports(1)
    link = OutgoingLink("h:x", Address.remote(f"tcp://127.0.0.1:{port}"), QUICK, kit())
    link.on_state(seen.append)
    await until(lambda: link.state == "refused")
    await asyncio.sleep(0.02)
    assert seen == ["refused"]

    def fails(state):
        seen.append(state)
        raise kind("on purpose")

    link.on_state(fails)
    await link.close(0)
    assert seen == ["refused", "gone"] and link.state == "gone"
    assert "handler failed handler=h:x type=(link state)" in caplog.text


async def test_a_paused_link_keeps_its_messages_until_it_may_connect(make, far, until):
    link = make()
    link.outbox.offer(pack([b"", b"a"]), 1)
    sock, codec = await far.greet()
    assert (await far.read(sock, codec, zmtp.MessageReceived)).frames == [b"", b"a"]
    link.pause()
    link.pause()
    assert (link.state, link.reason) == ("paused", "an operator holds it back")
    link.outbox.offer(pack([b"", b"b"]), 1)
    assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""  # in order, and all was sent
    sock.close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await far.accept()
    assert (link.state, link.outbox.waiting) == ("paused", 1)
    link.resume()
    link.resume()
    sock, codec = await far.greet()
    assert (await far.read(sock, codec, zmtp.MessageReceived)).frames == [b"", b"b"]
    await until(lambda: link.state == "up")
    await link.close(0)


async def test_a_link_that_is_down_can_be_paused_and_closed(make):
    [port] = free_ports(1)
    link = make(port=port)
    await asyncio.sleep(0.01)
    link.pause()
    await asyncio.sleep(0.02)
    assert link.state == "paused"
    await link.close(0)
    assert link.state == "gone"

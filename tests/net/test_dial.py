import asyncio
import socket
from functools import partial

import pytest

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions
from ccproxy.net.dial import Dial
from ccproxy.net.sender import CLOSED
from ccproxy.testing import free_ports
from tests.net.wire_owner import ToldOwner


@pytest.fixture
def server():
    """A listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture
def dial(kit):
    return partial(dialled, kit)


def dialled(kit, server, **options):
    owner = ToldOwner()
    port = server if isinstance(server, int) else server.getsockname()[1]
    address = Address.remote(f"tcp://127.0.0.1:{port}")
    return Dial(address, owner, kit(), LinkOptions(**options)), owner


async def test_a_whole_life(dial, until, server):
    loop = asyncio.get_running_loop()
    wire, owner = dial(server)
    assert wire.write(b"too early") is False
    theirs, _ = await loop.sock_accept(server)
    with theirs:
        await until(lambda: owner.told)
        assert wire.write(b"hello") is True
        assert await loop.sock_recv(theirs, 100) == b"hello"
        theirs.send(b"world")
    await until(lambda: wire.over)
    assert owner.told == ["opened", b"world", b"", CLOSED]
    assert wire.write(b"too late") is False
    wire.close()
    assert len(owner.told) == 4


async def test_nobody_there_is_said_once_with_the_reason(dial, until):
    wire, owner = dial(*free_ports(1))
    await until(lambda: wire.over)
    await asyncio.sleep(0.01)
    assert owner.told == ["Connection refused"]


async def test_who_closes_hears_nothing_more(dial, until, server):
    wire, owner = dial(server)
    wire.close()
    await asyncio.gather(wire._task, return_exceptions=True)
    assert owner.told == []
    wire, owner = dial(server)
    await until(lambda: owner.told)
    wire.close()
    wire.close()
    await asyncio.sleep(0.01)
    assert (owner.told, wire.over) == (["opened"], True)
    assert wire.write(b"x") is False


async def test_what_waits_is_bounded(dial, until, server):
    wire, owner = dial(server, queue=1024)
    await until(lambda: owner.told)
    assert [wire.write(b"x" * 700) for _ in range(2)] == [True, False]
    wire.close()


async def test_what_the_owner_raises_is_reported_at_once(dial, until, server):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: reported.append(what))
    wire, owner = dial(server)
    error = RuntimeError("a fault of the owner")

    def opened(wire):
        raise error

    owner.opened = opened
    await until(lambda: reported)
    assert reported[0]["exception"] is error
    wire.close()

"""Addresses that handlers listen on with a protocol of their own: closed, and opened again."""

import asyncio

import pytest

from ccproxy.config.address import Address
from ccproxy.server.handler_listener import HandlerListener


class Accepted(asyncio.Protocol):
    def __init__(self):
        self.got = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.got.set_result(data)


async def dial(address):
    if address.startswith("ipc:"):
        return await asyncio.open_unix_connection(address.removeprefix("ipc://"))
    return await asyncio.open_connection("127.0.0.1", address.rpartition(":")[2])


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:0", "ipc://{}/x"])
async def test_it_opens_the_same_again_and_leaves_connections_alone(kit, until, tmp_path, text):
    ends = []

    def accept():
        ends.append(Accepted())
        return ends[-1]

    one = HandlerListener("h:x", Address.parse(text.format(tmp_path)), accept, kit())
    assert not one.listening
    one.close()
    await one.open()
    before = one.bound
    assert one.listening and not before.endswith(":0")
    writers = [(await dial(before))[1]]
    await until(lambda: len(ends) == 1)  # the kernel closes what was not accepted
    one.close()
    assert not one.listening
    with pytest.raises(OSError):
        await dial(before)
    await one.open()
    assert one.bound == before
    writers.append((await dial(before))[1])
    for writer in writers:
        writer.write(b"still here")
    await until(lambda: len(ends) == 2)
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(end.got for end in ends)) == [b"still here"] * 2
    one.close()
    for end, writer in zip(ends, writers, strict=True):
        end.transport.close()
        writer.close()
        await writer.wait_closed()


async def test_an_address_that_is_taken_meanwhile_is_named(kit):
    one = HandlerListener("h:x", Address.parse("tcp://127.0.0.1:0"), asyncio.Protocol, kit())
    await one.open()
    one.close()
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", one.bound.rpartition(":")[2])
    with pytest.raises(OSError, match=f"^cannot listen on {one.bound}: Address already in use$"):
        await one.open()
    assert not one.listening
    taken.close()
    await taken.wait_closed()
    await one.open()
    one.close()

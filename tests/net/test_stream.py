import asyncio
import socket
from contextlib import suppress

import pytest

from ccproxy.core.outbox import Limits
from ccproxy.core.pace import NOTHING, PaceLimits
from ccproxy.net.sender import CLOSED
from ccproxy.net.stream import Stream


class Owner:
    """Keeps what it is told."""

    lingers = False
    held = NOTHING

    def pending(self):
        return self.held

    def __init__(self):
        self.data = []
        self.reasons = []

    def received(self, stream, data):
        self.data.append(data)

    def closed(self, stream, reason):
        self.reasons.append(reason)


@pytest.fixture
def make(pair, kit):
    def make(**limits):
        ours, theirs = pair()
        owner = Owner()
        stream = Stream(ours, "x", owner, kit(), Limits(**limits))
        stream.open()
        return stream, owner, theirs

    return make


async def read(sock, count):
    found = b""
    while len(found) < count:
        found += await asyncio.get_running_loop().sock_recv(sock, count - len(found))
    return found


async def test_units_of_one_turn_are_one_write(make):
    stream, owner, theirs = make()
    assert stream.write(b"one") and stream.write(b"two")
    with pytest.raises(BlockingIOError):
        theirs.recv(10)
    await asyncio.sleep(0.001)
    assert theirs.recv(10) == b"onetwo"
    assert stream.send([b"n", b"ow"]) and theirs.recv(10) == b"now"
    stream.close("done")
    stream.close("again")
    assert owner.reasons == ["done"]
    assert (stream.write(b"x"), stream.send([b"x"]), stream.box.sent) == (False, False, 3)


@pytest.mark.parametrize("end", ["pause", "finish"])
async def test_who_leaves_while_it_is_not_read_is_closed_by_the_write_that_fails(make, end):
    stream, owner, theirs = make()
    stream.write(b"x" * 5_000_000)
    await asyncio.sleep(0.001)
    stream.pause() if end == "pause" else stream.finish("enough")
    theirs.close()
    async with asyncio.timeout(60):
        while not owner.reasons:
            await asyncio.sleep(0.001)
    assert stream.closed and not stream.box.waiting
    [reason] = owner.reasons
    assert reason == "enough" if end == "finish" else reason.startswith("write failed: ")


async def test_what_has_no_room_is_dropped_as_a_whole(make):
    stream, _, _ = make(bytes=10)
    assert stream.write(b"x" * 8) is True
    assert stream.write(b"y" * 8) is False
    assert (stream.box.waiting, stream.box.dropped) == (1, {"full": 1})
    stream.close("done")
    assert stream.box.dropped == {"full": 1, "gone": 1}


async def test_what_comes_is_told_unless_it_is_paused(make, until):
    stream, owner, theirs = make()
    theirs.send(b"one")
    await until(lambda: owner.data)
    stream.pause()
    stream.pause()
    theirs.send(b"two")
    await asyncio.sleep(0.01)
    assert owner.data == [b"one"]
    stream.resume()
    stream.resume()
    await until(lambda: len(owner.data) == 2)
    assert owner.data == [b"one", b"two"]
    stream.close("done")
    stream.resume()


async def test_the_other_side_ends(make, until):
    stream, owner, theirs = make()
    theirs.send(b"last")
    theirs.shutdown(socket.SHUT_WR)
    await until(lambda: owner.reasons)
    assert (owner.data, owner.reasons) == ([b"last", b""], [CLOSED])


async def test_the_end_waits_for_what_is_not_written_yet(make, until):
    stream, owner, theirs = make()
    stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    stream.write(b"x" * 1_000_000)
    stream.finish("over")
    assert owner.reasons == []
    assert await read(theirs, 1_000_000) == b"x" * 1_000_000
    await until(lambda: owner.reasons)
    assert (owner.reasons, stream.box.sent) == (["over"], 1)


async def test_nothing_waits_so_the_end_is_now(make):
    stream, owner, _ = make()
    stream.finish("over")
    assert owner.reasons == ["over"]


async def test_the_other_side_has_a_moment_to_close(make, until, monkeypatch):
    """What it still sends is thrown away, and what it was sent arrives."""
    monkeypatch.setattr("ccproxy.net.stream.CLOSE_TIMEOUT", 0.05)
    for closes in (True, False):
        stream, owner, theirs = make()
        theirs.send(b"unread")
        stream.write(b"last")
        stream.flush()
        stream.close_gracefully("over")
        stream.close_gracefully("again")
        assert stream.closed and owner.reasons == []
        theirs.send(b"more")
        assert (await read(theirs, 4), theirs.recv(1)) == (b"last", b"")
        if closes:
            theirs.close()
        await until(lambda: owner.reasons)  # noqa: B023 - of this turn
        assert (owner.reasons, owner.data) == (["over"], [])
        stream.close("again")


async def test_who_has_ended_or_is_muted_is_read_no_more(make, until):
    stream, owner, theirs = make()
    stream.stop_reading()
    stream.resume()
    theirs.send(b"unread")
    await asyncio.sleep(0.01)
    assert owner.data == []
    stream.close("done")
    stream, owner, theirs = make()
    owner.lingers = True
    theirs.close()
    await until(lambda: owner.data)
    stream.resume()
    stream.close_gracefully("over")
    assert (owner.data, owner.reasons) == ([b""], ["over"])


async def test_a_stream_that_is_to_be_closed_waits_for_a_reader_that_goes_on(make):
    stream, owner, theirs = make()
    stream.write(b"x" * 20_000_000)
    await asyncio.sleep(0.001)
    limits = PaceLimits(message=10.0)
    assert [stream.look(now, limits) for now in (1e9, 1e9 + 100)] == ["", ""]
    stream.finish("enough")
    assert stream.look(1e9 + 101, limits) == "idle"
    theirs.recv(1_000_000)
    while stream.look(1e9 + 102, limits) == "idle":
        await asyncio.sleep(0.001)
        with suppress(BlockingIOError):
            theirs.recv(1_000_000)
    assert stream.look(1e9 + 111, limits) == ""
    assert stream.look(1e9 + 113, limits) == "idle"
    stream.close("the end")


@pytest.fixture
def connected(kit):
    """A stream over TCP, its owner, and a call that resets the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    ours.setblocking(False)

    def reset():
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()

    def make():
        owner = Owner()
        stream = Stream(ours, "x", owner, kit(), Limits())
        stream.open()
        return stream, owner, reset

    return make


async def test_a_reset_says_so(connected, until):
    _, owner, reset = connected()
    reset()
    await until(lambda: owner.reasons)
    assert owner.reasons == ["read failed: Connection reset by peer"]


async def test_a_reset_is_found_although_nothing_is_read_or_written(connected):
    stream, owner, reset = connected()
    stream.pause()
    limits = PaceLimits(message=10.0)
    assert (stream.look(1e9, limits), owner.reasons) == ("", [])
    reset()
    assert stream.look(1e9, limits) == ""
    assert owner.reasons == ["read failed: Connection reset by peer"]

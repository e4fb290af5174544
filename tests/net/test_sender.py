import asyncio

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.flush import FlushQueue
from ccproxy.net.sender import CONTROL, LARGE_UNIT, Sender
from ccproxy.wire.zmtp import command, pack

MESSAGE = pack([b"", b"a", b"x" * 100])


def make(sock):
    lost = []
    sender = Sender(sock, FlushQueue(asyncio.get_running_loop()), lost.append)
    return sender, lost


async def read(sock, count):
    loop = asyncio.get_running_loop()
    found = b""
    while len(found) < count:
        found += await loop.sock_recv(sock, count - len(found))
    return found


async def test_what_waits_and_what_comes_is_sent(pair):
    ours, theirs = pair()
    sender, lost = make(ours)
    box = Outbox("x", Limits())
    box.offer(MESSAGE, 1)
    sender.attach(box)
    box.offer(MESSAGE * 2, 2)
    assert await read(theirs, 3 * len(MESSAGE)) == MESSAGE * 3
    assert (box.sent, box.waiting, lost) == (3, 0, [])
    sender.detach()


async def test_a_command_never_comes_into_a_message(pair):
    ours, theirs = pair()
    sender, lost = make(ours)
    box = Outbox("x", Limits())
    sender.attach(box)
    large = pack([b"", b"a", b"y" * 3_000_000])
    box.offer(large, 1)
    box.offer(MESSAGE, 1)
    await asyncio.sleep(0)
    assert box.half_sent
    ping = command(b"PING", b"\0\0")
    sender.command(ping)
    total = await read(theirs, len(large) + len(ping) + len(MESSAGE))
    # The kernel may have taken the second message together with the end of the first.
    assert total in (large + ping + MESSAGE, large + MESSAGE + ping)
    assert (box.sent, lost) == (2, [])
    sender.detach()


async def test_commands_for_later_go_out_together(pair):
    ours, theirs = pair()
    sender, lost = make(ours)
    ping = command(b"PING", b"\0\0")
    for _ in range(100):
        sender.command_later(ping)
    assert sender._control == ping * 100
    assert await read(theirs, 100 * len(ping)) == ping * 100
    sender.command_later(b"")
    assert not sender._control and not lost
    while not lost:
        sender.command_later(ping * 1000)
    assert len(sender._control) < CONTROL + 1001 * len(ping)
    sender.detach()


async def test_a_connection_that_breaks_in_the_middle_of_a_message(pair):
    ours, theirs = pair()
    sender, lost = make(ours)
    box = Outbox("x", Limits())
    sender.attach(box)
    box.offer(pack([b"", b"a", b"y" * 3_000_000]), 1)
    await asyncio.sleep(0)
    assert box.half_sent
    theirs.close()
    while not sender.write_error:
        sender.flush()
        await asyncio.sleep(0.001)
    assert not lost, "what the peer sent is still to be read"
    sender.detach()
    assert (box.waiting, box.sent, box.half_sent, box.wake) == (1, 0, False, None)
    sender.command(b"late")
    sender.flush()


async def test_commands_that_nobody_reads_are_bounded(pair):
    ours, _ = pair()
    sender, lost = make(ours)
    while not lost:
        sender.command(command(b"PONG", bytes(16)) * 100)
    assert lost == ["asks for answers and does not read them"]
    assert len(sender._control) < 2 * CONTROL
    sender.detach()


async def test_messages_in_pieces_are_written_at_once_or_wait(pair):
    ours, theirs = pair()
    sender, lost = make(ours)
    box = Outbox("x", Limits())
    assert box.write is None
    sender.attach(box)
    two = MESSAGE * 2
    pieces = [two[:10], memoryview(two)[10:]]
    assert box.write(pieces, 2) == 2
    assert (box.queued, box.sent, box.waiting) == (2, 2, 0)
    large = pack([b"", b"a", b"y" * 3_000_000])
    assert box.write([large, large], 2) == 2  # the kernel takes a part
    assert (box.queued, box.sent + box.waiting) == (4, 4) and box.waiting and box.half_sent
    assert box.write(pieces, 2) == 2 and box.waiting >= 3  # behind what waits
    everything = two + large * 2 + two
    assert await read(theirs, len(everything)) == everything
    assert (box.sent, box.waiting, box.bytes, lost) == (6, 0, 0, [])
    sender.detach()
    assert box.write is None


async def test_messages_in_pieces_obey_the_limits(pair):
    ours, theirs = pair()
    sender, _ = make(ours)
    box = Outbox("x", Limits(bytes=3 * len(MESSAGE), messages=2))
    sender.attach(box)
    assert box.write([MESSAGE] * 3, 3) == 2
    assert (box.queued, box.dropped) == (3, {"full": 1})
    assert await read(theirs, 2 * len(MESSAGE)) == MESSAGE * 2
    assert (box.sent, box.waiting) == (2, 0)
    sender.detach()


async def test_a_large_unit_in_pieces_is_not_joined(pair):
    ours, theirs = pair()
    sender, lost = make(ours)
    box = Outbox("x", Limits(), whole=True)
    sender.attach(box)
    head, body = b"head", memoryview(bytes(range(250)) * 80_000)
    assert sender.send([head, body]) == 1
    assert (box.queued, box.waiting) == (1, 1)
    assert 1 <= len(box.peek(9)) <= 2 and box.peek(9)[-1].obj is body.obj
    assert await read(theirs, 4 + len(body)) == head + body
    assert (box.sent, box.waiting, box.bytes, box.memory.used, lost) == (1, 0, 0, 0, [])
    sender.detach()


@pytest.mark.parametrize(
    ("limits", "before", "taken"),
    [
        (Limits(policy="drop-old"), [], 1),
        (Limits(bytes=LARGE_UNIT), [], 0),
        (Limits(), [b"before"], 1),
    ],
)
async def test_one_that_may_be_dropped_or_has_to_wait_is_joined(pair, limits, before, taken):
    ours, _ = pair()
    sender, _ = make(ours)
    sender.write_error = 1  # nothing is written
    box = Outbox("x", limits, whole=True)
    sender.attach(box)
    for one in before:
        box.offer(one, 1)
    assert sender.send([b"head", bytes(LARGE_UNIT)]) == taken
    assert len(box.peek(9)) == taken + len(before)
    sender.detach()

"""What two servers say to each other: lines, descriptors, and what is wrong with them."""

import asyncio
import os
import socket

import pytest

from ccproxy.process.handover import (
    LONGEST_LINE,
    SOCKETS_AT_ONCE,
    Handed,
    HandoverError,
    HandoverLines,
    OtherServerEnded,
    decoded,
    receive_handed,
    receive_line,
)


@pytest.fixture
def two(pair):
    """The lines of the old server, and the socket of the new one, which blocks."""
    old, new = pair()
    new.settimeout(60)
    return HandoverLines(old), new


@pytest.mark.parametrize("count", [0, 1, SOCKETS_AT_ONCE, 2 * SOCKETS_AT_ONCE + 3])
async def test_descriptors_arrive_in_order(two, count):
    lines, sock = two
    reader, writer = os.pipe()
    given = [Handed("listener", one, f"h:{one}", "tcp://x", writer) for one in range(count)]
    receiving = asyncio.to_thread(receive_handed, sock)
    _, found = await asyncio.gather(lines.hand(given), receiving)
    assert [(one.number, one.owner) for one in found] == [(n, f"h:{n}") for n in range(count)]
    for one in found:
        assert not os.get_inheritable(one.descriptor)
        os.write(one.descriptor, b"x")
        os.close(one.descriptor)
    os.close(writer)
    assert os.read(reader, count + 1) == b"x" * count
    os.close(reader)


async def test_lines_in_both_directions(two):
    lines, sock = two
    await lines.send({"process": 7})
    assert receive_line(sock) == {"process": 7}
    sock.sendall(b'{"a": 1}\n{"b"')
    assert await lines.receive() == {"a": 1}
    sock.sendall(b": 2}\n")
    assert await lines.receive() == {"b": 2}


async def test_the_end_of_the_other_one(two):
    lines, sock = two
    sock.sendall(b'{"half"')
    sock.close()
    with pytest.raises(OtherServerEnded):
        await lines.receive()


def test_the_end_of_the_old_one(two):
    lines, sock = two
    lines.close()
    with pytest.raises(HandoverError, match="the other server has ended"):
        receive_line(sock)


async def test_a_line_without_end(two):
    lines, sock = two
    sender = asyncio.to_thread(sock.sendall, b"x" * (LONGEST_LINE + 70000))
    task = asyncio.ensure_future(sender)
    with pytest.raises(HandoverError, match="a line has more than"):
        await lines.receive()
    lines.close()
    await asyncio.gather(task, return_exceptions=True)


def test_descriptors_that_are_missing(two):
    lines, sock = two
    descriptor = os.dup(0)
    row = b'["listener", 1, "a", "b"]'
    socket.send_fds(lines.socket, [b'{"handed": [%s, %s]}\n' % (row, row)], [descriptor])
    os.close(descriptor)
    with pytest.raises(HandoverError, match="1 of 2 descriptors have arrived"):
        receive_handed(sock)


async def test_the_new_one_has_not_taken_all(two):
    lines, sock = two
    sock.sendall(b'{"got": 3}\n')
    with pytest.raises(HandoverError, match="not all descriptors have arrived"):
        await lines.hand([])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"refused": "not you"}', "not you"),
        (b"[1]", r"the other server says b'\[1\]'"),
        (b"\xff", "the other server says"),
    ],
)
def test_what_is_no_line(line, why):
    with pytest.raises(HandoverError, match=why):
        decoded(line)

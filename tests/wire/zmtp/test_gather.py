"""Large messages in pieces: the same as unpacking them whole, bounded, and in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.wire.zmtp.commands import COMMAND_MAX, ping
from ccproxy.wire.zmtp.frames import ZmtpError, command, frame, pack, unpack
from ccproxy.wire.zmtp.gather import COMMANDS_HELD, Gather, MessageTooBig

BODIES = st.one_of(st.binary(max_size=8), st.integers(250, 260).map(bytes))
MESSAGES = st.lists(BODIES, min_size=1, max_size=6)
CUTS = st.lists(st.integers(0, 2000), max_size=8)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in zip(at, at[1:], strict=False)]


@given(MESSAGES, CUTS, st.binary(max_size=5))
@settings(max_examples=150)
def test_a_message_in_any_pieces(message: list[bytes], cuts: list[int], rest: bytes) -> None:
    gather = Gather(10_000, 100)
    wire = pack(message)
    *before, final = pieces(wire, cuts)
    while before and not final:
        final = before.pop()
    held = 0
    for piece in before:
        assert gather.feed(piece) is None
        held += len(piece)
        assert gather.size == held
    assert gather.feed(final + rest) == (wire, rest)
    assert unpack(wire) == message
    assert gather.size == 0


@given(MESSAGES, st.lists(st.integers(0, 6), max_size=3), CUTS)
@settings(max_examples=150)
def test_commands_inside_are_kept_apart(
    message: list[bytes], places: list[int], cuts: list[int]
) -> None:
    frames = [frame(body, at < len(message) - 1) for at, body in enumerate(message)]
    wire, commands = frames[0], []
    for at, part in enumerate(frames[1:], 1):
        inside = [ping(at, bytes([n])) for n in range(places.count(at))]
        commands += inside
        wire += b"".join(inside) + part
    gather, found, taken = Gather(10_000, 100), None, []
    for piece in pieces(wire, cuts):
        found = found or gather.feed(piece)
        taken += gather.take_commands()
    assert found == (pack(message), b"")
    assert taken == commands
    assert gather.whole(wire, 0) == (0 if commands else len(wire))


def test_a_command_alone_is_returned_like_a_message() -> None:
    gather = Gather(100, 10)
    assert gather.feed(ping()[:3]) is None
    assert gather.feed(ping()[3:] + b"\0") == (ping(), b"\0")
    assert gather.take_commands() == []


def test_a_byte_at_a_time_with_many_small_frames() -> None:
    message = [b""] * 20_000 + [b"x" * 40_000]
    gather = Gather(100_000, 30_000)
    wire = pack(message)
    for at in range(len(wire) - 1):
        assert gather.feed(wire[at : at + 1]) is None
    assert gather.feed(wire[-1:]) == (wire, b"")


def test_a_claimed_length_costs_nothing() -> None:
    gather = Gather(2**62, 10)
    assert gather.feed(b"\x02" + (2**61).to_bytes(8, "big")) is None
    assert gather.size == 9


@pytest.mark.parametrize(
    ("pieces_", "problem"),
    [
        ([b"\x02" + (100).to_bytes(8, "big")], "message of 109 bytes or more; limit 100"),
        ([b"\x02" + b"\xff" * 8], "or more; limit 100"),
        ([frame(bytes(60), True), b"\x00\x40"], "message of 128 bytes or more"),
        ([b"\x06" + (COMMAND_MAX + 1).to_bytes(8, "big")], "command of"),
        ([b"\x01\0", b"\x06" + bytes(6) + b"\xff\xff"], "command of"),
    ],
)
def test_too_big_as_soon_as_it_is_announced(pieces_: list[bytes], problem: str) -> None:
    gather = Gather(100, 10)
    with pytest.raises(MessageTooBig, match=problem):
        for piece in pieces_:
            gather.feed(piece)
    with pytest.raises(MessageTooBig, match=problem):
        Gather(100, 10).whole(b"".join(pieces_), 0)


def test_commands_inside_do_not_count_towards_the_size() -> None:
    gather = Gather(10, 10)
    wire = pack([b"abc", b"abc"])
    assert gather.feed(wire[:5] + ping() * 50 + wire[5:]) == (wire, b"")
    assert len(gather.take_commands()) == 50


@pytest.mark.parametrize("wire", ["08", "0500", "0100ff", "01000500"])
def test_broken_flags(wire: str) -> None:
    for call in (Gather(100, 10).feed, lambda data: Gather(100, 10).whole(data, 0)):
        with pytest.raises(ZmtpError, match="frame flags"):
            call(bytes.fromhex(wire))


def test_too_many_frames() -> None:
    assert Gather(100, 3).feed(pack([b""] * 3)) == (pack([b""] * 3), b"")
    for call in (Gather(100, 3).feed, lambda data: Gather(100, 3).whole(data, 0)):
        with pytest.raises(ZmtpError, match="more than 3 frames"):
            call(pack([b""] * 4))


def test_endless_commands_inside_a_message() -> None:
    gather = Gather(100, 10)
    gather.feed(b"\x01\0")
    with pytest.raises(ZmtpError, match="of commands inside one message"):
        for _ in range(COMMANDS_HELD):
            gather.feed(ping())
    assert gather.size <= COMMANDS_HELD + 100


def test_whole_finds_what_is_whole() -> None:
    gather, wire = Gather(1000, 10), pack([b"a", bytes(300)])
    data = b"xx" + wire + ping() + b"\0"
    assert gather.whole(data, 2) == 2 + len(wire)
    assert gather.whole(data, 2 + len(wire)) == len(data) - 1
    assert gather.whole(data, len(data) - 1) == gather.whole(data, len(data)) == 0
    assert gather.whole(wire[:-1], 0) == 0


@given(st.binary(max_size=60), st.integers(1, 7))
@settings(max_examples=300)
def test_random_bytes_in_any_cut_end_alike(data: bytes, step: int) -> None:
    assert outcome([data]) == outcome([data[at : at + step] for at in range(0, len(data), step)])


def outcome(chunks: list[bytes]) -> tuple[str, bytes, bytes]:
    gather = Gather(40, 4)
    for at, chunk in enumerate(chunks):
        try:
            found = gather.feed(chunk)
        except ZmtpError as problem:
            return type(problem).__name__ + str(problem), b"", b""
        assert gather.size <= 60
        if found:
            return "", found[0], found[1] + b"".join(chunks[at + 1 :])
    return "waits", b"", b""


def test_long_commands_inside() -> None:
    wire = b"\x01\x00" + command(b"X", bytes(300)) + b"\x00\x00"
    gather = Gather(100, 10)
    assert gather.feed(wire) == (b"\x01\x00\x00\x00", b"")
    assert gather.take_commands() == [command(b"X", bytes(300))]

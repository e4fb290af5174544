"""ZMTP 1.0: frames there and back in any cut, lengths that are claims, a whole connection."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.wire.zmtp import (
    Failed,
    Handshake,
    MessageReceived,
    Peer,
    Ready,
    WireConnection,
    ZmtpError,
)
from ccproxy.wire.zmtp.commands import ping
from ccproxy.wire.zmtp.frames import pack
from ccproxy.wire.zmtp.zmtp1 import Zmtp1Frames, body_span, header

BODIES = st.one_of(st.binary(max_size=8), st.integers(250, 260).map(lambda size: b"b" * size))
MESSAGES = st.lists(st.lists(BODIES, min_size=1, max_size=4), max_size=6)


def old(frames: list[bytes], garbage: int = 0) -> bytes:
    """One message as libzmq 2 sends it; `garbage` is what its unused flags are."""
    last = len(frames) - 1
    heads = [header(len(body), index < last) for index, body in enumerate(frames)]
    return b"".join(
        head[:-1] + bytes((head[-1] | garbage,)) + body
        for head, body in zip(heads, frames, strict=True)
    )


@pytest.mark.parametrize(
    ("frames", "wire"),
    [
        ([b""], "0100"),
        ([b"a"], "020061"),
        ([b"", b"a", b""], "0101" + "020161" + "0100"),
        ([b"x" * 253], "fe00" + "78" * 253),
        ([b"x" * 254], "ff00000000000000ff00" + "78" * 254),
        ([b"x" * 255, b""], "ff000000000000010001" + "78" * 255 + "0100"),
    ],
)
def test_transcripts(frames: list[bytes], wire: str) -> None:
    data = pack(frames)
    assert Zmtp1Frames().seal(data) == [(bytes.fromhex(wire), len(data))]
    connection = opened()
    assert connection.receive(bytes.fromhex(wire)) == [MessageReceived(frames)]
    bytewise = opened()
    events = [event for octet in bytes.fromhex(wire) for event in bytewise.receive(bytes((octet,)))]
    assert events == [MessageReceived(frames)]


def opened(max_message: int = 10_000) -> WireConnection:
    connection = WireConnection(Handshake(b"ROUTER"), max_message=max_message)
    assert connection.receive(b"\x03\x00me") == [Ready(Peer((1, 0), b"", b"me"))]
    return connection


def test_a_message_is_a_piece_and_stands_for_its_bytes() -> None:
    messages = [[b"one"], [b"two", b"x" * 300], [b""]]
    data = b"".join(map(pack, messages))
    pieces = Zmtp1Frames().seal(memoryview(data))
    assert pieces == [(old(frames), len(pack(frames))) for frames in messages]
    assert Zmtp1Frames().seal(b"") == []


@pytest.mark.parametrize("data", [ping(), pack([b"abc"])[:-1], pack([b"abc"])[:1]])
def test_what_1_0_cannot_carry(data: bytes) -> None:
    with pytest.raises(ZmtpError, match="whole messages only"):
        Zmtp1Frames().seal(data)


@given(MESSAGES, st.sampled_from([0, 0x7E, 0x80, 0xFE]), st.lists(st.integers(0, 3000), max_size=8))
@settings(max_examples=300)
def test_any_messages_cut_anywhere(
    messages: list[list[bytes]], garbage: int, at: list[int]
) -> None:
    wire = b"".join(old(frames, garbage) for frames in messages)
    cuts = [0, *sorted(min(cut, len(wire)) for cut in at), len(wire)]
    connection = opened()
    events = [
        event
        for start, end in zip(cuts, cuts[1:], strict=False)
        for event in connection.receive(wire[start:end])
    ]
    assert events == [MessageReceived(frames) for frames in messages]
    sent = b"".join(connection.send(frames) for frames in messages)
    assert sent == b"".join(map(old, messages))


@given(MESSAGES, st.integers(1, 11))
@settings(max_examples=150)
def test_there_and_back(messages: list[list[bytes]], step: int) -> None:
    data = b"".join(map(pack, messages))
    pieces = Zmtp1Frames().seal(data)
    assert sum(size for _, size in pieces) == len(data)
    wire = b"".join(piece for piece, _ in pieces)
    back = Zmtp1Frames()
    found = b"".join(back.open(wire[at : at + step]) for at in range(0, len(wire), step))
    again = Zmtp1Frames()
    assert found == again.open(wire)
    assert Zmtp1Frames().seal(found) == [
        (old(frames), size)
        for frames, size in zip(messages, map(_size_with_long_headers, messages), strict=True)
    ]


def _size_with_long_headers(frames: list[bytes]) -> int:
    """A body of 254 or 255 bytes has a long header in 1.0, and keeps it."""
    return len(pack(frames)) + 7 * sum(len(body) in (254, 255) for body in frames)


@given(st.binary(max_size=400), st.integers(1, 40))
@settings(max_examples=300)
def test_random_bytes_are_frames_or_an_error(data: bytes, step: int) -> None:
    connection = opened()
    for at in range(0, len(data), step):
        for event in connection.receive(data[at : at + step]):
            assert isinstance(event, MessageReceived | Failed)


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, 10_001])
def test_a_length_that_is_only_claimed_allocates_nothing(length: int) -> None:
    claim = b"\xff" + length.to_bytes(8, "big") + b"\0"
    tracemalloc.start()
    [event] = opened().receive(claim + b"x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(event, Failed)
    assert "limit 10000" in event.reason
    assert peak < 1 << 20


def test_nothing_of_a_body_is_held() -> None:
    frames = Zmtp1Frames()
    part = bytes(1 << 20)
    assert frames.open(header(20 << 20)) == b"\x02" + (20 << 20).to_bytes(8, "big")
    for _ in range(20):
        assert frames.open(part) is part
    assert frames.open(old([b"next"])) == pack([b"next"])


@pytest.mark.parametrize("data", [b"\0\0", b"\xff" + bytes(9), b"\x02\x00a\0\0"])
def test_a_length_that_does_not_count_the_flags(data: bytes) -> None:
    for step in (1, 20):
        frames = Zmtp1Frames()
        with pytest.raises(ZmtpError, match="the length 0"):
            for at in range(0, len(data), step):
                frames.open(data[at : at + step])


def test_where_a_body_is() -> None:
    assert body_span(b"\x01\x00") == (2, 2)
    assert body_span(b"\x06\x00al") == (2, 7)
    assert body_span(header(254)) == (10, 264)
    assert [body_span(header(300)[:size]) for size in range(10)] == [None] * 10
    assert body_span(b"\x06") is None
    with pytest.raises(ZmtpError):
        body_span(b"\0\0")

"""Frames and messages: built ones are found again, broken ones are reported."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.wire.zmtp import frames as f

BODIES = st.one_of(st.binary(max_size=8), st.integers(250, 260).map(bytes), st.just(bytes(70_000)))
MESSAGES = st.lists(BODIES, min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("body", "more", "header"),
    [
        (b"", False, "0000"),
        (b"", True, "0100"),
        (b"a" * 255, False, "00ff"),
        (b"a" * 256, False, "020000000000000100"),
        (b"a" * 256, True, "030000000000000100"),
    ],
)
def test_frame_header(body: bytes, more: bool, header: str) -> None:
    assert f.frame(body, more) == bytes.fromhex(header) + body


def test_command_short_and_long() -> None:
    assert f.command(b"PING", b"\0\x0a") == b"\x04\x07\x04PING\0\x0a"
    assert f.command(b"X", bytes(254)) == b"\x06" + (256).to_bytes(8, "big") + b"\x01X" + bytes(254)


@pytest.mark.parametrize("name", [b"", b"n" * 256])
def test_command_name_has_1_to_255_bytes(name: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        f.command(name)


def test_a_message_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        f.pack([])


@given(MESSAGES)
@settings(max_examples=60)
def test_pack_and_unpack_are_inverse(message: list[bytes]) -> None:
    wire = f.pack(message)
    assert f.unpack(wire) == message
    assert wire == b"".join(f.frame(body, at < len(message) - 1) for at, body in enumerate(message))


@given(st.lists(MESSAGES, max_size=5), st.integers(0, 9))
@settings(max_examples=60)
def test_boundaries_are_the_ends_of_messages(messages: list[list[bytes]], start: int) -> None:
    wires = [f.pack(message) for message in messages]
    data = bytes(start) + b"".join(wires)
    ends = [start, *f.boundaries(data, start)]
    assert [data[a:b] for a, b in zip(ends, ends[1:], strict=False)] == wires


def test_a_command_is_a_unit_of_its_own_for_boundaries() -> None:
    ping = f.command(b"PING", b"\0\0")
    assert list(f.boundaries(ping + f.pack([b"a"]))) == [len(ping), len(ping) + 3]


@pytest.mark.parametrize(
    ("wire", "problem"),
    [
        ("", "cut in frame 1"),
        ("00", "cut in frame 1"),
        ("000161ff", "1 bytes follow"),
        ("010161", "cut in frame 2"),
        ("0002ff", "cut in frame 1"),
        ("02ffffffffffffffff", "cut in frame 1"),
        ("0407", "cut in frame 1"),
        ("04020141", "a command where"),
        ("080161", "flags 0x08"),
        ("0500", "flags 0x05"),
        ("ff", "flags 0xff"),
    ],
)
def test_unpack_names_what_is_wrong(wire: str, problem: str) -> None:
    with pytest.raises(f.ZmtpError, match=problem):
        f.unpack(bytes.fromhex(wire))


@pytest.mark.parametrize("wire", ["00", "0002ff", "010161", "0001610301", "08"])
def test_boundaries_refuse_what_is_not_whole(wire: str) -> None:
    with pytest.raises(f.ZmtpError):
        list(f.boundaries(bytes.fromhex(wire)))


def test_span_of_a_cut_header_is_none() -> None:
    long = f.frame(bytes(300))
    assert [f.span(long[:size], 0) for size in range(9)] == [None] * 9
    assert f.span(long[:9], 0) == (f.LONG, 9, 309)
    assert f.span(b"\x00", 0) is None
    assert f.span(b"xx\x01\x05", 2) == (f.MORE, 4, 9)
    assert f.span(b"", 5) is None

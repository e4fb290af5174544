import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie.sodep import Frame, SodepLimits, SodepReader, encode, message
from ccproxy.protocols.jolie.sodep.messages import answer_tail, request_tail
from ccproxy.protocols.jolie.sodep.tree import decode
from ccproxy.protocols.jolie.values import Fault, Tree

LIMITS = SodepLimits(message=1 << 20)
BIG = Tree(None, {"x": [Tree("y" * 70_000), Tree(1)]})
MESSAGES = [
    message(1, b"/Sum", request_tail("sum", Tree(None, {"x": [Tree(5)], "y": [Tree(3)]}))),
    message(-2, b"", request_tail("", Tree())),
    message(3, b"/", answer_tail("div", Fault("Zero", Tree("why", {"a": [Tree()]})))),
    message(4, b"/A", request_tail("echo", BIG)),
    message(5, b"/", request_tail("last", Tree(True))),
]
WHOLE = b"".join(MESSAGES)
PIECE = 64 * 1024


def read(chunks) -> list[Frame]:
    reader = SodepReader(LIMITS)
    frames = [frame for chunk in chunks for frame in reader.feed(chunk)]
    assert not reader.broken
    assert not reader.held
    return frames


EXPECTED = read([WHOLE])


def test_frames_hold_what_the_message_says():
    first, second, third, _, _ = EXPECTED
    assert (first.id, first.path, first.operation, first.fault) == (1, b"/Sum", b"sum", None)
    assert (second.id, second.path, second.operation) == (-2, b"", b"")
    assert (third.fault, third.tail[third.value]) == (b"Zero", 1)
    assert first.tail[first.value :] == encode(Tree(None, {"x": [Tree(5)], "y": [Tree(3)]}))
    for frame, data in zip(EXPECTED, MESSAGES, strict=True):
        assert message(frame.id, frame.path, frame.tail) == data


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_split_of_the_stream_gives_the_same_messages(cuts):
    ends = [0, *sorted(cuts), len(WHOLE)]
    chunks = [WHOLE[a:b] for a, b in zip(ends, ends[1:], strict=False)]
    assert read(chunks) == EXPECTED


def test_one_byte_at_a_time():
    small = b"".join(MESSAGES[:3])
    assert read([small[at : at + 1] for at in range(len(small))]) == EXPECTED[:3]


def test_a_long_string_that_comes_in_many_reads_is_not_joined_again_and_again():
    data = message(1, b"/", request_tail("echo", Tree("x" * 900_000)))
    assert len(read([data[at : at + 1000] for at in range(0, len(data), 1000)])) == 1


def test_a_message_that_grows_in_place_and_the_one_behind_it():
    data = message(1, b"/", request_tail("echo", Tree("x" * (2 << 20)))) + MESSAGES[0]
    reader = SodepReader(SodepLimits())
    for at in range(0, 2 << 20, PIECE):
        assert reader.feed(data[at : at + PIECE]) == []
    assert reader.held == 2 << 20
    frames = reader.feed(data[2 << 20 :])
    assert [one.tail for one in frames] == [data[13 : -len(MESSAGES[0])], MESSAGES[0][16:]]


def test_garbage_breaks_the_reader_behind_what_was_whole():
    reader = SodepReader(LIMITS)
    frames = reader.feed(MESSAGES[0] + b"\0" * 8 + b"\x7f\xff\xff\xff")
    assert len(frames) == 1
    assert "resource path" in reader.broken
    assert reader.feed(MESSAGES[0]) == []
    assert not reader.held


def test_an_announced_length_takes_no_memory():
    reader = SodepReader(LIMITS)
    head = MESSAGES[0][: 8 + 8 + 7 + 1]
    reader.feed(head + b"\1" + (1 << 19).to_bytes(4, "big"))
    assert not reader.broken
    assert reader.held < 64


@given(st.binary(max_size=200), st.integers(1, 50))
@settings(max_examples=300, deadline=None)
def test_bytes_of_any_kind_never_raise(data, step):
    reader = SodepReader(LIMITS)
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
    assert reader.held <= len(data)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_messages_with_one_byte_changed_never_raise(at, byte):
    reader = SodepReader(LIMITS)
    reader.feed(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])


def test_it_says_whether_a_message_was_too_long():
    reader = SodepReader(SodepLimits(message=30))
    assert len(reader.feed(message(1, b"/", request_tail("a", Tree())) + MESSAGES[0])) == 1
    assert (reader.broken, reader.too_big) == ("message of more than 30 bytes", True)
    reader = SodepReader(LIMITS)
    reader.feed(b"POST / HTTP/1.1")
    assert reader.broken and not reader.too_big


def test_messages_are_numbered():
    reader = SodepReader(LIMITS)
    assert (reader.whole, reader.held) == (0, 0)
    reader.feed(MESSAGES[0] + MESSAGES[1][:9])
    assert (reader.whole, reader.held) == (1, 9)
    reader.feed(MESSAGES[1][9:])
    assert (reader.whole, reader.held) == (2, 0)


@pytest.mark.parametrize("size", [1000, 65_536, 1_000_000, 4_000_000])
@pytest.mark.parametrize("front", [0, 3])
def test_a_large_message_is_handed_on_as_it_was_collected(size, front):
    large = message(-4, b"/A", answer_tail("div", Fault("Zero", Tree("y" * 2_500_000))))
    data = b"".join([*MESSAGES[:front], large, *MESSAGES, large, large])
    reader = SodepReader(SodepLimits())
    found = [one for at in range(0, len(data), size) for one in reader.feed(data[at : at + size])]
    assert not reader.held and not reader.broken and reader.whole == len(found)
    expected = [*MESSAGES[:front], large, *MESSAGES, large, large]
    assert [message(one.id, one.path, bytes(one.tail)) for one in found] == expected
    one = found[front]
    assert (one.operation, one.fault, one.tail[one.value]) == (b"div", b"Zero", 1)
    assert isinstance(one.tail, bytearray) == (size < 4_000_000)
    assert decode(one.tail, one.value)[0] == Tree("y" * 2_500_000)


def test_many_small_messages_in_one_long_read_are_no_large_one():
    data = MESSAGES[0] * 60_000
    reader = SodepReader(SodepLimits())
    found = reader.feed(data[:7]) + reader.feed(data[7:])
    assert len(found) == 60_000 and reader.large is None
    assert all(type(one.tail) is bytes for one in found)

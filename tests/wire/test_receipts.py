import pytest
from hypothesis import given
from hypothesis import strategies as some

from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp.delivery import Forget, Nack

SERVER, TOKEN = b"S" * 16, b"T" * 8
NUMBERS = some.integers(0, 2**64 - 1)
WORDS = [
    wire.Greeting(SERVER, {7: 3, 8: 2**63}, TOKEN),
    wire.Greeting(SERVER, {}, TOKEN),
    wire.Announcement(7, 4, TOKEN),
    wire.Acknowledgement(7, 3, wire.SAFE),
    wire.Acknowledgement(7, 3, wire.HANDED),
    Nack(7, 1, 2, "too-big"),
    wire.Fenced("another process has it"),
    Forget(),
]


@pytest.mark.parametrize("word", WORDS, ids=lambda one: type(one).__name__)
def test_what_is_said_is_read(word):
    frames = wire.encode(word)
    assert frames[0] == wire.WORD
    assert wire.decode(frames) == word


def test_the_frames_are_those_of_the_contract():
    eight = (7).to_bytes(8, "big")
    assert wire.encode(wire.Announcement(7, 7, TOKEN)) == [
        b"\0receipt", b"next", eight, eight, TOKEN,
    ]  # fmt: skip
    assert wire.encode(wire.Greeting(SERVER, {7: 7}, TOKEN))[2:] == [SERVER, eight * 2, TOKEN]
    assert wire.number_frame(7) == b"\0n" + eight


@given(NUMBERS)
def test_the_number_of_a_message(number):
    assert wire.number_of(wire.number_frame(number)) == number


@pytest.mark.parametrize("frame", [b"", b"\0n", b"\0n1234567", b"\0n123456789", b"Q000001", b"id"])
def test_another_frame_has_no_number(frame):
    assert wire.number_of(frame) is None


@pytest.mark.parametrize("word", WORDS[:-1], ids=lambda one: type(one).__name__)
def test_a_word_that_is_cut_is_an_error(word):
    frames = wire.encode(word)
    with pytest.raises(ValueError, match="a word for receipts"):
        wire.decode(frames[:-1])
    with pytest.raises(ValueError, match="a word for receipts"):
        wire.decode([*frames, b""])


@pytest.mark.parametrize(
    "frames",
    [
        [], [b"other"], [b"have", SERVER, bytes(15), TOKEN], [b"have", SERVER, b"", b"T"],
        [b"next", b"1", bytes(8), TOKEN], [b"ack", bytes(8), bytes(8), b"maybe"],
    ],
)  # fmt: skip
def test_nonsense_is_an_error(frames):
    with pytest.raises(ValueError, match="word for receipts"):
        wire.decode([wire.WORD, *frames])


@given(
    some.sampled_from([b"have", b"next", b"ack", b"nack", b"fenced", b"forget", b"x"]),
    some.lists(some.sampled_from([b"", b"safe", SERVER, TOKEN, b"\xff\n"]), max_size=5),
)
def test_any_frames_are_a_word_or_an_error(name, frames):
    try:
        word = wire.decode([wire.WORD, name, *frames])
    except ValueError:
        return
    assert wire.decode(wire.encode(word)) == word


def test_text_and_reason_of_strangers_are_bounded():
    assert wire.decode([wire.WORD, b"fenced", b"a\x1b[31m" * 1000]).text.isprintable()
    nack = wire.decode([wire.WORD, b"nack", *[bytes(8)] * 3, b"\x1bbad " * 100])
    assert nack.reason.isalpha()
    assert len(nack.reason) <= 64


def test_the_property_names_producer_and_opening():
    one = wire.ProducerId(bytes(range(16)), 2**64 - 1)
    value = wire.producer_property(one)
    assert value.startswith(b"1;producer=000102")
    assert wire.producer_of(value) == one
    assert wire.producer_of(b"2" + value[1:]) is None
    assert wire.producer_of(b"") is None

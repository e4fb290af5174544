"""The property and the commands of acknowledged delivery."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.commands import Other, parse_frame
from ccproxy.wire.zmtp.delivery import (
    MOST_EPOCHS,
    Ack,
    Forget,
    Have,
    Nack,
    Next,
    Replay,
    SourceId,
    decode,
    encode,
    server_of,
    server_property,
    source_of,
    source_property,
)

NUMBERS = st.integers(0, 2**64 - 1)
WORDS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=64)
COMMANDS = st.one_of(
    st.builds(Ack, NUMBERS, NUMBERS),
    st.builds(Next, NUMBERS, NUMBERS),
    st.builds(Nack, NUMBERS, NUMBERS, NUMBERS, WORDS),
    st.builds(Have, st.dictionaries(NUMBERS, NUMBERS, max_size=MOST_EPOCHS)),
    st.builds(Replay, st.booleans()),
    st.just(Forget()),
)


def decoded(frame):
    command = parse_frame(frame)
    assert isinstance(command, Other)
    return decode(command.name, command.body)


@given(COMMANDS)
def test_a_command_is_read_as_it_was_written(command):
    assert decoded(encode(command)) == command


def test_the_bytes_are_those_of_the_page():
    assert (
        encode(Ack(0xE1, 258)).hex() == "041403" + b"ACK".hex() + "00000000000000e10000000000000102"
    )
    assert encode(Nack(1, 2, 3, "full"))[-4:] == b"full"
    assert encode(Replay(True))[2:] == b"\x06REPLAY\x01"
    assert encode(Have({}))[2:] == b"\x04HAVE"


@pytest.mark.parametrize("name", [b"ACK", b"NEXT", b"HAVE", b"NACK", b"REPLAY"])
def test_a_command_that_is_cut_is_a_fault_of_the_peer(name):
    with pytest.raises(ZmtpError, match=f"{name.decode()} with 15 bytes"):
        decode(name, bytes(15))


def test_other_commands_are_none():
    assert decode(b"SUBSCRIBE", b"") is None


def test_a_have_names_the_latest_epochs():
    many = Have({number: 1 for number in range(MOST_EPOCHS + 5)})
    assert min(decoded(encode(many)).epochs) == 5


def test_a_hostile_reason_becomes_a_word():
    assert decoded(encode(Nack(1, 1, 1, "fu\x1b[2Jll\n"))).reason == "fu2ll"
    assert decoded(encode(Nack(1, 1, 1, "\u00e9!"))).reason == "refused"
    assert len(decoded(encode(Nack(1, 1, 1, "x" * 5000))).reason) == 64


def test_properties_name_link_and_server():
    assert (
        source_property(b"\x01" * 16, 7)
        == b"1;link=" + b"01" * 16 + b";opening=" + b"0" * 15 + b"7"
    )
    assert source_of(source_property(b"\x01" * 16, 7)) == SourceId(b"\x01" * 16, 7)
    assert server_of(server_property(b"\x02" * 16)) == b"\x02" * 16


@pytest.mark.parametrize("value", [b"", b"2;server=" + b"02" * 16, b"1;server=xy", b"1;link=01"])
def test_another_property_says_that_the_peer_cannot(value):
    assert source_of(value) is None
    assert server_of(value) is None

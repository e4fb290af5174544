"""READY's properties: round trips, names in any case, cut metadata."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.metadata import NAME_CHARACTERS, Properties, decode, encode

NAMES = st.lists(st.sampled_from(sorted(NAME_CHARACTERS)), min_size=1, max_size=9).map(bytes)


@given(st.dictionaries(NAMES, st.binary(max_size=300)))
def test_round_trip(items: dict[bytes, bytes]) -> None:
    properties = Properties(items)
    assert decode(encode(properties)) == properties


def test_wire_form() -> None:
    assert encode({b"Identity": b"", b"X-a": b"bc"}) == (
        b"\x08Identity\0\0\0\0" + b"\x03X-a\0\0\0\x02bc"
    )


def test_names_are_found_in_any_case_and_listed_as_given() -> None:
    properties = decode(encode({b"Socket-Type": b"REQ"}))
    assert properties[b"socket-type"] == properties[b"SOCKET-TYPE"] == b"REQ"
    assert b"sOcket-Type" in properties
    assert list(properties) == [b"Socket-Type"]
    assert repr(properties) == "Properties({b'Socket-Type': b'REQ'})"


def test_the_last_of_two_alike_counts() -> None:
    assert decode(b"\x01a\0\0\0\x011" + b"\x01A\0\0\0\x012") == {b"A": b"2"}


@pytest.mark.parametrize("name", [b"", b"a b", b"n" * 256, b"\xc3\xa4"])
def test_names_zmtp_cannot_carry(name: bytes) -> None:
    with pytest.raises(ValueError, match="property name"):
        encode({name: b""})


@given(st.dictionaries(NAMES, st.binary(max_size=9), min_size=1), st.data())
def test_cut_metadata_is_refused(items: dict[bytes, bytes], data: st.DataObject) -> None:
    whole = encode(items)
    ends = {len(encode(dict(list(items.items())[:n]))) for n in range(len(items) + 1)}
    cut = data.draw(st.integers(1, len(whole)).filter(lambda at: at not in ends))
    with pytest.raises(ZmtpError, match="metadata cut"):
        decode(whole[:cut])


def test_a_length_that_is_only_claimed() -> None:
    with pytest.raises(ZmtpError, match="4294967295 bytes are missing"):
        decode(b"\x01a\xff\xff\xff\xff")

"""The greeting, and names for what is not ZMTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.wire.zmtp import greeting as g


def test_64_bytes() -> None:
    whole = g.OPENING + g.closing(b"NULL", False)
    assert whole.hex() == "ff00000000000000017f" + "0301" + "4e554c4c" + "00" * 48
    curve = g.OPENING + g.closing(b"CURVE", True)
    assert len(curve) == g.GREETING_SIZE
    assert (curve[12:32].rstrip(b"\0"), curve[g.AS_SERVER_AT]) == (b"CURVE", 1)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GET / HTTP/1.1\r\n", "an HTTP request"),
        (b"POST /x", "an HTTP request"),
        (b"PRI * HTTP/2.0", "an HTTP/2 request"),
        (b"HTTP/1.1 400", "an HTTP answer"),
        (b"\x16\x03\x01\x02\x00", "a TLS client hello"),
        (b"SSH-2.0-OpenSSH", "an SSH greeting"),
        (b"\x01\x00", "ZMTP 1.0"),
        (b"\x06\x00alice", "ZMTP 1.0"),
        (b"\xff" + bytes(8) + b"\0", "ZMTP 1.0 with a long identity"),
        (b"\x00\x00", "not ZMTP; it starts with 00"),
        (b"hello", "not ZMTP; it starts with 6865"),
        (b"GEX", "not ZMTP; it starts with 474558"),
    ],
)
def test_what_came_instead_is_named(data: bytes, name: str) -> None:
    answers = [g.unversioned(data[:size]) for size in range(1, len(data) + 1)]
    assert (answers[-1] or "").startswith(name)
    told = [answer for answer in answers if answer]
    assert len(set(told)) == 1, "the answer changes as more comes"


@pytest.mark.parametrize(("data", "answer"), [
    (b"", None), (b"G", None), (b"\x16", None), (b"\x05", None), (b"\xff", None),
    (g.SIGNATURE[:9], None), (g.SIGNATURE, ""), (b"\xff" + b"x" * 8 + b"\x01", ""),
])  # fmt: skip
def test_what_may_still_be_zmtp(data: bytes, answer: str | None) -> None:
    assert g.unversioned(data) == answer


@given(st.binary(min_size=10, max_size=10))
def test_ten_bytes_always_tell(data: bytes) -> None:
    assert g.unversioned(data) is not None

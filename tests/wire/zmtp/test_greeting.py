"""The greeting, and names for what is not ZMTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp import greeting as g
from ccproxy.wire.zmtp.zmtp1 import body_span


def test_64_bytes() -> None:
    whole = g.OPENING + g.closing(b"NULL", False)
    assert whole.hex() == "ff00000000000000017f" + "0301" + "4e554c4c" + "00" * 48
    curve = g.OPENING + g.closing(b"CURVE", True)
    assert len(curve) == g.GREETING_SIZE
    assert (curve[12:32].rstrip(b"\0"), curve[g.AS_SERVER_AT]) == (b"CURVE", 1)


def test_the_signature_is_the_header_of_an_identity_of_zmtp_1() -> None:
    assert g.signature(b"") == g.SIGNATURE
    for identity in (b"x", b"i" * 254, b"i" * 255):
        signature = g.signature(identity)
        assert body_span(signature) == (10, 10 + len(identity))
        assert g.versioned(signature) is True


def answers(data: bytes) -> list[bool | None | str]:
    """What is said of the first byte, of the first two, and so on."""
    found: list[bool | None | str] = []
    for size in range(1, len(data) + 1):
        try:
            found.append(g.versioned(data[:size]))
        except ZmtpError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GET / HTTP/1.1\r\n", "an HTTP request"),
        (b"POST /x", "an HTTP request"),
        (b"PRI * HTTP/2.0", "an HTTP/2 request"),
        (b"HTTP/1.1 400", "an HTTP answer"),
        (b"\x16\x03\x01\x02\x00", "a TLS client hello"),
        (b"SSH-2.0-OpenSSH", "an SSH greeting"),
        (b"\x00\x00", "not ZMTP; it starts with 00"),
        (b"\x01\x01", "not ZMTP; it starts with 0101"),
        (b"\x06\x02alice", "not ZMTP; it starts with 0602"),
        (b"hello", "not ZMTP; it starts with 6865"),
        (b"GEX", "not ZMTP; it starts with 474558"),
    ],
)
def test_what_came_instead_is_named(data: bytes, name: str) -> None:
    told = [answer for answer in answers(data) if answer is not None]
    assert str(told[-1]).startswith(name)
    assert len(set(told)) == 1, "the answer changes as more comes"


@pytest.mark.parametrize(("data", "answer"), [
    (b"", None), (b"G", None), (b"\x16", None), (b"\x05", None), (b"\xff", None),
    (g.SIGNATURE[:9], None), (g.SIGNATURE, True), (b"\xff" + b"x" * 8 + b"\x01", True),
    (b"\x01\x00", False), (b"\x01\x7e", False), (b"\x06\x00alice", False), (b"\xfe\x7ebob", False),
    (b"G\x00", False), (b"\x16\x7e", False), (b"\r\x00", False),
    (b"\xff" + bytes(7) + b"\xff\0", False), (b"\xff" + bytes(7) + b"\xff\x7e", False),
])  # fmt: skip
def test_what_may_be_zmtp_and_of_which_age(data: bytes, answer: bool | None) -> None:
    assert g.versioned(data) is answer
    assert set(answers(data)) <= {None, answer}


@given(st.binary(min_size=10, max_size=10))
def test_ten_bytes_always_tell(data: bytes) -> None:
    assert answers(data)[-1] is not None

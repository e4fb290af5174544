import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols.jolie.http.chunks import (
    EXTENDED,
    FREE_CHUNKS,
    LONGEST_LINE,
    MIN_CHUNK,
    ChunkedBody,
)

LIMIT = 1_000_000
SIZES = (1, 2, 15, 16, 255, 256, 5000)
CONTENT = bytes(range(256)) * 20
BODY = b"".join(b"%x\r\n%b\r\n" % (size, CONTENT[:size]) for size in SIZES)
LAST = b"0\r\n\r\n"


def fed(*reads, limit=LIMIT):
    """A body that got these reads, and the bytes it did not take."""
    body, rest = ChunkedBody(limit), b""
    for data in reads:
        rest += data
        rest = rest[body.feed(rest) :]
    return body, rest


def test_the_content_is_joined_and_nothing_behind_the_body_is_taken():
    body, rest = fed(BODY + LAST + b"GET / HTTP/1.1")
    assert body.whole and body.content == b"".join(CONTENT[:size] for size in SIZES)
    assert rest == b"GET / HTTP/1.1"
    assert body.feed(rest) == 0


@given(st.lists(st.integers(0, len(BODY) + 30), max_size=9))
def test_any_split_gives_the_same_content(cuts):
    whole = BODY + b"3;a=b;c\r\nxyz\r\nA \t\r\n0123456789\r\n00\r\nX: y\r\nZ:\r\n\r\n"
    ends = [0, *sorted(cuts), len(whole)]
    body, rest = fed(*(whole[a:b] for a, b in zip(ends, ends[1:], strict=False)))
    assert body.whole and not rest, body.refused
    assert body.content.endswith(CONTENT[:5000] + b"xyz0123456789")


def test_each_byte_by_itself_gives_the_same_content():
    body, rest = fed(*(bytes([one]) for one in BODY[:600] + LAST))
    assert body.content[:3] == CONTENT[:1] + CONTENT[:2] and not rest


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1\na\n0\n\n", "ends a line with LF"),
        (b"\n", "ends a line with LF"),
        (b"0\r\n\n", "ends a line with LF"),
        (b"0\r\nX: y\n\n", "ends a line with LF"),
        (b"1\r\nabc", "longer than its size"),
        (b"5\r\nabcdefg", "longer than its size"),
        (b"1\r\na\n", "longer than its size"),
        (b"0x1\r\na\r\n", "no hexadecimal number"),
        (b"+1\r\na\r\n", "no hexadecimal number"),
        (b"1_0\r\n", "no hexadecimal number"),
        (b" 1\r\na\r\n", "no hexadecimal number"),
        (b"-1\r\na\r\n", "no hexadecimal number"),
        (b"\r\n", "no hexadecimal number"),
        (b";a\r\n", "no hexadecimal number"),
        (b"1;a\rb\r\na\r\n", "no hexadecimal number"),
        (b"00000000000000001\r\na\r\n", "no hexadecimal number"),
        (b"0\r\nno header\r\n\r\n", "no header"),
        (b"0\r\n X: folded\r\n\r\n", "no header"),
        (b"1;" + b"x" * LONGEST_LINE, f"more than {LONGEST_LINE} bytes"),
        (b"0\r\n" + b"a: b\r\n" * LONGEST_LINE, f"more than {LONGEST_LINE} bytes"),
    ],
)
def test_what_another_server_may_read_differently_is_refused(data, reason):
    for reads in ((data,), [bytes([one]) for one in data]):
        body, _ = fed(*reads)
        assert body.refused is not None and body.refused.status == 400
        assert re.search(reason, body.refused.reason), body.refused
        assert not body.whole and not body.content
        assert body.feed(LAST) == 0


def test_a_size_over_the_limit_is_refused_before_its_bytes_come():
    body, _ = fed(b"64\r\n" + b"x" * 100 + b"\r\n1\r\n", limit=100)
    assert body.refused is not None and body.refused.status == 413
    body, _ = fed(b"ffffffffffffffff\r\n", limit=100)
    assert body.refused is not None and body.refused.status == 413
    body, _ = fed(b"1\r\na\r\n" * 101, limit=100)
    assert body.refused is not None and body.refused.status == 413


def test_many_small_chunks_are_refused():
    for small, free in ((b"1\r\na\r\n", FREE_CHUNKS), (b"1;x\r\na\r\n", FREE_CHUNKS // EXTENDED)):
        body, _ = fed(small * free + LAST)
        assert body.whole
        body, _ = fed(small * (free + 1) + LAST)
        assert body.refused is not None
        assert body.refused.reason.startswith(f"more than {FREE_CHUNKS} chunks")
    enough = b"%x\r\n" % MIN_CHUNK + b"x" * MIN_CHUNK + b"\r\n"
    body, _ = fed(enough * (FREE_CHUNKS + 1) + LAST)
    assert body.whole

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie.sodep import scan as plain
from ccproxy.protocols.jolie.sodep.limits import SodepError, SodepLimits
from ccproxy.protocols.jolie.sodep.scan import Walk

try:
    from ccproxy.protocols.jolie.sodep import _scan as compiled
except ImportError:
    compiled = None

not_built = pytest.mark.skipif(
    compiled is None, reason="ccproxy.protocols.jolie.sodep._scan is not built"
)
pytestmark = pytest.mark.parametrize(
    "scanner",
    [pytest.param(plain, id="plain"), pytest.param(compiled, id="compiled", marks=not_built)],
)

LIMITS = SodepLimits(message=1 << 20, name=64, depth=8, nodes=100)
HEAD = bytes(7) + b"\1" + b"\0\0\0\1/" + b"\0\0\0\3sum" + b"\0"
VOID = bytes(5)


def number(value: int) -> bytes:
    return struct.pack(">i", value)


def text(value: bytes) -> bytes:
    return number(len(value)) + value


def nested(depth: int) -> bytes:
    """A value of that many values inside each other."""
    return (b"\0" + number(1) + text(b"a") + number(1)) * (depth - 1) + VOID


def ends(scanner, data: bytes, limits: SodepLimits = LIMITS) -> tuple[list, int, Walk]:
    found: list = []
    walk = Walk()
    return found, scanner.scan(data, 0, walk, limits, found), walk


def test_where_messages_end(scanner):
    fault = HEAD[:-1] + b"\1" + text(b"Bad") + b"\2" + number(7) + number(0) + VOID
    data = HEAD + VOID + fault
    assert ends(scanner, data + HEAD)[:2] == ([len(HEAD) + 5, len(data)], len(data))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"POST /sum HTTP/1.1\r\n", "resource path"),
        (bytes(8) + number(-1), "resource path"),
        (bytes(8) + number(65), "resource path"),
        (bytes(12) + number(-(1 << 31)), "operation"),
        (bytes(12) + number((1 << 31) - 1), "operation"),
        (bytes(16) + b"\1" + number(-1), "fault name"),
        (HEAD + b"\1" + number((1 << 31) - 1), "more than 1048576"),
        (HEAD + b"\1" + b"\x80\0\0\0", "payload of -2147483648 bytes"),
        (HEAD + b"\4" + number(-5), "payload of -5"),
        (HEAD + b"\7", "payload tag 7"),
        (HEAD + b"\x09" + bytes(4), "payload tag 9"),
        (HEAD + b"\0" + number(-1), "-1 child names"),
        (HEAD + b"\0" + number(101), "101 child names"),
        (HEAD + b"\0" + number(1) + number(-1), "child name of -1"),
        (HEAD + b"\0" + number(1) + text(b"a") + number(-3), "vector of -3"),
        (HEAD + b"\0" + number(1) + text(b"a") + number(100), "vector of 100"),
        (HEAD + nested(9), "deeper than 8"),
        (HEAD + b"\0" + number(1) + number(1 << 20), "message of more than 1048576"),
    ],
)
def test_what_no_message_can_have_is_an_error_at_once(scanner, data, says):
    with pytest.raises(SodepError, match=says):
        ends(scanner, data)


def test_limits_are_inclusive(scanner):
    for value in (nested(8), b"\0" + number(1) + text(b"a") + number(99) + VOID * 99):
        assert len(ends(scanner, HEAD + value)[0]) == 1
    long = HEAD + b"\1" + text(b"x" * 100) + bytes(4)
    assert len(ends(scanner, long, replace(LIMITS, message=len(long)))[0]) == 1
    with pytest.raises(SodepError):
        ends(scanner, long, replace(LIMITS, message=len(long) - 1))


def test_what_stands_before_an_error_is_found(scanner):
    found: list = []
    with pytest.raises(SodepError):
        scanner.scan(HEAD + VOID + HEAD + b"\7", 0, Walk(), LIMITS, found)
    assert len(found) == 1


def test_a_value_nested_a_hundred_thousand_deep_is_refused_with_a_short_stack(scanner):
    walk = Walk()
    with pytest.raises(SodepError, match="deeper"):
        scanner.scan(HEAD + nested(100_000), 0, walk, SodepLimits(), [])
    assert len(walk.stack) < 2 * SodepLimits().depth


def test_a_walk_goes_on_where_it_stopped(scanner):
    value = b"\0" + number(2) + text(b"ab") + number(2) + b"\1" + text(b"xyz") + bytes(4)
    value += b"\5\1" + bytes(4) + text(b"c") + number(1) + b"\3" + bytes(8) + bytes(4)
    data = HEAD[:-1] + b"\2" + text(b"F") + value + value
    whole = ends(scanner, data)[0]
    for cut in range(len(data)):
        found: list = []
        walk = Walk()
        assert scanner.scan(data[:cut], 0, walk, LIMITS, found) == 0, cut
        assert not found, cut
        assert scanner.scan(data, 0, walk, LIMITS, found) == len(data), cut
        assert found == whole, cut


def test_no_byte_is_walked_twice_when_a_message_trickles_in(scanner):
    if scanner is compiled:
        pytest.skip("it looks at the bytes themselves")

    class Counting(bytes):
        looked = 0

        def __getitem__(self, at):
            Counting.looked += 1
            return super().__getitem__(at)

    data = HEAD + b"\0" + number(1) + text(b"a") + number(50) + VOID * 50
    walk, found = Walk(), []
    for end in range(1, len(data) + 1):
        scanner.scan(Counting(data[:end]), 0, walk, LIMITS, found)
    assert len(found) == 1
    # A tag and a count for each read, and once for each value.
    assert Counting.looked < 5 * len(data)


def outcome(scanner, data: bytes, cut: int) -> tuple:
    """What is found, where the walk stands, and the error, if `data` comes in two reads."""
    walk, found = Walk(), []
    try:
        start = scanner.scan(data[:cut], 0, walk, LIMITS, found)
        start += scanner.scan(bytearray(data[start:]), 0, walk, LIMITS, found)
    except SodepError as reason:
        return found, str(reason)
    return found, start, [getattr(walk, name) for name in Walk.__slots__]


WHOLE = HEAD[:-1] + b"\1" + text(b"F") + nested(3) + b"\0" + number(1) + text(b"ab") + number(2)
WHOLE += b"\1" + text(b"xyz") + bytes(4) + b"\5\1" + bytes(4)


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 2 * len(WHOLE) - 1), st.integers(0, 255)), max_size=4
    ),
    cut=st.integers(0, 2 * len(WHOLE)),
)
@settings(max_examples=300, deadline=None)
def test_it_agrees_with_the_plain_one_whatever_comes(scanner, changes, cut):
    data = bytearray(WHOLE * 2)
    for at, value in changes:
        data[at] = value
    assert outcome(scanner, bytes(data), cut) == outcome(plain, bytes(data), cut)

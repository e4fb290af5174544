"""Messages sorted by their address, plain and compiled, against a slow and simple reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core import addresses
from ccproxy.wire.zmtp.frames import pack, unpack

try:
    from ccproxy.core import _addresses as compiled
except ImportError:
    compiled = None

not_built = pytest.mark.skipif(compiled is None, reason="ccproxy.core._addresses is not built")
both = pytest.mark.parametrize(
    "hot",
    [pytest.param(addresses, id="plain"), pytest.param(compiled, id="compiled", marks=not_built)],
)
FRAME = st.one_of(st.binary(max_size=6), st.integers(250, 400).map(lambda size: b"x" * size))
MESSAGE = st.lists(FRAME, min_size=1, max_size=5).map(pack)


@both
@given(st.lists(MESSAGE, max_size=8))
def test_messages_are_sorted_by_their_address(hot, messages):
    whole = [one for one in messages if len(unpack(one)) > 3]
    short = [one for one in messages if len(unpack(one)) < 4]
    expected = {}
    for one in whole:
        _, address, _, *rest = unpack(one)
        expected.setdefault(address, [b""]).append(pack(rest))
    found, lost, size, plain = hot.by_address(b"".join(messages))
    assert {one: [bytes(part) for part in parts] for one, parts in found.items()} == expected
    assert (lost, size) == (len(short), sum(map(len, short)))
    heads = [unpack(one)[:3] for one in whole]
    usual = all(not a and not c and len(b) < 256 for a, b, c in heads)
    assert plain == usual if not short else usual or not plain


@both
def test_a_large_payload_is_not_copied_while_it_is_sorted(hot):
    data = pack([b"", b"a", b"", b"x" * 5000]) + pack([b"", b"b", b"", b"y"])
    found, *_ = hot.by_address(data)
    assert isinstance(found[b"a"][1], memoryview) and isinstance(found[b"b"][1], bytes)
    assert b"head".join(found[b"a"]) == b"head" + pack([b"x" * 5000])

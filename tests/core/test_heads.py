"""Messages that are told by their first frame, plain and compiled, against a simple reader."""

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core import heads
from ccproxy.wire.zmtp.frames import frame, pack

try:
    from ccproxy.core import _heads as compiled
except ImportError:
    compiled = None

not_built = pytest.mark.skipif(compiled is None, reason="ccproxy.core._heads is not built")
both = pytest.mark.parametrize(
    "hot",
    [pytest.param(heads, id="plain"), pytest.param(compiled, id="compiled", marks=not_built)],
)
MARK, WORD = frame(b"n" + bytes(8), more=True)[:-8], frame(b"word", more=True)
HIGHEST = (1 << 64) - 1


def numbered(number, size=3):
    return pack([b"n" + number.to_bytes(8, "big"), b"", b"x" * size])


NUMBERED = st.builds(numbered, st.integers(0, 4) | st.integers(0, HIGHEST), st.integers(0, 400))
FRAMES = st.lists(st.binary(max_size=300), min_size=1, max_size=4)
MESSAGES = st.lists(
    st.one_of(NUMBERED, FRAMES.map(pack), st.just(pack([b"word", b"x"])), st.just(pack([b"n"]))),
    max_size=8,
)


@both
@given(MESSAGES, MESSAGES, MESSAGES)
def test_messages_without_a_mark_end_at_the_first_that_has_one(hot, before, messages, behind):
    start, data = len(b"".join(before)), b"".join(messages)
    found = hot.unmarked(b"".join([*before, data, *behind]), start, start + len(data), (MARK, WORD))
    plain = takewhile(lambda one: not one.startswith((MARK, WORD)), messages)
    assert found == start + sum(map(len, plain))


@both
@given(MESSAGES, st.lists(st.integers(0, 300), max_size=5), st.integers(0, HIGHEST - 9), MESSAGES)
def test_numbers_count_on_up_to_the_first_that_does_not(hot, before, sizes, number, behind):
    counting = [numbered(number + place, size) for place, size in enumerate(sizes)]
    start = len(b"".join(before))
    data = b"".join([*before, *counting, *behind])
    end = start + len(b"".join(counting))
    assert hot.counted(data, start, end, MARK, number) == end
    further, following = end, number + len(sizes)
    for one in behind:
        if not one.startswith(MARK + following.to_bytes(8, "big")):
            break
        further, following = further + len(one), following + 1
    assert hot.counted(data, start, len(data), MARK, number) == further
    if sizes:
        assert hot.counted(data, start, end, MARK, number + 1) == start

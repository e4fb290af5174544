"""Counts of times by bound, compared with a count of each."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.histogram import BOUNDS, Histogram

TIMES = st.one_of(st.sampled_from(BOUNDS), st.floats(0, 100, allow_nan=False))


def test_bounds_grow():
    assert list(BOUNDS) == sorted(set(BOUNDS))


@given(st.lists(TIMES))
def test_each_time_is_counted_at_the_first_bound_that_it_does_not_pass(times):
    found = Histogram()
    for one in times:
        found.observe(one)
    below = 0
    for bound, count in zip(BOUNDS, found.counts, strict=False):
        below += count
        assert below == sum(one <= bound for one in times)
    assert sum(found.counts) == len(times)
    assert found.sum == sum(times)

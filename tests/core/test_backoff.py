"""Waits that double, up to a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.backoff import Backoff


def waits(backoff: Backoff, count: int) -> list[float]:
    return [backoff.next() for _ in range(count)]


def test_each_wait_is_twice_the_last_until_the_limit() -> None:
    assert waits(Backoff(0.5, 5.0, lambda: 1.0), 6) == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_success_starts_anew() -> None:
    backoff = Backoff(1.0, 60.0, lambda: 1.0)
    waits(backoff, 4)
    backoff.reset()
    assert waits(backoff, 2) == [1.0, 2.0]


def test_a_limit_below_the_first_wait_is_the_first_wait() -> None:
    assert waits(Backoff(2.0, 1.0, lambda: 1.0), 3) == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(("random", "wait"), [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)])
def test_jitter_takes_up_to_half_away(random: float, wait: float) -> None:
    assert Backoff(2.0, 2.0, lambda: random).next() == wait


@given(st.floats(0.001, 10), st.floats(0.001, 100), st.lists(st.floats(0, 1), max_size=20))
def test_every_wait_is_between_half_the_first_and_the_limit(
    first: float, most: float, dice: list[float]
) -> None:
    thrown = iter(dice)
    backoff = Backoff(first, most, lambda: next(thrown))
    for wait in waits(backoff, len(dice)):
        assert first / 2 <= wait <= max(first, most)

"""Repeats are limited and summed up, whatever keys a sender invents."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.process.rate_limit import RateLimit


def test_a_key_is_said_once_in_its_time():
    limit = RateLimit(10.0)
    assert [limit.ask("full", now) for now in (0.0, 1.0, 9.9, 10.0, 11.0)] == [
        1,
        None,
        None,
        3,
        None,
    ]


def test_amounts_are_summed():
    limit = RateLimit(10.0)
    assert limit.ask("full", 0.0, 5) == 5
    assert limit.ask("full", 3.0, 7) is None
    assert limit.ask("full", 12.0, 1) == 8


def test_keys_do_not_disturb_each_other():
    limit = RateLimit(10.0)
    assert limit.ask("a", 0.0) == limit.ask("b", 0.0) == 1


def test_what_went_unsaid_comes_out_at_the_end():
    limit = RateLimit(10.0)
    for now in (0.0, 1.0, 2.0):
        limit.ask("a", now)
    limit.ask("b", 5.0)
    assert limit.expire(9.0) == []
    assert limit.expire(10.0) == [("a", 2)]
    assert limit.expire(99.0) == []
    assert limit.ask("a", 100.0) == 1


def test_too_many_keys_wait_for_their_turn():
    limit = RateLimit(10.0, keys=3)
    said = [limit.ask(key, 0.0) for key in "abcde"]
    assert said == [1, 1, 1, None, None]
    assert limit.overflow == 2
    assert limit.ask("d", 10.0) == 1


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 5), st.integers(1, 3))),
    st.integers(1, 4),
)
def test_nothing_is_lost_from_the_sums(asked, keys):
    limit, now, told = RateLimit(10.0, keys), 0.0, 0
    for key, pause, amount in asked:
        now += pause
        told += limit.ask(key, now, amount) or 0
    told += sum(amount for _, amount in limit.expire(now + 11.0))
    assert told + limit.overflow == sum(amount for _, _, amount in asked)

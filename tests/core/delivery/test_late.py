"""Messages of a run whose outcome comes later: what may be acknowledged at each moment."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.delivery.late import LateMessages


def made(first=1):
    told = []
    return LateMessages(lambda messages, outcome: told.append((messages, outcome)), first), told


def test_a_run_without_late_messages_is_told_at_once():
    late, told = made(5)
    late.handed(9)
    assert told == [(4, "taken")]


def test_what_is_in_front_of_the_first_open_one_is_told():
    late, told = made()
    for number in (2, 3, 5):
        late.add(number)
    late.handed(7)
    assert told == [(1, "taken")]
    late.over(3)
    late.over(5)
    assert told == [(1, "taken")]
    late.over(2)
    assert told == [(1, "taken"), (5, "taken")]


def test_an_outcome_in_the_middle_of_the_run():
    """A handler that commits a batch says them while the run is still handed over."""
    late, told = made()
    late.add(1)
    late.add(2)
    late.over(2)
    late.over(1)
    assert told == [(2, "taken")]
    late.add(4)
    late.handed(5)
    assert told == [(2, "taken"), (1, "taken")]


@given(st.data())
def test_in_any_order_all_are_told_and_none_too_early(data):
    late, told = made()
    numbers = data.draw(st.lists(st.integers(1, 20), unique=True))
    for number in sorted(numbers):
        late.add(number)
    late.handed(21)
    open = set(numbers)
    for number in numbers:
        late.over(number)
        open.discard(number)
        assert sum(messages for messages, _ in told) == min(open, default=21) - 1
    assert sum(messages for messages, _ in told) == 20

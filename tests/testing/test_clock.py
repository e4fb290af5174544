"""The clock that is moved by hand."""

from ccproxy.testing.clock import ManualClock


def test_calls_are_made_when_they_are_due_and_in_order():
    clock, made = ManualClock(), []
    clock.call_later(2.0, lambda: made.append(("late", clock.now)))
    clock.call_later(1.0, lambda: made.append(("early", clock.now)))
    clock.advance(0.5)
    assert made == []
    clock.advance(1.5)
    assert made == [("early", 1.0), ("late", 2.0)]
    assert clock.now == 2.0


def test_a_call_may_plan_the_next_one():
    clock, made = ManualClock(), []
    clock.call_later(1.0, lambda: clock.call_later(0.0, lambda: made.append(clock.now)))
    clock.advance(1.0)
    assert made == [1.0]


def test_every_period():
    clock, made = ManualClock(), []
    clock.every(1.0, lambda: made.append(clock.now))
    clock.advance(3.5)
    assert made == [1.0, 2.0, 3.0]

"""The pace of a peer, as transcripts: at which time which figures lead to which fault."""

import pytest

from ccproxy.core.pace import (
    FAULTS,
    IDLE,
    MIN_RATE,
    NOTHING,
    SILENT,
    SLOW,
    Pace,
    PaceLimits,
    Pending,
    Traffic,
)

LIMITS = PaceLimits(message=10.0)


def seconds(until, received, pending, limits=LIMITS, paused=lambda now: False, waiting=0):
    """Look once a second with the figures of each; the first fault and when it was found."""
    pace = Pace(0.0)
    for now in range(1, until + 1):
        traffic = Traffic(received(now), 0, waiting, paused(now))
        if fault := pace.look(float(now), traffic, pending(now), limits):
            return fault, now
    return "", until


def test_a_byte_a_second_is_too_slow():
    assert seconds(60, lambda now: now, lambda now: Pending(now, 1)) == (SLOW, 11)


@pytest.mark.parametrize(("rate", "fault"), [(MIN_RATE, ""), (MIN_RATE - 1, SLOW)])
def test_a_large_message_may_take_hours_at_the_lowest_rate(rate, fault):
    found, _ = seconds(10_000, lambda now: rate * now, lambda now: Pending(rate * now, 1))
    assert found == fault


def test_a_large_message_that_stops_is_found():
    received = lambda now: min(now, 100) * 10_000_000  # noqa: E731
    fault, when = seconds(1000, received, lambda now: Pending(received(now), 1))
    assert fault == SLOW and 110 <= when <= 122


def test_slow_messages_that_become_whole_are_in_order():
    """Each look finds the first half of another message."""
    assert seconds(100, lambda now: 10 * now, lambda now: Pending(5, now)) == ("", 100)


def test_time_in_which_the_server_does_not_read_does_not_count():
    fault, when = seconds(
        200, lambda now: 5, lambda now: Pending(5, 1), paused=lambda now: now < 100
    )
    assert (fault, when) == (SLOW, 109)


def test_silence_is_a_fault_where_it_is_one():
    quiet = (lambda now: 0, lambda now: NOTHING)
    assert seconds(100, *quiet) == ("", 100)
    assert seconds(100, *quiet, PaceLimits(10.0, silent=7.0)) == (SILENT, 7)
    spoke = (lambda now: 1, lambda now: NOTHING)
    assert seconds(100, *spoke, PaceLimits(10.0, silent=7.0)) == ("", 100)


def test_idle_peers():
    limits = PaceLimits(10.0, idle=30.0)
    spoke = lambda now: min(now, 5)  # noqa: E731
    assert seconds(100, spoke, lambda now: NOTHING) == ("", 100)
    assert seconds(100, spoke, lambda now: NOTHING, limits) == (IDLE, 35)
    assert seconds(100, spoke, lambda now: Pending(waits=now < 50), limits) == (IDLE, 79)
    # We hold it back, so it cannot say anything; but one that does not read is idle as well.
    held_back = {"paused": lambda now: True}
    assert seconds(100, spoke, lambda now: NOTHING, limits, **held_back) == ("", 100)
    assert seconds(100, spoke, lambda now: NOTHING, limits, **held_back, waiting=9) == (IDLE, 35)


def test_messages_for_it_keep_a_peer():
    pace = Pace(0.0)
    limits = PaceLimits(10.0, idle=30.0)
    for now in range(300):
        assert not pace.look(now, Traffic(0, now // 20, 0, False), NOTHING, limits)


def test_each_fault_has_a_text():
    texts = {word: text.format(PaceLimits(1.0, 2.0, 3.0)) for word, text in FAULTS.items()}
    assert texts == {
        SLOW: "a message that has begun is not whole within 1 s",
        SILENT: "nothing was sent within 2 s",
        IDLE: "idle for 3 s",
    }

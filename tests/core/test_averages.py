"""Averages over windows of samples."""

import sys

from ccproxy.core.averages import MOST_COUNTERS, SAMPLE_INTERVAL, WINDOWS, Averages


def test_a_counter_is_averaged_over_the_whole_window_even_when_it_is_young():
    averages = Averages()
    averages.sample({"count": 4, "bytes": 90})
    assert list(averages.over(60)) == [
        ("bytes", 90, 7.5, 1.5),
        ("count", 4, 4 / 12, 4 / 60),
    ]
    assert list(averages.over(300)) == [("bytes", 90, 1.5, 0.3), ("count", 4, 4 / 60, 4 / 300)]


def test_what_is_older_than_the_window_does_not_count():
    averages = Averages()
    averages.sample({"count": 100})
    for _ in range(60 // SAMPLE_INTERVAL):
        averages.sample({"count": 107})
    assert [one.total for one in averages.over(60)] == [7]
    averages.sample({"count": 107})
    assert list(averages.over(60)) == []
    assert [one.total for one in averages.over(300)] == [107]


def test_no_more_samples_are_kept_than_the_longest_window_needs():
    averages = Averages()
    for total in range(10_000):
        averages.sample({"count": total})
    assert [one.total for one in averages.over(max(WINDOWS))] == [max(WINDOWS) // SAMPLE_INTERVAL]


def test_counters_are_bounded_and_a_sample_holds_only_their_values():
    """70,000 types whose names every sample held took 5 GB."""
    averages = Averages()
    for _ in range(3):
        averages.sample({f"count.msg.{number}": number + 1 for number in range(MOST_COUNTERS + 9)})
    averages.sample({"count.msg.0": 5, "new": 9})
    assert {len(one) for one in averages._samples} == {0, MOST_COUNTERS}
    assert max(sys.getsizeof(one) for one in averages._samples) < 8 * MOST_COUNTERS + 200

"""The age of a queue: compared with the real age of the oldest message, whatever happens to it."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.queue_age import MOST_SAMPLES, PARTS, QueueAge


class Queue:
    """A queue that knows when each message came, and its samples: one each second."""

    def __init__(self):
        self.now = 0.0
        self.came = deque()
        self.gone = 0
        self.ages = QueueAge()

    def second(self, come, leave):
        """A second in which so many come, evenly, and then so many leave."""
        self.came += [self.now + number / come for number in range(come)]
        for _ in range(min(leave, len(self.came))):
            self.came.popleft()
            self.gone += 1
        self.now += 1
        if self.came:
            self.ages.sample(self.gone, len(self.came), self.now)

    @property
    def age(self):
        return self.ages.age(self.gone, self.now)

    @property
    def true_age(self):
        return self.now - self.came[0] if self.came else 0.0


def test_an_empty_queue_and_one_without_samples():
    ages = QueueAge()
    assert ages.age(0, 9.0) == 0.0
    ages.sample(0, 3, 10.0)
    assert (ages.age(0, 12.5), ages.age(2, 12.5), ages.age(3, 12.5)) == (2.5, 2.5, 0.0)


def test_a_queue_that_stands_still():
    queue = Queue()
    queue.second(5, 0)
    for second in range(2, 100_000):
        queue.second(0, 0)
        assert queue.age == second - 1
    assert len(queue.ages._samples) <= 2 * MOST_SAMPLES


def test_a_steady_delay_is_known_to_a_part_of_it():
    """30 messages a second come and go, each after 100 seconds."""
    queue = Queue()
    for _ in range(100):
        queue.second(30, 0)
    for _ in range(1000):
        queue.second(30, 30)
        assert queue.true_age - queue.age <= 2 * queue.true_age / PARTS + 2
    assert len(queue.ages._samples) <= 2 * MOST_SAMPLES


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 60)), max_size=40))
def test_an_age_is_never_too_high_and_at_most_half_too_low(phases):
    queue = Queue()
    for come, leave, seconds in phases:
        for _ in range(seconds):
            queue.second(come, leave)
            assert 0 <= queue.age <= queue.true_age
            assert queue.age >= queue.true_age / 2 - 2
            assert len(queue.ages._samples) <= 2 * MOST_SAMPLES

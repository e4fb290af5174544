import pytest

from ccproxy.protocols.jolie import backpressure
from ccproxy.protocols.jolie.backpressure import MAX_PIPELINE, MAX_PIPELINE_BYTES, Backpressure


class Connection:
    """A stream, its outbox and its side, as far as they are asked here."""

    def __init__(self):
        self.box = self
        self.bytes = self.calls = 0
        self.blocked = self.crowded = self.paused = False
        self.waiting = []

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def wait(self, call):
        self.waiting.append(call)


@pytest.fixture
def made():
    connection, woken = Connection(), []
    return connection, Backpressure(connection, connection, lambda: woken.append(1)), woken


@pytest.mark.parametrize(
    ("name", "of", "most"),
    [("calls", "connection", MAX_PIPELINE), ("bytes", "pacing", MAX_PIPELINE_BYTES)],
)
def test_what_is_unanswered_stops_reading_until_half_of_it_is_left(made, name, of, most):
    connection, pacing, _ = made
    owner = {"connection": connection, "pacing": pacing}[of]
    for amount, held in (
        (most, False),
        (most + 1, True),
        (most // 2 + 1, True),
        (most // 2, False),
    ):
        setattr(owner, name, amount)
        assert pacing.needed == (amount > most)
        pacing.apply()
        assert connection.paused == pacing.held == held


def test_calls_that_are_still_to_be_taken_stop_reading(made):
    connection, pacing, _ = made
    pacing.taking = True
    pacing.apply()
    assert connection.paused
    pacing.taking = False
    pacing.apply()
    assert not connection.paused


def test_unread_answers_stop_reading_until_the_kernel_took_enough(made):
    connection, pacing, woken = made
    connection.bytes = backpressure.MAX_UNREAD + 1
    pacing.apply()
    pacing.apply()
    assert connection.paused and pacing.unread
    [drained] = connection.waiting
    drained()
    assert connection.paused and not woken
    connection.bytes = 0
    connection.waiting[-1]()
    assert not connection.paused and woken == [1]

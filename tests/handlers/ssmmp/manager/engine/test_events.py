"""What happened lately."""

from ccproxy_handlers.ssmmp.manager.engine.events import KEPT, LINES, Events
from ccproxy_handlers.ssmmp.notices import Notice


def test_the_latest_are_kept():
    events = Events()
    for number in range(KEPT + 10):
        events.add(float(number), Notice("running", str(number), alarm=number == 3))
    assert events.last == KEPT + 10
    assert [one["event"] for one in events.latest(3)] == [KEPT + 8, KEPT + 9, KEPT + 10]
    assert [one["event"] for one in events.since(0, 2)] == [11, 12]
    assert events.since(events.last, 2) == []
    assert events.latest(1)[0]["subject"] == str(KEPT + 9)


def test_the_log_takes_so_many_lines_a_second():
    events = Events()
    assert sum(events.loud(7.5) for _ in range(3 * LINES)) == LINES
    assert events.loud(8.0)
    assert events.unsaid() == 2 * LINES
    assert events.unsaid() == 0

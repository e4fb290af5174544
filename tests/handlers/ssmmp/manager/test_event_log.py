"""What happened lately."""

from ccproxy_handlers.ssmmp.manager.event_log import MAX_EVENTS, MAX_LINES, EventLog
from ccproxy_handlers.ssmmp.notices import Notice


def test_the_latest_are_kept():
    events = EventLog()
    for number in range(MAX_EVENTS + 10):
        events.add(float(number), Notice("running", str(number), alarm=number == 3))
    assert events.last == MAX_EVENTS + 10
    assert [one["event"] for one in events.latest(3)] == [
        MAX_EVENTS + 8,
        MAX_EVENTS + 9,
        MAX_EVENTS + 10,
    ]
    assert [one["event"] for one in events.since(0, 2)] == [11, 12]
    assert events.since(events.last, 2) == []
    assert events.latest(1)[0]["subject"] == str(MAX_EVENTS + 9)


def test_the_log_takes_so_many_lines_a_second():
    events = EventLog()
    assert sum(events.may_log(7.5) for _ in range(3 * MAX_LINES)) == MAX_LINES
    assert events.may_log(8.0)
    assert events.take_not_logged() == 2 * MAX_LINES
    assert events.take_not_logged() == 0

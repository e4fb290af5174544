"""The caller never waits, what is lost is counted and said, and order is kept."""

import threading

from ccproxy.process.log_writer import QUEUE_LIMIT, Writer


class Slow:
    """A destination that writes only while it is let."""

    name = "slow"

    def __init__(self):
        self.lines = []
        self.let = threading.Event()
        self.entered = threading.Event()
        self.errors = []
        self.closed = False

    def write(self, lines):
        self.entered.set()
        self.let.wait()
        if self.errors:
            raise self.errors.pop()
        self.lines += lines

    def close(self):
        self.closed = True


def writer_of(destination, reports=None):
    return Writer(destination, lambda text: f"note {text}\n", (reports or []).append)


def ended(writer):
    writer.end()
    return writer.wait(30)


def test_lines_are_written_in_their_order_and_the_destination_closed():
    slow = Slow()
    slow.let.set()
    writer = writer_of(slow)
    writer.start()
    for number in range(1000):
        writer.put(f"{number}\n")
    assert ended(writer)
    assert slow.lines == [f"{number}\n" for number in range(1000)] and slow.closed


def test_a_full_queue_loses_lines_and_says_how_many_once_it_gets_through():
    slow = Slow()
    writer = writer_of(slow)
    writer.start()
    writer.put("first\n")
    slow.entered.wait()
    line = "x" * (QUEUE_LIMIT // 4)
    for _ in range(7):
        writer.put(line)
    assert writer.lost == 3
    assert not writer.wait(0.0), "it is stuck, and the caller is not"
    slow.let.set()
    assert ended(writer)
    assert slow.lines == ["first\n", *[line] * 4, "note log lines lost here: 3\n"]


def test_lines_that_cannot_be_written_are_reported_elsewhere_and_summed_up():
    slow, reports = Slow(), []
    slow.errors = [OSError(28, "No space left on device")] * 2
    slow.let.set()
    writer = Writer(slow, lambda text: f"note {text}\n", reports.append)
    writer.start()
    for text in ("a\n", "b\n"):
        slow.entered.clear()
        writer.put(text)
        slow.entered.wait()
    writer.put("c\n")
    assert ended(writer)
    assert "note log lines lost here: 2\n" in slow.lines and slow.lines[-1] == "c\n"
    assert reports == ["cannot log to slow: No space left on device, lines lost: 1"]


def test_a_successor_waits_for_the_lines_of_its_predecessor():
    order = Slow()
    first, second = writer_of(order), writer_of(order)
    first.start()
    first.put("1\n")
    first.end()
    second.start([first])
    second.put("2\n")
    order.let.set()
    assert ended(second)
    assert order.lines == ["1\n", "2\n"]


def test_one_that_never_began_closes_its_destination():
    slow = Slow()
    writer_of(slow).abandon()
    assert slow.closed

"""Queries in steps: bounded batches, and records that come and go between them."""

import pytest

from ccproxy_handlers.xmsg.database import STEP, Database
from ccproxy_handlers.xmsg.matching import RULES, every
from ccproxy_handlers.xmsg.messages import classes
from ccproxy_handlers.xmsg.records import record_of

MESSAGE = classes("bytes")["Registration"]
COUNT = 3 * STEP


def message(domain=b"A", subject=b"*", type=b"*", host=b"undefined", port=0):
    return MESSAGE(name=b"n", domain=domain, subject=subject, type=type, host=host, port=port)


@pytest.fixture
def database():
    made = Database()
    for number in range(1, COUNT + 1):
        made.add(record_of(message(b"A", b"S%d" % (number % 2), b"%d" % number, b"h", 7)), number)
    return made


def found(selection):
    return sum(map(len, selection.frames()))


@pytest.mark.parametrize("word, asked, expected", [
    ("find", message(), COUNT),
    ("find", message(subject=b"S"), COUNT),
    ("find", message(subject=b"S1"), COUNT // 2),
    ("exact", message(subject=b"S1", type=b"1"), 1),
    ("filter", message(b"*"), COUNT),
    ("filter", message(b"*", b"S1"), COUNT // 2),
    ("filter", message(b"A", b"S1", host=b"h"), COUNT // 2),
    ("filter", message(b"A", b"S1", host=b"h", port=7), COUNT // 2),
    ("filter", message(b"A", b"S1", host=b"h", port=8), 0),
    ("filter", message(b"A", b"S1", host=b"x"), 0),
])  # fmt: skip
def test_all_are_found_in_bounded_batches(database, word, asked, expected):
    selection = RULES["Publisher"][word](database, asked)
    batches = list(selection.frames())
    assert sum(map(len, batches)) == expected
    assert max(map(len, batches), default=0) <= 2 * STEP
    assert selection.size >= expected


def test_subscribers_of_a_long_topic_are_looked_up_in_steps(database):
    asked = message(subject=b"S1", type=b"1" + b"x" * 1000)
    steps = list(RULES["Subscriber"]["find"](database, asked).frames())
    assert sum(map(len, steps)) == 1
    assert len(steps) > 10


def test_records_that_go_between_two_steps_are_passed_over(database):
    steps = every(database).frames()
    before = len(next(steps))
    database.bury(database.remove_host(b"h", COUNT))
    for _ in database.sweep():
        pass
    database.add(record_of(message(b"B")), COUNT + 1)
    assert 0 < before <= STEP
    assert sum(map(len, steps)) <= 1


def test_the_size_of_an_answer_is_estimated(database):
    assert every(database).bytes == database.bytes
    assert every(Database()).bytes == 0

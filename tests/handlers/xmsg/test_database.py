"""The indexes: what is dead is seen by nothing, and nothing is left of it once it is swept."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.xmsg.database import LARGE, STEP, SWEEP_STEP, Database, Postings
from ccproxy_handlers.xmsg.messages import classes
from ccproxy_handlers.xmsg.parted_table import PartedTable
from ccproxy_handlers.xmsg.records import record_of

MESSAGE = classes("bytes")["Registration"]


def record(number, host=b"h", domain=b"A"):
    return record_of(
        MESSAGE(name=b"n", host=host, port=1, domain=domain, subject=b"B", type=b"%d" % number)
    )


def filled(count, host=b"h"):
    database = Database()
    for number in range(1, count + 1):
        database.add(record(number, host), number)
    return database


def swept(database):
    return [len(part) for part in database.sweep() if part]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([b"a", b"b"]), st.integers(0, 9))))
def test_postings_are_sets_by_key(steps):
    postings, model = Postings(), {b"a": set(), b"b": set()}
    for add, key, number in steps:
        if add:
            postings.add(key, number)
            model[key].add(number)
        else:
            postings.discard(key, number)
            model[key].discard(number)
        for one, numbers in model.items():
            assert set(postings.get(one)) == numbers
            assert (one in postings) == bool(numbers)


def test_many_numbers_are_kept_in_parts():
    postings = Postings()
    for number in range(2 * LARGE):
        postings.add(b"a", number)
    assert isinstance(postings.get(b"a"), PartedTable)
    assert sorted(postings.get(b"a")) == list(range(2 * LARGE))
    for number in range(2 * LARGE - 1):
        postings.discard(b"a", number)
    assert list(postings.take(b"a")) == [2 * LARGE - 1]
    assert not postings.get(b"a")


def test_all_records_of_a_host_die_at_once_and_are_swept_in_steps():
    database = filled(100)
    database.add(record(1, b"other"), 101)
    removal = database.remove_host(b"h", 101)
    assert database.count == 1 and database.held == 101
    assert len(database.frames(list(database.all()))) == 1
    assert swept(database) == []
    database.bury(removal)
    assert swept(database) == [SWEEP_STEP, SWEEP_STEP, 100 - 2 * SWEEP_STEP]
    assert database.held == 1
    assert database.keys(*database.starting(record(1).key))


def test_a_host_comes_back_before_it_is_swept():
    database = filled(3)
    removal = database.remove_host(b"h", 3)
    database.add(record(2), 4)
    assert database.frames(list(database.all())) == [record(2).frame]
    database.bury(removal)
    swept(database)
    assert database.same(record(2).frame) == 4
    assert database.count == database.held == 1
    assert database.remove_host(b"h", 4).numbers


def test_what_died_alone_is_not_counted_again_with_its_host():
    database = filled(3)
    alone = database.remove([2])
    host = database.remove_host(b"h", 3)
    assert database.count == 0
    database.bury(host)
    database.bury(alone)
    swept(database)
    assert database.held == 0 and database.bytes == 0


def test_topics_that_are_gone_leave_the_order():
    database = filled(2 * STEP)
    database.add(record(1, b"other", b"Z"), 5000)
    database.bury(database.remove_host(b"h", 2 * STEP))
    swept(database)
    start, end = database.starting(record(1).key)
    assert not [one for one in database.keys(start, end) if one in database.topics]
    assert len(database.keys(0, 10_000)) == 1


def test_a_topic_that_comes_back_stands_in_the_order_once():
    database = filled(1)
    database.add(record(2), 2)
    for number in range(3, 20):
        database.bury(database.remove([number - 1]))
        swept(database)
        database.add(record(2), number)
    assert len(database.keys(0, 99)) == 2

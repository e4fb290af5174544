"""The topic of a message, and the newest message of each."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.topics import ENTRY_COST, CatchUp, LastValues, topic
from ccproxy.core.walk import cut
from ccproxy.wire.zmtp.frames import pack, unpack


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_the_topic_is_the_first_frame(frames):
    assert topic(pack(frames)) == frames[0]


def messages(last):
    return [last.newest(one)[1] for one in last.topics()]


def test_the_newest_of_each_topic():
    last = LastValues(10_000)
    last.note(pack([b"a.1", b"old"]) + pack([b"b", b"x"]))
    last.note(pack([b"a.2", b"y"]) + pack([b"a.1", b"new"]))
    assert list(last.topics()) == [b"b", b"a.2", b"a.1"] and last.newest(b"c") is None
    assert messages(last) == [pack([b"b", b"x"]), pack([b"a.2", b"y"]), pack([b"a.1", b"new"])]


def test_it_forgets_the_oldest_beyond_its_size():
    size = 5 * (2 + 16 + ENTRY_COST)
    last = LastValues(size)
    for number in range(50):
        last.note(pack([b"%02d" % number, b"x" * 10]))
        assert last.bytes <= size
    assert list(last.topics()) == [b"%02d" % number for number in range(45, 50)]
    last.note(pack([b"huge", b"x" * size]))
    assert len(last) == 0 and last.bytes == 0


def test_what_was_missed_comes_in_steps_and_once():
    last, box = LastValues(1 << 20), Outbox("peer", Limits())
    last.note(b"".join(pack([b"a%d" % number]) for number in range(10)) + pack([b"b"]))
    one = CatchUp(last, box)
    one.add(b"a")
    assert not one.idle and not one.step(4) and box.waiting == 4
    last.note(pack([b"a9"]))  # the subscriber gets it as it comes
    one.add(b"b")
    assert not one.step(4) and not one.step(4) and not one.idle
    assert box.waiting == 9
    assert not one.step(11) and one.step(11) and one.idle
    names = [unpack(part)[0] for part in cut(b"".join(box.peek(99)))]
    assert names == [*(b"a%d" % number for number in range(9)), b"b"]


def test_many_prefixes_are_served_by_one_walk():
    last, box = LastValues(1 << 20), Outbox("peer", Limits())
    last.note(b"".join(pack([b"%04d" % number]) for number in range(1000)))
    one = CatchUp(last, box)
    for number in range(100):
        one.add(b"%03d" % number)
        one.add(b"%02d" % (number // 10))
    steps = 1
    while not one.step(300):
        steps += 1
    assert steps == 4 and box.waiting == 1000

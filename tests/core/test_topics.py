"""The topic of a message, and the newest message of each."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.topics import LastValues, topic
from ccproxy.wire.zmtp.frames import pack


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_the_topic_is_the_first_frame(frames):
    assert topic(pack(frames)) == frames[0]


def test_the_newest_of_each_topic():
    last = LastValues(10_000)
    last.note(pack([b"a.1", b"old"]) + pack([b"b", b"x"]))
    last.note(pack([b"a.2", b"y"]) + pack([b"a.1", b"new"]))
    assert list(last.matching(b"a.")) == [pack([b"a.2", b"y"]), pack([b"a.1", b"new"])]
    assert list(last.matching(b"c")) == [] and len(list(last.matching(b""))) == 3


def test_it_forgets_the_oldest_beyond_its_size():
    last = LastValues(100)
    for number in range(50):
        last.note(pack([b"%02d" % number, b"x" * 10]))
        assert last.bytes <= 100
    assert [one[2:4] for one in last.matching(b"")] == [b"%02d" % n for n in range(45, 50)]
    last.note(pack([b"huge", b"x" * 200]))
    assert len(last) == 0 and last.bytes == 0

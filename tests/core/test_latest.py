"""A queue with the newest message of each topic: in order of topics, bounded, all counted."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.latest import LatestBox, window
from ccproxy.core.memory import LEAST_SHARE, Memory
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import cut
from ccproxy.core.topics import ENTRY_COST
from ccproxy.wire.zmtp.frames import pack, unpack


def made(limit=10_000, room=20):
    box = Outbox("peer", Limits(bytes=room, policy="block"))
    return LatestBox(box, limit), box


def drain(box):
    """Read everything, as a peer that has become quick."""
    found = []
    while box.waiting:
        chunk = b"".join(box.peek(99))
        found += [tuple(unpack(one)) for one in cut(chunk)]
        box.advance(len(chunk))
    return found


def balanced(latest, box):
    assert box.queued == box.sent + box.dropped.total() + box.waiting
    return latest.held


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 99)), max_size=40))
def test_a_slow_peer_gets_the_newest_of_each_topic(messages):
    latest, box = made()
    newest = {}
    for key, number in messages:
        assert latest.offer(pack([key, b"%d" % number]), 1) == 1
        newest[key] = b"%d" % number
        balanced(latest, box)
    found = drain(box)
    assert dict(found) == newest and latest.held == 0
    assert box.sent + box.dropped["replaced"] == len(messages)


def test_a_quick_peer_gets_everything():
    latest, box = made()
    heard = []
    for number in range(9):
        latest.offer(pack([b"a", b"%d" % number]), 1, lambda *one: heard.append(one))
        assert drain(box) == [(b"a", b"%d" % number)]
    assert not box.dropped and heard == [(1, "taken")] * 9


def test_it_is_bounded_and_makes_nobody_wait():
    latest, box = made(limit=3 * (1 + 15 + ENTRY_COST))
    assert isinstance(latest, Sink) and not latest.may_block and not latest.blocked
    latest.offer(b"".join(pack([b"%d" % number, b"x" * 10]) for number in range(10)), 10)
    latest.offer(b"".join(pack([b"%d" % number, b"x" * 10]) for number in range(10)), 10)
    assert balanced(latest, box) == 3 and box.dropped["full"] == 7
    latest.clear("gone")
    assert latest.held == 0 and box.dropped["gone"] == 3
    woken = []
    latest.wait(lambda: woken.append(1))
    assert woken == [1]


def test_the_outbox_behind_it_is_small():
    assert window(Limits(bytes=1 << 30, messages=3)) == Limits(65536, 3, "block")
    assert window(Limits(bytes=2048)).bytes == 2048


def test_what_waits_here_is_part_of_the_memory_of_all():
    memory = Memory(64 * 1024)
    boxes = [Outbox("peer", Limits(20, 0, "block"), memory=memory) for _ in range(8)]
    several = [LatestBox(box, 1 << 20) for box in boxes]
    for number in range(300):
        for one in several:
            one.offer(pack([b"%d" % number, b"x" * 1000]), 1)
            assert memory.used <= len(several) * (LEAST_SHARE + 2000)
    for one, box in zip(several, boxes, strict=True):
        assert box.dropped["memory"] and balanced(one, box) >= 1
        one.clear("gone")
        box.clear("gone")
    assert memory.used == 0

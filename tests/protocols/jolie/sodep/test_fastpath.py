import itertools

import pytest

from ccproxy.protocols.jolie.sodep import SodepLimits, SodepReader, message, request_tail
from ccproxy.protocols.jolie.sodep import fastpath as plain
from ccproxy.protocols.jolie.values import Tree

try:
    from ccproxy.protocols.jolie.sodep import _fastpath as compiled
except ImportError:
    compiled = None

not_built = pytest.mark.skipif(
    compiled is None, reason="ccproxy.protocols.jolie.sodep._fastpath is not built"
)
pytestmark = pytest.mark.parametrize(
    "fastpath",
    [pytest.param(plain, id="plain"), pytest.param(compiled, id="compiled", marks=not_built)],
)

SUM = request_tail("sum", Tree(None, {"x": [Tree(5)]}))
HEAD = b"\0\0\0\1/"


class Stats:
    gone = False

    def __init__(self):
        self.flow = self
        self.counted = []

    def count(self, calls, size):
        self.counted.append((calls, size))


class World:
    """One route, /Sum:sum, to `upstreams` connections; `woken`: what has something to write."""

    def __init__(self, fastpath, upstreams=1, calls=100, size=1 << 20):
        self.fastpath = fastpath
        self.woken = []
        self.load = fastpath.UpstreamLoad(calls, size)
        ids = itertools.count(1)
        self.upstreams = fastpath.UpstreamPool("utf-8", 30.0, lambda: 7.0)
        for _ in range(upstreams):
            upstream = fastpath.Upstream(ids, self.load)
            upstream.wake = lambda upstream=upstream: self.woken.append(upstream)
            self.upstreams.usable.append(upstream)
        self.stats = Stats()
        route = fastpath.FastRoute(self.upstreams, HEAD, "sum", self.stats)
        self.routes = {b"\0\0\0\4/Sum\0\0\0\3sum": route}
        self.answers = self.caller()

    def caller(self):
        answers = self.fastpath.AnswerBuffer()
        answers.wake = lambda: self.woken.append(answers)
        return answers

    def forward(self, *messages, answers=None):
        data, ends = SodepReader(SodepLimits()).cut(b"".join(messages))
        return self.fastpath.forward(data, ends, self.routes, answers or self.answers)

    def deliver(self, *messages, upstream=None):
        data, ends = SodepReader(SodepLimits()).cut(b"".join(messages))
        return self.fastpath.deliver(data, ends, upstream or self.upstreams.usable[0])


def call(id, path=b"/Sum", tail=SUM):
    return message(id, path, tail)


def joined(pieces):
    return b"".join(pieces)


def test_a_call_gets_a_new_id_and_path_and_its_answer_the_old_id(fastpath):
    world = World(fastpath)
    [upstream] = world.upstreams.usable
    data = call(900), call(-3)
    assert world.forward(*data) == len(b"".join(data))
    assert world.woken == [upstream]
    pieces, ids = upstream.take()
    assert joined(pieces) == call(1, b"/") + call(2, b"/")
    assert ids == [1, 2]
    assert upstream.take() == ([], [])
    assert world.stats.counted == [(2, 2 * len(SUM))]
    assert (world.load.calls, world.load.bytes, world.answers.open) == (2, 2 * len(SUM), 2)
    in_flight = upstream.open[1]
    assert (in_flight.sent, in_flight.deadline, in_flight.size) == (7.0, 37.0, len(SUM))

    answers = message(2, b"/odd", b"\0\0\0\0\0" + bytes(5)), message(1, b"/", SUM)
    assert world.deliver(*answers) == (b"", [])
    assert world.woken == [upstream, world.answers]
    expected = message(-3, b"/odd", b"\0\0\0\0\0" + bytes(5)) + message(900, b"/", SUM)
    assert joined(world.answers.take()) == expected
    assert world.answers.take() == []
    assert (world.load.calls, world.load.bytes, world.answers.open) == (0, 0, 0)
    assert not upstream.open


def test_what_has_no_lane_ends_the_run_and_the_order_stays(fastpath):
    world = World(fastpath)
    first = call(1)
    for other in (call(2, b"/Sub"), call(2, tail=request_tail("sub", Tree())), call(2, b"Sum")):
        assert world.forward(first, other, call(3)) == len(first)
    assert world.forward(call(2, b"/Sub")) == 0
    assert world.stats.counted == [(1, len(SUM))] * 3
    assert world.answers.open == 3


def test_a_flow_that_is_gone_or_no_usable_trunk_ends_the_lane(fastpath):
    world = World(fastpath)
    world.stats.gone = True
    assert world.forward(call(1)) == 0
    world.stats.gone = False
    usable = world.upstreams.usable[:]
    world.upstreams.usable.clear()
    assert world.forward(call(1)) == 0
    world.upstreams.usable.extend(usable)
    assert world.forward(call(1)) > 0


def test_calls_of_several_lanes_are_counted_for_each(fastpath):
    world = World(fastpath)
    other = Stats()
    sub = request_tail("sub", Tree())
    route = fastpath.FastRoute(world.upstreams, HEAD, "sub", other)
    world.routes[b"\0\0\0\4/Sum\0\0\0\3sub"] = route
    world.forward(call(1), call(2), call(3, tail=sub), call(4))
    assert world.stats.counted == [(2, 2 * len(SUM)), (1, len(SUM))]
    assert other.counted == [(1, len(sub))]
    assert sorted(world.upstreams.usable[0].open) == [1, 2, 3, 4]


def test_calls_take_turns_on_several_trunks(fastpath):
    world = World(fastpath, upstreams=3)
    every = world.upstreams.usable[:]
    for id in range(6):
        world.forward(call(id))
    assert [len(upstream.open) for upstream in every] == [2, 2, 2]
    assert sorted(id for upstream in every for id in upstream.open) == [1, 2, 3, 4, 5, 6]


def test_what_is_too_much_goes_the_slow_path_where_it_is_refused(fastpath):
    world = World(fastpath, calls=2)
    assert world.forward(call(1), call(2), call(3)) == 2 * len(call(1))
    world = World(fastpath, size=2 * len(SUM))
    assert world.forward(call(1), call(2), call(3)) == 2 * len(call(1))
    # A single one may have any size.
    assert World(fastpath, size=1).forward(call(1), call(2)) == len(call(1))


def test_a_large_message_is_written_from_where_it_was_read(fastpath):
    world = World(fastpath)
    tail = request_tail("sum", Tree("x" * 70_000))
    world.forward(call(1, tail=tail), call(2))
    [upstream] = world.upstreams.usable
    pieces, _ = upstream.take()
    assert any(isinstance(one, memoryview) for one in pieces)
    assert joined(pieces) == call(1, b"/", tail) + call(2, b"/")
    world.deliver(call(1, b"/", tail))
    assert joined(world.answers.take()) == call(1, b"/", tail)


def test_many_pieces_are_joined(fastpath):
    world = World(fastpath)
    tail = request_tail("sum", Tree("x" * 5000))
    world.forward(*(call(id, tail=tail) for id in range(30)))
    pieces, _ = world.upstreams.usable[0].take()
    assert len(pieces) == 1
    assert pieces[0] == b"".join(call(id, b"/", tail) for id in range(1, 31))


def test_answers_to_no_call_come_back_in_their_order(fastpath):
    world = World(fastpath)
    world.forward(call(1), call(2))
    unmatched = call(77, b"/"), call(0, b"/")
    data, ends = world.deliver(unmatched[0], call(1, b"/"), unmatched[1], call(1, b"/"))
    assert data == unmatched[0] + unmatched[1] + call(1, b"/")
    assert ends == [len(unmatched[0]), len(unmatched[0]) * 2, len(data)]
    assert sorted(world.upstreams.usable[0].open) == [2]


def test_answers_go_to_the_caller_that_asked(fastpath):
    world = World(fastpath)
    other = world.caller()
    world.forward(call(5))
    world.forward(call(5), answers=other)
    world.deliver(call(2, b"/"))
    assert joined(other.take()) == call(5, b"/")
    assert world.answers.take() == []
    assert (world.answers.open, other.open) == (1, 0)


def test_a_call_can_be_taken_off_once(fastpath):
    world = World(fastpath)
    world.forward(call(4))
    [upstream] = world.upstreams.usable
    assert upstream.end(1).id == (4).to_bytes(8, "big")
    assert upstream.end(1) is None
    assert (world.load.calls, world.load.bytes) == (0, 0)

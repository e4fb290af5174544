import itertools

import pytest

from ccproxy.protocols.jolie.sodep import Limits, Reader, message, request_tail
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
    "express",
    [pytest.param(plain, id="plain"), pytest.param(compiled, id="compiled", marks=not_built)],
)

SUM = request_tail("sum", Tree(None, {"x": [Tree(5)]}))
HEAD = b"\0\0\0\1/"


class Account:
    gone = False

    def __init__(self):
        self.flow = self
        self.counted = []

    def count(self, calls, size):
        self.counted.append((calls, size))


class World:
    """One lane, /Sum:sum, to `trunks` connections; `woken` hears who has something to write."""

    def __init__(self, express, trunks=1, calls=100, size=1 << 20):
        self.express = express
        self.woken = []
        self.load = express.Load(calls, size)
        ids = itertools.count(1)
        self.trunks = express.Trunks("utf-8", 30.0, lambda: 7.0)
        for _ in range(trunks):
            trunk = express.Trunk(ids, self.load)
            trunk.wake = lambda trunk=trunk: self.woken.append(trunk)
            self.trunks.usable.append(trunk)
        self.account = Account()
        lane = express.Lane(self.trunks, HEAD, "sum", self.account)
        self.lanes = {b"\0\0\0\4/Sum\0\0\0\3sum": lane}
        self.returns = self.caller()

    def caller(self):
        returns = self.express.Returns()
        returns.wake = lambda: self.woken.append(returns)
        return returns

    def forward(self, *messages, returns=None):
        data, ends = Reader(Limits()).cut(b"".join(messages))
        return self.express.forward(data, ends, self.lanes, returns or self.returns)

    def deliver(self, *messages, trunk=None):
        data, ends = Reader(Limits()).cut(b"".join(messages))
        return self.express.deliver(data, ends, trunk or self.trunks.usable[0])


def call(id, path=b"/Sum", tail=SUM):
    return message(id, path, tail)


def joined(pieces):
    return b"".join(pieces)


def test_a_call_gets_a_new_id_and_path_and_its_answer_the_old_id(express):
    world = World(express)
    [trunk] = world.trunks.usable
    data = call(900), call(-3)
    assert world.forward(*data) == len(b"".join(data))
    assert world.woken == [trunk]
    pieces, ids = trunk.take()
    assert joined(pieces) == call(1, b"/") + call(2, b"/")
    assert ids == [1, 2]
    assert trunk.take() == ([], [])
    assert world.account.counted == [(2, 2 * len(SUM))]
    assert (world.load.calls, world.load.bytes, world.returns.open) == (2, 2 * len(SUM), 2)
    passed = trunk.open[1]
    assert (passed.sent, passed.deadline, passed.size) == (7.0, 37.0, len(SUM))

    answers = message(2, b"/odd", b"\0\0\0\0\0" + bytes(5)), message(1, b"/", SUM)
    assert world.deliver(*answers) == (b"", [])
    assert world.woken == [trunk, world.returns]
    expected = message(-3, b"/odd", b"\0\0\0\0\0" + bytes(5)) + message(900, b"/", SUM)
    assert joined(world.returns.take()) == expected
    assert world.returns.take() == []
    assert (world.load.calls, world.load.bytes, world.returns.open) == (0, 0, 0)
    assert not trunk.open


def test_what_has_no_lane_ends_the_run_and_the_order_stays(express):
    world = World(express)
    first = call(1)
    for other in (call(2, b"/Sub"), call(2, tail=request_tail("sub", Tree())), call(2, b"Sum")):
        assert world.forward(first, other, call(3)) == len(first)
    assert world.forward(call(2, b"/Sub")) == 0
    assert world.account.counted == [(1, len(SUM))] * 3
    assert world.returns.open == 3


def test_a_flow_that_is_gone_or_no_usable_trunk_ends_the_lane(express):
    world = World(express)
    world.account.gone = True
    assert world.forward(call(1)) == 0
    world.account.gone = False
    usable = world.trunks.usable[:]
    world.trunks.usable.clear()
    assert world.forward(call(1)) == 0
    world.trunks.usable.extend(usable)
    assert world.forward(call(1)) > 0


def test_calls_of_several_lanes_are_counted_for_each(express):
    world = World(express)
    other = Account()
    sub = request_tail("sub", Tree())
    lane = express.Lane(world.trunks, HEAD, "sub", other)
    world.lanes[b"\0\0\0\4/Sum\0\0\0\3sub"] = lane
    world.forward(call(1), call(2), call(3, tail=sub), call(4))
    assert world.account.counted == [(2, 2 * len(SUM)), (1, len(SUM))]
    assert other.counted == [(1, len(sub))]
    assert sorted(world.trunks.usable[0].open) == [1, 2, 3, 4]


def test_calls_take_turns_on_several_trunks(express):
    world = World(express, trunks=3)
    every = world.trunks.usable[:]
    for id in range(6):
        world.forward(call(id))
    assert [len(trunk.open) for trunk in every] == [2, 2, 2]
    assert sorted(id for trunk in every for id in trunk.open) == [1, 2, 3, 4, 5, 6]


def test_what_is_too_much_goes_the_long_way_where_it_is_refused(express):
    world = World(express, calls=2)
    assert world.forward(call(1), call(2), call(3)) == 2 * len(call(1))
    world = World(express, size=2 * len(SUM))
    assert world.forward(call(1), call(2), call(3)) == 2 * len(call(1))
    # A single one may have any size.
    assert World(express, size=1).forward(call(1), call(2)) == len(call(1))


def test_a_large_message_is_written_from_where_it_was_read(express):
    world = World(express)
    tail = request_tail("sum", Tree("x" * 70_000))
    world.forward(call(1, tail=tail), call(2))
    [trunk] = world.trunks.usable
    pieces, _ = trunk.take()
    assert any(isinstance(one, memoryview) for one in pieces)
    assert joined(pieces) == call(1, b"/", tail) + call(2, b"/")
    world.deliver(call(1, b"/", tail))
    assert joined(world.returns.take()) == call(1, b"/", tail)


def test_many_pieces_are_joined(express):
    world = World(express)
    tail = request_tail("sum", Tree("x" * 5000))
    world.forward(*(call(id, tail=tail) for id in range(30)))
    pieces, _ = world.trunks.usable[0].take()
    assert len(pieces) == 1
    assert pieces[0] == b"".join(call(id, b"/", tail) for id in range(1, 31))


def test_answers_to_nobody_come_back_in_their_order(express):
    world = World(express)
    world.forward(call(1), call(2))
    strays = call(77, b"/"), call(0, b"/")
    data, ends = world.deliver(strays[0], call(1, b"/"), strays[1], call(1, b"/"))
    assert data == strays[0] + strays[1] + call(1, b"/")
    assert ends == [len(strays[0]), len(strays[0]) * 2, len(data)]
    assert sorted(world.trunks.usable[0].open) == [2]


def test_answers_go_to_the_caller_that_asked(express):
    world = World(express)
    other = world.caller()
    world.forward(call(5))
    world.forward(call(5), returns=other)
    world.deliver(call(2, b"/"))
    assert joined(other.take()) == call(5, b"/")
    assert world.returns.take() == []
    assert (world.returns.open, other.open) == (1, 0)


def test_a_call_can_be_taken_off_once(express):
    world = World(express)
    world.forward(call(4))
    [trunk] = world.trunks.usable
    assert trunk.end(1).id == (4).to_bytes(8, "big")
    assert trunk.end(1) is None
    assert (world.load.calls, world.load.bytes) == (0, 0)

"""The fast path: when calls may take it, and that nothing about them differs from other calls."""

from itertools import count

import pytest

from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.sodep import (
    AnswerBuffer,
    FastRoute,
    InFlight,
    SodepReader,
    message,
    request_tail,
)
from ccproxy.protocols.jolie.sodep.compiled import deliver, forward
from ccproxy.protocols.jolie.sodep.limits import SodepLimits
from ccproxy.protocols.jolie.values import Answered, Call, Fault, Result, Tree
from ccproxy_handlers.redirect.actions import CloseConnection, OpenConnection, Respond, WriteRequest
from ccproxy_handlers.redirect.calls import TargetCalls
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.target import ConnectionLimits, ServiceTarget

PROTOCOLS = {word: Plugins().protocol(word)(word) for word in ("sodep", "http", "jsonrpc")}

HERE = Location("h", 8001)
CALL = Call("/", "sum", Tree())
TAIL = request_tail("sum", Tree())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Stats:
    gone = False

    def __init__(self):
        self.flow = self

    def count(self, calls, size):
        pass


class World:
    """Calls to one target over `up` connections, and a caller on the fast path."""

    def __init__(self, up=1, protocol="sodep", **shape):
        self.clock = Clock()
        shape = {"connections": up, "timeout": 10.0, **shape}
        self.calls = TargetCalls(
            ServiceTarget(HERE, PROTOCOLS[protocol], ConnectionLimits(**shape)),
            count(1),
            self.clock,
        )
        self.answers = AnswerBuffer()

    def warm(self, up=1):
        """Calls on the slow path until every connection is up, all answered."""
        one = self.calls
        one.ask("a", CALL, 0)
        for connection in range(1, up + 1):
            one.opened(connection, 0)
            one.ask("a", CALL, 0)
        one.ask("a", CALL, 0)
        for connection in one.pool:
            one.answered(connection.id, [Answered(id, Result(Tree())) for id in connection.open], 0)
        assert not len(one)
        return self

    @property
    def usable(self):
        return self.calls.pool.upstreams.usable

    def fast_calls(self, *ids):
        route = FastRoute(self.calls.pool.upstreams, b"\0\0\0\1/", "sum", Stats())
        data = b"".join(message(id, b"/Sum", TAIL) for id in ids)
        data, ends = SodepReader(SodepLimits()).cut(data)
        return forward(data, ends, {b"\0\0\0\4/Sum\0\0\0\3sum": route}, self.answers) // len(
            message(1, b"/Sum", TAIL)
        )


def said(actions):
    """The ids of calls of the fast path and the fault each got."""
    found = {}
    for action in actions:
        if isinstance(action, Respond):
            assert isinstance(action.caller, InFlight)
            assert isinstance(action.answer, Fault)
            id = int.from_bytes(action.caller.id, "big")
            found[id] = action.answer.value.tree().payload
    return found


@pytest.mark.parametrize("up", [1, 3])
def test_calls_take_the_fast_path_once_every_connection_is_up(up):
    world = World(up)
    one = world.calls
    one.ask("a", CALL, 0)
    for connection in range(1, up + 1):
        assert not world.usable
        one.opened(connection, 0)
        one.ask("a", CALL, 0)
    assert len(world.usable) == up
    assert world.fast_calls(1, 2, 3) == 3


@pytest.mark.parametrize(
    ("protocol", "shape"),
    [("sodep", {"mode": "pooled"}), ("sodep", {"mode": "single"}), ("http", {}), ("jsonrpc", {})],
)
def test_what_is_no_shared_sodep_connection_has_no_trunks(protocol, shape):
    assert World(protocol=protocol, **shape).calls.pool.upstreams is None


def test_without_a_clock_every_call_takes_the_slow_path():
    assert TargetCalls(ServiceTarget(HERE, PROTOCOLS["sodep"]), count(1)).pool.upstreams is None


def test_fast_calls_count_like_others():
    world = World(calls=3).warm()
    assert world.fast_calls(1, 2) == 2
    assert len(world.calls) == 2
    world.calls.ask("a", CALL, 0)
    [full] = world.calls.ask("b", CALL, 0)
    assert full.caller == "b"
    assert "Too many calls: 3" in full.answer.value.tree().payload
    assert world.fast_calls(3) == 0


def test_a_lost_connection_answers_its_fast_calls():
    world = World().warm()
    world.fast_calls(5, 6)
    actions = world.calls.lost(1, "reset", 1.0)
    assert said(actions).keys() == {5, 6}
    assert not len(world.calls)
    assert not world.usable
    assert world.fast_calls(7) == 0


def test_fast_calls_time_out_and_a_silent_connection_is_left():
    world = World(idle=0).warm()
    world.fast_calls(5)
    world.clock.now = 4.0
    world.fast_calls(6)
    assert world.calls.deadline() == world.calls.due(4.0) == 10.0
    assert world.calls.tick(9.0) == []
    actions = world.calls.tick(10.0)
    assert list(said(actions)) == [5]
    # Nothing was heard since: no call goes there any more, and it closes with the last one.
    assert not world.usable
    assert world.calls.deadline() == 14.0
    *_, last = world.calls.tick(14.0)
    assert last == CloseConnection(1)
    assert world.calls.ask("a", CALL, 15.0) == [OpenConnection(2, HERE)]


def test_a_connection_that_answers_others_is_kept():
    world = World(idle=0).warm()
    world.fast_calls(5)
    [connection] = world.calls.pool
    connection.upstream.heard = 3.0
    assert list(said(world.calls.tick(10.0))) == [5]
    assert world.usable == [connection.upstream]


def test_a_connection_with_fast_calls_is_not_idle():
    world = World(idle=5.0, timeout=100.0).warm()
    world.fast_calls(5)
    assert world.calls.tick(50.0) == []
    [connection] = world.calls.pool
    connection.upstream.end(next(iter(connection.fast_calls)))
    connection.upstream.heard = 60.0
    assert world.calls.tick(64.9) == []
    assert world.calls.tick(65.0) == [CloseConnection(1)]


def test_a_retired_target_keeps_its_fast_calls_until_they_are_answered():
    world = World().warm()
    world.fast_calls(5)
    actions, moved = world.calls.retire(1.0)
    assert (actions, moved) == ([], [])
    assert not world.usable
    [connection] = world.calls.pool
    assert connection.upstream.last
    connection.upstream.end(next(iter(connection.fast_calls)))
    assert world.calls.answered(1, [], 2.0) == [CloseConnection(1)]
    assert world.calls.done


def test_what_could_not_be_written_is_told_and_the_connection_left():
    world = World().warm()
    world.fast_calls(5, 6)
    [connection] = world.calls.pool
    first, second = connection.fast_calls
    assert "does not read" in said(world.calls.unsent(1, first, 1.0))[5]
    actions = world.calls.unsent(1, second, 1.0)
    assert said(actions).keys() == {6}
    assert actions[-1] == CloseConnection(1)
    assert world.calls.unsent(1, second, 1.0) == []


def test_id_0_answers_the_only_fast_call():
    world = World().warm()
    world.fast_calls(5, 6)
    assert world.calls.answered(1, [Answered(0, Result(Tree(1)))], 1.0) == []
    assert world.calls.unmatched == 1
    [connection] = world.calls.pool
    connection.upstream.end(next(iter(connection.fast_calls)))
    [answer] = world.calls.answered(1, [Answered(0, Result(Tree(1)))], 1.0)
    assert answer.caller.id == (6).to_bytes(8, "big")
    assert not len(world.calls)


def slow(world, seconds=0.005, times=700):
    """So many calls of the fast path, each answered after so long, while seven others wait."""
    actions = []
    for number in range(times):
        now = world.clock.now = 1.0 + number * seconds
        world.fast_calls(*range(8))
        for connection in world.calls.pool:
            if not connection.fast_calls:
                continue
            id = next(iter(connection.fast_calls))
            later = world.clock.now = now + seconds
            deliver(message(id, b"/", TAIL), [len(message(id, b"/", TAIL))], connection.upstream)
            actions += world.calls.late(later)
            for id in tuple(connection.fast_calls):
                connection.upstream.end(id)
    return actions


def test_a_service_that_takes_long_gets_more_connections_one_by_one():
    world = World(most=3, idle=0).warm()
    assert slow(world, seconds=0.0001) == []
    assert slow(world) == [OpenConnection(2, HERE)]
    assert slow(world) == []  # it is not up yet
    world.calls.opened(2, 1.0)
    assert len(world.usable) == 2
    assert slow(world) == [OpenConnection(3, HERE)]
    world.calls.opened(3, 1.0)
    assert slow(world) == []
    assert len(world.usable) == 3


def test_a_service_that_refuses_one_more_is_left_alone_for_a_while():
    world = World(most=3, idle=0).warm()
    assert slow(world) == [OpenConnection(2, HERE)]
    assert world.calls.refused(2, "enough", 2.0) == []
    world.calls.ask("a", CALL, 2.0)
    assert len(world.usable) == 1
    assert slow(world) == []
    load = world.calls.pool.load
    load.took, load.timed = 1.0, 200
    world.fast_calls(*range(8))
    assert world.calls.late(40.0) == [OpenConnection(3, HERE)]


def test_one_caller_needs_one_connection():
    world = World(most=8, idle=0).warm()
    load = world.calls.pool.load
    load.took, load.timed = 1.0, 200
    world.fast_calls(1)
    assert world.calls.late(1.0) == []


def test_few_slow_answers_are_no_reason():
    assert slow(World(most=8, idle=0).warm(), times=150) == []


@pytest.mark.parametrize(("protocol", "most"), [("sodep", 1), ("http", 64), ("jsonrpc", 64)])
def test_the_protocol_decides_how_many_connections_there_may_be_if_the_ini_does_not(protocol, most):
    calls = World(protocol=protocol, connections=0).calls
    for _ in range(70):
        calls.ask("a", CALL, 0)
    assert len(calls.pool) == most


# How long a connection is given calls


def asked(world, now):
    """The connection that a call is written on, None if it waits for one, and those closed."""
    actions = world.calls.ask("a", CALL, now)
    closed = [one.connection for one in actions if isinstance(one, CloseConnection)]
    written = [one for one in actions if isinstance(one, WriteRequest)]
    return (written[0].connection if written else None), closed


def answer(world, connection, now):
    """Answer what waits on a connection; the connections that are closed behind it."""
    found = world.calls.pool.find(connection)
    answers = [Answered(id, Result(Tree())) for id in found.open]
    actions = world.calls.answered(connection, answers, now)
    return [one.connection for one in actions if isinstance(one, CloseConnection)]


def opened(world, connection, now):
    """The connection is up; True if the call that waits is written on it."""
    return any(isinstance(one, WriteRequest) for one in world.calls.opened(connection, now))


@pytest.mark.parametrize("protocol", ["http", "jsonrpc"])
def test_a_connection_whose_answer_came_late_after_its_opening_is_not_used_again(protocol):
    world = World(protocol=protocol, connections=0, idle=60.0)
    assert asked(world, 0.0) == (None, [])
    assert opened(world, 1, 2.0)  # it counts from when it was up
    assert answer(world, 1, 6.4) == []
    assert asked(world, 6.45) == (1, [])
    assert answer(world, 1, 6.5) == [1]
    assert asked(world, 6.6) == (None, [])
    assert opened(world, 2, 6.7)
    assert answer(world, 2, 100.0) == [2]


def test_no_call_is_handed_to_a_connection_in_its_last_moment():
    world = World(protocol="http", connections=0, idle=60.0)
    asked(world, 0.0)
    opened(world, 1, 0.0)
    answer(world, 1, 1.0)
    assert asked(world, 4.5) == (None, [1])
    assert 1 not in world.calls.pool
    assert opened(world, 2, 4.6)


def test_a_call_that_waits_is_handed_to_a_young_connection_only():
    world = World(protocol="http", connections=1, idle=60.0)
    asked(world, 0.0)
    opened(world, 1, 0.0)
    assert asked(world, 3.0) == (None, [])
    actions = world.calls.answered(1, [Answered(1, Result(Tree()))], 4.6)
    kinds = [type(one) for one in actions]
    assert kinds == [Respond, CloseConnection, OpenConnection]
    assert opened(world, 2, 4.7)


def test_an_old_connection_without_a_call_is_closed_by_the_clock():
    world = World(protocol="http", connections=0, idle=60.0)
    asked(world, 0.0)
    opened(world, 1, 0.0)
    assert world.calls.due(0.0) <= 4.5
    assert world.calls.tick(4.5) == []  # its call is under way
    assert answer(world, 1, 1.0) == []
    assert world.calls.due(1.0) == 4.5
    assert world.calls.tick(4.4) == []
    assert world.calls.tick(4.5) == [CloseConnection(1)]


@pytest.mark.parametrize(
    ("protocol", "lifetime"), [("sodep", None), ("sodep", 0.0), ("http", 0.0), ("jsonrpc", 0.0)]
)
def test_without_a_lifetime_a_connection_is_used_as_long_as_it_is_there(protocol, lifetime):
    world = World(protocol=protocol, connections=1, idle=0.0, lifetime=lifetime)
    asked(world, 0.0)
    opened(world, 1, 0.0)
    assert answer(world, 1, 100.0) == []
    assert asked(world, 1000.0) == (1, [])
    assert answer(world, 1, 1001.0) == []
    assert world.calls.due(1001.0) == float("inf")


def test_a_shared_connection_with_a_lifetime_answers_what_it_has_and_is_closed():
    world = World(connections=1, idle=60.0, lifetime=4.5)
    assert world.calls.pool.upstreams is None  # the fast path does not know how old it is
    asked(world, 0.0)
    opened(world, 1, 0.0)
    assert asked(world, 4.4) == (1, [])
    assert asked(world, 4.5) == (None, [])
    assert opened(world, 2, 4.6)
    assert asked(world, 4.7) == (2, [])
    assert answer(world, 1, 5.0) == [1]
    assert answer(world, 2, 5.1) == []

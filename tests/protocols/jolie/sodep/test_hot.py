"""What the two ends of a sodep call leave to their owners; the rest is in test_fastpath."""

import itertools
from types import SimpleNamespace

import pytest

from ccproxy.protocols.jolie.sodep import (
    FastPathStats,
    FastRoute,
    Sodep,
    Upstream,
    UpstreamLoad,
    UpstreamPool,
    answer_tail,
    message,
    request_tail,
)
from ccproxy.protocols.jolie.sodep.fastpath import SLOW_ANSWER
from ccproxy.protocols.jolie.sodep.hot import MANY_OPEN
from ccproxy.protocols.jolie.values import Fault, Tree

SUM = request_tail("sum", Tree(None, {"x": [Tree(5)]}))
CALL = message(1, b"/Sum", SUM)
ANSWER = message(1, b"/", b"\0\0\0\0\0" + bytes(5))


class Stream:
    closed = False

    def __init__(self, taken=1):
        self.taken, self.sent = taken, []
        self.box = SimpleNamespace(waiting=0)

    def send(self, pieces):
        self.sent.append(b"".join(pieces))
        return self.taken


@pytest.fixture
def world():
    """A caller and a service with a fast route between them; `told` of the caller's writes."""
    found = SimpleNamespace(form=Sodep(), told=[], due=[], stream=Stream(), unsent=[], watched=[])
    found.load = UpstreamLoad(10_000, 1 << 20)
    found.upstream = Upstream(itertools.count(1), found.load)
    found.upstream.send = found.stream.send
    found.upstream.unsent = found.unsent.extend
    found.upstream.watch = lambda: found.watched.append(found.upstream.deadline)
    pool = UpstreamPool("utf-8", 30.0, lambda: 7.0)
    pool.usable.append(found.upstream)
    flow = SimpleNamespace(gone=False, count=0, bytes=0)
    stats = FastPathStats(flow, SimpleNamespace(pass_by=lambda *counts: None))
    found.form.routes[CALL[8 : len(CALL) - len(SUM) + 7]] = FastRoute(
        pool, b"\0\0\0\1/", "sum", stats
    )
    found.caller, found.service = found.form.caller(), found.form.service(found.upstream)
    found.pacing = SimpleNamespace(held=False)
    queue = SimpleNamespace(flush_later=found.due.append)
    found.caller.write_through(found.stream, queue, found.pacing, found.told.append)
    return found


def test_a_call_and_its_answer_leave_nothing_to_decide(world):
    assert world.caller.pass_on(CALL) is None
    world.upstream.flush()
    assert world.service.pass_on(ANSWER) is None
    assert world.due == [world.caller]
    world.caller.flush()
    assert world.stream.sent == [message(1, b"/", SUM), ANSWER]
    assert (world.told, world.unsent, world.upstream.heard) == ([], [], 7.0)
    assert not world.caller.calls and not world.upstream.open


def test_part_of_a_message_is_told_and_joined(world):
    assert world.caller.pass_on(CALL[:9]) == []
    assert world.caller.pending().held == 9
    assert world.caller.pass_on(CALL[9:] + CALL[:3]) == []
    assert world.caller.pass_on(CALL[3:]) is None
    assert world.service.pass_on(ANSWER[:5]) == []
    assert world.service.pass_on(ANSWER[5:]) is None


def test_other_calls_and_answers_are_left(world):
    other = message(2, b"/", SUM)
    [asked] = world.caller.pass_on(CALL + other)
    assert (asked.token.id, world.caller.calls) == (2, 2)
    [answered] = world.service.pass_on(ANSWER + message(9, b"/", ANSWER[13:]))
    assert answered.id == 9


def test_bytes_that_are_no_message_break_a_side(world):
    assert world.caller.pass_on(CALL + b"\xff" * 12) == []
    assert world.caller.broken and world.caller.calls == 1
    assert world.service.pass_on(ANSWER + b"\xff" * 12) == []
    assert world.service.broken


def test_many_calls_without_answer_are_told(world):
    assert world.caller.pass_on(CALL * (MANY_OPEN - 1)) is None
    assert world.caller.pass_on(CALL) == []


def test_slow_answers_and_a_connection_that_is_to_end_are_told(world):
    world.caller.pass_on(CALL)
    world.load.took = 40 * SLOW_ANSWER
    assert world.service.pass_on(ANSWER) == []
    world.caller.pass_on(CALL)
    world.load.took, world.upstream.last = 0.0, True
    assert world.service.pass_on(message(2, b"/", ANSWER[13:])) == []


@pytest.mark.parametrize("change", ["held", "ended", "broken", "waiting", "refused"])
def test_the_owner_is_told_of_writes_that_something_may_follow_from(world, change):
    world.caller.pass_on(CALL)
    world.service.pass_on(ANSWER)
    world.pacing.held = change == "held"
    if change == "ended":
        world.caller.eof()
    world.caller.broken = "x" if change == "broken" else ""
    world.stream.box.waiting = int(change == "waiting")
    world.stream.taken = int(change != "refused")
    world.caller.flush()
    assert world.told == [change != "refused"]
    assert world.caller.closing == (change in ("ended", "broken"))


def test_answers_of_a_closed_stream_are_dropped(world):
    world.caller.pass_on(CALL)
    world.service.pass_on(ANSWER)
    world.stream.closed = True
    world.caller.flush()
    assert (world.stream.sent, world.told, world.caller.take()) == ([], [], [])


def test_calls_that_are_not_taken_are_told_and_the_timer_is_asked_for(world):
    world.upstream.flush()
    world.caller.pass_on(CALL)
    world.stream.taken = 0
    world.upstream.watched = 37.5
    world.upstream.flush()
    world.upstream.flush()
    assert (world.unsent, world.watched) == ([1], [37.0])


LARGE = message(5, b"/Sum", request_tail("sum", Tree("x" * 3_000_000)))
READ = 256 * 1024


def reads(data, size=READ):
    return [data[at : at + size] for at in range(0, len(data), size)]


def test_a_large_call_is_not_copied_and_those_behind_it_do_not_overtake_it(world):
    garbage = b"\xff" * 12
    asked = [one for data in reads(CALL + LARGE + CALL + CALL + CALL[:5])
             for one in world.caller.pass_on(data) or []]  # fmt: skip
    assert [one.token.id for one in asked] == [5, 1, 1]
    assert world.caller.calls == 4 and len(world.upstream.open) == 1
    assert isinstance(asked[0].call.value.frame.tail, bytearray)
    head, body = Sodep().service().send(world.form.request(asked[0].call, 9))
    assert body.obj is asked[0].call.value.frame.tail
    assert head + bytes(body) == message(9, b"/Sum", LARGE[16:])
    # What is not whole goes on, and the fast path is taken again.
    assert world.caller.pending().held == 5
    assert world.caller.pass_on(CALL[5:]) is None
    assert world.caller.pass_on(garbage) == [] and world.caller.broken


def test_garbage_behind_a_large_call_breaks_the_side_and_the_call_is_taken(world):
    asked = [one for data in reads(LARGE + b"\xff" * 12) for one in world.caller.pass_on(data)]
    assert [one.token.id for one in asked] == [5] and world.caller.broken


def test_a_large_answer_reaches_the_caller_of_the_fast_path_and_others_their_owner(world):
    world.caller.pass_on(CALL + CALL)
    world.upstream.flush()
    large = message(1, b"/", b"\0\0\0\0\0" + LARGE[24:])
    other = message(77, b"/", large[13:])
    behind = message(2, b"/", ANSWER[13:])
    found = [one for data in reads(large + other + behind)
             for one in world.service.pass_on(data) or []]  # fmt: skip
    assert [one.id for one in found] == [77]
    assert not world.upstream.open and not world.caller.calls and not world.load.calls
    assert world.load.timed and world.due == [world.caller]
    world.caller.flush()
    assert world.stream.sent[1] == large + message(1, b"/", ANSWER[13:])
    assert world.service.pass_on(message(78, b"/", ANSWER[13:]))[0].id == 78


def test_a_large_fault_keeps_its_name_and_its_bytes(world):
    world.caller.pass_on(CALL)
    tail = answer_tail("sum", Fault("Zero", Tree("x" * 2_000_000)))
    for data in reads(message(1, b"/x", tail)):
        world.service.pass_on(data)
    world.caller.flush()
    assert world.stream.sent == [message(1, b"/x", tail)]

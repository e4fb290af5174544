"""The engine of a source as a transcript: what it sends, and when."""

import pytest

from ccproxy.core.delivery.source import (
    CLOSED,
    DOUBTFUL,
    GREETED,
    SENDING,
    WAIT,
    ReplayMark,
    SourceEngine,
    SourceLimits,
)
from ccproxy.core.delivery.store import MessageNumber, Stored
from ccproxy.core.outbox import Limits
from tests.core.delivery.test_memory_store import made
from tests.core.delivery.test_store import EPOCH, chunk

HERE, THERE = b"h" * 16, b"t" * 16
SIZE = len(chunk(1))


def number(n):
    return MessageNumber(EPOCH, n)


def run(first, *names):
    return Stored(EPOCH, first, len(names), chunk(*names))


@pytest.fixture
def store():
    return made()


@pytest.fixture
def engine(store):
    return SourceEngine(store, SourceLimits(window=4 * SIZE))


def up(engine, have=None, server=HERE):
    assert engine.connected(server) == GREETED
    engine.have(have or {})
    assert engine.state == SENDING


def test_nothing_is_sent_before_the_far_side_has_said_what_it_has(engine, store):
    store.offer(chunk(1), 1)
    assert engine.step(idle=True) == []
    engine.have({})
    assert engine.state == CLOSED
    engine.connected(HERE)
    assert engine.step(idle=True) == []
    engine.have({})
    assert engine.step(idle=True) == [number(1), run(1, 1)]


def test_a_window_is_sent_and_the_rest_as_it_is_acknowledged(engine, store):
    for name in range(1, 8):
        store.offer(chunk(name), 1)
    up(engine)
    assert engine.step(idle=True) == [number(1), *(run(name, name) for name in (1, 2, 3, 4))]
    assert engine.in_flight == 4 * SIZE
    assert engine.step(idle=False) == []
    engine.acknowledged(number(2))
    assert engine.step(idle=False) == [run(5, 5), run(6, 6)]
    engine.acknowledged(number(6))
    assert (engine.in_flight, store.sent) == (0, 6)
    assert store.server == b""  # nobody has anything that is not acknowledged
    assert engine.step(idle=True) == [run(7, 7)]
    assert store.server == HERE


def test_after_a_cut_it_goes_on_behind_what_the_far_side_has(engine, store):
    store.offer(chunk(1, 2, 3), 3)
    up(engine)
    engine.step(idle=True)
    engine.disconnected()
    up(engine, {EPOCH: 2})
    assert engine.in_flight == 3 * SIZE  # the far side holds it still
    assert engine.step(idle=True) == [number(3), run(3, 3)]
    engine.acknowledged(number(3))
    assert (engine.in_flight, store.waiting, store.sent) == (0, 0, 3)


def test_a_far_side_that_acknowledges_nothing_gets_one_window_and_no_more(engine, store):
    for name in range(20):
        store.offer(chunk(name), 1)
    sent = 0
    for _ in range(5):
        up(engine, {EPOCH: sent})
        sent += sum(isinstance(one, Stored) for one in engine.step(idle=True))
        engine.disconnected()
    assert sent == 4


def test_a_gap_is_announced_once_everything_before_it_is_on_the_wire():
    store = made(Limits(2 * SIZE, policy="drop-old"))
    engine = SourceEngine(store, SourceLimits(window=100 * SIZE))
    up(engine)
    store.offer(chunk(1), 1)
    assert engine.step(idle=True) == [number(1), run(1, 1)]
    for name in (2, 3, 4, 5):
        store.offer(chunk(name), 1)
    assert engine.step(idle=False) == []
    assert engine.idle_wanted
    assert engine.step(idle=True) == [number(4), run(4, 4), run(5, 5)]
    assert not engine.idle_wanted


def test_another_far_side_is_sent_everything_that_is_not_acknowledged(engine, store):
    store.offer(chunk(1, 2), 2)
    up(engine)
    engine.step(idle=True)
    engine.disconnected()
    up(engine, server=THERE)
    assert engine.doubts == 1
    assert engine.step(idle=True) == [number(1), run(1, 1, 2)]


def test_or_it_waits_until_the_old_one_is_back(store):
    engine = SourceEngine(store, SourceLimits(on_doubt=WAIT))
    store.offer(chunk(1, 2), 2)
    up(engine)
    engine.step(idle=True)
    engine.disconnected()
    assert engine.connected(THERE) == DOUBTFUL
    engine.have({})
    assert engine.step(idle=True) == []
    engine.disconnected()
    up(engine, {EPOCH: 1})
    assert engine.step(idle=True) == [number(2), run(2, 2)]


def test_what_was_never_sent_is_in_no_doubt(store):
    engine = SourceEngine(store, SourceLimits(on_doubt=WAIT))
    up(engine)
    engine.disconnected()
    store.offer(chunk(1), 1)
    up(engine, server=THERE)
    assert engine.doubts == 0


def attempts(engine, times, have=None, blamed=True):
    sent = []
    for _ in range(times):
        up(engine, have)
        sent = engine.step(idle=True)
        engine.disconnected(blamed)
    return sent


def test_a_message_that_the_far_side_ends_connections_for_is_dropped(engine, store):
    store.offer(chunk(1, 2, 3), 3)
    up(engine)
    engine.step(idle=True)
    engine.disconnected(blamed=True)  # the far side has the first, and refuses the second
    assert attempts(engine, 4, {EPOCH: 1}) == [number(2), run(2, 2, 3)]
    assert engine.ends == 4
    up(engine, {EPOCH: 1})
    assert engine.step(idle=True) == [number(3), run(3, 3)]
    engine.acknowledged(number(3))
    assert (store.sent, dict(store.dropped)) == (2, {"refused": 1})


def test_the_last_message_is_dropped_as_well(engine, store):
    store.offer(chunk(1), 1)
    attempts(engine, 5)
    up(engine)
    assert engine.step(idle=True) == [number(2)]
    engine.acknowledged(number(1))
    assert (store.waiting, dict(store.dropped)) == (0, {"refused": 1})


def test_cuts_and_progress_are_no_fault_of_a_message(engine, store):
    store.offer(chunk(1, 2), 2)
    attempts(engine, 20, blamed=False)
    attempts(engine, 4)
    attempts(engine, 3, {EPOCH: 1})
    up(engine, {EPOCH: 1})
    assert engine.step(idle=True) == [number(2), run(2, 2)]


def test_an_acknowledgement_of_another_epoch_changes_nothing(engine, store):
    store.offer(chunk(1), 1)
    up(engine)
    engine.step(idle=True)
    engine.acknowledged(MessageNumber(0xABC, 5))
    assert (engine.in_flight, store.waiting) == (SIZE, 1)


def test_refused_messages_are_dropped_with_the_acknowledgement(engine, store):
    store.offer(chunk(1, 2), 2)
    up(engine)
    engine.step(idle=True)
    engine.refused(EPOCH, 1, 1, "full")
    engine.acknowledged(number(2))
    assert (store.sent, dict(store.dropped)) == (1, {"full": 1})


def test_an_acknowledgement_leaves_the_flights_of_later_epochs(engine):
    engine.connected(HERE)
    engine.have({})
    for epoch, first in ((EPOCH, 1), (EPOCH, 2), (EPOCH + 1, 1)):
        engine._sent(Stored(epoch, first, 1, chunk(first)))
    engine.acknowledged(number(2))
    assert engine.in_flight == SIZE
    engine.acknowledged(MessageNumber(EPOCH + 1, 1))
    assert engine.in_flight == 0


def test_what_is_acknowledged_and_what_is_sent_once_more_is_counted(engine, store):
    up(engine)
    for name in range(1, 5):
        store.offer(chunk(name), 1)
    engine.step(idle=True)
    engine.acknowledged(number(1))
    assert (engine.confirmed, engine.resent) == (1, 0)
    engine.disconnected()
    up(engine, {EPOCH: 2})
    store.offer(chunk(5), 1)
    engine.step(idle=True)
    assert engine.resent == 2
    engine.acknowledged(number(5))
    assert (engine.confirmed, engine.resent) == (5, 2)
    engine.disconnected()
    up(engine)
    store.offer(chunk(6), 1)
    engine.step(idle=True)
    assert engine.resent == 2


def test_what_the_far_side_refuses_is_not_acknowledged(engine, store):
    up(engine)
    store.offer(chunk(1, 2, 3), 3)
    engine.step(idle=True)
    engine.refused(EPOCH, 2, 1, "failed")
    engine.acknowledged(number(3))
    assert (engine.confirmed, store.refused) == (2, {"failed": 1})


def test_reasons_that_the_far_side_makes_up_are_counted_as_one(engine, store):
    up(engine)
    store.offer(chunk(*range(1, 401)), 400)
    engine.step(idle=True)
    for name in range(1, 400):
        engine.refused(EPOCH, name, 1, f"reason-{name}")
    engine.refused(EPOCH, 400, 1, "too-big")
    engine.acknowledged(number(400))
    assert store.refused == store.dropped == {"other": 399, "too-big": 1}


def test_the_far_side_is_told_where_replays_begin_and_end(engine, monkeypatch):
    """On each connection anew, and only when what was sent before is on the wire."""
    runs = [run(1, 1), run(2, 2)._replace(replay=True), run(3, 3)]
    monkeypatch.setattr(engine.store, "fetch", lambda limit: [runs.pop(0)] if runs else [])
    engine.connected(HERE)
    engine.have({})
    assert engine.step(True) == [number(1), run(1, 1)]
    assert engine.step(False) == []
    again = run(2, 2)._replace(replay=True)
    assert engine.step(True) == [ReplayMark(True), again]
    assert engine.step(True) == [ReplayMark(False), run(3, 3)]
    engine.disconnected()
    runs.append(again)
    engine.connected(HERE)
    engine.have({})
    assert engine.step(True) == [number(2), ReplayMark(True), again]


def test_a_part_of_a_replay_is_one():
    first, second = run(1, 1, 2)._replace(replay=True).split(1)
    assert (first.replay, second.replay, second.first) == (True, True, 2)

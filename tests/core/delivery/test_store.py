"""What every store has to do, as one set of tests; a further kind of store runs them as well."""

from itertools import pairwise

import pytest

from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.store import SAFE, LinkStore, MessageNumber, RunOrigin, Stored, end_of
from ccproxy.core.flows import Target
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import distributes
from ccproxy.core.sinks import Sink
from ccproxy.wire.zmtp.frames import boundaries, pack, unpack

LINK, EPOCH = b"link with 16 oct", 0xE1
OTHER = b"another with 16."


def chunk(*names):
    return b"".join(pack([b"%03d" % name]) for name in names)


def names(runs):
    """The messages of runs, in their order."""
    data = b"".join(run.data for run in runs)
    return [int(unpack(data[start:end])[0]) for start, end in pairwise([0, *boundaries(data)])]


def memory_store(limits=None):
    return MemoryStore(Outbox("h:far", limits or Limits()), LINK, EPOCH)


@pytest.fixture(params=[memory_store])
def store(request) -> LinkStore:
    return request.param()


@pytest.fixture
def told():
    return []


@pytest.fixture
def receipt(told):
    return lambda messages, outcome: told.append((messages, outcome))


def balanced(store):
    return store.queued == store.sent + sum(store.dropped.values()) + store.waiting


def test_it_is_a_sink_and_no_distributor(store):
    assert isinstance(store, Sink)
    assert not distributes(store)
    assert Target((store,)).boxes == (store,)


def test_messages_are_numbered_from_one_and_wait_until_they_are_released(store):
    assert store.fetch(1000) in ((), [])
    assert store.offer(chunk(1, 2), 2) == 2
    assert store.offer(chunk(3), 1) == 1
    runs = store.fetch(1000)
    assert [(run.epoch, run.first, run.messages) for run in runs] == [(EPOCH, 1, 2), (EPOCH, 3, 1)]
    assert names(runs) == [1, 2, 3]
    assert not store.fetch(1000)
    assert (store.waiting, store.unacknowledged, store.sent) == (3, 3, 0)
    store.release(MessageNumber(EPOCH, 3))
    assert (store.waiting, store.unacknowledged, store.sent, store.bytes) == (0, 0, 3, 0)
    assert balanced(store)


def test_at_most_about_the_limit_is_given_but_always_one_run(store):
    for name in range(4):
        store.offer(chunk(name), 1)
    assert names(store.fetch(1)) == [0]
    assert names(store.fetch(6)) == [1, 2]
    assert names(store.fetch(1000)) == [3]


def test_the_owner_is_called_when_there_is_more(store):
    calls = []
    store.on_more = lambda: calls.append(names(store.fetch(1000)))
    store.offer(chunk(1), 1)
    store.offer(chunk(2), 1)
    assert calls == [[1], [2]]


def test_after_a_cut_what_the_far_side_does_not_have_is_taken_again_in_order(store):
    store.offer(chunk(1, 2, 3), 3)
    store.fetch(1000)
    store.offer(chunk(4), 1)
    store.rewind({})
    assert names(store.fetch(1000)) == [1, 2, 3, 4]
    store.rewind({EPOCH: 2})
    [third, fourth] = store.fetch(1000)
    assert third == Stored(EPOCH, 3, 1, chunk(3))
    assert fourth.first == 4
    assert store.unacknowledged == 4
    store.release(MessageNumber(EPOCH, 2))
    store.rewind({EPOCH: 2})
    assert names(store.fetch(1000)) == [3, 4]
    store.release(MessageNumber(EPOCH, 4))
    assert (store.waiting, store.bytes, store.sent) == (0, 0, 4)


def test_a_far_side_with_another_epoch_or_with_more_than_there_is_has_what_it_has(store):
    store.offer(chunk(1), 1)
    store.fetch(1000)
    store.rewind({0xABC: 10})
    assert names(store.fetch(1000)) == [1]
    store.rewind({EPOCH: 10})
    assert not store.fetch(1000)
    store.offer(chunk(2), 1)
    assert store.fetch(1000)[0].first == 2


def test_an_acknowledgement_in_the_middle_of_a_run_cuts_what_is_sent_again(store):
    store.offer(chunk(1, 2, 3), 3)
    store.fetch(1000)
    store.release(MessageNumber(EPOCH, 1))
    assert (store.waiting, store.sent) == (2, 1)
    store.rewind({EPOCH: 1})
    assert names(store.fetch(1000)) == [2, 3]
    store.release(MessageNumber(EPOCH, 1))
    assert (store.waiting, store.sent) == (2, 1)


def test_acknowledgements_of_what_was_never_sent_change_nothing(store):
    store.offer(chunk(1), 1)
    store.release(MessageNumber(EPOCH, 5))
    store.release(MessageNumber(0xABC, 1))
    assert (store.waiting, store.sent) == (1, 0)


def test_the_receipts_are_told_in_parts(store, told, receipt):
    store.offer(chunk(1, 2, 3), 3, receipt)
    assert told == []
    store.fetch(1000)
    store.release(MessageNumber(EPOCH, 2))
    assert told == [(2, SAFE)]
    store.release(MessageNumber(EPOCH, 3))
    assert told == [(2, SAFE), (1, SAFE)]


def test_what_the_far_side_refuses_is_dropped_for_its_reason(store, told, receipt):
    dead = []
    store.on_dead = lambda data, messages, reason: dead.append((data, messages, reason))
    store.offer(chunk(1, 2, 3, 4, 5), 5, receipt)
    store.fetch(1000)
    store.refuse(EPOCH, 2, 2, "full")
    store.refuse(EPOCH, 5, 1, "failed")
    assert told == []
    store.release(MessageNumber(EPOCH, 4))
    assert told == [(1, SAFE), (2, "full"), (1, SAFE)]
    store.release(MessageNumber(EPOCH, 5))
    assert told[3:] == [(1, "failed")]
    assert dead == [(chunk(2, 3), 2, "full"), (chunk(5), 1, "failed")]
    assert (store.sent, dict(store.dropped)) == (2, {"full": 2, "failed": 1})
    assert balanced(store)


def test_numbered_messages_are_taken_once(store, told, receipt):
    assert store.accept(chunk(1, 2), 2, RunOrigin(OTHER, 7, 1), receipt) == 2
    assert store.accept(chunk(1, 2, 3), 3, RunOrigin(OTHER, 7, 1), receipt) == 3
    assert store.accept(chunk(9), 1, RunOrigin(OTHER, 8, 1), receipt) == 1
    assert store.duplicates == 2
    runs = store.fetch(1000)
    assert names(runs) == [1, 2, 3, 9]
    assert told == []
    store.release(MessageNumber(EPOCH, 4))
    assert sum(messages for messages, _ in told) == 6
    assert {outcome for _, outcome in told} == {SAFE}
    assert store.accept(chunk(9), 1, RunOrigin(OTHER, 8, 1), receipt) == 1
    assert told[-1] == (1, SAFE)
    assert balanced(store)


def test_the_end_of_a_link_is_told(store, told, receipt):
    store.offer(chunk(1, 2), 2, receipt)
    store.fetch(1000)
    store.offer(chunk(3), 1, receipt)
    store.close("stop")
    assert told == [(2, "stop"), (1, "stop")]
    assert (store.waiting, store.bytes, store.dropped["stop"]) == (0, 0, 3)
    assert balanced(store)


def test_a_run_is_split_at_a_number():
    run = Stored(EPOCH, 5, 3, chunk(5, 6, 7))
    assert run.last == 7
    assert run.split(4) == (None, run)
    assert run.split(7) == (run, None)
    assert run.split(5) == (Stored(EPOCH, 5, 1, chunk(5)), Stored(EPOCH, 6, 2, chunk(6, 7)))
    with pytest.raises(ValueError, match="4 messages expected"):
        end_of(run.data, 4)

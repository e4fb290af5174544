"""What a store in memory does beyond the contract: limits and policies, memory, age, its end."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.store import REPLAYED, SAFE, UNNUMBERED, MessageNumber, RunOrigin
from ccproxy.core.memory import Memory
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import MovedRun
from tests.core.delivery.test_store import EPOCH, LINK, balanced, chunk, names

SIZE = len(chunk(1))


def made(limits=None, memory=None):
    backlog = Outbox("h:far", limits or Limits(), memory=memory)
    return MemoryStore(backlog, LINK, EPOCH)


def test_a_full_backlog_drops_what_is_new():
    store, told = made(Limits(3 * SIZE)), []
    assert store.offer(chunk(1, 2), 2, lambda *one: told.append(one)) == 2
    assert store.offer(chunk(3, 4), 2, lambda *one: told.append(one)) == 1
    assert dict(store.dropped) == {"full": 1}
    assert names(store.fetch(1000)) == [1, 2, 3]
    assert store.offer(chunk(5), 1, lambda *one: told.append(one)) == 1
    [run] = store.fetch(1000)
    assert run.first == 4  # what was dropped had no number yet
    store.release(MessageNumber(EPOCH, 4))
    assert told == [(2, SAFE), (1, SAFE), (1, SAFE)]
    assert balanced(store)


def test_drop_old_makes_a_gap_and_never_takes_what_was_on_the_line():
    store, told = made(Limits(2 * SIZE, policy="drop-old")), []
    store.offer(chunk(1, 2), 2, lambda *one: told.append(one))
    store.fetch(1000)
    store.rewind({})
    store.offer(chunk(3, 4), 2, lambda *one: told.append(one))
    store.offer(chunk(5, 6), 2, lambda *one: told.append(one))
    assert told == [(2, "old")]
    runs = store.fetch(1000)
    assert names(runs) == [1, 2, 5, 6]
    assert [run.first for run in runs] == [1, 5, 6]
    store.release(MessageNumber(EPOCH, 6))
    assert told[1:] == [(2, SAFE), (1, SAFE), (1, SAFE)]
    assert dict(store.dropped) == {"old": 2}
    assert balanced(store)


def test_the_mark_of_a_replay_stays_with_its_messages():
    store = made(Limits(6 * SIZE, policy="drop-old"))
    for group, replay in (((1, 2), True), ((3,), False), ((4, 5), True)):
        origin = RunOrigin(b"from", 1, group[0], replay)
        store.accept(chunk(*group), len(group), origin, lambda *_: None)
    store.offer(chunk(6), 1)
    assert [(run.first, run.replay) for run in store.fetch(SIZE)] == [(1, True)]
    store.offer(chunk(7, 8, 9, 10), 4)  # 3 and 4 go
    found = [(run.first, run.messages, run.replay) for run in store.fetch(1000)]
    assert found == [(5, 1, True), *((number, 1, False) for number in range(6, 11))]
    store.rewind({EPOCH: 1})
    assert [(run.first, run.replay) for run in store.fetch(2 * SIZE)] == [(2, True), (5, True)]


def test_replays_that_were_dropped_leave_nothing_behind():
    store = made(Limits(2 * SIZE, policy="drop-old"))
    for number in range(1, 1001):
        store.accept(chunk(1), 1, RunOrigin(b"from", 1, number, replay=True), lambda *_: None)
    assert len(store._replays) == store.waiting == 2


def test_a_blocked_store_has_room_when_messages_are_taken():
    store, calls = made(Limits(2 * SIZE, policy="block")), []
    store.offer(chunk(1, 2), 2)
    assert store.may_block
    assert store.blocked
    store.wait(lambda: calls.append("room"))
    store.fetch(1)
    assert (calls, store.blocked) == (["room"], False)


def test_new_limits_hold_at_once():
    store = made(Limits(2 * SIZE))
    store.reconfigure(Limits(1 * SIZE))
    assert store.offer(chunk(1, 2), 2) == 1


def test_the_account_of_memory_has_everything_that_waits():
    memory = Memory()
    store = made(memory=memory)
    store.offer(chunk(1, 2, 3), 3)
    before = memory.used
    store.fetch(1000)
    assert memory.used == before > 3 * SIZE
    store.release(MessageNumber(EPOCH, 2))
    store.rewind({EPOCH: 2})
    store.fetch(1000)
    store.release(MessageNumber(EPOCH, 3))
    assert memory.used == 0


def test_the_age_is_that_of_the_oldest_message_that_waits():
    store = made()
    assert store.age(5.0) == 0.0
    store.offer(chunk(1), 1)
    store.sample(10.0)
    store.fetch(1000)
    store.offer(chunk(2), 1)
    store.sample(12.0)
    assert store.age(13.0) == 3.0
    store.release(MessageNumber(EPOCH, 1))
    assert store.age(13.0) == 1.0
    store.release(MessageNumber(EPOCH, 1))
    assert store.age(13.0) == 1.0


def test_it_is_as_full_as_its_backlog():
    store = made(Limits(4 * SIZE))
    store.offer(chunk(1), 1)
    assert store.fill == 0.25


def test_what_an_outbox_holds_gets_the_first_numbers():
    backlog = Outbox("h:far", Limits())
    backlog.offer(chunk(1, 2, 3), 3)
    backlog.advance(SIZE + 2)
    backlog.rewind()
    store = MemoryStore(backlog, LINK, EPOCH)
    assert (store.sent, store.waiting) == (1, 2)
    [run] = store.fetch(1000)
    assert (run.first, names([run])) == (1, [2, 3])
    assert balanced(store)


def test_everything_goes_back_in_order_for_a_link_without_acknowledgements():
    memory, told = Memory(), []
    store = made(memory=memory)
    store.offer(chunk(1, 2, 3, 4), 4, lambda *one: told.append(one))
    store.fetch(1000)
    store.refuse(EPOCH, 1, 1, "failed")
    store.release(MessageNumber(EPOCH, 2))
    store.rewind({EPOCH: 2})
    store.offer(chunk(5), 1, lambda *one: told.append(one))
    store.withdraw()
    backlog = store._backlog
    assert b"".join(map(bytes, backlog.peek(10))) == chunk(3, 4, 5)
    assert told == [(1, "failed"), (1, SAFE), (2, SAFE), (1, SAFE)]
    assert (backlog.queued, backlog.sent, backlog.waiting) == (5, 1, 3)
    backlog.clear("test")
    assert memory.used == 0


def test_it_has_the_name_of_its_link():
    store = made()
    store.rename("h:renamed (replaced)")
    assert (store.name, store.destination) == ("h:renamed (replaced)", "h:renamed")


STEPS = st.lists(
    st.tuples(st.sampled_from(["offer", "fetch", "release", "rewind", "refuse"]), st.integers(1, 9))
)


@given(STEPS, st.sampled_from(["drop-new", "drop-old", "block"]))
def test_counts_balance_order_holds_and_each_receipt_is_told_once(steps, policy):
    memory, told = Memory(), []
    store = made(Limits(6 * SIZE, policy=policy), memory)
    offered = accepted = last = 0
    for step, number in steps:
        if step == "offer":
            found = [(offered + one) % 1000 for one in range(number)]
            offered += number
            accepted += store.offer(chunk(*found), number, lambda *one: told.append(one))
        elif step == "fetch":
            for run in store.fetch(number * SIZE):
                assert run.first > last
                last = run.last
        elif step == "release":
            store.release(MessageNumber(EPOCH, number))
        elif step == "refuse":
            store.refuse(EPOCH, number, 2, "failed")
        else:
            store.rewind({EPOCH: number})
            last = min(last, number)
        assert balanced(store)
        assert sum(count for count, _ in told) <= accepted
    while store.fetch(1000):
        pass
    store.release(MessageNumber(EPOCH, offered))
    assert (store.waiting, store.bytes, memory.used) == (0, 0, 0)
    assert sum(count for count, _ in told) == accepted
    assert sum(count for count, outcome in told if outcome == SAFE) == store.sent


def test_what_was_never_fetched_can_go_to_another_link_and_leaves_a_gap():
    store = made(Limits(4 * SIZE))
    store.offer(chunk(1), 1)
    store.fetch(1000)
    store.offer(chunk(2, 3), 2)
    assert store.take_unsent(1000) == [MovedRun(chunk(2, 3), 2)]
    assert (store.waiting, store.queued) == (1, 1)
    store.put(chunk(9), 1)
    assert [(run.first, names([run])) for run in store.fetch(1000)] == [(4, [9])]
    assert (store.has_room(4 * SIZE, 4), store.has_room(4 * SIZE + 1, 4)) == (True, False)
    assert balanced(store)


def test_receipts_go_along_and_are_told_by_the_other_link():
    one, two, told = made(), made(), []
    one.offer(chunk(1, 2), 2, lambda *said: told.append(("a", *said)))
    one.offer(chunk(3), 1)
    one.offer(chunk(4), 1, lambda *said: told.append(("b", *said)))
    for data, messages, receipt, _ in one.take_unsent(1000):
        two.put(data, messages, receipt)
    assert (one.waiting, one.queued, two.waiting, told) == (0, 0, 4, [])
    two.fetch(1000)
    two.release(MessageNumber(EPOCH, 1))
    two.refuse(EPOCH, 2, 1, "failed")
    two.release(MessageNumber(EPOCH, 4))
    assert told == [("a", 1, SAFE), ("a", 1, "failed"), ("b", 1, SAFE)]
    assert balanced(one) and balanced(two)


def test_what_the_far_side_may_have_goes_along_if_it_is_asked_for():
    memory = Memory()
    store, told = made(memory=memory), []
    store.offer(chunk(1, 2, 3), 3, lambda *said: told.append(said))
    store.fetch(1000)
    store.release(MessageNumber(EPOCH, 1))
    store.rewind({})
    [(data, messages, receipt, _)] = store.take_doubtful()
    assert (data, messages) == (chunk(2, 3), 2)
    assert (store.waiting, store.bytes, store.unacknowledged, memory.used) == (0, 0, 0, 0)
    assert balanced(store)
    receipt(2, SAFE)
    assert told == [(1, SAFE), (2, SAFE)]
    store.offer(chunk(4), 1)
    store.release(MessageNumber(EPOCH, 3))  # the far side had them after all
    assert [(run.first, names([run])) for run in store.fetch(1000)] == [(4, [4])]
    store.release(MessageNumber(EPOCH, 4))
    assert (store.sent, store.waiting) == (2, 0) and balanced(store)


def test_the_mark_of_a_replay_goes_along_to_another_link():
    one, two = made(), made()
    for name, replay in ((1, True), (2, False), (3, True)):
        one.accept(chunk(name), 1, REPLAYED if replay else UNNUMBERED, lambda *_: None)
    assert names(one.fetch(SIZE)) == [1]
    for run in (*one.take_doubtful(), *one.take_unsent(1000)):
        two.put(*run)
    runs = two.fetch(1000)
    assert names(runs) == [1, 2, 3]
    assert [run.replay for run in runs] == [True, False, True]


def test_what_a_group_has_unnumbered_is_never_known():
    store = made()
    for _ in range(2):
        assert store.accept(chunk(1), 1, UNNUMBERED, lambda *_: None) == 1
    assert (store.waiting, store.duplicates) == (2, 0)

"""The outbox against a model that holds one number per message and counts by hand."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter, deque
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ccproxy.core import chunk_queue
from ccproxy.core import outbox as module
from ccproxy.core.chunk_queue import MERGE_COUNT
from ccproxy.core.memory import CHUNK_COST, Memory
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import TAKEN
from ccproxy.wire.zmtp.frames import boundaries, pack, unpack


def numbered(number: int, size: int) -> bytes:
    """A message of two frames with its number in it."""
    return pack([str(number).encode(), bytes(size)])


def content(box: Outbox) -> bytes:
    """All bytes that wait to be sent."""
    return b"".join(map(bytes, box.peek(10**9)))


def numbers(data: bytes) -> list[int]:
    ends = [0, *boundaries(data)]
    return [int(unpack(data[a:b])[0]) for a, b in zip(ends, ends[1:], strict=False)]


class Model:
    """A model of the expected behaviour, one message at a time."""

    def __init__(self, limits: Limits, box: Outbox) -> None:
        self.limits = limits
        self.box = box
        self.waiting: deque[bytes] = deque()
        self.offset = 0
        self.queued = 0
        self.sent = 0
        self.dropped: Counter[str] = Counter()

    @property
    def size(self) -> int:
        return sum(map(len, self.waiting)) - self.offset

    @property
    def full(self) -> bool:
        """For `block`, all messages of a chunk count until it is through or none could wait."""
        limits = self.limits
        return self.size >= limits.bytes or 0 < limits.messages <= self.box.waiting

    def fits(self, size: int) -> bool:
        limits = self.limits
        return self.size + size <= limits.bytes and not 0 < limits.messages <= len(self.waiting)

    def offer(self, messages: list[bytes]) -> int:
        self.queued += len(messages)
        taken = {"drop-new": self._drop_new, "drop-old": self._drop_old, "block": self._block}[
            self.limits.policy
        ](messages)
        self.dropped["full"] += len(messages) - taken
        return taken

    def _drop_new(self, messages: list[bytes]) -> int:
        for taken, one in enumerate(messages):
            if not self.fits(len(one)):
                return taken
            self.waiting.append(one)
        return len(messages)

    def _drop_old(self, messages: list[bytes]) -> int:
        taken = 0
        for one in messages:
            half = 1 if self.offset else 0
            while len(one) <= self.limits.bytes and not self.fits(len(one)):
                if len(self.waiting) <= half:
                    break
                del self.waiting[half]
                self.dropped["old"] += 1
            if self.fits(len(one)):
                self.waiting.append(one)
                taken += 1
        return taken

    def _block(self, messages: list[bytes]) -> int:
        if self.full:
            return self._drop_new(messages)
        self.waiting.extend(messages)
        return len(messages)

    def advance(self, count: int) -> None:
        self.offset += count
        while self.waiting and self.offset >= len(self.waiting[0]):
            self.offset -= len(self.waiting.popleft())
            self.sent += 1


LIMITS = st.builds(
    Limits,
    bytes=st.sampled_from([10, 60, 200, 10**9]),
    messages=st.sampled_from([0, 0, 1, 3, 80]),
    policy=st.sampled_from(["drop-new", "drop-old", "block"]),
)


class Machine(RuleBasedStateMachine):
    """Offers, sends, broken connections and reloads in any order."""

    @initialize(limits=LIMITS)
    def begin(self, limits: Limits) -> None:
        self.box = Outbox("box", limits)
        self.model = Model(limits, self.box)
        self.number = 0
        self.wire = b""
        self.received: list[int] = []
        self.registered = self.called = self.taken_out = 0

    @rule(sizes=st.lists(st.sampled_from([0, 1, 5, 20, 70, 300]), min_size=1, max_size=6))
    def offer(self, sizes: list[int]) -> None:
        first, self.number = self.number, self.number + len(sizes)
        chunk = [numbered(first + at, size) for at, size in enumerate(sizes)]
        before = self.model.size
        expected = self.model.offer(chunk)
        assert self.box.offer(b"".join(chunk), len(chunk)) == expected
        if self.model.limits.policy == "block" and self.model.size > before:
            excess = self.model.size - self.model.limits.bytes
            assert excess < sum(map(len, chunk)) or before > self.model.limits.bytes

    @rule(count=st.integers(1, 2 * MERGE_COUNT + 3))
    def offer_singles(self, count: int) -> None:
        for _ in range(count):
            self.offer_one()

    def offer_one(self) -> None:
        one = numbered(self.number, 3)
        self.number += 1
        expected = self.model.offer([one])
        assert self.box.offer(one, 1) == expected

    @rule(buffers=st.integers(1, 5), share=st.floats(0, 1))
    def send(self, buffers: int, share: float) -> None:
        data = b"".join(map(bytes, self.box.peek(buffers)))
        self._send(data[: round(len(data) * share)])

    @rule(messages=st.integers(1, 3))
    def send_whole_messages(self, messages: int) -> None:
        size = sum(map(len, list(self.model.waiting)[:messages]))
        self._send(content(self.box)[: size - self.model.offset] if size else b"")

    def _send(self, data: bytes) -> None:
        self.box.advance(len(data))
        self.model.advance(len(data))
        self.wire += data
        self._expect_calls()

    @rule(in_order=st.booleans())
    def end_connection(self, in_order: bool) -> None:
        if in_order:
            assert not self.box.refuse()
        else:
            self.box.rewind()
        whole = len(self.wire) - self.model.offset
        self.received += numbers(self.wire[:whole])
        self.wire = b""
        self.model.offset = 0
        assert self.box.sent == self.model.sent == len(self.received)
        assert not self.box.half_sent

    def _resume(self) -> None:
        self.called += 1

    @precondition(lambda self: self.box.blocked)
    @rule()
    def wait(self) -> None:
        self.registered += 1
        self.box.wait(self._resume)

    def _expect_calls(self) -> None:
        """Waiters have been called, all of them, if it is time; none is called too early."""
        limits, box = self.model.limits, self.box
        half = box.bytes * 2 <= limits.bytes
        half = half and (not limits.messages or box.waiting * 2 <= limits.messages)
        if half or limits.policy != "block":
            assert self.called == self.registered
        else:
            self.registered -= self.called
            self.called = 0

    @invariant()
    def every_message_is_counted_once(self) -> None:
        box = self.box
        assert box.queued == self.model.queued == self.number - self.taken_out
        assert box.queued == box.sent + sum(box.dropped.values()) + box.waiting
        assert +box.dropped == +self.model.dropped
        # What is sent of a chunk is counted when the chunk is through, or a waiter has to know.
        assert box.sent <= self.model.sent

    @invariant()
    def what_waits_is_what_the_model_says(self) -> None:
        assert content(self.box) == b"".join(self.model.waiting)[self.model.offset :]
        assert self.box.bytes == self.model.size
        chunks = len(self.box._chunks)
        assert self.box.memory.used == self.box.bytes + CHUNK_COST * chunks
        assert self.box.half_sent or not self.model.offset

    @invariant()
    def what_went_out_is_in_order_and_goes_once(self) -> None:
        whole = len(self.wire) - self.model.offset
        sent = [*self.received, *numbers(self.wire[:whole])]
        assert sent == sorted(set(sent))

    @invariant()
    def who_may_not_come_in_is_blocked(self) -> None:
        assert self.box.blocked == (self.model.full and self.model.limits.policy == "block")


class Reloaded(Machine):
    """The same with reloads, and with peers that do not come back."""

    @rule()
    def clear(self) -> None:
        self.box.clear("gone")
        self.model.dropped["gone"] += len(self.model.waiting)
        whole = len(self.wire) - self.model.offset
        self.received += numbers(self.wire[:whole])
        self.wire = b""
        self.model.waiting.clear()
        self.model.offset = 0
        assert self.box.sent == self.model.sent
        assert self.box.waiting == 0
        self._expect_calls()

    @rule(most=st.sampled_from([1, 50, 500, 10**9]))
    def take_unsent(self, most: int) -> None:
        model, box = self.model, self.box
        chunks = box.take_unsent(most)
        found = numbers(b"".join([chunk for chunk, _ in chunks]))
        assert sum(count for _, count in chunks) == len(found)
        waiting = numbers(b"".join(model.waiting))
        kept = waiting.index(found[0]) if found else min(len(waiting), 1)
        assert int(model.offset > 0) <= kept <= 1 or not waiting
        assert waiting[kept : kept + len(found)] == found
        for _ in found:
            del model.waiting[kept]
        model.queued -= len(found)
        self.taken_out += len(found)
        self._expect_calls()

    @rule(limits=LIMITS)
    def reconfigure(self, limits: Limits) -> None:
        self.box.reconfigure(limits)
        self.model.limits = limits
        self._expect_calls()


LONG = settings(max_examples=150, stateful_step_count=40, deadline=None)
Machine.TestCase.settings = Reloaded.TestCase.settings = LONG


class Patient:
    """The same without giving messages up, which has its own test."""

    @pytest.fixture(autouse=True)
    def patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MAX_REFUSALS", 1 << 30)


class TestMachine(Patient, Machine.TestCase):  # type: ignore[misc, name-defined]
    pass


class TestReloaded(Patient, Reloaded.TestCase):  # type: ignore[misc, name-defined]
    pass


def send_half(box: Outbox) -> None:
    """The first message of several, or the only one, is sent in part."""
    box.advance(len(box.peek(1)[0]) // 2 + 1 if box.waiting == 1 else 3)


def test_a_message_at_which_the_far_side_ends_again_and_again_is_set_aside() -> None:
    box = Outbox("box", Limits())
    box.offer(numbered(0, 5) + numbered(1, 5), 2)
    for _ in range(module.MAX_REFUSALS - 1):
        send_half(box)
        assert not box.refuse()
        assert box.waiting == 2
    send_half(box)
    assert box.refuse() == numbered(0, 5)
    assert (box.waiting, dict(box.dropped)) == (1, {"refused": 1})
    assert bytes(box.peek(1)[0]) == numbered(1, 5)
    assert box.bytes == len(numbered(1, 5))


def test_a_cut_never_counts_however_often_it_comes() -> None:
    box = Outbox("box", Limits())
    box.offer(numbered(0, 5) + numbered(1, 5), 2)
    for _ in range(module.MAX_REFUSALS - 1):
        send_half(box)
        assert not box.refuse()
    for _ in range(100):
        send_half(box)
        box.rewind()
    assert (box.waiting, +box.dropped) == (2, {})
    send_half(box)
    assert box.refuse()


def test_ends_in_one_message_after_the_other_cost_none() -> None:
    box = Outbox("box", Limits())
    singles = [numbered(number, 5) for number in range(9)]
    box.offer(b"".join(singles), 9)
    for single in singles[:6]:
        box.advance(len(single) + 3)
        assert not box.refuse()
    assert (box.sent, box.waiting, +box.dropped) == (6, 3, {})


def test_an_end_between_two_messages_refuses_none() -> None:
    box = Outbox("box", Limits())
    box.offer(numbered(0, 5), 1)
    for _ in range(9):
        assert not box.refuse()
    for _ in range(module.MAX_REFUSALS - 1):
        send_half(box)
        assert not box.refuse()
    assert not box.refuse()
    send_half(box)
    assert not box.refuse()
    assert (box.waiting, +box.dropped) == (1, {})


def test_the_count_of_refusals_goes_with_its_message() -> None:
    for forget in (lambda box: box.offer(numbered(1, 5), 1), lambda box: box.clear("gone")):
        box = Outbox("box", Limits(messages=1, policy="drop-old"))
        box.offer(numbered(0, 5), 1)
        for _ in range(module.MAX_REFUSALS - 1):
            box.advance(3)
            box.refuse()
        forget(box)
        box.offer(numbered(2, 5), 1)
        box.advance(3)
        assert not box.refuse()
        assert box.waiting == 1


def test_a_sealed_message_is_refused_as_well() -> None:
    """Behind a seal it is not known how much of it was sent, only that it was begun."""
    box = Outbox("box", Limits())
    box.offer(numbered(0, 5), 1)
    for _ in range(module.MAX_REFUSALS - 1):
        box.held = True
        assert not box.refuse()
        box.held = False
    box.held = True
    assert box.refuse() == numbered(0, 5)
    assert (box.waiting, dict(box.dropped)) == (0, {"refused": 1})
    assert not box.refuse()


def test_senders_that_wait_go_on_when_a_message_is_set_aside() -> None:
    box = Outbox("box", Limits(bytes=10, policy="block"))
    box.offer(numbered(0, 50), 1)
    called: list[int] = []
    box.wait(lambda: called.append(1))
    for _ in range(module.MAX_REFUSALS):
        assert not called
        box.advance(3)
        box.refuse()
    assert called == [1]


# The rules one by one


def filled(limits: Limits, *sizes: int) -> Outbox:
    box = Outbox("box", limits)
    for number, size in enumerate(sizes):
        box.offer(numbered(number, size), 1)
    return box


@pytest.mark.parametrize("policy", ["drop-new", "drop-old"])
@pytest.mark.parametrize("limits", [(1000, 0), (10**9, 7), (1000, 7)])
def test_limits_are_never_exceeded(policy: str, limits: tuple[int, int]) -> None:
    box = Outbox("box", Limits(*limits, policy))
    dice = random.Random(1)
    for number in range(400):
        sizes = [dice.choice([0, 10, 90, 300, 1200]) for _ in range(dice.randrange(1, 5))]
        box.offer(b"".join(numbered(number, size) for size in sizes), len(sizes))
        assert box.bytes <= limits[0]
        assert not limits[1] or box.waiting <= limits[1]
        box.advance(min(box.bytes, dice.randrange(40)))


def test_a_blocked_outbox_is_exceeded_by_one_chunk_at_most() -> None:
    box = Outbox("box", Limits(100, 0, "block"))
    chunk = numbered(0, 50) * 4
    assert box.offer(chunk, 4) == 4
    assert box.blocked
    assert box.offer(numbered(1, 0), 1) == 0
    assert box.bytes == len(chunk)
    assert box.dropped == {"full": 1}


def test_drop_new_cuts_off_the_end() -> None:
    box = filled(Limits(10**9, 3), 1, 1)
    assert box.offer(b"".join(numbered(number, 1) for number in (2, 3, 4)), 3) == 1
    assert numbers(content(box)) == [0, 1, 2]
    assert box.dropped == {"full": 2}


def test_drop_new_fills_up_to_the_last_byte() -> None:
    one = numbered(0, 9)
    box = Outbox("box", Limits(2 * len(one)))
    assert box.offer(one * 3, 3) == 2
    assert box.bytes == box.limits.bytes


@pytest.mark.parametrize("policy", ["drop-new", "drop-old", "block"])
def test_messages_sent_with_a_chunk_make_room_before_the_chunk_is_through(policy: str) -> None:
    box = Outbox("box", Limits(10**9, 3, policy))
    chunk = [numbered(number, 1) for number in range(3)]
    box.offer(b"".join(chunk), 3)
    box.advance(len(chunk[0]) + len(chunk[1]) + 1)
    assert box.offer(numbered(3, 1) + numbered(4, 1), 2) == 2
    assert (box.sent, box.waiting, +box.dropped) == (2, 3, {})


def test_drop_old_leaves_the_half_sent_one() -> None:
    box = filled(Limits(10**9, 3, "drop-old"), 9, 9, 9)
    box.advance(1)
    box.offer(numbered(3, 9), 1)
    box.rewind()
    assert numbers(content(box)) == [0, 2, 3]


def test_drop_old_drops_from_the_chunk_that_is_half_sent() -> None:
    box = Outbox("box", Limits(10**9, 2, "drop-old"))
    box.offer(numbered(0, 9) + numbered(1, 9), 2)
    box.advance(1)
    assert box.offer(numbered(2, 9), 1) == 1
    box.rewind()
    assert numbers(content(box)) == [0, 2]


def test_drop_old_leaves_all_for_a_message_that_can_never_fit() -> None:
    box = filled(Limits(100, 0, "drop-old"), 9, 9)
    assert box.offer(numbered(2, 200), 1) == 0
    assert numbers(content(box)) == [0, 1]
    assert box.dropped == {"full": 1}


def test_a_message_that_was_sent_in_part_is_sent_again_as_a_whole() -> None:
    box = Outbox("box", Limits())
    chunk = [numbered(number, 9) for number in range(3)]
    box.offer(b"".join(chunk), 3)
    box.advance(len(chunk[0]) + 2)
    assert box.half_sent
    box.rewind()
    assert not box.half_sent
    assert content(box) == chunk[1] + chunk[2]
    assert (box.sent, box.waiting, box.bytes) == (1, 2, 2 * len(chunk[0]))


@pytest.mark.parametrize("policy", ["drop-new", "drop-old"])
def test_a_message_that_was_sent_to_its_last_byte_is_not_sent_again(policy: str) -> None:
    box = Outbox("box", Limits(10**9, 3, policy))
    one = numbered(0, 9)
    box.offer(one * 3, 3)
    box.advance(len(one))
    box.rewind()
    assert (box.sent, box.waiting, content(box)) == (1, 2, one * 2)


def test_what_went_out_before_a_clear_is_sent_not_dropped() -> None:
    box = Outbox("box", Limits())
    one = numbered(0, 9)
    box.offer(one * 3, 3)
    box.advance(len(one) + 2)
    box.clear("gone")
    assert (box.sent, box.waiting, box.bytes, box.dropped) == (1, 0, 0, {"gone": 2})


@pytest.mark.parametrize(
    "count", [MERGE_COUNT - 1, MERGE_COUNT, MERGE_COUNT + 1, 2 * MERGE_COUNT, 5 * MERGE_COUNT + 3]
)
def test_small_chunks_are_merged_and_nothing_else_changes(count: int) -> None:
    box = filled(Limits(), *[5] * count)
    assert len(box.peek(10**9)) <= max(MERGE_COUNT, count // MERGE_COUNT + 2 * MERGE_COUNT)
    assert numbers(content(box)) == list(range(count))
    box.advance(box.bytes)
    assert (box.sent, box.waiting) == (count, 0)


def test_a_half_sent_chunk_is_not_merged() -> None:
    box = filled(Limits(), 50)
    box.advance(7)
    for number in range(1, 3 * MERGE_COUNT):
        box.offer(numbered(number, 5), 1)
    assert len(box.peek(1)[0]) == len(numbered(0, 50)) - 7
    box.rewind()
    assert numbers(content(box)) == list(range(3 * MERGE_COUNT))


def test_a_waiter_is_called_once_at_half() -> None:
    called: list[str] = []
    box = filled(Limits(100, 0, "block"), 40, 40, 40)
    box.wait(lambda: called.append("one"))
    box.wait(lambda: called.append("two"))
    box.advance(box.bytes - 51)
    assert not called
    box.advance(1)
    assert called == ["one", "two"]
    box.advance(box.bytes)
    assert called == ["one", "two"]


def test_half_is_half_of_the_messages_too() -> None:
    called: list[int] = []
    box = filled(Limits(10**9, 4, "block"), 1, 1, 1, 1)
    box.wait(lambda: called.append(1))
    box.advance(len(numbered(0, 1)))
    assert not called
    box.advance(len(numbered(0, 1)))
    assert called == [1]


def test_a_waiter_that_waits_again_when_called_is_not_lost() -> None:
    called: list[int] = []
    box = filled(Limits(100, 0, "block"), 40, 40, 40)

    def again() -> None:
        called.append(1)
        if len(called) == 1:
            box.offer(numbered(9, 200), 1)
            box.wait(again)

    box.wait(again)
    box.advance(box.bytes)
    assert called == [1]
    box.advance(box.bytes)
    assert called == [1, 1]


@pytest.mark.parametrize("limits", [Limits(100, 0, "drop-new"), Limits(10**9, 0, "block")])
def test_no_waiter_is_left_when_a_reload_ends_the_reason(limits: Limits) -> None:
    called: list[int] = []
    box = filled(Limits(100, 0, "block"), 200)
    box.wait(lambda: called.append(1))
    box.reconfigure(limits)
    assert called == [1]


def test_wake_is_called_when_something_comes_into_an_empty_outbox() -> None:
    woken: list[Outbox] = []
    box = Outbox("box", Limits())
    box.wake = woken.append
    box.offer(numbered(0, 1) * 2, 2)
    box.offer(numbered(1, 1), 1)
    assert woken == [box]
    box.advance(box.bytes)
    box.offer(numbered(2, 1), 1)
    assert woken == [box, box]


def test_what_no_byte_was_sent_of_is_taken_out_and_can_go_in_front_elsewhere() -> None:
    memory = Memory()
    box, other = (Outbox(name, Limits(), memory=memory) for name in ("a", "b"))
    first, second, third = (numbered(number, 5) for number in range(3))
    box.offer(first + second, 2)
    box.offer(third, 1)
    box.advance(len(first) + 1)
    box.rewind()
    assert box.withdraw() == [(third, 1)]
    assert (box.queued, box.sent, box.waiting, box.bytes) == (2, 1, 0, 0)
    assert box.dropped == {"gone": 1}
    assert box.withdraw() == [] and memory.used == 0
    other.offer(first + second + third, 3)
    assert other.first() == (first + second + third, 0)
    other.advance(len(first))
    other.restore([(numbered(7, 1), 1), (numbered(8, 1) + numbered(9, 1), 2)])
    assert numbers(content(other)) == [7, 8, 9, 1, 2]
    assert (other.queued, other.sent, other.waiting) == (3, -2, 5)
    assert other.bytes == len(content(other))
    other.put(first, 1)
    other.clear("stop")
    assert memory.used == 0


def test_of_a_sealed_chunk_no_message_is_surely_unsent() -> None:
    box = Outbox("a", Limits())
    box.offer(numbered(0, 5) + numbered(1, 5), 2)
    box.offer(numbered(2, 5), 1)
    box.held = True
    box.rewind()
    assert box.withdraw() == [(numbered(2, 5), 1)]
    assert box.dropped == {"gone": 2}


def test_what_was_begun_stays_until_it_is_sent() -> None:
    memory = Memory()
    box = Outbox("a", Limits(), memory=memory)
    messages = [numbered(number, 5) for number in range(6)]
    box.offer(b"".join(messages), 6)
    box.advance(len(messages[0]) + 1)
    assert box.take_unsent(1) == [(messages[2], 1)]
    box.rewind()
    assert box.take_unsent(1) == [(messages[3], 1)]
    box.advance(len(messages[1]))
    assert box.take_unsent(10**9) == [(messages[4], 1), (messages[5], 1)]
    assert (box.queued, box.sent, box.waiting, memory.used) == (2, 2, 0, 0)
    box.put(messages[4], 1)
    box.put(messages[5], 1)
    assert numbers(content(box)) == [4, 5]
    box.held = True
    assert box.take_unsent(10**9) == [(messages[5], 1)]


def test_room_is_what_is_left_below_the_limits() -> None:
    box = filled(Limits(100, 3), 1)
    assert box.has_room(100 - box.bytes, 2)
    assert not box.has_room(101 - box.bytes, 1) and not box.has_room(1, 3)


def test_a_refused_message_is_not_taken_out_twice() -> None:
    box = Outbox("a", Limits())
    box.offer(numbered(0, 5), 1)
    box.offer(numbered(1, 5), 1)
    for _ in range(3):
        box.advance(1)
        box.refuse()
    assert box.withdraw() == [(numbered(1, 5), 1)]
    assert box.dropped == {"refused": 1}


def test_absorb_adds_the_counts() -> None:
    total, box = filled(Limits(), 1), filled(Limits(10**9, 2), 1, 1, 1)
    box.advance(len(numbered(0, 1)))
    box.clear("gone")
    total.absorb(box)
    assert (total.queued, total.sent, total.waiting) == (4, 1, 1)
    assert total.dropped == {"full": 1, "gone": 1}
    assert total.queued == total.sent + sum(total.dropped.values()) + total.waiting


def test_what_goes_straight_would_be_taken_as_a_whole() -> None:
    box = Outbox("x", Limits(bytes=100, messages=2))
    assert box.goes_straight(100, 2)
    assert not box.goes_straight(101, 2) and not box.goes_straight(100, 3)
    box.offer(numbered(0, 5), 1)
    assert not box.goes_straight(1, 1)
    assert Outbox("x", Limits()).goes_straight(1000, 1000)


# Costs


def test_64_mib_of_small_messages_cost_less_than_a_quarter_more() -> None:
    size = 64 * 1024 * 1024
    message = pack([b"\0\0\0\0\1", b"", b"type", bytes(233)])
    assert len(message) == 250
    box = Outbox("box", Limits(bytes=size))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        while box.offer(bytes(bytearray(message)), 1):
            pass
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert box.bytes > size - 250
    assert used < 1.25 * size


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Messages stepped over by the outbox, in one number."""
    count = [0]

    def counted(data: bytes, start: int = 0) -> Iterator[int]:
        for end in boundaries(data, start):
            count[0] += 1
            yield end

    monkeypatch.setattr(chunk_queue, "boundaries", counted)
    return count


@pytest.mark.parametrize("limits", [(10**9, 50), (10**9, 5000), (100_000, 0), (100_000, 3000)])
@pytest.mark.parametrize("policy", ["drop-old", "drop-new"])
@pytest.mark.parametrize("run", [1, 100])
def test_overload_costs_a_few_steps_a_message(
    steps: list[int], policy: str, limits: tuple[int, int], run: int
) -> None:
    box = Outbox("box", Limits(*limits, policy))
    chunk = numbered(7, 20) * run
    for _ in range(20_000 // run):
        box.offer(chunk, run)
        box.advance(min(box.bytes, 7))
    assert sum(box.dropped.values()) > 5_000
    assert steps[0] < 5 * box.queued


KIB = 1024


def shared_box(memory: Memory, size: int, policy: str = "drop-new", name: str = "x") -> Outbox:
    box = Outbox(name, Limits(10_000 * KIB, policy=policy), whole=True, memory=memory)
    for _ in range(size // KIB):
        box.offer(bytes(KIB), 1)
    return box


def test_all_boxes_are_on_one_account() -> None:
    memory = Memory()
    one, two = shared_box(memory, 8 * KIB), shared_box(memory, 4 * KIB)
    assert memory.used == 12 * (KIB + CHUNK_COST)
    one.advance(KIB + 5)
    assert memory.used == 11 * (KIB + CHUNK_COST) - 5
    one.rewind()
    assert memory.used == 11 * (KIB + CHUNK_COST)
    one.clear("gone")
    two.advance(4 * KIB)
    assert memory.used == 0


@pytest.mark.parametrize(
    ("policy", "dropped", "waiting"),
    [("drop-new", {"memory": 1}, 3000), ("drop-old", {"old": 2985}, 16)],
)
def test_a_box_over_its_share_drops_by_its_policy(policy, dropped, waiting) -> None:
    memory = Memory(1000 * KIB)
    box = shared_box(memory, 0, policy)
    memory.limit = 10_000 * KIB  # the box is filled at a time when there is memory
    memory.alarm = memory.limit
    for _ in range(3000):
        box.offer(bytes(KIB), 1)
    memory.configure(1000 * KIB)
    other = shared_box(memory, 0)
    assert other.offer(bytes(500 * KIB), 1) == 1  # it is empty
    assert other.offer(bytes(KIB), 1) == 0
    other.advance(499 * KIB)
    assert other.offer(bytes(KIB), 1) == 1  # it is far from its share
    taken = box.offer(bytes(KIB), 1)
    assert (taken, +box.dropped, box.waiting) == (policy == "drop-old", dropped, waiting)
    assert box.queued == box.sent + box.waiting + box.dropped.total()
    assert other.offer(bytes(KIB), 1) == 1


def test_senders_wait_for_a_box_over_its_share_and_then_it_drops() -> None:
    memory = Memory(100 * KIB)
    woken = []
    memory.wake = lambda: woken.append(memory.state)
    box = shared_box(memory, 80 * KIB)
    assert (memory.tight, memory.pressed, woken) == (True, box, ["tight"])
    calls: list[int] = []
    box.wait(lambda: calls.append(1))
    assert box.offer(bytes(KIB), 1) == 1  # nothing is dropped while senders can wait
    assert memory.tick(0.0) is None and not calls
    box.advance(KIB)
    assert not calls
    assert memory.tick(4.9) is None and not calls
    assert memory.tick(5.0) is None and calls == [1]
    assert (box.offer(bytes(KIB), 1), +box.dropped) == (0, {"memory": 1})
    assert memory.pressed is None
    box.advance(box.bytes - KIB)
    memory.tick(6.0)
    assert (memory.tight, memory.patient, box.offer(bytes(KIB), 1)) == (False, True, 1)


def test_a_box_that_blocks_is_never_short_of_its_own_messages() -> None:
    memory = Memory(100 * KIB)
    box = shared_box(memory, 80 * KIB, "block")
    calls: list[int] = []
    assert box.blocked
    box.wait(lambda: calls.append(1))
    for now in range(100):
        memory.tick(float(now))
    assert not calls and not +box.dropped
    for _ in range(80):
        box.advance(KIB)
    assert calls == [1] and not box.blocked
    full = shared_box(memory, 120 * KIB, "block")
    assert full.dropped["memory"] > 0  # of a sender that cannot wait
    assert memory.used <= memory.limit + KIB + CHUNK_COST


def test_what_is_put_whatever_the_limits_are_is_told_as_taken() -> None:
    told: list[tuple[int, str]] = []
    box = Outbox("q", Limits(bytes=1))
    box.put(
        numbered(1, 5) + numbered(2, 5),
        2,
        lambda messages, outcome: told.append((messages, outcome)),
    )
    assert told == [(2, TAKEN)]
    assert (box.queued, box.waiting) == (2, 2)

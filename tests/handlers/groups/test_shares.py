"""The sinks that choose a member for each run, or for each message."""

import json
from functools import partial

import pytest

from ccproxy import Limits, MovedRun, Outbox
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.store import REPLAYED, UNNUMBERED, RunOrigin
from ccproxy.core.runs import MessageSource, Run
from ccproxy.wire.zmtp.frames import pack, unpack
from ccproxy_handlers.groups.failover import FailoverSink
from ccproxy_handlers.groups.keys import KeyOf, owner
from ccproxy_handlers.groups.seat import Seat
from ccproxy_handlers.groups.shares import HashSink, LeastSink, TurnSink
from tests.handlers.groups.members import LinkHandler, PoolHandler

HEAD = pack([b"me", b"", b"data", b""])[:-2]


def handlers(count=3, **options):
    return [LinkHandler(str(number), **options) for number in range(count)]


def seats(made):
    return [Seat(one.link.address, one.member()) for one in made]


def envelopes(*bodies, type=b"data"):
    return Run(None, len(bodies), envelopes=b"".join(pack([b"me", b"", type, b]) for b in bodies))


def waiting(made):
    return [one.link.outbox.waiting for one in made]


def test_a_whole_run_goes_to_the_next_in_turn():
    made = handlers()
    sink = TurnSink("h:g", seats(made))
    for _ in range(6):
        assert sink.take(envelopes(b"a", b"b")) == (("forwarded", 2),)
    assert waiting(made) == [4, 4, 4]
    assert sink.status() == {} and not sink.may_block


def test_a_member_without_room_is_passed_over_and_counts_no_drop():
    made = handlers(queue_messages=4)
    made[1].link.outbox.put(pack([b"x"]) * 3, 3)
    sink = TurnSink("h:g", seats(made))
    for _ in range(4):
        sink.take(envelopes(b"a", b"b"))
    assert waiting(made) == [4, 3, 4]
    assert not any(one.link.outbox.dropped for one in made)
    assert sink.take(envelopes(b"a", b"b"))[0][0] in ("full", "forwarded")
    assert sum(one.link.outbox.dropped["full"] for one in made) > 0


def test_the_least_busy_member_and_in_turn_if_none_is_busy():
    made = handlers()
    sink = LeastSink("h:g", seats(made))
    made[0].link.outbox.put(envelopes(bytes(1000)).envelopes, 1)
    for _ in range(2):
        sink.take(envelopes(b"a"))
    assert waiting(made) == [1, 1, 1]
    for one in made:
        one.link.take()
    for _ in range(3):
        sink.take(envelopes(b"a"))
        for one in made:
            one.link.take()
    assert [one.link.outbox.sent for one in made] == [2, 2, 2]


@pytest.mark.parametrize("kind", [TurnSink, LeastSink])
def test_senders_wait_while_all_are_full_and_go_on_with_the_first_that_has_room(kind):
    made = handlers(2, queue=1024, on_full="block")
    sink = kind("h:g", seats(made))
    assert sink.may_block
    sink.take(envelopes(bytes(2000)))
    assert not sink.blocked
    sink.take(envelopes(bytes(2000)))
    assert sink.blocked
    went = []
    for number in range(100):
        sink.wait(lambda number=number: went.append(number))
    assert all(len(one.link.outbox._waiters) == 1 for one in made)
    made[1].link.take()
    assert went == list(range(100)) and not sink.blocked
    made[0].link.take()
    assert len(went) == 100


def test_senders_go_on_when_other_members_are_there():
    made = handlers(2, queue=1024, on_full="block")
    sink = TurnSink("h:g", seats(made))
    sink.turn_to(seats(made)[:1])
    sink.take(envelopes(bytes(2000)))
    went = []
    assert sink.blocked
    sink.wait(lambda: went.append(sink.blocked))
    sink.turn_to(seats(made))
    assert went == [False]


def test_each_key_has_its_member():
    made = handlers()
    all_seats = seats(made)
    sink = HashSink("h:g", all_seats, KeyOf("field", "n"))
    bodies = [json.dumps({"n": number % 30, "at": number}).encode() for number in range(300)]
    assert sink.take(envelopes(*bodies)) == (("forwarded", 300),)
    for one, seat in zip(made, all_seats, strict=True):
        found = [json.loads(body) for body in one.bodies]
        assert [body["at"] for body in found] == sorted(body["at"] for body in found)
        assert {owner(b"%d" % body["n"], all_seats) for body in found} == {seat}
    assert sink.status() == {"without-key": 0}
    sink.take(envelopes(b"not json", b"{}"))
    assert sink.status() == {"without-key": 2} and sorted(waiting(made)) == [0, 0, 2]


def test_topics_are_the_first_frames_of_messages_without_type():
    made = handlers()
    all_seats = seats(made)
    sink = HashSink("h:g", all_seats, KeyOf("topic"))
    source = MessageSource(b"me", "peer", "listener")
    topics = [b"t%d" % (number % 20) for number in range(200)]
    chunk = b"".join(pack([topic, b"%d" % at]) for at, topic in enumerate(topics))
    assert sink.take(Run(source, 200, chunk, None, HEAD)) == (("forwarded", 200),)
    for one, seat in zip(made, all_seats, strict=True):
        messages = one.link.take()
        assert {owner(message.payload[0], all_seats) for message in messages} == {seat}
        assert all(message.type == "data" for message in messages)


def test_a_key_that_belongs_to_one_member_passes_whole_and_counts_what_is_full():
    made = handlers(queue_messages=5)
    sink = HashSink("h:g", seats(made), KeyOf("topic"))
    run = Run(None, 8, pack([b"same", b"x"]) * 8, None, HEAD)
    assert sink.take(run) == (("forwarded", 5), ("full", 3))


def test_fates_stand_in_the_order_of_the_messages():
    made = handlers(2, queue_messages=2)
    all_seats = seats(made)
    sink = HashSink("h:g", all_seats, KeyOf("field", "n"))
    bodies = [json.dumps({"n": number}).encode() for number in range(20)]
    room = {one.section: 2 for one in all_seats}
    expected = []
    for number in range(20):
        mine = owner(b"%d" % number, all_seats).section
        expected.append(("forwarded" if room[mine] > 0 else "full", 1))
        room[mine] -= 1
    assert list(sink.take(envelopes(*bodies))) == expected


def test_types_are_keys_as_well():
    made = handlers()
    all_seats = seats(made)
    sink = HashSink("h:g", all_seats, KeyOf("type"))
    for number in range(20):
        sink.take(envelopes(b"x", type=b"t%d" % number))
    for one, seat in zip(made, all_seats, strict=True):
        found = {owner(message.type.encode(), all_seats) for message in one.link.take()}
        assert found == {seat}


def test_one_full_member_holds_all_senders_back_because_of_its_keys():
    made = handlers(2, queue=1024, on_full="block")
    sink = HashSink("h:g", seats(made), KeyOf("topic"))
    sink.take(Run(None, 1, pack([b"t", bytes(2000)]), None, HEAD))
    assert sink.blocked


def test_what_members_give_back_goes_to_the_members_of_its_keys():
    made = handlers()
    all_seats = seats(made)
    sink = HashSink("h:g", all_seats, KeyOf("field", "n"))
    sink.turn_to(all_seats[:2])
    chunk = b"".join(envelopes(b'{"n": %d}' % number).envelopes for number in range(50))
    sink.hand_out(MovedRun(chunk, 50), all_seats[:2])
    assert sum(waiting(made)) == 50 and not waiting(made)[2]
    for one, seat in zip(made[:2], all_seats[:2], strict=True):
        for body in one.bodies:
            assert owner(b"%d" % json.loads(body)["n"], all_seats[:2]) is seat


@pytest.mark.parametrize("form", ["payload", "request"])
def test_pools_get_their_own_form_back(form):
    pools = [PoolHandler(Outbox(f"h:{number}", Limits()), form) for number in range(2)]
    all_seats = [Seat(f"h:{number}", one.member()) for number, one in enumerate(pools)]
    sink = HashSink("h:g", all_seats, KeyOf("topic"))
    front = [b"\0asker"] if form == "request" else []
    topics = [b"t%d" % number for number in range(20)]
    chunk = b"".join(pack([*front, one, b"x"]) for one in topics)
    sink.hand_out(MovedRun(chunk, 20), all_seats)
    for one, seat in zip(pools, all_seats, strict=True):
        for chunk, messages, *_ in one.own.give_back(1 << 20):
            assert messages and {owner(unpack_topic(chunk, front), all_seats)} == {seat}


def unpack_topic(chunk, front):
    first = chunk[: len(chunk)]
    size = first.index(b"\x00\x01x") + 3
    return unpack(first[:size])[len(front)]


@pytest.mark.parametrize("key", [KeyOf("field", "n"), KeyOf("topic")])
def test_messages_of_another_link_have_receipts_in_their_order(key):
    made = handlers(queue_messages=40)
    sink = HashSink("h:g", seats(made), key)
    run = envelopes(*(json.dumps({"n": number}).encode() for number in range(200)))
    told = []
    assert sink.accept(run.envelopes, 200, UNNUMBERED, lambda *one: told.append(one)) == 200
    assert sum(count for count, _ in told) == 200
    taken = sum(count for count, outcome in told if outcome == "taken")
    assert taken == sum(waiting(made)) <= 120
    assert {outcome for _, outcome in told} == {"taken", "full"}


class LateBox(Outbox):
    """Takes what fits, and says later that it is safe, as a spool does."""

    def offer(self, chunk, messages, receipt=None):
        taken = super().offer(chunk, messages)
        self.tell = lambda: receipt(taken, "safe")
        return taken


def test_a_member_that_takes_a_part_is_believed_for_that_part_alone():
    """A receipt for the last messages, which were refused, in the place of the first ones."""
    made = handlers(2)
    for one in made:
        one.link.outbox = one.link.sink = LateBox("h:late", Limits(messages=3))
    all_seats = seats(made)
    sink = HashSink("h:g", all_seats, KeyOf("field", "n"))
    bodies = [json.dumps({"n": number}).encode() for number in range(20)]
    room = {one.section: 3 for one in all_seats}
    expected = []
    for number in range(20):
        mine = owner(b"%d" % number, all_seats).section
        expected.append((1, "safe" if room[mine] > 0 else "full"))
        room[mine] -= 1
    told = []
    sink.accept(envelopes(*bodies).envelopes, 20, UNNUMBERED, lambda *one: told.append(one))
    assert not told
    for one in made:
        one.link.outbox.tell()
    assert told == expected and (1, "full") in told


@pytest.mark.parametrize("kind", [TurnSink, LeastSink])
def test_a_whole_run_of_another_link_has_the_receipt_of_its_member(kind):
    made = handlers(queue_messages=3)
    sink = kind("h:g", seats(made))
    told = []
    run = envelopes(b"a", b"b", b"c", b"d")
    assert sink.accept(run.envelopes, 4, UNNUMBERED, lambda *one: told.append(one)) == 3
    assert told == [(3, "taken")]


def test_receipts_go_along_with_what_moves():
    made = handlers()
    sink = HashSink("h:g", seats(made), KeyOf("field", "n"))
    run = envelopes(*(json.dumps({"n": number}).encode() for number in range(50)))
    told = []
    moved = MovedRun(run.envelopes, 50, lambda *one: told.append(one))
    sink.hand_out(moved, seats(made)[:2])
    assert told == [(1, "taken")] * 50


class Waiting(FailoverSink):
    """A member whose messages are safe when the test says so."""

    def __init__(self):
        self.got = []

    def accept(self, chunk, messages, origin, receipt):
        self.got.append((messages, origin, receipt))
        return messages

    blocked = may_block = False


class OneMember:
    """A member with that sink."""

    form = "cc"

    def __init__(self, sink):
        self.sink = sink

    def has_room(self, size, messages):
        return True

    @property
    def waiting(self):
        return 0, 0


REPLAY = RunOrigin(b"L" * 16, 3, 7, True)


@pytest.mark.parametrize(
    "outer",
    [FailoverSink, TurnSink, LeastSink, partial(HashSink, key=KeyOf("field", "n"))],
    ids=["failover", "turn", "least", "hash"],
)
@pytest.mark.parametrize(
    "inner",
    [FailoverSink, TurnSink, LeastSink, partial(HashSink, key=KeyOf("field", "n"))],
    ids=["failover", "turn", "least", "hash"],
)
def test_in_groups_of_groups_nothing_is_safe_before_its_last_member_says_so(inner, outer):
    last = Waiting()
    within = inner("h:inner", [Seat("h:last", OneMember(last))])
    sink = outer("h:outer", [Seat("h:inner", OneMember(within))])
    told = []
    run = envelopes(b'{"n": 1}', b'{"n": 2}')
    assert sink.accept(run.envelopes, 2, REPLAY, lambda *one: told.append(one)) == 2
    assert not told
    [(messages, origin, receipt)] = last.got
    assert (messages, origin) == (2, REPLAYED)
    receipt(1, "safe")
    receipt(1, "old")
    assert told == [(1, "safe"), (1, "old")]


@pytest.mark.parametrize("kind", [TurnSink, LeastSink, partial(HashSink, key=KeyOf("field", "n"))])
def test_messages_with_a_receipt_are_those_of_another_link(kind):
    last, told = Waiting(), []
    sink = kind("h:g", [Seat("h:last", OneMember(last))])
    run = envelopes(b'{"n": 1}')
    assert sink.offer(run.envelopes, 1, lambda *one: told.append(one)) == 1
    assert (last.got[0][:2], told) == ((1, UNNUMBERED), [])


def test_the_mark_of_a_replay_moves_along_to_the_member_of_its_key():
    made = handlers()
    for one in made:
        one.link.sink = MemoryStore(one.link.outbox, b"L" * 16, 1)
    sink = HashSink("h:g", seats(made), KeyOf("field", "n"))
    run = envelopes(*(json.dumps({"n": number}).encode() for number in range(50)))
    sink.hand_out(MovedRun(run.envelopes, 50, replay=True), seats(made))
    runs = [run for one in made for run in one.link.sink.fetch(1 << 20)]
    assert len(runs) > 1 and all(run.replay for run in runs)
    assert sum(run.messages for run in runs) == 50

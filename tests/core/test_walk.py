"""The hot functions for messages of any socket against a slow and simple reader, plain and
compiled."""

from __future__ import annotations

from itertools import groupby, pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core import walk
from ccproxy.core.stops import BROKEN, COMMAND, MORE, TOO_BIG
from ccproxy.core.subscriptions import Audience
from ccproxy.wire.zmtp.frames import boundaries, command, pack, unpack

try:
    from ccproxy.core import _walk as compiled
except ImportError:
    compiled = None

not_built = pytest.mark.skipif(compiled is None, reason="ccproxy.core._walk is not built")
both = pytest.mark.parametrize(
    "hot",
    [pytest.param(walk, id="plain"), pytest.param(compiled, id="compiled", marks=not_built)],
)
LIMITS = (2000, 8)
FRAME = st.one_of(st.binary(max_size=6), st.integers(250, 400).map(lambda size: b"x" * size))
MESSAGE = st.lists(FRAME, min_size=1, max_size=5).map(pack)


@both
@given(st.lists(MESSAGE, max_size=5), st.integers(0, 2000))
def test_whole_finds_what_is_there(hot, messages, size):
    data = b"".join(messages)[:size]
    ends = [end for end in [*boundaries(b"".join(messages))] if end <= len(data)]
    assert hot.whole(data, LIMITS) == (ends[-1] if ends else 0, len(ends), MORE)


@both
def test_whole_stops_where_it_must(hot):
    one = pack([b"a", b"b"])
    assert hot.whole(one + command(b"PING", b"\0\0"), LIMITS) == (len(one), 1, COMMAND)
    assert hot.whole(one + b"\x01\x01a" + command(b"PING"), LIMITS) == (len(one), 1, BROKEN)
    assert hot.whole(one + b"\x08\0", LIMITS) == (len(one), 1, BROKEN)
    assert hot.whole(pack([b""] * 8), LIMITS) == (16, 1, MORE)
    assert hot.whole(pack([b""] * 9), LIMITS) == (0, 0, BROKEN)
    assert hot.whole(pack([b"x" * 2100]), LIMITS) == (0, 0, TOO_BIG)
    assert hot.whole(pack([b"x" * 1200] * 2), LIMITS) == (0, 0, TOO_BIG)
    assert hot.whole(b"\x02" + (1 << 63).to_bytes(8, "big"), LIMITS) == (0, 0, TOO_BIG)
    assert hot.whole(b"\x02\0\0", LIMITS) == (0, 0, MORE)


@both
@given(st.lists(MESSAGE, max_size=5))
def test_cut_gives_each_message(hot, messages):
    assert hot.cut(b"".join(messages)) == messages


@both
@given(st.lists(MESSAGE, max_size=5), st.integers(0, 5), st.integers(1, 6))
def test_skip_goes_over_some_messages(hot, messages, before, most):
    start = sum(map(len, messages[:before]))
    some = messages[before : before + most]
    assert hot.skip(b"".join(messages), start, most) == (start + sum(map(len, some)), len(some))


@both
@given(st.lists(st.tuples(st.lists(FRAME.filter(len), max_size=3), st.lists(FRAME, max_size=3))))
def test_payloads_are_what_stands_behind_the_type(hot, messages):
    chunk = b"".join(pack([*route, b"", b"a.b", *payload]) for route, payload in messages)
    assert hot.payloads(chunk) == b"".join(pack(payload or [b""]) for _, payload in messages)


@both
@given(st.lists(st.tuples(st.lists(FRAME.filter(len), max_size=3), st.lists(FRAME, max_size=3))))
def test_messages_are_parted_at_their_type(hot, messages):
    chunk = b"".join(pack([*route, b"", b"a.b", *payload]) for route, payload in messages)
    assert b"".join(b"".join(parts) for parts in hot.parted(chunk)) == chunk
    for (head, type, body), (route, payload) in zip(hot.parted(chunk), messages, strict=True):
        assert head == pack([*route, b"", b""])[:-2]
        assert type == pack([b"a.b", *payload])[: len(type)] and len(type) == 5
        assert body == (pack(payload) if payload else b"")


@both
def test_without_an_empty_frame_and_a_type_nothing_is_in_front(hot):
    bare, cut = pack([b"a", b"b"]), pack([b"a", b""])
    assert hot.parted(bare + cut) == [(b"", b"", bare), (b"", b"", cut)]


@both
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"x" * 300]), st.lists(FRAME, max_size=2))))
def test_names_are_taken_off(hot, messages):
    chunk = b"".join(pack([name, *rest]) for name, rest in messages)
    left = [(name, pack(rest) if rest else b"") for name, rest in messages]
    seen, total = [], 0
    for name, rest, count, size in hot.by_name(chunk):
        seen += [(name, one) for one in (hot.cut(rest) if rest else [b""])]
        assert count == len(hot.cut(rest)) or not rest
        total += size
    assert (seen, total) == (left, len(chunk))
    names = [name for name, rest, _, _ in hot.by_name(chunk) if rest]
    runs = [one for one, _ in groupby(left, key=lambda one: (one[0], not one[1]))]
    assert names == [name for name, bare in runs if not bare]


@both
@given(
    st.lists(MESSAGE, max_size=9),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 900)), min_size=1, max_size=4),
)
def test_messages_are_dealt_in_turn(hot, messages, skip, windows):
    skip = min(skip, len(messages))
    slots, rooms = ([one[n] for one in windows] for n in (0, 1))
    left, turn, shares = messages[skip:], 0, [[] for _ in windows]
    while left and any(slot > 0 and room > 0 for slot, room in zip(slots, rooms, strict=True)):
        if slots[turn] > 0 and rooms[turn] > 0:
            shares[turn].append(left.pop(0))
            slots[turn] -= 1
            rooms[turn] -= len(shares[turn][-1])
        turn = (turn + 1) % len(windows)
    given_slots, given_rooms = ([one[n] for one in windows] for n in (0, 1))
    start = len(b"".join(messages[:skip]))
    end, following, dealt = hot.deal(b"".join(messages), start, given_slots, given_rooms)
    assert (end, dealt) == (len(b"".join(messages)) - len(b"".join(left)), shares)
    assert (given_slots, given_rooms) == (slots, rooms)
    assert left or following == turn


class Table:
    """A place for each first byte of a key; what is known at first is of an old version."""

    version = 1

    def __init__(self, longest):
        self.longest = longest
        self.places = {}
        self.asked = []
        self.entries = {b"": SimpleNamespace(place="old", version=0)}

    def resolve(self, key):
        self.asked.append(key)
        place = self.places.setdefault(key[:1], SimpleNamespace(weight=10))
        entry = self.entries[key] = SimpleNamespace(place=place, version=1)
        return entry


MESSAGES = st.lists(st.lists(FRAME, min_size=1, max_size=3), max_size=8)


@both
@given(MESSAGES, st.integers(0, 3))
def test_messages_are_sorted_by_their_topics(hot, messages, longest):
    table = Table(longest)
    chunk = b"".join(map(pack, messages))
    spans = hot.by_topic(chunk, 0, table, 1_000_000)
    keys = [frames[0][:longest] for frames in messages]
    assert [place for place, _, _, count in spans for _ in range(count)] == [
        table.places[key[:1]] for key in keys
    ]
    assert b"".join(chunk[start:end] for _, start, end, _ in spans) == chunk
    assert [
        unpack(part) for _, start, end, _ in spans for part in hot.cut(chunk[start:end])
    ] == messages
    assert len(table.asked) == len(set(keys))
    neighbours = [spans[number : number + 2] for number in range(len(spans) - 1)]
    assert all(one[0] is not other[0] for one, other in neighbours)


@both
@given(MESSAGES, st.integers(0, 3), st.integers(0, 300))
def test_what_is_sorted_at_a_time_costs_no_more_than_the_budget(hot, messages, longest, budget):
    chunk = b"".join(map(pack, messages))
    whole = hot.by_topic(chunk, 0, Table(longest), 1_000_000)
    table, done, found = Table(longest), 0, []
    while done < len(chunk):
        before = len(table.asked)
        spans = hot.by_topic(chunk, done, table, budget)
        asked = len(table.asked) - before
        # The budget ends the step in front of the first span, or key, for which nothing is left.
        assert (asked - 1) * (walk.MISS + 10) + 10 * (len(spans) - 1) <= max(budget, 0) or (
            asked + len(spans) == 2
        )
        assert spans[0][1] == done < spans[-1][2]
        done = spans[-1][2]
        found += [table.places[key] for key in _first_bytes(chunk, spans, longest)]
    firsts = _first_bytes(chunk, whole, longest)
    assert found == [table.places[key] for key in firsts]


def _first_bytes(chunk, spans, longest):
    """The first byte of the key of each message of some spans."""
    return [
        unpack(one)[0][:longest][:1]
        for _, start, end, _ in spans
        for one in walk.cut(chunk[start:end])
    ]


@both
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=8))
def test_each_box_gets_its_share_in_order(hot, wanted):
    peers = [SimpleNamespace(box=str(number), gone=number == 2) for number in range(3)]
    lengths = [count for _, count in wanted]
    chunk, spans, at = b"", [], 0
    audiences = [Audience(tuple(peers[:number])) for number in range(4)]
    for number, (who, count) in enumerate(wanted):
        chunk += pack([b"%d" % number]) * count
        spans.append((audiences[who], at, len(chunk), count))
        at = len(chunk)
    shares, told = hot.shares(chunk, spans)
    for number in range(2):
        mine = [at for at, (who, _) in enumerate(wanted) if who > number]
        part = b"".join(pack([b"%d" % at]) * lengths[at] for at in mine)
        expected = (part, sum(lengths[at] for at in mine), mine)
        assert shares.get(str(number), (b"", 0, [])) == expected
    assert "2" not in shares
    assert [one for one, count in told for _ in range(count)] == [
        who > 0 for who, count in wanted for _ in range(count)
    ]
    assert all(one != other for (one, _), (other, _) in pairwise(told))

"""The handler that shares messages: its option, its words, and members that come and go."""

import json

import pytest

from ccproxy import Forward
from ccproxy.testing import message, options_for, run_handler
from ccproxy_handlers.groups.balance import BY, Balance
from ccproxy_handlers.groups.keys import KeyOf, owner
from tests.handlers.groups.members import LinkHandler

TO = "to = h:a, h:b, h:c\nback-after = 5 s\n"


@pytest.fixture
def members():
    return {f"h:{name}": LinkHandler(name) for name in "abc"}


@pytest.mark.parametrize(
    "text", ["turn", "least-waiting", "hash of type", "hash of topic", "hash of field sensor"]
)
def test_what_may_stand_in_by(text):
    assert BY.show(BY.parse(text)) == text == BY.show(BY.parse(f" {text.replace(' ', '  ')} "))


@pytest.mark.parametrize("text", ["", "hash", "hash of", "hash of field", "hash of x y", "random"])
def test_what_may_not_stand_in_by(text):
    with pytest.raises(ValueError, match="turn, least-waiting, hash of type"):
        BY.parse(text)


@pytest.mark.parametrize("by", ["turn", "least-waiting", "hash of topic", "hash of field n"])
def test_what_waits_for_a_member_that_has_left_is_shared_again(members, by):
    with run_handler(Balance, f"{TO}by = {by}", members) as group:
        for number in range(60):
            group.give(message("data", {"n": number}, b"%d" % number))
        members["h:b"].link.become("connecting")
        group.ctx.advance(1)
        assert not members["h:b"].link.outbox.waiting
        facts = group.handler.status()
        assert facts["by"] == by and facts["moved"] > 0
        assert [one["there"] for one in facts["members"]] == [True, False, True]
        found = [*members["h:a"].bodies, *members["h:c"].bodies]
        assert sorted(map(int, found)) == list(range(60))
        assert group.ctx.lines == ["WARNING messages go to members=h:a, h:c"]


def test_all_away_messages_wait_at_all_of_them_and_the_first_that_comes_gets_them(members):
    with run_handler(Balance, TO, members) as group:
        for one in members.values():
            one.link.become("refused")
        group.ctx.advance(0)
        for number in range(9):
            group.give(message("data", {}, b"%d" % number))
        assert [one.link.outbox.waiting for one in members.values()] == [3, 3, 3]
        members["h:c"].link.become("up")
        group.ctx.advance(0)
        assert sorted(members["h:c"].bodies) == [b"%d" % number for number in range(9)]


def test_a_large_queue_moves_in_steps(members):
    """No turn of the loop moves more than a step, and nothing is lost in between."""
    with run_handler(Balance, f"{TO}by = hash of field n", members) as group:
        box = members["h:a"].link.outbox
        group.handler.sink.turn_to(group.handler.seats[:1])
        for number in range(400):
            group.give(message("data", {"n": number}, bytes(10_000)))
        size = box.bytes
        members["h:a"].link.become("connecting")
        moves = 0
        before = box.bytes
        while box.waiting:
            group.handler.look()
            moves += 1
            assert before - box.bytes <= 2 * group.handler.step
            before = box.bytes
        assert moves > 10 and size > 4_000_000 and not box.waiting
        assert group.handler.status()["moved"] == 400


def test_by_type_each_type_is_decided_once(members):
    with run_handler(Balance, f"{TO}by = hash of type", members) as group:
        seats = group.handler.seats
        for number in range(20):
            name = f"t{number}"
            sink = owner(name.encode(), seats).sink
            assert group.handler.decide(name) == Forward(sink)
        members["h:a"].link.become("refused")
        group.ctx.advance(0)
        assert group.ctx.flow_changes == 1
        assert all(
            group.handler.decide(f"t{n}").to is not members["h:a"].link.outbox for n in range(20)
        )


def test_what_explain_says():
    for by, words in (
        ("turn", "goes to one of h:a, h:b, h:c: turn"),
        ("hash of field n", "goes to one of h:a, h:b, h:c: hash of field n"),
        ("hash of type", "goes to one of h:a, h:b, h:c by the hash of its type, while all are up "
         "to this one"),
    ):  # fmt: skip
        handler = Balance("h:g", options_for(Balance, f"{TO}by = {by}"))
        assert handler.explain("x", None) == words


def test_messages_without_the_field_are_counted(members):
    with run_handler(Balance, f"{TO}by = hash of field n", members) as group:
        group.give(message("data", {"m": 1}))
        group.give(message("data", {"n": 1}))
        facts = group.handler.status()
        assert facts["without-key"] == 1
        assert json.dumps(facts)
        assert BY.parse(facts["by"]) == KeyOf("field", "n")

"""What a far side remembers of links."""

import pytest

from ccproxy.core.delivery.far_side import (
    LONGEST_GAP,
    MEMORY,
    MOST_GAPS,
    RememberedLink,
    RememberedLinks,
)
from ccproxy.core.delivery.store import SAFE, MessageNumber
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS, UNKNOWN, Ack, Have, Nack, SourceId

SOURCE = SourceId(b"L" * 16, 1)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def begin(link, opening=1):
    return link.begin(SourceId(link.id, opening), "10.0.0.1:5", "listen")


@pytest.fixture
def link():
    made = RememberedLink(SOURCE)
    assert begin(made) == [Have({})]
    return made


def test_numbers_count_from_what_the_source_says(link):
    assert link.next is None
    link.announced(MessageNumber(1, 1))
    assert link.next == (1, 1)
    assert link.handed(3, 0) == ((1, 1), [])
    assert link.next == (1, 4)
    assert begin(link) == [Have({1: 3}), Ack(1, 3)]
    assert link.next is None


def test_a_source_whose_last_messages_were_here_already_begins_where_it_likes(link):
    link.announced(MessageNumber(1, 50))
    link.handed(1, 0)
    assert (link.gaps, link.tracker.acknowledged) == (0, (1, 50))


def test_a_gap_is_counted_and_acknowledged(link):
    link.announced(MessageNumber(1, 1))
    link.handed(2, 0)
    link.announced(MessageNumber(1, 6))
    assert (link.gaps, link.tracker.acknowledged) == (3, (1, 5))
    link.announced(MessageNumber(2, 1))
    link.handed(1, 0)
    link.announced(MessageNumber(1, 6))
    assert (link.gaps, link.next) == (3, (1, 6))


def test_no_source_makes_a_count_of_gaps_that_is_none():
    links = RememberedLinks(most=3)
    for name in range(5):
        link = links.get(SourceId(bytes([name]) * 16, 1))
        link.announced(MessageNumber(1, 1))
        with pytest.raises(ZmtpError, match="NEXT leaves out"):
            link.announced(MessageNumber(1, LONGEST_GAP + 3))
        assert link.next == (1, 1)
        for jump in range(1, MOST_GAPS // LONGEST_GAP + 3):
            link.announced(MessageNumber(1, 1 + jump * LONGEST_GAP))
        assert link.gaps == MOST_GAPS
        links.left(link)
    assert (len(links), links.totals().gaps) == (3, MOST_GAPS)


def test_what_comes_again_is_to_be_skipped(link):
    link.announced(MessageNumber(1, 1))
    link.handed(5, 0)
    link.announced(MessageNumber(1, 3))
    assert (link.again, link.next) == (3, (1, 6))


def test_each_epoch_is_acknowledged_up_to_the_first_that_is_not_complete(link):
    link.announced(MessageNumber(1, 1))
    link.handed(5, 0)
    link.announced(MessageNumber(2, 1))
    _, [receipt] = link.handed(4, 1)
    link.announced(MessageNumber(3, 1))
    link.handed(1, 0)
    receipt(1, SAFE)
    assert begin(link, 3) == [Have({1: 5, 2: 4, 3: 1}), Ack(1, 5), Ack(2, 1)]
    receipt(3, SAFE)
    assert begin(link, 3)[1:] == [Ack(1, 5), Ack(2, 4), Ack(3, 1)]


@pytest.mark.parametrize("number", [0, 1 << 63])
def test_impossible_numbers_are_a_fault_of_the_peer(link, number):
    with pytest.raises(ZmtpError, match="NEXT with the number"):
        link.announced(MessageNumber(1, number))


def test_the_epochs_of_a_link_are_bounded(link):
    for epoch in range(MOST_EPOCHS + 3):
        link.announced(MessageNumber(epoch, 1))
        link.handed(1, 0)
    assert list(link.numbers) == list(range(3, MOST_EPOCHS + 3))


def source(number):
    return SourceId(b"%016d" % number, 1)


def test_links_are_remembered_until_their_source_says_that_it_is_over():
    links = RememberedLinks()
    one = links.get(source(1))
    assert links.get(source(1)) is one
    links.forget(one)
    links.forget(one)
    assert len(links) == 0


def test_or_until_they_were_away_for_long():
    clock = Clock()
    links = RememberedLinks(clock=clock)
    one, two = links.get(source(1)), links.get(source(2))
    begin(one)
    begin(two)
    links.left(one)
    clock.now = MEMORY + 1
    links.get(source(3))
    assert one not in list(links)
    assert two in list(links)


def test_of_too_many_the_one_that_was_away_the_longest_goes():
    links = RememberedLinks(most=3)
    made = [links.get(source(number)) for number in range(3)]
    begin(made[0])
    links.get(source(1))
    links.get(source(7))
    assert [one.id for one in links] == [source(n).link for n in (0, 1, 7)]


def test_one_that_is_only_looked_for_is_remembered_when_it_is_worth_it():
    links = RememberedLinks(most=2)
    one = links.find(source(1))
    assert links.find(source(1)) is one
    assert len(links) == 0
    links.left(one)
    links.forget(one)
    assert (len(links), links.totals().gaps) == (0, 0)
    links.keep(one)
    links.keep(one)
    assert list(links) == [one]
    assert links.get(source(1)) is links.find(source(1)) is one
    del one
    links.find(source(2))
    assert len(links) == 1


def test_one_that_comes_back_is_not_the_one_that_makes_room():
    links = RememberedLinks(most=2)
    one, two = links.get(source(1)), links.get(source(2))
    assert links.get(source(1)) is one
    links.get(source(3))
    assert one in list(links)
    assert two not in list(links)


def test_a_source_from_a_backup_hears_that_nothing_is_known_of_what_never_came_here(link):
    """This server was restarted: the one before it may have refused some of them."""
    link.announced(MessageNumber(1, 101))
    assert begin(link) == [Have({1: 100}), Nack(1, 1, 100, UNKNOWN), Ack(1, 100)]
    link.announced(MessageNumber(1, 101))
    link.handed(3, 0)
    link.announced(MessageNumber(2, 1))
    assert begin(link, 2)[:3] == [Have({1: 103, 2: 0}), Nack(1, 1, 100, UNKNOWN), Ack(1, 103)]


def test_nothing_is_said_of_an_epoch_that_began_anew_with_its_first_message(link):
    link.announced(MessageNumber(1, 5))
    for epoch in range(2, MOST_EPOCHS + 2):
        link.announced(MessageNumber(epoch, 1))
    link.announced(MessageNumber(1, 1))
    assert not [one for one in begin(link) if isinstance(one, Nack)]

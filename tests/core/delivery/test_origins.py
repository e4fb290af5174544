"""What is known of the numbers of other links."""

from ccproxy.core.delivery.origins import Origins
from ccproxy.core.delivery.store import RunOrigin

LINK = bytes(16)


def test_messages_up_to_the_last_number_are_known():
    origins = Origins()
    assert origins.known(RunOrigin(LINK, 7, 1), 10) == 0
    origins.note(LINK, 7, 4)
    assert [origins.known(RunOrigin(LINK, 7, first), 3) for first in (1, 3, 4, 5)] == [3, 2, 1, 0]


def test_another_link_or_epoch_is_another_count():
    origins = Origins()
    origins.note(LINK, 7, 4)
    assert origins.known(RunOrigin(LINK, 8, 1), 3) == 0
    assert origins.known(RunOrigin(b"other link 16 by", 7, 1), 3) == 0


def test_a_lower_number_changes_nothing():
    origins = Origins()
    origins.note(LINK, 7, 4)
    origins.note(LINK, 7, 2)
    assert list(origins) == [(LINK, 7, 4)]


def test_the_epoch_that_was_used_the_longest_ago_is_forgotten_first():
    origins = Origins(most=2)
    origins.note(LINK, 1, 1)
    origins.note(LINK, 2, 1)
    origins.note(LINK, 1, 2)
    origins.note(LINK, 3, 1)
    assert [epoch for _, epoch, _ in origins] == [1, 3]
    assert len(origins) == 2


def test_a_link_with_many_epochs_makes_no_other_link_be_forgotten():
    origins = Origins(most=4)
    other = b"other link 16 by"
    origins.note(other, 7, 9)
    for epoch in range(1, 9):
        origins.note(LINK, epoch, 1)
    assert list(origins) == [(other, 7, 9), *((LINK, epoch, 1) for epoch in (6, 7, 8))]
    origins = Origins(most=2)
    for link in (b"a", b"b", b"c"):
        origins.note(link, 1, 1)
    assert [link for link, _, _ in origins] == [b"b", b"c"] and len(origins) == 2


def test_an_epoch_of_which_messages_were_refused_counts_no_further():
    origins, run = Origins(most=2), RunOrigin(LINK, 7, 1)
    assert origins.counting(run) is run
    origins.came(run, 4, 4)
    origins.came(RunOrigin(LINK, 7, 5), 1, 3)
    assert list(origins) == [(LINK, 7, 5)]
    behind = origins.counting(RunOrigin(LINK, 7, 8, replay=True))
    assert behind == RunOrigin(b"", 7, 8, replay=True)
    origins.came(behind, 2, 2)
    assert list(origins) == [(LINK, 7, 5)]
    other = RunOrigin(LINK, 8, 1)
    assert origins.counting(other) is other


def test_epochs_that_count_no_further_are_bounded():
    origins = Origins(most=2)
    for epoch in (1, 2, 3):
        origins.came(RunOrigin(LINK, epoch, 1), 0, 1)
    links = [origins.counting(RunOrigin(LINK, epoch, 2)).link for epoch in (1, 2, 3)]
    assert links == [LINK, b"", b""]

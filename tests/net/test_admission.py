"""Who may stay, as transcripts: connections come, speak and go."""

from collections import Counter

import pytest

from ccproxy.config.links import ListenerOptions
from ccproxy.net.admission import Admission, SilentConnections


class One:
    """A connection."""

    def close(self, reason):
        """Never called: the listener closes it, see `evict`."""


class House:
    """A listener and what it did."""

    def __init__(self, everywhere=None, **options):
        self.everywhere = everywhere or SilentConnections()
        self.counts = Counter()
        self.evicted = []
        self.admission = Admission(self.counts, self.everywhere, self.evict)
        self.options = ListenerOptions(**options)

    def evict(self, one, reason):
        self.evicted.append((one, reason))
        self.admission.remove(one)

    def come(self, address="10.0.0.1", speaks=False):
        """A connection comes; itself, or the reason of its refusal."""
        if refusal := self.admission.refusal(address, self.options):
            return refusal
        one = One()
        self.admission.add(one, address)
        if speaks:
            self.admission.spoke(one)
        return one


@pytest.mark.parametrize("most", [10, 11])
def test_silent_ones_hold_half_and_not_more(most):
    house = House(max_peers=most)
    silent = [house.come() for _ in range(100)]
    assert house.admission.silent == 5
    assert [one for one, _ in house.evicted] == silent[:95]
    # One more goes for the first of those that speak; no connection goes for a silent one later.
    good = [house.come(speaks=True) for _ in range(most - 4)]
    assert all(isinstance(one, One) for one in good)
    assert house.admission.silent == 4 and house.counts == {"silent": 96}
    assert house.come(speaks=True) == f"max-peers = {most}"
    assert house.counts == {"silent": 96, "too-many": 1}


def test_those_that_have_spoken_are_no_longer_counted():
    house = House(max_peers=10)
    first = [house.come() for _ in range(5)]
    for one in first[1:]:
        house.admission.spoke(one)
    assert house.admission.silent == 1
    house.come()
    assert not house.evicted
    house.admission.remove(first[0])
    house.admission.remove(first[0])
    assert (house.admission.silent, house.everywhere.peers) == (1, 5)


def test_one_address():
    house = House(max_peers=10, max_peers_per_address=2)
    one, two = house.come(speaks=True), house.come(speaks=True)
    assert house.come() == "max-peers-per-address = 2" == house.come()
    assert isinstance(house.come("10.0.0.2"), One)
    assert [isinstance(house.come(""), One) for _ in range(3)] == [True] * 3
    house.admission.remove(one)
    assert isinstance(house.come(), One)
    assert house.counts == {"per-address": 2}
    house.admission.remove(two)
    # A reload changes the limit for those to come.
    house.options = ListenerOptions()
    assert all(isinstance(house.come(speaks=True), One) for _ in range(3))


def test_a_descriptor_is_taken_from_the_oldest_silent_one_of_all_listeners():
    everywhere = SilentConnections()
    assert not everywhere.evict_for_descriptor()
    one, two = House(everywhere), House(everywhere)
    first = one.come()
    assert not everywhere.evict_for_descriptor()
    good = [two.come(speaks=True) for _ in range(3)]
    second = two.come()
    assert not everywhere.evict_for_descriptor()
    two.admission.remove(good[0])
    assert everywhere.evict_for_descriptor()
    assert [found for found, _ in one.evicted] == [first] and not two.evicted
    assert not everywhere.evict_for_descriptor()
    two.admission.remove(second)
    assert (everywhere.peers, everywhere.members) == (2, {})

import os
import resource

import pytest

from ccproxy.net import descriptors as module
from ccproxy.net.descriptors import Descriptors, next_descriptor, reserved


@pytest.mark.parametrize(
    ("limit", "links", "expected"),
    [(64, 0, 32), (128, 0, 64), (256, 0, 64), (1024, 10, 74), (100_000, 0, 5000), (64, 99, 32)],
)
def test_what_is_not_for_peers(limit, links, expected):
    assert reserved(limit, links) == expected


def test_the_last_one_of_a_peer(monkeypatch):
    one = Descriptors(1024)
    used = 959
    monkeypatch.setattr(module, "next_descriptor", lambda: used)
    assert not one.scarce()
    used = 960
    assert one.scarce()
    used = 860
    assert not one.scarce()
    one.links = 100
    assert one.scarce()


def test_as_many_as_the_system_lets_us_have():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    one = Descriptors()
    assert one.limit == before[0]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        one.raise_limit()
        assert one.limit == before[1] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_number_says_how_many_are_used():
    first = next_descriptor()
    assert next_descriptor() == first
    taken = os.open(os.devnull, os.O_RDONLY)
    assert (taken, next_descriptor() > first) == (first, True)
    os.close(taken)
    use = Descriptors(1000).use()
    assert (use.used, use.limit, use.reserved) == (first, 1000, 64)


def test_without_any_all_are_used(monkeypatch):
    def full(*args):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(module.os, "open", full)
    assert next_descriptor() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]

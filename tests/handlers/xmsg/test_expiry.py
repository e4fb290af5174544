"""Records of clients that are gone: a transcript of connections and times."""

import pytest

from ccproxy_handlers.xmsg.expiry import Expiry


@pytest.fixture
def expiry():
    made = Expiry(10.0)
    made.joined(b"one", "10.0.0.1")
    made.registered(b"one", "Publisher", 1)
    made.registered(b"one", "Subscriber", 2)
    return made


def test_records_of_an_open_connection_are_never_due(expiry):
    assert expiry.due(1000.0, 100) == {}


def test_records_are_due_once_after_their_time(expiry):
    expiry.left(b"one", 100.0)
    assert expiry.waiting == 1
    assert expiry.due(109.9, 100) == {}
    assert expiry.due(110.0, 100) == {"Publisher": [1], "Subscriber": [2]}
    assert expiry.due(110.0, 100) == {}
    assert expiry.waiting == 0


def test_many_records_are_due_in_parts(expiry):
    expiry.left(b"one", 0.0)
    assert expiry.due(10.0, 1) == {"Publisher": [1]}
    assert expiry.due(10.0, 1) == {"Subscriber": [2]}


def test_a_connection_from_the_same_address_takes_them_over(expiry):
    expiry.left(b"one", 0.0)
    expiry.joined(b"other", "10.0.0.2")
    expiry.joined(b"two", "10.0.0.1")
    assert expiry.due(100.0, 100) == {}
    expiry.left(b"two", 100.0)
    assert expiry.due(109.0, 100) == {}
    assert expiry.due(110.0, 100) == {"Publisher": [1], "Subscriber": [2]}


def test_a_record_belongs_to_the_last_that_registered_it(expiry):
    expiry.joined(b"two", "10.0.0.1")
    expiry.registered(b"two", "Publisher", 1)
    expiry.left(b"one", 0.0)
    assert expiry.due(10.0, 100) == {"Subscriber": [2]}


def test_a_record_that_is_gone_is_forgotten(expiry):
    expiry.forget(1)
    expiry.forget(1)
    expiry.left(b"one", 0.0)
    assert expiry.due(10.0, 100) == {"Subscriber": [2]}
    expiry.forget(2)


def test_a_connection_without_records_leaves_nothing():
    expiry = Expiry(10.0)
    expiry.joined(b"one", "10.0.0.1")
    expiry.left(b"one", 0.0)
    expiry.left(b"never there", 0.0)
    assert expiry.waiting == 0


def test_what_was_restored_waits_from_the_start():
    expiry = Expiry(10.0)
    expiry.restored("10.0.0.1", "Publisher", 7, 50.0)
    expiry.restored("10.0.0.1", "Publisher", 8, 50.0)
    assert expiry.due(59.0, 100) == {}
    assert expiry.due(60.0, 100) == {"Publisher": [7, 8]}


def test_without_a_time_nothing_is_noted():
    expiry = Expiry(0.0)
    expiry.joined(b"one", "10.0.0.1")
    expiry.registered(b"one", "Publisher", 1)
    expiry.restored("10.0.0.1", "Publisher", 2, 0.0)
    expiry.left(b"one", 0.0)
    assert expiry.waiting == 0

"""What is in the place of a handler that is stopped for a while."""

import pytest

from ccproxy.core.verdict import Forward, Full
from ccproxy.server.absent import Absent


def test_senders_wait_until_the_end():
    absent, called = Absent("h:x"), []
    assert absent.decide("any.type") == Forward(absent)
    assert absent.decide("any.type").sinks == (absent,)
    assert absent.blocked and absent.may_block
    absent.wait(lambda: called.append(1))
    absent.end()
    absent.end()
    assert (called, absent.blocked) == ([1], False)


def test_it_takes_nothing():
    assert Absent("h:x").offer(b"message", 1) == 0
    with pytest.raises(Full):
        Absent("h:x").handle(None)

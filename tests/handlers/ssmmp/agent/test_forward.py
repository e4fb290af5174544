import pytest

from ccproxy_handlers.ssmmp.agent.forward import ForwardedEnd, LocalPort


class Transport:
    """Remembers what it was told."""

    def __init__(self):
        self.told = []
        self.closing = False

    def __getattr__(self, name):
        return lambda *words: self.told.append((name, *words))

    def is_closing(self):
        return self.closing

    def can_write_eof(self):
        return True

    def take(self):
        told, self.told = self.told, []
        return told


@pytest.fixture
def ends():
    made = ForwardedEnd(), ForwardedEnd()
    for one in made:
        one.connection_made(Transport())
        assert one.transport.take() == [("pause_reading",)]
    return made


def test_nothing_is_lost_before_both_ends_are_there(ends):
    near, far = ends
    near.data_received(b"one")
    near.data_received(b"two")
    near.eof_received()
    near.join(far)
    written = [one for one in far.transport.take() if one[0].startswith("write")]
    assert written == [("write", b"one"), ("write", b"two"), ("write_eof",)]


def test_each_end_holds_the_other_back(ends):
    near, far = ends
    near.join(far)
    assert ("resume_reading",) in near.transport.take()
    far.pause_writing()
    assert near.transport.take() == [("pause_reading",)]
    far.resume_writing()
    assert near.transport.take() == [("resume_reading",)]


def test_one_direction_may_end_first(ends):
    near, far = ends
    near.join(far)
    far.transport.take()
    assert near.eof_received() is True
    assert far.transport.take() == [("write_eof",)]
    far.data_received(b"still")
    assert ("write", b"still") in near.transport.take()
    assert far.eof_received() is False
    assert near.transport.take() == [("close",)]


def test_the_end_of_one_is_the_end_of_both(ends):
    near, far = ends
    told = []
    near.ended = lambda end, error: told.append((end, error))
    near.join(far)
    far.transport.take()
    near.connection_lost(None)
    assert far.transport.take() == [("close",)] and told == [(near, None)]


def test_a_port_that_nobody_has_lets_nobody_in():
    port = LocalPort()
    transport = Transport()
    port.made().connection_made(transport)
    assert transport.take()[-1] == ("close",)

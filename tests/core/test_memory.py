"""The account as a transcript: numbers and the time in; who waits, goes on, or goes."""

from ccproxy.core.memory import LEAST_SHARE, PATIENCE, READ, UNLIMITED, Memory

MIB = 1024 * 1024


class One:
    """A reader."""

    def __init__(self, name):
        self.name = name
        self.resumed = 0

    def read_on(self):
        self.resumed += 1


def hold(memory, one, held):
    """A connection has read so much of a message; True if it has to wait."""
    memory.used += held
    waits = memory.crowded(held)
    if waits:
        memory.held_back[one] = held
    return waits


def test_without_a_limit_nothing_ever_waits():
    memory = Memory()
    assert not hold(memory, One("x"), 1 << 50)
    assert (memory.state, memory.most, memory.read, memory.tick(1.0)) == (
        "free",
        UNLIMITED,
        READ,
        None,
    )


def test_the_largest_ones_wait_and_the_small_go_on():
    memory = Memory(64 * MIB)
    many = [One(n) for n in range(40)]
    waits = [hold(memory, one, 2 * MIB) for one in many]
    assert waits == [False] * 28 + [True] * 12
    assert (memory.state, memory.read) == ("full", LEAST_SHARE)
    assert not hold(memory, One("small"), 10_000)
    # The share gets smaller while there is too much, so the next ones wait earlier.
    before = memory.share
    memory.tick(0.0)
    assert memory.share == before // 2
    for _ in range(20):
        memory.tick(0.1)
    assert memory.share == LEAST_SHARE


def test_those_that_waited_go_on_one_after_the_other():
    memory = Memory(64 * MIB)
    memory.used = 70 * MIB
    many = [One(n) for n in range(5)]
    for one in many:
        assert hold(memory, one, 2 * MIB)
    memory.used = 60 * MIB
    assert memory.tick(0.0) is None and not any(one.resumed for one in many)
    memory.used = 50 * MIB
    assert memory.tick(0.1) is None
    assert [one.resumed for one in many] == [1, 0, 0, 0, 0]
    # This one may go on to the limit, the others wait for more room.
    memory.used = 60 * MIB
    assert not memory.crowded(9 * MIB, resumed=True) and memory.crowded(2 * MIB)
    assert memory.tick(0.2) is None
    memory.used = 50 * MIB
    for number in range(4):
        assert memory.tick(0.3 + number / 100) is None
    assert [one.resumed for one in many] == [1, 1, 1, 1, 1]
    assert (memory.held_back, memory.tight) == ({}, True)
    memory.used = 30 * MIB
    memory.tick(0.5)
    assert (memory.state, memory.read, memory.share) == ("free", READ, MIB)


def test_the_largest_goes_when_nothing_moves():
    memory = Memory(64 * MIB)
    memory.used = 63 * MIB
    small, large = One("small"), One("large")
    assert hold(memory, small, 2 * MIB) and hold(memory, large, 9 * MIB)
    assert memory.tick(10.0) is None
    assert memory.tick(10.0 + PATIENCE - 0.1) is None
    assert memory.tick(10.0 + PATIENCE) is large
    memory.used -= 9 * MIB  # it is closed
    assert memory.tick(10.1 + PATIENCE) is small
    assert memory.closed == 2
    memory.used -= 10 * MIB
    assert memory.tick(20.0) is None


def test_a_reload_holds_at_once():
    memory = Memory(64 * MIB)
    memory.used = 50 * MIB
    assert not memory.crowded(10 * MIB)
    memory.configure(32 * MIB)
    assert memory.crowded(10 * MIB)
    memory.configure(640 * MIB)
    assert not memory.crowded(10 * MIB)
    memory.tick(1.0)
    assert memory.state == "free"

from ccproxy.core.memory import Memory
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.input_account import NO_MEMORY, InputAccount


def account(memory):
    told = []
    one = InputAccount(
        memory, "x", lambda: told.append("pause"), lambda: told.append("resume"), told.append
    )
    return one, told


def test_what_is_held_is_on_the_account_until_the_end():
    memory = Memory(1000 * 1024)
    one, told = account(memory)
    for held in (5, 500_000, 7):
        one.count(held)
        assert memory.used == one.held == held
    assert not told
    one.count(1_100_000)
    assert (told, list(memory.held_back)) == (["pause"], [one])
    one.read_on()
    one.end()
    assert (memory.used, memory.held_back, told) == (0, {}, ["pause", "resume"])
    one.give_up()
    assert told[-1] == NO_MEMORY


def test_a_sender_waits_for_the_queue_that_it_has_filled():
    memory = Memory(100_000)
    one, told = account(memory)
    one.yield_to()
    assert not told
    box = Outbox("x", Limits(), whole=True, memory=memory)
    for _ in range(2):
        box.offer(bytes(90_000), 1)
    one.yield_to()
    assert (told, memory.pressed) == (["pause"], None)
    box.advance(180_000)
    assert told == ["pause", "resume"]

"""Messages that a handler has accepted: outcomes, limits of number and time, and the end."""

import asyncio
import threading

import pytest

from ccproxy import Accepted, Full, Refuse
from ccproxy.core.verdict import Ended
from ccproxy.server import accepted as module
from ccproxy.server.accepted import AcceptedMessages
from ccproxy.testing import message


class Heard:
    """What the switch is told."""

    def __init__(self):
        self.outcomes = []
        self.abandoned = []

    def finish(self, queued, outcome):
        self.outcomes.append((queued.message.type, outcome))
        return "consumed"

    def abandon(self, queued):
        self.abandoned.append(queued.message.type)


class Bench:
    """The messages of one handler, after the switch has counted them."""

    def __init__(self, seconds=60.0, most=10):
        self.heard = Heard()
        self.firsts = 0
        self.messages = AcceptedMessages("h:toy", self.heard, lambda: seconds, self.first, most)

    def first(self):
        self.firsts += 1

    def accept(self, type="a", blob=None, counted=True):
        accepted = Accepted(message(type, blob=blob))
        self.messages.accept(accepted)
        if counted:
            accepted.ended = Ended("consumed", 9, "discarded", 1)
        return accepted


async def test_outcomes_are_told_to_the_switch_once():
    bench = Bench()
    one, two, three = map(bench.accept, "abc")
    assert len(bench.messages) == 3
    assert two.done() and one.refused("too old") and three.failed("disk full")
    assert len(bench.messages) == 0
    (second, nothing), (first, refusal), (third, error) = bench.heard.outcomes
    assert (first, second, third, nothing) == ("a", "b", "c", None)
    assert isinstance(refusal, Refuse) and str(refusal) == "too old"
    assert isinstance(error, RuntimeError) and str(error) == "disk full"
    with pytest.raises(RuntimeError, match="outcome of a message a was said before"):
        one.done()
    assert len(bench.heard.outcomes) == 3


async def test_an_outcome_that_is_said_before_the_ledger_has_counted_waits_for_it(until):
    bench = Bench()
    early = Accepted(message("early"))
    assert early.done()
    bench.messages.accept(early)
    during = bench.accept("during", counted=False)
    during.done()
    assert bench.heard.outcomes == []
    await until(lambda: len(bench.heard.outcomes) == 2)
    assert [type for type, _ in bench.heard.outcomes] == ["early", "during"]


async def test_the_age_is_that_of_the_oldest(monkeypatch):
    bench, loop = Bench(), asyncio.get_running_loop()
    assert bench.messages.age == 0.0
    one = bench.accept()
    begun = loop.time()
    monkeypatch.setattr(loop, "time", lambda: begun + 10.0)
    two = bench.accept()
    assert 10.0 <= bench.messages.age < 70.0
    one.done()
    assert bench.messages.age == 0.0 and two.done()


async def test_the_same_is_not_accepted_twice():
    bench = Bench()
    one = bench.accept()
    with pytest.raises(TypeError, match="same Accepted twice"):
        bench.messages.accept(one)
    assert len(bench.messages) == 1 and one.done()


async def test_a_thread_may_not_say_outcomes():
    bench = Bench()
    one = bench.accept()
    raised = []

    def say():
        try:
            one.done()
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=say)
    thread.start()
    thread.join()
    assert raised == ["[h:toy] says an outcome in a thread, and not on the loop"]
    assert one.done()


async def test_senders_wait_while_too_many_are_open():
    bench = Bench(most=2)
    assert not bench.messages.may_block
    one = bench.accept()
    assert bench.messages.may_block and bench.firsts == 1
    assert not bench.messages.blocked
    bench.accept()
    assert bench.messages.blocked and bench.firsts == 1
    called = []
    bench.messages.wait(lambda: called.append(1))
    assert called == []
    one.done()
    assert called == [1] and not bench.messages.blocked


async def test_what_is_far_too_much_is_full(monkeypatch):
    bench = Bench(most=2)
    for _ in range(4):
        bench.accept()
    with pytest.raises(Full, match="4 accepted messages"):
        bench.accept()
    monkeypatch.setattr(module, "ACCEPTED_BYTES", 100)
    bench = Bench()
    bench.accept(blob=bytes(100))
    assert bench.messages.blocked
    bench.accept(blob=bytes(100))
    with pytest.raises(Full):
        bench.accept()


async def test_what_has_no_outcome_in_time_has_failed(until):
    bench = Bench(seconds=0.01)
    one, two = bench.accept("a"), bench.accept("b")
    await until(lambda: len(bench.heard.outcomes) == 2)
    assert [type for type, _ in bench.heard.outcomes] == ["a", "b"]
    assert str(bench.heard.outcomes[0][1]) == "no outcome within accept-timeout = 0.01 s"
    assert not one.done() and not two.failed("too late")
    assert len(bench.heard.outcomes) == 2
    await bench.messages.drained()
    three = bench.accept("c")
    await until(lambda: len(bench.heard.outcomes) == 3)
    assert not three.done()


async def test_what_is_left_fails_or_is_sent_again():
    bench = Bench()
    one, two = bench.accept("a"), bench.accept("b")
    assert bench.messages.fail() == 2
    assert [(type, str(error)) for type, error in bench.heard.outcomes] == [
        ("a", "handler stopped"),
        ("b", "handler stopped"),
    ]
    assert not one.done() and not two.done()
    three = bench.accept("c")
    assert (bench.messages.abandon(), bench.heard.abandoned) == (1, ["c"])
    assert not three.done() and len(bench.messages) == 0


async def test_nothing_is_offered_to_it():
    with pytest.raises(TypeError):
        Bench().messages.offer(b"", 1)


async def test_what_was_full_has_no_outcome_any_more():
    bench = Bench(most=1)
    bench.accept()
    bench.accept()
    late = Accepted(message("late"))
    with pytest.raises(Full):
        bench.messages.accept(late)
    assert not late.done()
    assert bench.heard.outcomes == []

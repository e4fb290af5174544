import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from ccproxy import Accepted, Full, Handler, Refuse, Reply
from ccproxy.core.switch import Switch
from ccproxy.net.latencies import SampledTimes
from ccproxy.server import runners as running
from ccproxy.server.runners import QUEUE, LoopRunner, RunnerKit, ThreadRunner, receiver
from ccproxy.testing import message


class Said:
    """A log that remembers."""

    def __init__(self):
        self.slows = []
        self.failures = []

    def slow(self, handler, type, seconds, processor):
        self.slows.append((handler, type, seconds, processor))

    def failed(self, handler, type, error):
        self.failures.append((handler, type, str(error)))


def kit(said, times=None, settler=None, count=None):
    return RunnerKit(said, times or SampledTimes(False), settler, count, lambda: 60.0, lambda: None)


class Toy(Handler):
    def __init__(self, call):
        super().__init__("h:toy", None)
        self.handle = call


def steps(message):
    yield Reply("one")
    time.sleep(0.02)
    yield Reply("two")


def test_who_takes_too_long_on_the_loop_is_named():
    said = Said()
    LoopRunner(Toy(lambda message: time.sleep(0.02)), kit(said)).handle(message("slow.one"))
    [(handler, type, seconds, processor)] = said.slows
    assert (handler, type) == ("h:toy", "slow.one")
    assert processor < 0.02 <= seconds < 60


def test_the_processor_time_of_a_slow_handler_is_said():
    def compute(message):
        until = time.thread_time() + 0.008
        while time.thread_time() < until:
            pass

    said = Said()
    runner = LoopRunner(Toy(compute), kit(said))
    runner.handle(message("a"))
    runner.handle(message("a"))
    for _, _, seconds, processor in said.slows:
        assert 0.006 <= processor <= seconds
    assert len(said.slows) == 2


def test_calls_are_counted_by_their_time():
    times = SampledTimes(True)
    LoopRunner(Toy(lambda message: time.sleep(0.02)), kit(Said(), times)).handle(message("a"))
    assert sum(times.histogram.counts) == 1 and times.histogram.sum >= 0.02


def test_a_generator_is_timed_while_it_works():
    said = Said()
    actions = LoopRunner(Toy(steps), kit(said)).handle(message("slow.two"))
    assert [one.type for one in actions] == ["one", "two"]
    assert len(said.slows) == 1


def test_who_raises_after_a_long_time_is_named_as_well():
    def fail(message):
        time.sleep(0.02)
        raise RuntimeError

    said = Said()
    with pytest.raises(RuntimeError):
        LoopRunner(Toy(fail), kit(said)).handle(message("a"))
    assert len(said.slows) == 1


def test_who_is_quick_is_not_named(monkeypatch):
    monkeypatch.setattr(running, "SLOW_HANDLER_AFTER", 5.0)
    said = Said()
    reply = Reply("a")
    assert LoopRunner(Toy(lambda message: reply), kit(said)).handle(message("a")) is reply
    assert said.slows == []


@pytest.mark.parametrize(("runs", "kind"), [("loop", LoopRunner), ("thread", ThreadRunner)])
async def test_who_stands_for_a_handler(runs, kind):
    toy = Toy(lambda message: None)
    toy.runs = runs
    found = receiver(toy, kit(Said()))
    assert (type(found), found.name) == (kind, "h:toy")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"text": "x"}, "{'text': 'x'}"),
        ("text", "'text'"),
        (7, "7"),
        ([Reply("a"), None], "None"),
        (object, "<class 'object'>"),
    ],
)
def test_what_is_no_action_is_named_with_the_file_of_the_handler(answer, said):
    with pytest.raises(TypeError) as caught:
        LoopRunner(Toy(lambda message: answer), kit(Said())).handle(message("a"))
    expected = "None, a Reply, a Send, a NativeAnswer, several of them, or Accepted"
    assert str(caught.value) == f"handle returned {said}, expected {expected} ({__file__})"


def test_a_coroutine_in_place_of_actions_is_named_and_closed():
    async def later(message):
        return None

    with pytest.raises(TypeError, match="handle returned <coroutine object"):
        LoopRunner(Toy(later), kit(Said())).handle(message("a"))


class Work:
    """A handler in a thread, what it did and what became of it."""

    def __init__(self, call):
        self.said = Said()
        self.acted = []
        self.counted = []
        self.abandoned = []
        self.threaded = ThreadRunner(
            Toy(call), kit(self.said, SampledTimes(True), self, self.counted.append)
        )

    def finish(self, queued, outcome):
        message = queued.message
        if isinstance(outcome, BaseException):
            return Switch.fault(
                SimpleNamespace(notices=self.said), queued.name, message.type, outcome
            )
        self.acted.append((message.type, [one.type for one in outcome or ()]))
        return "replied"

    def abandon(self, queued):
        self.abandoned.append(queued.message.type)


async def test_messages_are_handled_in_order_away_from_the_loop(until):
    threads = set()

    def call(message):
        threads.add(threading.current_thread())
        yield Reply(f"re.{message.type}")

    work = Work(call)
    for number in range(100):
        asked = message(f"a.{number}")
        assert work.threaded.handle(asked).message is asked
    await until(lambda: len(work.acted) == 100)
    assert work.acted == [(f"a.{number}", [f"re.a.{number}"]) for number in range(100)]
    assert work.counted == ["replied"] * 100
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    assert await work.threaded.stop(60) == 0


async def test_failures_are_counted_and_said(until):
    def call(message):
        raise {"a": RuntimeError, "b": Refuse, "c": Full}[message.type]("because")

    work = Work(call)
    for type in "abc":
        work.threaded.handle(message(type))
    await until(lambda: len(work.counted) == 3)
    assert work.counted == ["failed", "refused", "full"]
    assert work.said.failures[0] == ("h:toy", "a", "because")
    assert await work.threaded.stop(60) == 0


async def test_a_thread_survives_whatever_its_handler_raises(until):
    errors = [KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError(), GeneratorExit()]

    def call(message):
        if errors:
            raise errors.pop()
        return [Reply("still here")]

    work = Work(call)
    for _ in range(5):
        work.threaded.handle(message("a"))
    await until(lambda: len(work.counted) == 5)
    assert work.counted == ["failed"] * 4 + ["replied"]
    assert len(work.said.failures) == 4
    assert await work.threaded.stop(60) == 0


async def test_a_handler_in_a_thread_accepts_nothing_for_later(until):
    work = Work(Accepted)
    work.threaded.handle(message("a"))
    await until(lambda: work.counted)
    assert work.counted == ["failed"]
    assert "in a thread" in work.said.failures[0][2]
    assert await work.threaded.stop(60) == 0


@pytest.mark.parametrize("way", ["fail", "abandon"])
async def test_what_waits_behind_a_thread_that_does_not_end_is_given_up(way):
    go = threading.Event()
    work = Work(lambda message: go.wait(60))
    for type in ("a", "b", "c"):
        work.threaded.handle(message(type))
    await work.threaded.stop(0)
    getattr(work.threaded, way)()
    found = work.abandoned or [type for _, type, _ in work.said.failures]
    assert found[-2:] == ["b", "c"]
    go.set()
    assert await work.threaded.stop(60) == 0


async def test_too_much_that_waits_is_full_and_what_is_left_is_counted():
    go = threading.Event()
    work = Work(lambda message: go.wait(60))
    for _ in range(QUEUE + 1):
        work.threaded.handle(message("a"))
        if work.threaded._queue.qsize() < QUEUE:
            continue
        break
    with pytest.raises(Full):
        for _ in range(3):
            work.threaded.handle(message("a"))
    left = await work.threaded.stop(0.05)
    assert left >= QUEUE - 1
    go.set()


async def test_bytes_that_wait_are_limited_too():
    go = threading.Event()
    work = Work(lambda message: go.wait(60))
    with pytest.raises(Full):
        for _ in range(10):
            work.threaded.handle(message("a", blob=bytes(20 << 20)))
    go.set()
    assert await work.threaded.stop(60) == 0


async def test_a_handler_that_was_never_needed_has_no_thread():
    before = set(threading.enumerate())
    work = Work(lambda message: None)
    assert set(threading.enumerate()) <= before
    assert await work.threaded.stop(60) == 0
    assert asyncio.get_running_loop().is_running()

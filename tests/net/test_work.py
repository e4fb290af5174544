import asyncio

import pytest

from ccproxy.net import work
from ccproxy.net.work import SMALL, Computation, WorkQueue, quick, result


def steps(log: list[str], name: str, count: int):
    for number in range(count):
        log.append(f"{name}{number}")
        yield
    log.append(name)


def fail(error):
    raise AssertionError("not expected") from error


@pytest.fixture(autouse=True)
def one_step_each(monkeypatch):
    """Every step is a turn of its own, whatever the clock says."""
    monkeypatch.setattr(work, "QUANTUM", 0.0)


async def test_computations_take_turns(until):
    queue, log = WorkQueue(), []
    queue.add(Computation(steps(log, "a", 3), 1, fail))
    queue.add(Computation(steps(log, "b", 2), 1, fail))
    assert len(queue) == 2 and not log
    await until(lambda: not len(queue))
    assert log == ["a0", "b0", "a1", "b1", "a2", "b", "a"]


async def test_the_loop_goes_on_between_steps(monkeypatch, until):
    """With a million steps to do another callback is called after the first."""
    monkeypatch.setattr(work, "TURN", 0.0)
    queue, log = WorkQueue(), []
    queue.add(Computation(steps(log, "a", 1_000_000), 1, fail, lambda: len(log) < 50))
    seen = []

    def look():
        seen.append(len(log))
        if len(seen) < 20:
            asyncio.get_running_loop().call_soon(look)

    look()
    await until(lambda: not len(queue))
    assert seen == sorted(seen) and len(set(seen)) > 10


async def test_what_is_not_wanted_ends(until):
    queue, log, wanted = WorkQueue(), [], []
    found = steps(log, "a", 1000)
    queue.add(Computation(found, 1, fail, lambda: len(log) < 10 or wanted))
    await until(lambda: not len(queue))
    assert len(log) == 10
    assert found.gi_frame is None


async def test_bytes_in_work_have_a_limit_and_small_ones_do_not_wait(monkeypatch, until):
    monkeypatch.setattr(work, "MAX_WORK", 10 * SMALL)
    queue, log = WorkQueue(), []
    for name in "abc":
        queue.add(Computation(steps(log, name, 2), 6 * SMALL, fail))
    queue.add(Computation(steps(log, "huge", 1), 99 * SMALL, fail))
    queue.add(Computation(steps(log, "small", 2), SMALL, fail))
    await until(lambda: not len(queue))
    assert log.index("small") < log.index("a") + 2
    alone = [name for name in log if "small" not in name]
    assert alone == ["a0", "a1", "a", "b0", "b1", "b", "c0", "c1", "c", "huge0", "huge"]


async def test_a_failure_ends_only_its_own_computation(until):
    def broken():
        yield
        raise LookupError("a mistake")

    queue, log, errors = WorkQueue(), [], []
    queue.add(Computation(broken(), 1, errors.append))
    queue.add(Computation(steps(log, "a", 3), 1, fail))
    await until(lambda: not len(queue))
    assert [str(error) for error in errors] == ["a mistake"]
    assert log[-1] == "a"


def test_a_few_steps_are_computed_at_once():
    def count(most):
        for _ in range(most):
            yield
        return most

    assert quick(count(3)) == (3,)
    begun = count(5)
    assert quick(begun) is None
    assert result(begun) == 5

"""Looks at queues: what they drop is said once, the worst of each section is known, in slices."""

import time

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.notices import ServerLog
from ccproxy.server import queue_watch as module
from ccproxy.server.queue_watch import EMPTY, QueueState, QueueWatch
from ccproxy.wire.zmtp.frames import pack

MESSAGE = pack([b"", b"abc"])


@pytest.fixture
def clock(monkeypatch):
    """The clock of the watch, in a list."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def watch():
    return QueueWatch(ServerLog(lambda: 0.0))


def box(name, waiting=0, size=100):
    made = Outbox(name, Limits(bytes=size))
    for _ in range(waiting):
        made.offer(MESSAGE, 1)
    return made


async def test_drops_are_said_once(watch, caplog):
    full = box("h:x", 3, 10)
    await watch.look([full])
    await watch.look([full])
    assert [one.getMessage() for one in caplog.records] == [
        "dropped outbox=h:x reason=full messages=2"
    ]
    assert watch._log.losses.latest()[0].messages == 2
    full.offer(MESSAGE, 1)
    full.clear("gone")
    await watch.look([full])
    assert [(one.reason, one.messages) for one in watch._log.losses.latest()] == [("full", 3)]


async def test_the_worst_queue_of_each_section(watch, clock):
    one, other, link = box("ccserver a", 1), box("ccserver b", 4), box("h:x", 1, 14)
    boxes = [one, other, link, box("h:empty")]
    await watch.look(boxes)
    clock[0] += 3
    one.clear("gone")
    one.offer(MESSAGE, 1)
    await watch.look(boxes)
    assert watch.states == {
        "ccserver": QueueState(3.0, 4 * len(MESSAGE) / 100),
        "h:x": QueueState(3.0, len(MESSAGE) / 14),
    }
    assert watch.state("h:empty") == EMPTY
    assert watch.worst == QueueState(3.0, len(MESSAGE) / 14)
    assert one.age(clock[0]) == 0.0


async def test_a_queue_that_is_empty_again_has_no_age(watch, clock):
    queue = box("h:x", 2)
    await watch.look([queue])
    clock[0] += 9
    queue.advance(len(MESSAGE))
    assert queue.age(clock[0]) == 9.0
    queue.advance(len(MESSAGE))
    assert queue.age(clock[0]) == 0.0
    queue.offer(MESSAGE, 1)
    assert queue.age(clock[0]) == 0.0
    await watch.look([queue])
    clock[0] += 1
    assert queue.age(clock[0]) == 1.0


async def test_many_queues_are_looked_at_in_slices(watch, turns):
    boxes = [box(f"ccserver {number}", 1) for number in range(10 * module.AT_ONCE)]
    async with turns:
        await watch.look(boxes)
    assert turns.number >= 9

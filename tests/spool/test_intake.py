"""What may come into a spool."""

import pytest

from ccproxy.spool.intake import MOST_UNCOMMITTED, RELIEF, Intake, SpoolLimits, fitting
from tests.core.delivery.test_store import chunk


def opened(limits):
    intake = Intake(limits)
    intake.opened = True
    return intake


@pytest.mark.parametrize(
    ("policy", "size", "offered", "room"),
    [
        ("block", 0, 100, (100, "")), ("block", 99, 100, (100, "")), ("block", 100, 1, (0, "full")),
        ("drop-new", 0, 100, (100, "")), ("drop-new", 60, 50, (40, "full")),
        ("drop-new", 120, 50, (0, "full")),
        ("drop-old", 60, 50, (40, "old")), ("drop-old", 60, 101, (40, "full")),
    ],
)  # fmt: skip
def test_the_room_by_policy(policy, size, offered, room):
    intake = opened(SpoolLimits(100, policy))
    intake.size = size
    assert intake.room(offered) == room
    assert intake.blocked == (policy == "block" and size >= 100)


@pytest.mark.parametrize("policy", ["block", "drop-new", "drop-old"])
def test_senders_wait_for_a_slow_disk_with_any_policy(policy):
    intake = opened(SpoolLimits(1 << 40, policy))
    intake.uncommitted = intake.size = MOST_UNCOMMITTED
    assert intake.blocked
    assert intake.room(10) == (10, "")  # a sender that cannot wait
    intake.uncommitted *= 2
    assert intake.room(10) == (0, "memory")


@pytest.mark.parametrize(
    ("policy", "blocked", "room"),
    [("block", False, (10, "")), ("drop-new", False, (0, "failed")),
     ("drop-old", False, (0, "failed"))],
)  # fmt: skip
def test_with_a_disk_that_fails_messages_wait_or_are_refused(policy, blocked, room):
    intake = opened(SpoolLimits(1000, policy))
    intake.problem = "disk I/O error"
    assert intake.blocked == blocked
    assert intake.room(10) == room
    intake.uncommitted = MOST_UNCOMMITTED
    assert intake.blocked == (policy == "block")


def test_a_full_spool_takes_messages_again_when_some_have_left():
    intake, called = opened(SpoolLimits(1 << 30)), []
    intake.size = 1 << 30
    intake.waiters.append(lambda: called.append(1))
    intake.size -= RELIEF - 1
    intake.relieve()
    assert not called
    intake.size -= 1
    intake.relieve()
    intake.relieve()
    assert called == [1]


def test_nothing_comes_into_a_spool_that_is_closed():
    intake = opened(SpoolLimits(100))
    intake.closed = True
    assert intake.room(1) == (0, "stop")


def test_the_messages_that_fit():
    messages = chunk(1, 2, 3)
    size = len(messages) // 3
    assert [fitting(messages, room) for room in (0, size - 1, size, 2 * size + 1, 99)] == [
        (0, 0), (0, 0), (size, 1), (2 * size, 2), (3 * size, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("policy", ["block", "drop-new", "drop-old"])
def test_before_the_file_is_open_senders_wait(policy):
    intake = Intake(SpoolLimits(100, policy))
    assert intake.blocked
    assert intake.room(10) == (10, "")  # of a sender that cannot wait
    intake.problem = "in use by process 1"
    assert intake.blocked == (policy == "block")
    assert intake.room(10) == (0, "failed")

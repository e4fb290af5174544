"""The protocol, explored: every order of steps and faults of a small world, with real engines."""

from collections import deque
from copy import deepcopy

import pytest

from tests.core.delivery.model import World
from tests.core.delivery.producer_model import ClientWorld


def explore(world: World | ClientWorld, limit: int) -> int:
    """Breadth first over all states that its steps lead to; how many states there were."""
    steps = world.NORMAL + world.FAULTS
    seen, waiting = {world.key}, deque([(world, ())])
    while waiting and len(seen) < limit:
        before, path = waiting.popleft()
        for step in steps:
            fault = step in world.FAULTS
            if fault and not before.faults:
                continue
            after = deepcopy(before)
            after.faults -= fault
            if not step(after) or after.key in seen:
                continue
            taken = (*path, step.__name__)
            seen.add(after.key)
            try:
                after.check()
                deepcopy(after).drain()
            except AssertionError as error:
                raise AssertionError(f"{error} after {' '.join(taken)}") from error
            waiting.append((after, taken))
    return len(seen)


def world(messages: int, faults: int, *steps) -> World:
    """A world in which these steps have happened."""
    made = World(messages, faults)
    for step in steps:
        assert step(made), step
    return made


ONE = (World.offer, World.commit, World.pump, World.read_far, World.commit_far, World.read_source)
BACKED_UP = (
    World.offer, World.commit, World.connect, World.read_source, World.pump, World.read_far,
    World.read_far, World.commit_far, World.back_up, *ONE, *ONE,
)  # fmt: skip
"""A backup was made, and two messages arrived since."""


@pytest.mark.parametrize(
    ("start", "limit"),
    [(world(1, 2), 1500), (world(2, 1), 1500), (world(3, 2), 1500), (world(4, 1, *BACKED_UP), 800)],
    ids=["one message, two faults", "two messages", "three messages, two faults", "a backup"],
)
def test_no_order_of_steps_and_faults_loses_or_doubles_a_message(start, limit, capsys):
    found = explore(start, limit)
    with capsys.disabled():
        print(f" {found} states", end="")
    assert found > 300


@pytest.mark.parametrize(
    ("start", "limit"),
    [(ClientWorld(1, 2), 800), (ClientWorld(2, 2), 1200)],
    ids=["one message", "two messages"],
)
def test_no_order_of_steps_and_faults_gives_a_client_a_false_receipt(start, limit, capsys):
    found = explore(start, limit)
    with capsys.disabled():
        print(f" {found} states", end="")
    assert found > 300

"""The values that the engine answers with."""

from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from ccproxy_handlers.ssmmp.agent import engine
from ccproxy_handlers.ssmmp.agent.engine.actions import AgentAction, Connect, Disconnect


def test_every_action_is_offered_by_the_package():
    assert {one.__name__ for one in get_args(AgentAction)} < set(engine.__all__)


def test_actions_are_values():
    assert Connect(1.0) == Connect(1.0, "") != Connect(2.0)
    with pytest.raises(FrozenInstanceError):
        Disconnect("c", "why").connection = "d"

"""The pure agent: messages and time in, lists of actions out. See `engine.Engine`."""

from ...journal import Record
from ...notices import Count, Notice
from .actions import (
    AgentAction,
    Connect,
    Disconnect,
    Kill,
    Spawn,
    ToInstance,
    ToManager,
    WatchPorts,
)
from .engine import Engine
from .settings import AgentSettings
from .state import Identity

__all__ = [
    "AgentAction", "AgentSettings", "Connect", "Count", "Disconnect", "Engine", "Identity", "Kill",
    "Notice", "Record", "Spawn", "ToInstance", "ToManager", "WatchPorts",
]  # fmt: skip

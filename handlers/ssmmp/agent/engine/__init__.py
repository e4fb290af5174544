"""The pure agent: messages and time in, lists of actions out. See `engine.Engine`."""

from ...notices import Count, Notice
from .actions import (
    Action,
    Connect,
    Disconnect,
    Kill,
    Record,
    Spawn,
    ToInstance,
    ToManager,
    WatchPorts,
)
from .engine import Engine
from .journal import from_text, to_text
from .settings import AgentSettings
from .state import Identity

__all__ = [
    "Action", "AgentSettings", "Connect", "Count", "Disconnect", "Engine", "Identity", "Kill",
    "Notice", "Record", "Spawn", "ToInstance", "ToManager", "WatchPorts", "from_text", "to_text",
]  # fmt: skip

"""The pure agent: messages and time in, lists of actions out. See `agent.Agent`."""

from ..notices import Count, Notice
from .engine.actions import (
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
from .engine.engine import Agent
from .engine.journal import from_text, to_text
from .engine.settings import Settings
from .engine.state import Identity

__all__ = [
    "Action", "Agent", "Connect", "Count", "Disconnect", "Identity", "Kill", "Notice", "Record",
    "Settings", "Spawn", "ToInstance", "ToManager", "WatchPorts", "from_text", "to_text",
]  # fmt: skip

"""The pure agent: messages and time in, lists of actions out. See `agent.Agent`."""

from ..notices import Count, Notice
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
from .agent import Agent
from .house import Identity
from .journal import from_text, to_text
from .settings import Settings

__all__ = [
    "Action", "Agent", "Connect", "Count", "Disconnect", "Identity", "Kill", "Notice", "Record",
    "Settings", "Spawn", "ToInstance", "ToManager", "WatchPorts", "from_text", "to_text",
]  # fmt: skip

"""The pure Manager: messages and time in, lists of actions out. See `engine.engine.Manager`."""

from ..journal import Record
from ..notices import Count, Notice
from .engine.actions import Action, Close, Tell
from .engine.commands import Command, Drain, Migrate, Rebalance, Scale, Stop, Undrain, Update
from .engine.engine import Manager
from .engine.settings import Settings

__all__ = [
    "Action", "Close", "Command", "Count", "Drain", "Manager", "Migrate", "Notice", "Rebalance",
    "Record", "Scale", "Settings", "Stop", "Tell", "Undrain", "Update",
]  # fmt: skip

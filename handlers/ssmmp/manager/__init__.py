"""The Manager of a mesh: its pure engine, and the handler that gives it messages and time."""

from ..journal import Record
from ..notices import Count, Notice
from .engine.actions import Action, ClosePeer, Tell
from .engine.engine import Manager
from .engine.settings import ManagerSettings

__all__ = [
    "Action", "ClosePeer", "Count", "Manager", "ManagerSettings", "Notice", "Record", "Tell",
]  # fmt: skip

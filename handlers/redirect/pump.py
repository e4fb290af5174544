"""The order in which what a service connection brings is told to its port.

Every loop over sockets would have to get this right: an answer before the end that follows it, and
the news that no call may follow before the answer that frees the connection. No sockets here.
"""

from __future__ import annotations

from ccproxy.protocols.jolie.values import Answered, ServiceSide

from .actions import Action
from .port import Port


def ended(port: Port, connection: int, side: ServiceSide, reason: str, now: float) -> list[Action]:
    """The service closed the connection ("") or it broke; calls left on it are lost."""
    answers = [] if reason else side.eof()
    port.ending(connection)
    actions = told(port, connection, side, answers, now)
    return actions + port.lost(connection, reason, now)


def told(
    port: Port, connection: int, side: ServiceSide, answers: list[Answered], now: float
) -> list[Action]:
    """Answers came in; what `side` made of them last is still to be seen in it."""
    if side.closing or side.broken:
        port.ending(connection)
    actions = port.answered(connection, answers, now)
    if side.broken:
        reason = f"The answer of the service cannot be read: {side.broken}"
        actions += port.lost(connection, reason, now)
    return actions

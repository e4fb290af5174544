"""The errors that the library raises in a service, for all of its flavours.

An error says what the Manager has decided; it must never be raised where another attempt may help.
"""

from __future__ import annotations


class SessionRefused(Exception):
    """The Manager refuses a session for good: 403 no such edge, 404 no such service or socket,
    410 this instance is ending."""

    def __init__(self, plug: str, status: int) -> None:
        super().__init__(f"plug {plug}: refused with status {status}")
        self.plug = plug
        self.status = status

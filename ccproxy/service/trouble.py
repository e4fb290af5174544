"""What a service is told when a session is not to be had."""

from __future__ import annotations


class SessionRefused(Exception):
    """The Manager refuses a session for good: 403 no such edge, 404 no such service or socket,
    410 this instance is ending."""

    def __init__(self, plug: str, status: int) -> None:
        super().__init__(f"plug {plug}: refused with status {status}")
        self.plug = plug
        self.status = status

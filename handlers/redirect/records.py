"""The two records of `calls`: a call without answer, and a connection. They know no rules."""

from __future__ import annotations

from typing import Any

from ccproxy.wire.values import Call


class Connection:
    """One connection to a target. `since` and `heard` are times; `last`: it takes no more calls."""

    __slots__ = ("id", "up", "open", "since", "heard", "last")

    def __init__(self, id: int, now: float) -> None:
        self.id = id
        self.up = False
        self.open: dict[int, Waiting] = {}
        self.since = self.heard = now
        self.last = False


class Waiting:
    """One call without answer. Call and request are kept until it is sent."""

    __slots__ = ("caller", "call", "id", "request", "size", "deadline", "sent", "connection")

    def __init__(self, caller: Any, call: Call | None, deadline: float) -> None:
        self.caller = caller
        self.call = call
        self.deadline = deadline
        self.id = 0
        self.request: Any = None
        self.size = 0
        self.sent = 0.0
        self.connection: Connection | None = None

    def write(self, request: Any) -> None:
        """Keep the request for this call, as a form made it."""
        self.request = request
        self.size = len(request) if type(request) is bytes else len(request.body)

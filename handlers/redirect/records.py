"""The two records of `calls`: a call without answer, and a connection. They know no rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccproxy.protocols.jolie.sodep import Passed, Trunk
from ccproxy.protocols.jolie.values import Call


class Connection:
    """One connection to a target. `since` is when it came up or had no call left.

    `open` are the calls sent on it; those that went straight are on its trunk, if it has one.
    """

    __slots__ = ("id", "up", "open", "trunk", "since", "_heard", "_last")

    def __init__(self, id: int, now: float, trunk: Trunk | None) -> None:
        self.id = id
        self.up = False
        self.open: dict[int, Waiting] = {}
        self.trunk = trunk
        self.since = self._heard = now
        self._last = False

    @property
    def last(self) -> bool:
        """True if it takes no more calls."""
        return self._last

    @property
    def heard(self) -> float:
        """When something came last."""
        return self._heard if self.trunk is None else max(self._heard, self.trunk.heard)

    def bar(self) -> None:
        """It takes no more calls."""
        self._last = True
        if self.trunk is not None:
            self.trunk.last = True

    def hear(self, now: float) -> None:
        """Something came."""
        self._heard = now

    @property
    def busy(self) -> int:
        """How many calls wait for an answer on it."""
        return len(self.open) + len(self.straight)

    @property
    def straight(self) -> dict[int, Passed]:
        """The calls that went straight, by their ids on this connection."""
        return self.trunk.open if self.trunk is not None else {}

    def late(self, now: float) -> Iterator[int]:
        """Ids of calls that went straight and waited too long; the oldest is the first."""
        for id, passed in self.straight.items():
            if passed.deadline > now:
                return
            yield id

    def deadline(self) -> float:
        """When the first call that went straight will have waited too long; or infinity."""
        return next((one.deadline for one in self.straight.values()), float("inf"))


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

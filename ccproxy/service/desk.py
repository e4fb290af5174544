"""What the parts of the core share: who this instance is, the time, the actions so far, its ids.

It must never decide anything.
"""

from __future__ import annotations

from collections import deque

from ccproxy.protocols import ssmmp
from ccproxy.service.configuration import Configuration
from ccproxy.service.events import Action, Settings, Transmit

IDS = 1_000_000
"""Message ids of one instance; those of two instances never meet."""


class Desk:
    """`attached` is true while the agent knows whose connection this is."""

    def __init__(self, configuration: Configuration, settings: Settings) -> None:
        self.configuration = configuration
        self.settings = settings
        self.attached = False
        self.now = 0.0
        self.log: list[Action] = []
        self.lost = 0
        """Messages that had to be dropped while the agent was away."""
        self._kept: deque[ssmmp.Message] = deque()
        self._number = 0
        self._key = 0

    def number(self) -> int:
        """A message id that no instance uses twice."""
        self._number += 1
        return self.configuration.instance * IDS + self._number

    def key(self) -> int:
        """A key for one more session."""
        self._key += 1
        return self._key

    def say(self, type: str, id: int, **fields: ssmmp.FieldValue) -> None:
        """Send a message now, or when the agent is back; the oldest is dropped if too many wait."""
        message = ssmmp.INSTANCE_TO_AGENT.make(type, id, **fields)
        if self.attached:
            self.log.append(Transmit(ssmmp.format(message)))
            return
        if len(self._kept) >= self.settings.backlog:
            self._kept.popleft()
            self.lost += 1
        self._kept.append(message)

    def say_now(self, type: str, id: int, extras: tuple[tuple[str, str], ...] = (),
                **fields: ssmmp.FieldValue) -> None:  # fmt: skip
        """Send a message on the connection that is there, known or not."""
        message = ssmmp.INSTANCE_TO_AGENT.make(type, id, extras, **fields)
        self.log.append(Transmit(ssmmp.format(message)))

    def flush(self) -> None:
        """The agent is there: send what was kept."""
        while self._kept:
            self.log.append(Transmit(ssmmp.format(self._kept.popleft())))

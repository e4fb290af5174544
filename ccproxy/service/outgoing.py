"""What the parts of the core share: the configuration, the time, and what is to be sent or done.

A message is sent at once while the agent knows this instance, and kept until then otherwise. This
module must never decide what to say.
"""

from __future__ import annotations

from collections import deque

from ccproxy.protocols import ssmmp
from ccproxy.service.configuration import Configuration
from ccproxy.service.events import SendBytes, ServiceAction, Settings

IDS = 1_000_000
"""Message ids of one instance: those of instance N begin at N * IDS, so no two instances meet."""


class Outgoing:
    """`attached` is true while the agent knows which instance this connection belongs to; `log` has
    the actions of the call under way."""

    def __init__(self, configuration: Configuration, settings: Settings) -> None:
        self.configuration = configuration
        self.settings = settings
        self.attached = False
        self.now = 0.0
        self.log: list[ServiceAction] = []
        self.lost = 0
        """Messages that had to be dropped while the agent was away."""
        self._waiting: deque[ssmmp.SsmmpMessage] = deque()
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

    def send(self, type: str, id: int, **fields: ssmmp.FieldValue) -> None:
        """Send a message now, or when the agent is back; the oldest is dropped if too many wait."""
        message = ssmmp.INSTANCE_TO_AGENT.make(type, id, **fields)
        if self.attached:
            self.log.append(SendBytes(ssmmp.format(message)))
            return
        if len(self._waiting) >= self.settings.backlog:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(message)

    def send_now(self, type: str, id: int, extras: tuple[tuple[str, str], ...] = (),
                 **fields: ssmmp.FieldValue) -> None:  # fmt: skip
        """Send a message on the connection that is there, whether the agent knows it or not."""
        message = ssmmp.INSTANCE_TO_AGENT.make(type, id, extras, **fields)
        self.log.append(SendBytes(ssmmp.format(message)))

    def flush(self) -> None:
        """The agent knows this instance: send what waits."""
        while self._waiting:
            self.log.append(SendBytes(ssmmp.format(self._waiting.popleft())))

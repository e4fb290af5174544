"""What listeners, links and handlers of one server share, as one value passed to each of them.

It must never grow into the server: whoever gets it can use these things and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ccproxy.core.switch import Switch
from ccproxy.net.journal import Journal
from ccproxy.net.turn import Turn

if TYPE_CHECKING:
    from ccproxy.net.listener import Identities


@dataclass(frozen=True, slots=True)
class Services:
    """The switch, the end of the loop's turn, the log, and new identities."""

    switch: Switch
    turn: Turn
    journal: Journal
    identities: Identities

    def too_big(self) -> None:
        """Count a message that was refused for its size."""
        self.switch.ledger.receive(1, 0)
        self.switch.ledger.end("too-big", 1, 0)

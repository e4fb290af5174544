"""What listeners, links and handlers of one server share, as one value passed to each of them.

It must never grow into the server: whoever gets it can use these things and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.core.switch import Switch
from ccproxy.net.identities import Identities
from ccproxy.net.journal import Journal
from ccproxy.net.turn import Turn


@dataclass(frozen=True, slots=True)
class Services:
    """The switch, the end of the loop's turn, the log, and new identities."""

    switch: Switch
    turn: Turn
    journal: Journal
    identities: Identities

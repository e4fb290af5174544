"""What listeners, links and handlers of one server share, as one value passed to each of them.

It must never grow into the server: whoever gets it can use these things and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ccproxy.core.switch import Switch
from ccproxy.net.flush import FlushQueue
from ccproxy.net.notices import ServerLog
from ccproxy.net.zmtp.identities import Identities


@dataclass(frozen=True, slots=True)
class Kit:
    """The switch, the flushes due in this turn of the loop, the log, and new identities."""

    switch: Switch
    flush_queue: FlushQueue
    log: ServerLog
    identities: Identities
    departures: list[Callable[[bytes], None]] = field(default_factory=list)
    """Who wants to hear of peers that are gone."""

    def departed(self, identity: bytes) -> None:
        """A peer is gone: tell who wants to know."""
        for call in list(self.departures):
            call(identity)

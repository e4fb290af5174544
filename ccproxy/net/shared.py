"""What listeners, links and handlers of one server share, as one value passed to each of them.

It must never give access to the server itself, only to the things listed here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ccproxy.core.memory import Memory
from ccproxy.core.plugin_code import PluginCode
from ccproxy.core.switch import Switch
from ccproxy.net import work
from ccproxy.net.admission import SilentConnections
from ccproxy.net.descriptors import Descriptors
from ccproxy.net.flush import Flushable, FlushQueue
from ccproxy.net.handshakes import Handshakes
from ccproxy.net.listening import ListeningSockets
from ccproxy.net.notices import ServerLog
from ccproxy.net.zmtp.acknowledged import AcknowledgedPeers
from ccproxy.net.zmtp.identities import Identities
from ccproxy.wire.zmtp.delivery import ID_SIZE


@dataclass(slots=True)
class Neighbours:
    """The processes around this one; 0: there is none."""

    before: int = 0
    """It is being replaced by this one, and lets go of its spools soon."""
    after: int = 0
    """It takes the place of this one, and waits for the spools."""


@dataclass(frozen=True, slots=True)
class Kit:
    """The switch, the flush queue, the log, the identities, what limits the number of peers, the
    work of their handshakes, the listening sockets, and the calls for gone peers."""

    switch: Switch
    flush_queue: FlushQueue
    log: ServerLog
    identities: Identities
    memory: Memory = field(default_factory=Memory)
    descriptors: Descriptors = field(default_factory=Descriptors)
    silent: SilentConnections = field(default_factory=SilentConnections)
    handshakes: Handshakes = field(default_factory=Handshakes)
    listening: ListeningSockets = field(default_factory=ListeningSockets)
    departures: list[Callable[[bytes], None]] = field(default_factory=list)
    """Calls to make with the identity of each peer that is gone."""
    link_watchers: list[Callable[[str, str, str], None]] = field(default_factory=list)
    """Calls to make with section, new state and former state of each link whose state changes."""
    far: AcknowledgedPeers = field(default_factory=lambda: AcknowledgedPeers(os.urandom(ID_SIZE)))
    """Links and clients that send here with acknowledgements."""
    neighbours: Neighbours = field(default_factory=Neighbours)
    computations: work.WorkQueue = field(default_factory=work.WorkQueue)
    """Conversions of large values, in steps."""

    def call_plugin(self, name: str, what: str, call: Callable[[], object]) -> None:
        """Call code of the plugin behind section `name`; log its exception, which ends here."""
        try:
            with PluginCode():
                call()
        except Exception as error:
            self.log.failed(name, what, error)

    def compute(
        self, name: str, steps: work.Steps[None], size: int, wanted: Callable[[], bool]
    ) -> None:
        """Compute in steps for the plugin behind section `name`; log its exception."""
        failed = partial(self.log.failed, name, "(work)")
        self.computations.add(work.Computation(steps, size, failed, wanted))

    def link_changed(self, section: str, state: str, before: str) -> None:
        """Tell those that watch links of a new state."""
        for call in self.link_watchers:
            call(section, state, before)

    def departed(self, identity: bytes) -> None:
        """Tell every handler that asked for it that a peer is gone."""
        for call in list(self.departures):
            call(identity)


@dataclass(frozen=True, slots=True)
class PluginFlush:
    """A flush of the handler `name`: its exception must not keep others from being flushed."""

    kit: Kit
    name: str
    one: Flushable

    def flush(self) -> None:
        """Flush; log what the handler raises."""
        self.kit.call_plugin(self.name, "(flush)", self.one.flush)

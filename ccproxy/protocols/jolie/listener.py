"""A listener whose peers make calls: what type a call has, and how its connections end.

It must never touch a connection.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ccproxy.config.plan import ListenerPlan
from ccproxy.core.outbox import Limits
from ccproxy.net.shared import Kit
from ccproxy.net.stream_listener import StreamListener
from ccproxy.protocols.jolie.caller import Caller
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.paths import memorable, names, type_of
from ccproxy.protocols.jolie.values import io_fault

if TYPE_CHECKING:
    from ccproxy.protocols.jolie.form import Form
    from ccproxy.protocols.jolie.values import Call

MAX_TYPES = 4096
"""Pairs of path and operation whose message types are remembered."""


class CallListener(StreamListener[Caller]):
    """One address where calls come in.

    After a reload limits hold for connections to come, timeout and prefix for calls to come.
    """

    options: CallListenerOptions

    def __init__(self, plan: ListenerPlan, kit: Kit, form: Form) -> None:
        """`form` is the one that is spoken here; it takes messages as long as the options say."""
        super().__init__(plan, kit)
        self.form = form
        self.prefix = plan.type
        self._types: dict[tuple[str, str], str] = {}

    def type_of(self, call: Call) -> str:
        """The message type of a call."""
        types, key = self._types, (call.path, call.operation)
        found = types.get(key)
        if found is None:
            if len(types) >= MAX_TYPES:
                types.clear()
            found = type_of(self.prefix, names(call.path), call.operation)
            if memorable(*key):
                types[key] = found
        return found

    @property
    def limits(self) -> Limits:
        """Those of each caller's outbox.

        An answer is never dropped while its caller is connected: when one does not fit in, the
        connection ends, unless the policy is `block`. With `block` the answers to calls that were
        taken wait without limit; no further calls are read while too many of them wait.
        """
        limits = self.options.limits
        if limits.policy == "block":
            return Limits(bytes=sys.maxsize, policy="block")
        # An outbox with this policy takes one answer beyond the limit, so one alone always fits.
        return replace(limits, policy="block")

    @property
    def calls(self) -> int:
        """Calls in flight, of all peers."""
        return sum(peer.side.calls for peer in self.peers)

    def stop_reading(self) -> None:
        """Take no more calls; each connection is closed when its calls in flight are answered."""
        for peer in tuple(self.peers):
            peer.drain()

    async def close_peers(self, reason: str, seconds: float) -> None:
        """Answer the calls that are still in flight with a fault, then close."""
        self.stop_reading()
        fault = io_fault(reason)
        self.form.abandon([one.side for one in self.peers], fault)
        for peer in tuple(self.peers):
            peer.give_up(fault)
        await super().close_peers(reason, seconds)

    def make(self, sock: socket.socket, peer: str) -> Caller:
        """A caller for an accepted socket."""
        return Caller(self, sock, peer)

    def reconfigure(self, options: Any) -> None:
        """New options."""
        changed = options != self.options
        super().reconfigure(options)
        if not changed:
            return
        # The form stays: the open connections share its fast routes.
        self.form.limit(options.max_message)
        self.prefix = options.type
        self._types.clear()
        self.kit.switch.table.clear()

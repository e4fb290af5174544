"""A listener whose peers make calls: what type a call has, and how its connections end.

It must never touch a connection.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ccproxy.config.plan import ListenerPlan
from ccproxy.core.outbox import Limits
from ccproxy.net.shared import Kit
from ccproxy.net.stream_listener import StreamListener
from ccproxy.protocols.jolie.caller import Caller
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.paths import memorable, names, type_of
from ccproxy.protocols.jolie.sodep import Sodep, SodepCaller
from ccproxy.protocols.jolie.values import io_fault

if TYPE_CHECKING:
    from ccproxy.protocols.jolie.values import Call, Form

TYPES = 4096
"""Paths with operations whose message types are remembered."""


class CallListener(StreamListener[Caller]):
    """One address where calls come in.

    After a reload limits hold for connections to come, timeout and prefix for calls to come.
    """

    options: CallListenerOptions

    def __init__(self, plan: ListenerPlan, kit: Kit, form_of: Callable[[int], Form]) -> None:
        """`form_of` makes the form that is spoken here, given the bytes of the longest message."""
        super().__init__(plan, kit)
        self._form_of = form_of
        self.form = self._form_of(plan.options.max_message)
        self.prefix = plan.type
        self._types: dict[tuple[str, str], str] = {}

    def type_of(self, call: Call) -> str:
        """The message type of a call."""
        types, key = self._types, (call.path, call.operation)
        found = types.get(key)
        if found is None:
            if len(types) >= TYPES:
                types.clear()
            found = type_of(self.prefix, names(call.path), call.operation)
            if memorable(*key):
                types[key] = found
        return found

    @property
    def limits(self) -> Limits:
        """Those of each caller's outbox.

        An answer is never dropped while its caller is connected: one that would have to be is the
        end of the connection, unless the policy is `block`. That one lets answers to calls that
        were taken wait without limit, since too many of them keep further calls from being read.
        """
        limits = self.options.limits
        if limits.policy == "block":
            return Limits(bytes=sys.maxsize, policy="block")
        # With this policy of an outbox a last one may exceed the limit: one alone always may.
        return replace(limits, policy="block")

    @property
    def calls(self) -> int:
        """How many are under way."""
        return sum(peer.calls for peer in self.peers)

    def stop_reading(self) -> None:
        """Take no more calls; each connection is closed when those under way are answered."""
        for peer in tuple(self.peers):
            peer.leave()

    async def close_peers(self, reason: str, seconds: float) -> None:
        """Answer what is still under way with a fault, then close."""
        self.stop_reading()
        fault = io_fault(reason)
        if isinstance(self.form, Sodep):
            sides = [one.side for one in self.peers]
            self.form.abandon([one for one in sides if isinstance(one, SodepCaller)], fault)
        for peer in tuple(self.peers):
            peer.give_up(fault)
        await super().close_peers(reason, seconds)

    def make(self, sock: socket.socket, peer: str) -> Caller:
        """A caller that has asked nothing yet."""
        return Caller(self, sock, peer)

    def reconfigure(self, options: Any) -> None:
        """New options."""
        changed = options != self.options
        super().reconfigure(options)
        if not changed:
            return
        # The form stays: connections that are open share with it what they know of their ways.
        form: Any = self.form
        form.limits = self._limits(options)
        self.prefix = options.type
        self._types.clear()
        self.kit.switch.table.clear()

    def _limits(self, options: CallListenerOptions) -> Any:
        made: Any = self._form_of(options.max_message)
        return made.limits

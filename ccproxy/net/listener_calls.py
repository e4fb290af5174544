"""A listener whose peers make calls: which protocol they speak, what type a call has.

What a protocol is made of is imported when a listener asks for it: a switch of CC alone would carry
2 MiB for nothing. It must never touch a connection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.config.server import ListenOptions
from ccproxy.net.callers import Caller
from ccproxy.net.services import Services
from ccproxy.net.streaming import StreamListener
from ccproxy.wire.paths import names, type_of

if TYPE_CHECKING:
    from ccproxy.wire.values import Call, Form

TYPES = 4096
"""Paths with operations whose message types are remembered."""


def _sodep(message: int) -> Form:
    from ccproxy.wire.sodep import Limits, Sodep

    return Sodep(Limits(message=message))


def _http(message: int) -> Form:
    from ccproxy.wire.http import Http, Limits

    return Http(limits=Limits(body=message))


def _jsonrpc(message: int) -> Form:
    from ccproxy.wire.http import Limits
    from ccproxy.wire.jsonrpc import JsonRpc

    return JsonRpc(limits=Limits(body=message))


FORMS: Mapping[str, Callable[[int], Form]] = {"sodep": _sodep, "http": _http, "jsonrpc": _jsonrpc}
"""The form of each protocol, given the bytes of the longest message; of HTTP, of a body."""


class CallListener(StreamListener):
    """One address where calls come in.

    After a reload limits hold for connections to come, timeout and prefix for calls to come.
    """

    options: ListenOptions

    def __init__(self, plan: ListenerPlan, services: Services) -> None:
        super().__init__(plan, services)
        self._form_of = FORMS[plan.protocol]
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
            found = types[key] = type_of(self.prefix, names(call.path), call.operation)
        return found

    def make(self, sock: socket.socket, peer: str) -> Caller:
        """A caller that has asked nothing yet."""
        return Caller(self, sock, peer)

    def reconfigure(self, options: ListenerOptions) -> None:
        """New options."""
        changed = options != self.options
        super().reconfigure(options)
        if not changed:
            return
        # The form stays: connections that are open share with it what they know of their ways.
        form: Any = self.form
        form.limits = self._limits(options)
        if isinstance(options, ListenOptions):
            self.prefix = options.type
        self._types.clear()
        self.services.switch.table.clear()

    def _limits(self, options: ListenerOptions) -> Any:
        made: Any = self._form_of(options.max_message)
        return made.limits

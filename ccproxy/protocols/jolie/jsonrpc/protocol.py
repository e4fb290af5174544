"""`protocol = jsonrpc`: calls as JSON-RPC 2.0 over HTTP.

It must never touch a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccproxy.config.plan import ListenerPlan
from ccproxy.config.problems import Problem
from ccproxy.net.shared import Kit
from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.jolie import options
from ccproxy.protocols.jolie.http import HttpLimits
from ccproxy.protocols.jolie.http.access import SecureWebListenerOptions, WebListenerOptions
from ccproxy.protocols.jolie.http.listener import WebListener
from ccproxy.protocols.jolie.jsonrpc.form import JsonRpc
from ccproxy.protocols.jolie.style import CallStyle


class JsonRpcProtocol(MessageProtocol):
    """Calls as JSON-RPC 2.0 over HTTP; the type as for sodep."""

    Options = WebListenerOptions
    about = "calls as JSON-RPC 2.0 over HTTP; the type as for sodep"
    calls_services = True

    def check(self, plan: ListenerPlan) -> Iterator[Problem]:
        """What the options alone cannot say."""
        return options.check(plan)

    def listener(self, plan: ListenerPlan, kit: Kit) -> WebListener:
        """A listener of calls."""
        longest = plan.options.max_message
        return WebListener(plan, kit, JsonRpc(limits=HttpLimits(body=longest)))

    def service(self, location: Any, longest: int) -> JsonRpc:
        """The form of calls to a service."""
        return self.styled_service(location, longest, CallStyle())

    def styled_service(self, location: Any, longest: int, style: CallStyle) -> JsonRpc:
        """The form of calls to a service, as the section asks for it."""
        form = JsonRpc(location.authority, location.path, HttpLimits(body=longest))
        form.style = style
        return form


class JsonRpcsProtocol(JsonRpcProtocol):
    """As jsonrpc, inside TLS."""

    Options = SecureWebListenerOptions
    about = "as jsonrpc, inside TLS"
    secured = True

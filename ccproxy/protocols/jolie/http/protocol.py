"""`protocol = http`: calls as HTTP with bodies of JSON or XML.

It must never touch a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ccproxy.config.plan import ListenerPlan
from ccproxy.config.problems import Problem
from ccproxy.net.shared import Kit
from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.jolie import options
from ccproxy.protocols.jolie.http import Http, HttpLimits
from ccproxy.protocols.jolie.http.access import (
    HttpListenerOptions,
    HttpsListenerOptions,
    WebListenerOptions,
)
from ccproxy.protocols.jolie.http.listener import WebListener
from ccproxy.protocols.jolie.http.pass_listener import PassListener
from ccproxy.protocols.jolie.style import CallStyle


class HttpProtocol(MessageProtocol):
    """Calls as HTTP with bodies of JSON or XML; the type as for sodep."""

    Options: ClassVar[type[WebListenerOptions]] = HttpListenerOptions
    about = "calls as HTTP with bodies of JSON or XML, as Jolie has them; the type as for sodep"
    calls_services = True

    def check(self, plan: ListenerPlan) -> Iterator[Problem]:
        """What the options alone cannot say."""
        return options.check(plan)

    def listener(self, plan: ListenerPlan, kit: Kit) -> WebListener | PassListener:
        """A listener of calls, or of requests that are passed."""
        if plan.options.http == "pass":
            return PassListener(plan, kit)
        longest = plan.options.max_message
        return WebListener(plan, kit, Http(limits=HttpLimits(body=longest)))

    def service(self, location: Any, longest: int) -> Http:
        """The form of calls to a service."""
        return self.styled_service(location, longest, CallStyle())

    def styled_service(self, location: Any, longest: int, style: CallStyle) -> Http:
        """The form of calls to a service, as the section asks for it."""
        form = Http(location.authority, location.path, HttpLimits(body=longest))
        form.style = style
        return form


class HttpsProtocol(HttpProtocol):
    """As http, inside TLS."""

    Options = HttpsListenerOptions
    about = "as http, inside TLS"
    secured = True

"""`protocol = soap`: calls as SOAP 1.1 over HTTP, as Jolie has them.

It must never touch a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ccproxy.config import kinds, tls
from ccproxy.config.options import option
from ccproxy.config.plan import ListenerPlan
from ccproxy.config.problems import Problem
from ccproxy.net.shared import Kit
from ccproxy.protocol import MessageProtocol
from ccproxy.protocols.jolie import options
from ccproxy.protocols.jolie.http import HttpLimits
from ccproxy.protocols.jolie.http.access import StyledListenerOptions
from ccproxy.protocols.jolie.http.listener import WebListener
from ccproxy.protocols.jolie.soap.form import Soap
from ccproxy.protocols.jolie.style import CallStyle

NO_FAULT = frozenset({204, 205, *range(300, 400)})
"""Statuses whose responses have no body, or send a client elsewhere."""


@dataclass(frozen=True, slots=True)
class SoapListenerOptions(StyledListenerOptions):
    """The options of listeners whose peers make calls over soap."""

    namespace: str = option(
        kinds.text, default="", help="namespace of the elements of answers and faults"
    )
    fault_status: int = option(
        kinds.between(200, 599), default=500,
        help="HTTP status of faults; a Jolie client reads their names and data only at another "
        "than 500, which SOAP asks for",
    )  # fmt: skip

    def style(self) -> CallStyle:
        """How answers are written."""
        # With slots, `super()` without arguments would look for the class before it had them.
        found = StyledListenerOptions.style(self)
        return replace(found, namespace=self.namespace, fault_status=self.fault_status)


@dataclass(frozen=True, slots=True)
class SecureSoapListenerOptions(SoapListenerOptions):
    """The same inside TLS."""

    tls_certificate: str = tls.certificate()
    tls_key: str = tls.key()
    tls_client_ca: str = tls.client_ca()


class SoapProtocol(MessageProtocol):
    """Calls as SOAP 1.1 over HTTP; the type as for sodep."""

    Options = SoapListenerOptions
    about = "calls as SOAP 1.1 over HTTP, as Jolie has them; the type as for sodep"
    calls_services = True

    def check(self, plan: ListenerPlan) -> Iterator[Problem]:
        """What the options alone cannot say."""
        yield from options.check(plan)
        status = plan.options.fault_status
        if status < 300 and status not in NO_FAULT:
            what = f"faults with status {status} look like results to all that see the status alone"
            hint = "with 400 Jolie clients read the name and the data of a fault as well"
            yield plan.problem("fault-status", what, hint, warning=True)
        elif status in NO_FAULT:
            what = f"no fault can have status {status}: it has no body, or means another place"
            yield plan.problem("fault-status", what, "expected 500, or 400 for Jolie clients")

    def listener(self, plan: ListenerPlan, kit: Kit) -> WebListener:
        """A listener of calls."""
        return WebListener(plan, kit, Soap(limits=HttpLimits(body=plan.options.max_message)))

    def service(self, location: Any, longest: int) -> Soap:
        """The form of calls to a service."""
        return self.styled_service(location, longest, CallStyle())

    def styled_service(self, location: Any, longest: int, style: CallStyle) -> Soap:
        """The form of calls to a service, as the section asks for it."""
        form = Soap(location.authority, location.path, HttpLimits(body=longest))
        form.style = style
        return form


class SoapsProtocol(SoapProtocol):
    """As soap, inside TLS."""

    Options = SecureSoapListenerOptions
    about = "as soap, inside TLS"
    secured = True

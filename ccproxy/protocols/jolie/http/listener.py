"""A listener whose peers make calls over HTTP: it obeys no web page that its options do not name.

It must never touch a connection.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from time import perf_counter
from typing import Any

from ccproxy.config.address import Address
from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.pace import PaceLimits
from ccproxy.net.shared import Kit
from ccproxy.protocols.jolie.http.access import WebAccess, WebListenerOptions
from ccproxy.protocols.jolie.http.packing import Packing
from ccproxy.protocols.jolie.http.sides import WebForm
from ccproxy.protocols.jolie.listener import CallListener


class WebListener(CallListener):
    """One address where calls come in over HTTP; see `CallListener`.

    After a reload `origins`, `hosts`, `forms` and `gzip` hold for connections to come.
    """

    def __init__(self, plan: ListenerPlan, kit: Kit, form: WebForm) -> None:
        super().__init__(plan, kit, form)
        self._access = access_at(Address.parse(str(plan.address)))
        self._web = form
        self._configure(plan.options)

    @property
    def pace(self) -> PaceLimits:
        """A connection without a request is of no use: HTTP servers say nothing of themselves."""
        return silent_pace(self.options)

    def reconfigure(self, options: Any) -> None:
        """New options."""
        super().reconfigure(options)
        self._configure(options)

    def _configure(self, options: WebListenerOptions) -> None:
        """What connections to come get."""
        self._web.access = self._access.changed(options)
        self._web.style = options.style()
        if not options.gzip:
            self._web.packing = None
        elif self._web.packing is None:
            self._web.packing = Packing(perf_counter)


def silent_pace(options: ListenerOptions) -> PaceLimits:
    """The pace of peers of HTTP, which have to speak first."""
    return replace(options.pace, silent=options.handshake_timeout)


def access_at(address: Address) -> WebAccess:
    """What a listener at this address obeys without options; the machine is asked for its name."""
    name = socket.gethostname().lower()
    own = frozenset({address.host.lower(), name, name.partition(".")[0]})
    return WebAccess(own, any_host=address.scheme == "ipc")

"""The control socket and the HTTP port of one server: opened, given a new configuration, closed.

It must never decide what is answered there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ccproxy.config.keys import KeyFault, http_token
from ccproxy.config.monitor import http_address
from ccproxy.config.plan import Plan
from ccproxy.config.security import is_local
from ccproxy.config.server import ServerOptions
from ccproxy.net.notices import ServerLog
from ccproxy.net.sockets import bind, bound
from ccproxy.process.control_socket import BACKLOG, ControlSocketError, open_control
from ccproxy.server.control import ControlActions, ControlServer
from ccproxy.server.requests import RequestServer
from ccproxy.server.status import Status
from ccproxy.wire.text import OperatorText


class Administration:
    """What a server is watched and steered through."""

    def __init__(
        self, status: Callable[[], Status], actions: ControlActions, log: ServerLog
    ) -> None:
        self._status = status
        self._actions = actions
        self._log = log
        self._control: ControlServer | None = None
        self._port: MonitorPort | None = None

    async def open(self, plan: Plan) -> None:
        """Begin to answer; OSError if the port of `http` cannot be had."""
        await self._open_control(plan)
        if plan.server.http:
            self._port = MonitorPort(plan.server, self._status, self._log)
            await self._port.open()

    def reconfigure(self, plan: Plan) -> None:
        """Read the token again; the old one stays if the file has gone since it was checked."""
        try:
            if self._port is not None:
                self._port.reconfigure(plan.server)
        except KeyFault as fault:
            self._log.error("%s", OperatorText(fault.strerror))

    async def close(self) -> None:
        """Answer no more."""
        if self._control is not None:
            await self._control.close()
        if self._port is not None:
            await self._port.close()

    async def _open_control(self, plan: Plan) -> None:
        """Without a control socket the server runs as well."""
        try:
            socket = open_control(Path(plan.file), plan.server.control)
            if socket is None:
                return
            self._control = ControlServer(socket, self._actions, self._log)
            await self._control.open()
            self._log.info("control socket=%s", self._control.path)
        except (ControlSocketError, OSError) as error:
            self._log.warning("no control socket, `ccserver status` will not work: %s", error)


class MonitorPort:
    """The port of the option `http`; OSError if its address or its token cannot be had."""

    def __init__(
        self, options: ServerOptions, status: Callable[[], Status], log: ServerLog
    ) -> None:
        # Loaded here: a server without the port needs no library for metrics.
        from ccproxy.server.monitor import Monitor, MonitorAccess

        self._log = log
        address = http_address(options.http)
        access = MonitorAccess(_token(options), is_local(address), address.host)
        self._monitor = Monitor(status, access)
        try:
            self._socket = bind(address, BACKLOG)
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"cannot listen on http = {options.http}: {why}") from error
        self.bound = bound(self._socket, address).removeprefix("tcp://")
        self._server = RequestServer("monitor port", self._socket, self._monitor.answer, log)

    async def open(self) -> None:
        """Begin to answer."""
        await self._server.open()
        self._log.info("http address=%s", self.bound)

    def reconfigure(self, options: ServerOptions) -> None:
        """Read the token again; the address stays."""
        self._monitor.access = replace(self._monitor.access, token=_token(options))

    async def close(self) -> None:
        """Answer no more."""
        await self._server.close()
        self._socket.close()


def _token(options: ServerOptions) -> bytes:
    """What requests to the port have to carry, empty if nothing; KeyFault if it cannot be read."""
    return http_token(options.http_token) if options.http_token else b""

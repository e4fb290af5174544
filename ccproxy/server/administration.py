"""The control socket and the HTTP port of one server: opened, given a new configuration, closed.

It must never decide what is answered there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from socket import SO_SNDBUF, SOL_SOCKET, socket

from ccproxy.config.keys import KeyFault, http_token
from ccproxy.config.monitor import http_address, http_tls
from ccproxy.config.plan import Plan
from ccproxy.config.security import is_local
from ccproxy.config.server import ServerOptions
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import bound
from ccproxy.net.tls import ListenerTls
from ccproxy.process.control_socket import (
    BACKLOG,
    ControlSocket,
    ControlSocketError,
    belongs_to,
    open_control,
)
from ccproxy.server.channels import Securing
from ccproxy.server.control import ControlActions, ControlServer
from ccproxy.server.observer import Observer
from ccproxy.server.requests import RequestServer
from ccproxy.server.status import Status
from ccproxy.server.updates import Collector, Updates
from ccproxy.wire.text import OperatorText

SEND_BUFFER = 128 * 1024
"""Bytes that the kernel keeps for a client of the port."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the HTTP port shows: the status, what an observer sees besides, and what the control
    socket answers."""

    status: Callable[[], Status]
    observer: Observer
    actions: ControlActions


class Administration:
    """What a server is watched and steered through."""

    def __init__(self, watched: Watched, kit: Kit) -> None:
        self._watched = watched
        self._kit = kit
        self._log = kit.log
        self._control: ControlServer | None = None
        self._place: ControlSocket | None = None
        self._inherited: tuple[int, ControlSocket] | None = None
        self._port: MonitorPort | None = None

    def inherit(self, found: tuple[int, Path, socket] | None) -> None:
        """Use the control socket of another server, if it is at a place for ours."""
        if found is not None:
            number, path, sock = found
            self._inherited = number, ControlSocket(path, sock)
            self._inherited[1].lent = True

    @property
    def used(self) -> list[int]:
        """The number of the inherited control socket, if it is open."""
        inherited = self._inherited
        return [inherited[0]] if inherited and inherited[1] is self._place else []

    def own(self) -> None:
        """The other server has let go."""
        if self._place is not None:
            self._place.lent = False

    def place(self) -> ControlSocket | None:
        """The control socket; None without one."""
        return self._place

    async def open(self, plan: Plan) -> None:
        """Begin to answer; OSError if the port of `http` cannot be had."""
        await self._open_control(plan)
        if plan.server.http:
            self._port = MonitorPort(plan.server, self._watched, self._kit)
            await self._port.open()

    def reconfigure(self, plan: Plan) -> list[str]:
        """Read the token and the certificate again, and say so; the old ones stay if a file has
        gone since it was checked."""
        try:
            return self._port.reconfigure(plan.server) if self._port is not None else []
        except KeyFault as fault:
            self._log.error("%s", OperatorText(fault.strerror))
            return [f"{fault.strerror}, the old one stays"]

    def stop_accepting(self) -> None:
        """Requests that come from now on are for another server."""
        if self._control is not None:
            self._control.requests.stop_accepting()
        if self._port is not None:
            self._port.stop_accepting()

    async def close(self) -> None:
        """Answer no more."""
        control, self._control = self._control, None
        if control is not None:
            await control.close()
        if self._inherited is not None and self._place is not self._inherited[1]:
            self._inherited[1].socket.close()
        port, self._port = self._port, None
        if port is not None:
            await port.close()

    async def _open_control(self, plan: Plan) -> None:
        """Without a control socket the server runs as well."""
        try:
            self._place = self._control_place(Path(plan.file), plan.server.control)
            if self._place is None:
                return
            self._control = ControlServer(self._place, self._watched.actions, self._log)
            await self._control.open()
            self._log.info("control socket=%s", self._control.path)
        except (ControlSocketError, OSError) as error:
            self._log.warning("no control socket, `ccserver status` will not work: %s", error)

    def _control_place(self, file: Path, option: str) -> ControlSocket | None:
        """The inherited socket if it is at a place of this configuration, else one of our own."""
        if self._inherited is not None:
            place = self._inherited[1]
            if belongs_to(place.path, file, option):
                return place
        return open_control(file, option)


class MonitorPort:
    """The port of the option `http`; OSError if its address, token or certificate cannot be had."""

    def __init__(self, options: ServerOptions, watched: Watched, kit: Kit) -> None:
        # Loaded here: a server without the port needs no library for metrics.
        from ccproxy.server.monitor import Monitor, MonitorAccess

        self._kit = kit
        address, files = http_address(options.http), http_tls(options)
        local = is_local(address)
        if not local and files is None:
            raise OSError(f"other machines reach http = {options.http}, so it needs TLS")
        access = MonitorAccess(_token(options), local, address.host, files is not None)
        self._files = files
        self._tls = ListenerTls(files) if files else None
        updates = Updates(Collector(watched.status, watched.observer), kit.log)
        self._monitor = Monitor(watched.status, access, watched.actions.answer, updates)
        try:
            self._socket = kit.listening.open("monitor port", address, BACKLOG)
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"cannot listen on http = {options.http}: {why}") from error
        # Accepted connections inherit it: what a page does not read must not fill the kernel.
        self._socket.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER)
        self.bound = bound(self._socket, address).removeprefix("tcp://")
        self._server = RequestServer("monitor port", self._socket, self._monitor.answer, kit.log)
        if self._tls is not None:
            self._server.secure = Securing(self._tls, kit.handshakes)

    async def open(self) -> None:
        """Begin to answer."""
        await self._server.open()
        self._kit.log.info("http address=%s", self.bound)

    def reconfigure(self, options: ServerOptions) -> list[str]:
        """Read the token and the certificate again, and say so; the address stays."""
        said, before = [], self._monitor.access
        self._monitor.access = replace(before, token=_token(options))
        if options.http_token:
            same = self._monitor.access.token == before.token
            what = "is the same" if same else "is another one now"
            said.append(f"the token of http-token was read again and {what}")
        if self._tls is not None and self._files is not None:
            self._tls.reread(self._files)
            said.append("the certificate and the key of http were read again")
        return said

    def stop_accepting(self) -> None:
        """Take no more requests."""
        self._server.stop_accepting()

    async def close(self) -> None:
        """Answer no more."""
        await self._monitor.close()
        self._kit.listening.forget(self._socket)
        await self._server.close()
        self._socket.close()


def _token(options: ServerOptions) -> bytes:
    """What requests to the port have to carry, empty if nothing; KeyFault if it cannot be read."""
    return http_token(options.http_token) if options.http_token else b""

"""Another process takes the place of this server: it gets the sockets, and this server then ends.

Until the other one is ready nothing changes here, but that handlers with a state file which the
other one needs are stopped, and started again if it does not come to that. `process.handover` has
what is said. This module must never close a socket: the server does that when it surrenders.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ccproxy.net.listening import ListeningSockets
from ccproxy.net.notices import ServerLog
from ccproxy.process.control_socket import ControlSocket, peer_user
from ccproxy.process.handover import (
    CONTROL,
    ENVIRONMENT,
    LISTENER,
    VERSION,
    Handed,
    HandoverError,
    HandoverLines,
    encoded,
)
from ccproxy.server.requests import RequestError, WebAnswer

GREETING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ccserver-replace\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Surrender:
    """What a server gives up: the kinds of what the other process goes on with, that process, and
    how many seconds connections that are open here may stay."""

    kinds: frozenset[str]
    process: int
    linger: float


@dataclass(frozen=True, slots=True)
class Replaceable:
    """What a replacement does with the server."""

    listening: ListeningSockets
    busy: Callable[[], str]
    """Why it cannot be replaced now; "" if it can."""
    control: Callable[[], ControlSocket | None]
    files: Callable[[], Sequence[tuple[str, str, int]]]
    """Kind, path and descriptor of files of the process."""
    release: Callable[[Collection[str]], Awaitable[list[str]]]
    """Stop the handlers that have one of these files open; their sections."""
    restore: Callable[[], Awaitable[None]]
    """Start them again: the other process has gone."""
    surrender: Callable[[Surrender], int]
    """The other process is ready: end. How many messages are in memory for links that are down."""


class Replacement:
    """At most one at a time."""

    def __init__(self, server: Replaceable, log: ServerLog) -> None:
        self._server = server
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._process = "?"
        self._linger = 0.0
        self.surrendered = False

    @property
    def under_way(self) -> str:
        """What is under way, as a reason for not doing something else; "" if nothing is."""
        if self.surrendered or (self._task is not None and not self._task.done()):
            return f"process {self._process} is replacing this server"
        return ""

    async def answer(self, query: Mapping[str, str]) -> WebAnswer:
        """Begin; RequestError if that is not possible now."""
        version = query.get("version", "")
        if version != str(VERSION):
            what = f"version {version[:20]!r} of the handover is not known, expected {VERSION}"
            raise RequestError(409, f"{what}: stop this server, then start the other one")
        if why := self.under_way or self._server.busy():
            raise RequestError(409, why)
        try:
            self._linger = max(0.0, float(query.get("linger", "0")))
        except ValueError:
            raise RequestError(400, "linger is no number of seconds") from None
        self._process = query.get("process", "?")[:20]
        return WebAnswer(101, upgrade=self._begin)

    async def close(self) -> None:
        """The server stops for another reason: refuse what is under way."""
        if self._task is not None and not self.surrendered:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _begin(self, sock: socket.socket) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(sock), name="replacement")
        self._task.add_done_callback(self._log.ended)

    async def _run(self, sock: socket.socket) -> None:
        """One handover, from its first line to its end."""
        lines = HandoverLines(sock)
        try:
            await asyncio.get_running_loop().sock_sendall(sock, GREETING)
            await self._hand_over(lines)
        except (OSError, HandoverError, ValueError, TypeError, KeyError) as error:
            why = getattr(error, "strerror", None) or error
            self._log.warning("not replaced by process=%s: %s", self._process, why)
            await self._server.restore()
        except asyncio.CancelledError:
            self._refuse(sock, "the old server was told to stop")
            raise
        finally:
            lines.close()

    async def _hand_over(self, lines: HandoverLines) -> None:
        await lines.receive()
        if (user := peer_user(lines.socket)) not in (None, os.geteuid()):
            self._refuse(lines.socket, f"only user {os.geteuid()} may replace this server")
            raise HandoverError(f"user {user} may not replace this server")
        self._log.info("process=%s wants to replace this server", self._process)
        control = self._server.control()
        handed, sockets = self._handed(control)
        await lines.hand(handed)
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        await lines.send({"process": os.getpid(), "environment": environment})
        while True:
            line = await lines.receive()
            if "release" in line:
                released = await self._server.release([str(one) for one in line["release"]])
                self._log.info("released for process=%s: %s", self._process, ", ".join(released))
                await lines.send({"released": released})
            if "ready" in line:
                break
        used, process = frozenset(map(int, line["ready"])), int(line["process"])
        self.surrendered = True
        self._server.listening.lend([sock for number, sock in sockets.items() if number in used])
        kinds = frozenset(one.kind for one in handed if one.number in used)
        if control is not None:
            control.lent = CONTROL in kinds
        stranded = self._server.surrender(Surrender(kinds, process, self._linger))
        with suppress(OSError):  # the other one has what it needs
            await lines.send({"over": True, "stranded": stranded})

    def _handed(
        self, control: ControlSocket | None
    ) -> tuple[list[Handed], dict[int, socket.socket]]:
        """All that is handed over, and the listening sockets by their numbers."""
        handed: list[Handed] = []
        sockets: dict[int, socket.socket] = {}
        for one in self._server.listening.all():
            number = len(handed)
            sockets[number] = one.socket
            descriptor = one.socket.fileno()
            handed.append(Handed(LISTENER, number, one.owner, str(one.address), descriptor))
        if control is not None:
            row = CONTROL, len(handed), "", str(control.path), control.socket.fileno()
            handed.append(Handed(*row))
        for kind, path, descriptor in self._server.files():
            handed.append(Handed(kind, len(handed), "", path, descriptor))
        return handed, sockets

    def _refuse(self, sock: socket.socket, why: str) -> None:
        """Tell the other process, if it listens; its connection ends in any case."""
        refused: Mapping[str, Any] = {"refused": why}
        try:
            sock.send(encoded(refused))
        except OSError as error:
            self._log.debug("cannot tell process=%s: %s", self._process, error)

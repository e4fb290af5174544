"""This process takes the place of a running server: what it asks that one for, and gets of it.

`process.handover` has what is said. If the old server ends meanwhile, this one goes on alone: it
has the sockets. It must never close what it got before the old server has let go, but by its end.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ccproxy.net.listening import InheritedSocket
from ccproxy.net.notices import ServerLog
from ccproxy.process.control_socket import FULL, peer_user, stopped_process
from ccproxy.process.handover import (
    CONTROL,
    JOURNAL,
    LISTENER,
    PIDFILE,
    VERSION,
    Handed,
    HandoverError,
    HandoverLines,
    OtherServerEnded,
    encoded,
    receive_handed,
    receive_line,
)

FIRST_ANSWER = 30.0
"""Seconds the old server has to hand over its sockets; its loop may be busy."""
RELEASE_TIMEOUT = 60.0
"""Seconds it has to stop handlers with state files; each has two."""
LAST_ANSWER = 10.0
"""Seconds it has to let go after this server is ready."""


class NothingToReplace(Exception):
    """No server answers; the text says where it was looked for."""


@dataclass(frozen=True, slots=True)
class InheritedFile:
    """A descriptor of the old process for a file."""

    number: int
    path: Path
    descriptor: int


class Takeover:
    """The connection to the old server, and what it has handed over."""

    def __init__(self, sock: socket.socket, handed: Sequence[Handed], process: int) -> None:
        self.process = process
        """The old process."""
        self.stranded = 0
        """Messages that the old server had in memory, when it let go, for links that are down."""
        self._lines = HandoverLines(sock)
        sock.setblocking(False)
        self._handed = list(handed)

    def sockets(self) -> list[InheritedSocket]:
        """The listening sockets; the caller closes them."""
        taken = self._take(LISTENER)
        return [
            InheritedSocket(one.number, one.owner, one.address, opened(one.descriptor))
            for one in taken
        ]

    def control(self) -> tuple[int, Path, socket.socket] | None:
        """Number, path and socket of its control socket; the caller closes it."""
        for one in self._take(CONTROL):
            return one.number, Path(one.address), opened(one.descriptor)
        return None

    def pidfile(self) -> InheritedFile | None:
        """Its pid file, open and locked; the caller closes it."""
        return self._file(PIDFILE)

    def journal(self) -> InheritedFile | None:
        """Where its standard error goes, if systemd reads that; the caller closes it."""
        return self._file(JOURNAL)

    async def release(self, files: Collection[str], log: ServerLog) -> None:
        """Have the old server let go of files that one process only may have open."""
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT):
                answer = await self._asked({"release": list(files)})
        except TimeoutError:
            raise HandoverError("the old server does not let go of its state files") from None
        except (OSError, OtherServerEnded):
            self._lost(log)
        else:
            released = ", ".join(map(str, answer.get("released", ())))
            log.info("released by process=%d: %s", self.process, released)

    async def ready(self, used: Collection[int], log: ServerLog) -> None:
        """Tell the old server that this one accepts now, on these of its sockets.

        HandoverError if it was told to stop, so that neither should run.
        """
        try:
            async with asyncio.timeout(LAST_ANSWER):
                answer = await self._asked({"ready": list(used), "process": os.getpid()})
            log.info("replaced process=%d", self.process)
            if (number := answer.get("stranded")) and isinstance(number, int):
                self.stranded = number
                log.warning("%s", stranded(self.process, number))
        except TimeoutError:
            log.warning("process=%d does not answer; it ends when it reads our last line",
                        self.process)  # fmt: skip
        except (OSError, OtherServerEnded):
            self._lost(log)

    def close(self) -> None:
        """Close the connection, and what was handed over and not taken."""
        self._lines.close()
        for one in self._handed:
            os.close(one.descriptor)
        self._handed.clear()

    async def _asked(self, line: dict[str, Any]) -> dict[str, Any]:
        """The answer to a line; HandoverError if the old server refuses, which it says before it
        ends, so that the line may not be taken any more."""
        with suppress(BrokenPipeError, ConnectionResetError):
            await self._lines.send(line)
        return await self._lines.receive()

    def _lost(self, log: ServerLog) -> None:
        log.warning("process=%d has ended before it let go, this server goes on", self.process)

    def _file(self, kind: str) -> InheritedFile | None:
        for one in self._take(kind):
            return InheritedFile(one.number, Path(one.address), one.descriptor)
        return None

    def _take(self, kind: str) -> list[Handed]:
        found = [one for one in self._handed if one.kind == kind]
        self._handed = [one for one in self._handed if one.kind != kind]
        return found


def stranded(process: int, messages: int) -> str:
    """What an operator should know of messages that stay with the old server."""
    noun = "message waits" if messages == 1 else "messages wait"
    return (
        f"{messages} {noun} in the memory of the replaced process={process} for links that are "
        "down; it goes on to connect for --replace-linger and linger, and then drops them (stop)"
    )


def opened(descriptor: int) -> socket.socket:
    """A socket of a descriptor that was handed over."""
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    return sock


def take_over(places: Sequence[Path], linger: float) -> Takeover:
    """Ask the first server that answers at one of these control sockets for its sockets.

    NothingToReplace if none answers, HandoverError if it refuses.
    """
    faults = []
    for path in places:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(FIRST_ANSWER)
        try:
            sock.connect(str(path))
        except BlockingIOError:
            sock.close()
            raise HandoverError(f"{path}: {FULL}") from None
        except OSError as error:
            faults.append(f"{path}: {error.strerror or error}")
            sock.close()
            continue
        try:
            return _asked(sock, linger)
        except TimeoutError as error:
            sock.close()
            text = f"{path}: the server does not answer within {FIRST_ANSWER:g} s"
            raise HandoverError(text) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            sock.close()
            raise HandoverError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        except HandoverError as error:
            sock.close()
            raise HandoverError(f"{path}: {error}") from error
    raise NothingToReplace("; ".join(faults))


def _asked(sock: socket.socket, linger: float) -> Takeover:
    if peer_user(sock) not in (None, os.geteuid()):
        raise HandoverError(f"the server there is of user {peer_user(sock)}")
    if process := stopped_process(sock):
        raise HandoverError(f"a signal has stopped the server; `kill -CONT {process}` helps")
    query = urlencode({"version": VERSION, "linger": linger, "process": os.getpid()})
    sock.sendall(f"POST /v1/replace?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    if answer.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
        raise HandoverError(_refusal(answer))
    sock.sendall(encoded({"begin": True}))
    handed = receive_handed(sock)
    last = receive_line(sock)
    for name, value in dict(last.get("environment", {})).items():
        os.environ.setdefault(str(name), str(value))
    return Takeover(sock, handed, int(last.get("process", 0)))


def _refusal(answer: http.client.HTTPResponse) -> str:
    value = json.loads(answer.read() or b"{}")
    reason = value.get("error") if isinstance(value, dict) else ""
    if answer.status == http.HTTPStatus.NOT_FOUND:
        return "this version of the server cannot be replaced; stop it, then start the new one"
    return str(reason or f"the server answered {answer.status}")

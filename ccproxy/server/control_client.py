"""Requests to the control socket of a running server, for commands. It must never change a path."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ccproxy.process.control_socket import peer_user, stopped_process

LONGEST_LINE = 1 << 20
"""Bytes of a line of an answer that goes on."""
LOOK_INTERVAL = 1.0
"""Seconds between two looks whether a signal has stopped the server that is being waited for."""


class NoServer(Exception):
    """No server answers; the text names the sockets that were tried, and why each failed."""


class Refused(Exception):
    """A server does not obey; the text says which, and why."""


class NoAnswer(NoServer):
    """A server has taken the request and not answered it: asking it again would ask it twice."""


@dataclass(frozen=True, slots=True)
class ControlReply:
    """What a server answered, and on which socket."""

    path: Path
    code: int
    value: Any

    @property
    def error(self) -> str:
        """Why the server did not obey."""
        reason = self.value.get("error", "") if isinstance(self.value, dict) else ""
        return f"{self.path}: {reason or f'the server answered {self.code}'}"


@dataclass(frozen=True, slots=True)
class BegunAnswer:
    """An answer whose body is still to be read, and the connection that it comes on."""

    path: Path
    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse

    def reply(self) -> ControlReply:
        """The answer, read to its end; ValueError if it is no JSON."""
        with closing(self.connection):
            return ControlReply(self.path, self.response.status, json.loads(self.response.read()))


Found = TypeVar("Found")


def request(method: str, target: str, where: Sequence[Path], timeout: float) -> ControlReply:
    """Ask the first server that answers at one of these sockets, for at most `timeout` seconds.

    NoServer if none answers, NoAnswer if one has taken the request and does not answer it.
    """
    return _first(where, lambda path: _asked(path, method, target, timeout).reply())


@contextmanager
def stream(
    target: str, where: Sequence[Path], timeout: float, method: str = "GET"
) -> Iterator[Iterator[Any]]:
    """The values of an answer that goes on, one of each line, and None for an empty line.

    NoServer and NoAnswer as `request`, also when the server ends or says nothing for `timeout`
    seconds; Refused if it does not obey.
    """
    begun = _first(where, lambda path: _begin(path, method, target, timeout))
    with closing(begun.connection):
        yield _values(begun)


def _begin(path: Path, method: str, target: str, timeout: float) -> BegunAnswer:
    """An answer whose lines follow."""
    begun = _asked(path, method, target, timeout)
    if begun.response.status != 200:
        raise Refused(begun.reply().error)
    return begun


def _values(begun: BegunAnswer) -> Iterator[Any]:
    path = begun.path
    try:
        while line := begun.response.readline(LONGEST_LINE):
            yield json.loads(line) if line.strip() else None
    except TimeoutError:
        raise NoAnswer(f"{path}: the server says nothing any more") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoServer(f"{path}: {_reason(error)}") from error
    raise NoServer(f"{path}: the server has ended")


def _first(where: Sequence[Path], ask: Callable[[Path], Found]) -> Found:
    """What the first server answers that does; NoServer or NoAnswer."""
    faults: list[str] = []
    missing: list[str] = []
    for path in where:
        try:
            return ask(path)
        except TimeoutError as error:
            raise NoAnswer(f"{path}: {error}") from error
        except FileNotFoundError:
            missing.append(str(path))
        except (OSError, http.client.HTTPException, ValueError) as error:
            faults.append(f"{path}: {_reason(error)}")
    if missing:
        faults.append(f"there is no socket {' or '.join(missing)}")
    raise NoServer(f"no server answers: {'; '.join(faults)}")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect; OSError if no server listens, or one of a user that is not trusted."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
        ours, theirs = os.geteuid(), peer_user(self.sock)
        if ours and theirs not in (None, 0, ours):
            raise ConnectionError(f"the process that listens there is of user {theirs}")


def _asked(path: Path, method: str, target: str, timeout: float) -> BegunAnswer:
    """A connection whose answer has begun; it is closed if none comes."""
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, target)
        _await_answer(connection.sock, timeout)
        return BegunAnswer(path, connection, connection.getresponse())
    except BaseException:
        connection.close()
        raise


def _await_answer(sock: socket.socket, timeout: float) -> None:
    """Wait for the first byte; TimeoutError if it does not come, or cannot come."""
    until = time.monotonic() + timeout
    while (left := until - time.monotonic()) > 0:
        if select.select([sock], [], [], min(LOOK_INTERVAL, left))[0]:
            return
        if process := stopped_process(sock):
            what = f"a signal has stopped the server; `kill -CONT {process}` lets it go on"
            raise TimeoutError(what)
    raise TimeoutError(f"the server does not answer within {timeout:g} s")


def _reason(error: Exception) -> str:
    """What an operator understands of a failure."""
    if isinstance(error, ConnectionRefusedError):
        return "its server has ended"
    if isinstance(error, PermissionError):
        return "only the user of the server and root may ask it"
    return getattr(error, "strerror", None) or str(error) or error.__class__.__name__

"""Requests to a running server, for commands: to its control socket, or to the port of `http`.

It must never change a path, follow a redirect, or show a token.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ccproxy.process.control_socket import FULL, peer_user, stopped_process
from ccproxy.wire.text import shortened

LONGEST_LINE = 1 << 20
"""Bytes of a line of an answer that goes on."""
LOOK_INTERVAL = 1.0
"""Seconds between two looks whether a signal has stopped the server that is being waited for."""
UNAUTHORIZED = 401
NOT_FOUND = 404
SCHEMES = ("http", "https")
NO_TLS = "WRONG_VERSION_NUMBER"
"""What OpenSSL says of an answer that is no TLS."""


class NoServer(Exception):
    """No server answers; the text names the sockets that were tried, and why each failed."""


class Refused(Exception):
    """A server does not obey; the text says which, and why."""


class NotFound(Refused):
    """A server does not have what was asked for."""


class TokenRefused(Refused):
    """A server wants a token, or another one."""


class NoAnswer(NoServer):
    """A server has taken the request and not answered it: asking it again would ask it twice."""


class _Hangs(TimeoutError):
    """A server does not answer, and the reason is known."""


KINDS = {UNAUTHORIZED: TokenRefused, NOT_FOUND: NotFound}
"""Refusals that a caller may tell from others, by their status."""


@dataclass(frozen=True, slots=True)
class WebPlace:
    """The port of the option `http`, or a web server in front of it; `prefix` is a path there."""

    secure: bool
    host: str
    port: int
    prefix: str = ""
    token: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> WebPlace:
        """http://HOST:PORT or https://HOST, with or without a path; ValueError for others."""
        try:
            parts = urlsplit(text)
            secure, port = parts.scheme == SCHEMES[1], parts.port
        except ValueError as error:
            raise ValueError(f"found {text!r:.80}: {error}") from None
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise ValueError(f"found {text!r:.80}, expected http://HOST:PORT or https://HOST:PORT")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("expected an address only: a token stands in a file, see --token")
        return cls(secure, parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEMES[self.secure]}://{host}:{self.port}{self.prefix}"

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """A connection that is made with the first request; https trusts what the system does."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=timeout)

    @property
    def headers(self) -> dict[str, str]:
        """What requests carry."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


Place = Path | WebPlace
"""Where a server is asked: its control socket, or its port."""


@dataclass(frozen=True, slots=True)
class ControlReply:
    """What a server answered, and where."""

    path: Place
    code: int
    value: Any

    @property
    def error(self) -> str:
        """Why the server did not obey."""
        reason = self.value.get("error", "") if isinstance(self.value, dict) else ""
        hint = "; give its file by --token, or the token in CCSERVER_TOKEN"
        return (
            f"{self.path}: {reason or f'the server answered {self.code}'}"
            f"{hint if self.code == UNAUTHORIZED else ''}"
        )

    @property
    def refusal(self) -> Refused:
        """The same as an exception."""
        return KINDS.get(self.code, Refused)(self.error)


@dataclass(frozen=True, slots=True)
class BegunAnswer:
    """An answer whose body is still to be read, and the connection that it comes on."""

    path: Place
    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse

    def reply(self) -> ControlReply:
        """The answer, read to its end; ValueError if it is no JSON."""
        with closing(self.connection):
            return ControlReply(self.path, self.response.status, json.loads(self.response.read()))


Found = TypeVar("Found")


def request(method: str, target: str, where: Sequence[Place], timeout: float) -> ControlReply:
    """Ask the first server that answers at one of these places, for at most `timeout` seconds.

    NoServer if none answers, NoAnswer if one has taken the request and does not answer it.
    """
    return _first(where, timeout, lambda path: _asked(path, method, target, timeout).reply())


@contextmanager
def stream(
    target: str, where: Sequence[Place], timeout: float, method: str = "GET"
) -> Iterator[Iterator[Any]]:
    """The values of an answer that goes on, one of each line, and None for an empty line.

    NoServer and NoAnswer as `request`, also when the server ends or says nothing for `timeout`
    seconds; Refused if it does not obey.
    """
    begun = _first(where, timeout, lambda path: _begin(path, method, target, timeout))
    with closing(begun.connection):
        yield _values(begun)


def _begin(path: Place, method: str, target: str, timeout: float) -> BegunAnswer:
    """An answer whose lines follow."""
    begun = _asked(path, method, target, timeout)
    if begun.response.status != 200:
        raise begun.reply().refusal
    return begun


def _values(begun: BegunAnswer) -> Iterator[Any]:
    path = begun.path
    try:
        while line := begun.response.readline(LONGEST_LINE):
            yield json.loads(line) if line.strip() else None
    except TimeoutError:
        raise NoAnswer(f"{path}: the server says nothing any more") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoServer(f"{path}: {_reason(error, path)}") from error
    raise NoServer(f"{path}: the server has ended")


def _first(where: Sequence[Place], timeout: float, ask: Callable[[Place], Found]) -> Found:
    """What the first server answers that does; NoServer or NoAnswer."""
    faults: list[str] = []
    missing: list[str] = []
    for path in where:
        try:
            return ask(path)
        except TimeoutError as error:
            known = isinstance(error, _Hangs)
            why = str(error) if known else f"the server gives no answer within {timeout:.3g} s"
            raise NoAnswer(f"{path}: {why}") from error
        except FileNotFoundError:
            missing.append(str(path))
        except (OSError, http.client.HTTPException, ValueError) as error:
            faults.append(f"{path}: {_reason(error, path)}")
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
        try:
            self.sock.connect(str(self._path))
        except BlockingIOError:
            raise _Hangs(FULL) from None
        ours, theirs = os.geteuid(), peer_user(self.sock)
        if ours and theirs not in (None, 0, ours):
            raise ConnectionError(f"the process that listens there is of user {theirs}")


def _asked(path: Place, method: str, target: str, timeout: float) -> BegunAnswer:
    """A connection whose answer has begun; it is closed if none comes."""
    until = time.monotonic() + timeout
    headers: dict[str, str] = {}
    connection: http.client.HTTPConnection
    if isinstance(path, WebPlace):
        connection, headers = path.connection(timeout), path.headers
        target = f"{path.prefix}{target}"
    else:
        connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, target, headers=headers)
        _await_answer(connection.sock, until)
        return BegunAnswer(path, connection, connection.getresponse())
    except BaseException:
        connection.close()
        raise


def _await_answer(sock: socket.socket, until: float) -> None:
    """Wait for the first byte; TimeoutError if it does not come, or cannot come."""
    while (left := until - time.monotonic()) > 0:
        if select.select([sock], [], [], min(LOOK_INTERVAL, left))[0]:
            return
        if process := stopped_process(sock):
            what = f"a signal has stopped the server; `kill -CONT {process}` lets it go on"
            raise _Hangs(what)
    raise TimeoutError


def _reason(error: Exception, place: Place) -> str:
    """What an operator understands of a failure."""
    if isinstance(place, WebPlace):
        if isinstance(error, ssl.SSLError) and error.reason == NO_TLS:
            return "this port speaks no TLS; use http:// for it"
        if isinstance(error, json.JSONDecodeError):
            line = error.doc.strip().partition("\n")[0]
            return f"the answer is no JSON but {shortened(line, 80)!r}: is this the option http?"
        if type(error) in (http.client.BadStatusLine, UnicodeDecodeError):
            return "the answer is no HTTP with JSON: this is not the port of the option http"
    if isinstance(error, ConnectionRefusedError) and isinstance(place, Path):
        return "its server has ended"
    if isinstance(error, PermissionError):
        return "only the user of the server and root may ask it"
    text = getattr(error, "strerror", None) or str(error) or error.__class__.__name__
    return shortened(text)

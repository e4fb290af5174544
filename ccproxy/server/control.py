"""The control socket: JSON over HTTP on a Unix socket, for `ccserver status`, reloads and curl.

    GET  /v1/status                       the sections of a Status
    GET  /v1/status/peers?after=&most=    pages: `next` of one is `after` of the next one
    GET  /v1/status/flows?after=&most=
    GET  /v1/status/types?most=           the message types with the most messages
    POST /v1/reload                       200 adopted, 422 mistakes in the files, 409 impossible

Each connection carries one request; sizes, times and connections are bounded. Only the server's
user and root are answered. It must never hold up messages, and never stop the server by a failure.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, fields
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11

from ccproxy.net.notices import ServerLog
from ccproxy.process.control_socket import BACKLOG, ControlSocket, peer_user
from ccproxy.server.observer import Observer
from ccproxy.server.pages import CursorError
from ccproxy.server.reload import Reloads
from ccproxy.server.status import Status

MAX_CONNECTIONS = 16
MAX_HEAD_SIZE = 16 * 1024
MAX_BODY_SIZE = 64 * 1024
"""Bytes of a request; no request needs a body."""
CLIENT_TIMEOUT = 10.0
"""Seconds a client has to send its request, and to take the answer."""
TRANSPORT_TURNS = 4
"""Turns of the loop from an accepted socket to its protocol, and from the end to a closed one."""
LAST_ANSWERS_TIMEOUT = 0.5
"""Seconds that answers under way have when the server stops."""
MAX_PAGE = 1000
"""Items of the largest page."""
USUAL_PAGE = 100
ITEMS_AT_ONCE = 200
"""Items of a list that become JSON in one turn of the loop."""


@dataclass(frozen=True, slots=True)
class ControlAnswer:
    """A status code of HTTP and the value that is sent as JSON."""

    code: int
    value: Any


class RequestError(Exception):
    """A request that is not obeyed: a status code of HTTP, and why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


Query = Mapping[str, str]
Action = Callable[[Query], Awaitable[ControlAnswer]]


class ControlActions:
    """What can be asked for, by method and path."""

    def __init__(self, status: Callable[[], Status], observer: Observer, reloads: Reloads) -> None:
        self._status = status
        self._observer = observer
        self._reloads = reloads
        self.table: Mapping[tuple[str, str], Action] = {
            ("GET", "/v1/status"): self._get_status,
            ("GET", "/v1/status/peers"): self._get_peers,
            ("GET", "/v1/status/flows"): self._get_flows,
            ("GET", "/v1/status/types"): self._get_types,
            ("POST", "/v1/reload"): self._reload,
        }

    async def answer(self, method: str, target: str) -> ControlAnswer:
        """Do what a request asks for; RequestError if there is no such thing."""
        try:
            parts = urlsplit(target)
            given = parse_qs(parts.query, keep_blank_values=True, max_num_fields=10)
        except ValueError as error:
            raise RequestError(400, str(error)) from None
        action = self.table.get((method, parts.path))
        if action is None:
            methods = [method for method, path in self.table if path == parts.path]
            if methods:
                raise RequestError(405, f"found {method}, expected {methods[0]}")
            known = ", ".join(path for _, path in self.table)
            raise RequestError(404, f"nothing is at this path, known are {known}")
        try:
            return await action({name: values[-1] for name, values in given.items()})
        except CursorError as error:
            raise RequestError(400, str(error)) from None

    async def _get_status(self, query: Query) -> ControlAnswer:
        _only(query)
        return ControlAnswer(200, self._status())

    async def _get_peers(self, query: Query) -> ControlAnswer:
        _only(query, "after", "most")
        return ControlAnswer(200, await self._observer.peers(query.get("after", ""), _most(query)))

    async def _get_flows(self, query: Query) -> ControlAnswer:
        _only(query, "after", "most")
        return ControlAnswer(200, await self._observer.flows(query.get("after", ""), _most(query)))

    async def _get_types(self, query: Query) -> ControlAnswer:
        _only(query, "most")
        return ControlAnswer(200, await self._observer.types(_most(query)))

    async def _reload(self, query: Query) -> ControlAnswer:
        _only(query)
        outcome = await self._reloads.outcome()
        code = 200 if outcome.adopted else 422 if outcome.bad_configuration else 409
        return ControlAnswer(code, outcome)


def _only(query: Query, *known: str) -> None:
    for name in query:
        if name not in known:
            expected = f"expected {' and '.join(known)}" if known else "none is expected"
            raise RequestError(400, f"unknown parameter {name!r}, {expected}")


def _most(query: Query) -> int:
    text = query.get("most", str(USUAL_PAGE))
    if not text.isdecimal() or not 0 < int(text[:9]) <= MAX_PAGE:
        raise RequestError(400, f"most={text[:20]!r}, expected a number from 1 to {MAX_PAGE}")
    return int(text)


async def as_json(value: Any) -> bytes:
    """A value of this server as JSON, in pieces, so that a long one does not hold the loop."""
    parts = []
    for field in fields(value):
        content = getattr(value, field.name)
        if isinstance(content, tuple):
            text = f"[{','.join([one async for one in _pieces(content)])}]"
        else:
            text = _text(content)
        parts.append(f"{_text(field.name)}: {text}")
    return f"{{{', '.join(parts)}}}\n".encode()


async def _pieces(items: tuple[Any, ...]) -> AsyncIterator[str]:
    for start in range(0, len(items), ITEMS_AT_ONCE):
        yield ",".join(map(_text, items[start : start + ITEMS_AT_ONCE]))
        await asyncio.sleep(0)


def _text(value: Any) -> str:
    return json.dumps(value, default=asdict, separators=(",", ":"))


class ControlServer:
    """Answers on one control socket, until it is closed."""

    def __init__(self, socket: ControlSocket, actions: ControlActions, log: ServerLog) -> None:
        self.path = socket.path
        self._socket = socket
        self._actions = actions
        self._log = log
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to answer."""
        try:
            self._server = await asyncio.start_unix_server(
                self._connected, sock=self._socket.socket, limit=MAX_HEAD_SIZE, backlog=BACKLOG
            )
        except BaseException:
            self._socket.remove()
            self._socket.socket.close()
            raise

    async def close(self) -> None:
        """Answer no more, and remove the socket's file if it is still ours."""
        self._socket.remove()
        if self._server is not None:
            # asyncio loses a connection that is accepted and has no transport yet when its server
            # closes. So accepting stops first (uvloop has no reader here, and no such fault).
            asyncio.get_running_loop().remove_reader(self._socket.socket.fileno())
            await _turns()
            self._server.close()
        if self._connections:
            await asyncio.wait(self._connections, timeout=LAST_ANSWERS_TIMEOUT)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await _turns()  # a transport lets go of its socket after its end

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its request to the end of its answer."""
        try:
            answer = await self._answer(reader, writer.get_extra_info("socket"))
            async with asyncio.timeout(CLIENT_TIMEOUT):
                await _send(writer, answer.code, await as_json(answer.value))
        except (OSError, TimeoutError) as error:
            self._log.debug("control socket: the client has gone or does not read: %r", error)
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, sock: Any) -> ControlAnswer:
        """What a client gets; a request that cannot be obeyed gets the reason."""
        try:
            user = peer_user(sock)
            if user not in (None, 0, os.geteuid()):
                self._log.often("control socket", "control socket refused user=%d", user)
                raise RequestError(403, f"user {user} may not use this socket")
            if len(self._connections) > MAX_CONNECTIONS:
                raise RequestError(503, f"there are {MAX_CONNECTIONS} connections already")
            async with asyncio.timeout(CLIENT_TIMEOUT):
                method, target = await _request(reader)
        except RequestError as error:
            return ControlAnswer(error.code, Refusal(str(error)))
        try:
            return await self._actions.answer(method, target)
        except RequestError as error:
            return ControlAnswer(error.code, Refusal(str(error)))
        except Exception as error:
            self._log.logger.error("control socket: a request failed", exc_info=error)
            return ControlAnswer(500, Refusal("the log of the server says why"))


async def _turns() -> None:
    """Give the loop the turns in which asyncio makes and ends the transport of a connection."""
    for _ in range(TRANSPORT_TURNS):
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not obeyed."""

    error: str


async def _request(reader: asyncio.StreamReader) -> tuple[str, str]:
    """The method and the target of a request, when it is there as a whole."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_SIZE)
    request: h11.Request | None = None
    size = 0
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            raise RequestError(error.error_status_hint, str(error)) from None
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(MAX_HEAD_SIZE))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            size += len(event.data)
            if size > MAX_BODY_SIZE:
                raise RequestError(413, f"the body has more than {MAX_BODY_SIZE} bytes")
        elif request is None:
            raise ConnectionError("closed before a request came")
        else:
            return request.method.decode(), request.target.decode("ascii", "replace")


async def _send(writer: asyncio.StreamWriter, code: int, body: bytes) -> None:
    """The whole response; the connection ends with it."""
    reason = HTTPStatus(code).phrase
    head = (
        f"HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()

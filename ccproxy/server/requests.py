"""HTTP for few clients that want to know something of this server, on a Unix socket or a TCP port.

The control socket and the port of the option `http` are both made of it. Each connection carries
one request; sizes, times and connections are bounded. It must never know what is asked for, hold up
messages, or stop the server by a failure.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11

from ccproxy.net.notices import ServerLog
from ccproxy.net.sockets import KEEPS_FILE, detached
from ccproxy.process.control_socket import BACKLOG
from ccproxy.server import channels
from ccproxy.server.channels import Channel, PlainChannel

MAX_CONNECTIONS = 32
MAX_HEAD_SIZE = channels.READ_SIZE
MAX_BODY_SIZE = 64 * 1024
"""Bytes of a request; no request needs a body."""
TRANSPORT_TURNS = 4
"""Turns of the loop from an accepted socket to its protocol, and from the end to a closed one."""
LAST_ANSWERS_TIMEOUT = 0.5
"""Seconds that answers under way have when the server stops."""
ITEMS_AT_ONCE = 30
"""Items of a list that become JSON in one turn of the loop."""
JSON = "application/json"
JSON_LINES = "application/x-ndjson"
NO_HEADERS: Mapping[str, str] = {}
COMMON_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class RequestError(Exception):
    """A request that is not obeyed: a status code of HTTP, why, and headers of the answer."""

    def __init__(self, code: int, reason: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        super().__init__(reason)
        self.code = code
        self.headers = headers


@dataclass(frozen=True, slots=True)
class WebRequest:
    """Method and target of a request, and its headers by their names in small letters."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """A status code of HTTP and a body of the content type `kind`.

    A body that comes in parts has no length: it ends with the connection. After `upgrade` the
    connection carries something else: it is given a socket of its own, non-blocking, to which the
    answer is still to be sent.
    """

    code: int
    body: bytes | AsyncGenerator[bytes, None] = b""
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    upgrade: Callable[[socket.socket], None] | None = None


Answering = Callable[[WebRequest], Awaitable[WebAnswer]]
Admitting = Callable[[socket.socket], None]


class RequestServer:
    """Answers on one listening socket, until it is closed."""

    def __init__(
        self,
        name: str,
        sock: socket.socket,
        answer: Answering,
        log: ServerLog,
        admit: Admitting | None = None,
    ) -> None:
        """`answer` and `admit`, which sees a connection first, raise RequestError to refuse."""
        self._name = name
        self._socket = sock
        self._answering = answer
        self._admit = admit
        self._log = log
        self.secure: Callable[[Channel], Awaitable[Channel]] | None = None
        """Does the handshake of TLS on each connection, if it is set."""
        self._server: asyncio.Server | None = None
        self._accepting = True
        self.connections: set[asyncio.Task[None]] = set()
        self._unread: dict[asyncio.Task[None], None] = {}
        """Those whose request is not there as a whole, the oldest first."""

    async def open(self) -> None:
        """Begin to answer."""
        unix = self._socket.family == socket.AF_UNIX
        start: Any = asyncio.start_unix_server if unix else asyncio.start_server
        more = KEEPS_FILE if unix else {}
        self._server = await start(
            self._connected, sock=self._socket, limit=MAX_HEAD_SIZE, backlog=BACKLOG, **more
        )

    def stop_accepting(self) -> None:
        """No connection is taken from now on; `close` comes next."""
        # asyncio loses a connection that is accepted and has no transport yet when its server
        # closes. So accepting stops first; uvloop has no reader here, and no such fault.
        if self._server is None or not self._accepting:
            return
        self._accepting = False
        if not asyncio.get_running_loop().remove_reader(self._socket.fileno()):
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Answer no more; answers under way have a moment."""
        self.stop_accepting()
        if self._server is not None:
            await _turns()
            self._server.close()
            self._server = None
        if self.connections:
            await asyncio.wait(self.connections, timeout=LAST_ANSWERS_TIMEOUT)
        for task in self.connections:
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)
        await _turns()  # a transport lets go of its socket after its end

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its request to the end of its answer."""
        channel: Channel = PlainChannel(reader, writer)
        try:
            channel, answer = await self._answer(channel, writer.get_extra_info("socket"))
            if answer.upgrade is not None:
                answer.upgrade(detached(writer))
            else:
                await _send(channel, answer)
        except (OSError, TimeoutError) as error:
            self._log.debug("%s: the client has gone or does not read: %r", self._name, error)
        finally:
            writer.transport.abort()

    async def _answer(self, channel: Channel, sock: Any) -> tuple[Channel, WebAnswer]:
        """What a client gets, and how; a request that cannot be obeyed gets the reason."""
        try:
            if self._admit is not None:
                self._admit(sock)
            room = self._make_room()
            async with self._unread_for_a_while():
                if self.secure is not None:
                    channel = await self.secure(channel)
                if not room:
                    raise RequestError(503, f"there are {MAX_CONNECTIONS} connections already")
                request = await _request(channel)
        except RequestError as error:
            return channel, _refused(error)
        try:
            return channel, await self._answering(request)
        except RequestError as error:
            return channel, _refused(error)
        except Exception as error:
            self._log.logger.error("%s: a request failed", self._name, exc_info=error)
            return channel, _refused(RequestError(500, "the log of the server says why"))

    def _make_room(self) -> bool:
        """With too many connections, close the one that has been silent for the longest time: a
        client that opens many and asks nothing must not keep other clients from asking. False if
        all of them have asked."""
        if len(self.connections) <= MAX_CONNECTIONS:
            return True
        oldest = next(iter(self._unread), None)
        if oldest is None:
            return False
        del self._unread[oldest]
        oldest.cancel()
        return True

    @asynccontextmanager
    async def _unread_for_a_while(self) -> AsyncIterator[None]:
        """The time until a request is there; TimeoutError if it does not come."""
        task: Any = asyncio.current_task()
        self._unread[task] = None
        try:
            async with asyncio.timeout(channels.CLIENT_TIMEOUT):
                yield
        finally:
            self._unread.pop(task, None)


def _refused(error: RequestError) -> WebAnswer:
    text = _text({"error": str(error)})
    return WebAnswer(error.code, f"{text}\n".encode(), headers={**COMMON_HEADERS, **error.headers})


def parameters(target: str) -> tuple[str, dict[str, str]]:
    """The path of a target, and its parameters, of which the last of a name counts; RequestError
    if it cannot be read."""
    try:
        parts = urlsplit(target)
        given = parse_qs(parts.query, keep_blank_values=True, max_num_fields=10)
    except ValueError as error:
        raise RequestError(400, str(error)) from None
    return parts.path, {name: values[-1] for name, values in given.items()}


async def _turns() -> None:
    """Give the loop the turns in which asyncio makes and ends the transport of a connection."""
    for _ in range(TRANSPORT_TURNS):
        await asyncio.sleep(0)


async def json_answer(
    value: Any, code: int = 200, headers: Mapping[str, str] = NO_HEADERS
) -> WebAnswer:
    """The answer that is a value of this server, see `as_json`."""
    return WebAnswer(code, await as_json(value), headers=headers)


def json_line(value: Mapping[str, Any]) -> bytes:
    """One line of an answer of the content type `JSON_LINES`."""
    return json.dumps(value).encode() + b"\n"


async def as_json(value: Any) -> bytes:
    """A value of this server as JSON, in pieces, so that a long one does not hold the loop."""
    parts = []
    for name, content in _values(value).items():
        if isinstance(content, tuple):
            text = f"[{','.join([piece async for piece in _pieces(content)])}]"
        else:
            text = _text(content)
        parts.append(f"{_text(name)}: {text}")
    return f"{{{', '.join(parts)}}}\n".encode()


async def _pieces(items: tuple[Any, ...]) -> AsyncIterator[str]:
    for start in range(0, len(items), ITEMS_AT_ONCE):
        yield ",".join(map(_text, items[start : start + ITEMS_AT_ONCE]))
        await asyncio.sleep(0)


def _text(value: Any) -> str:
    # `asdict` would copy what is below a field as well, which takes five times as long.
    return json.dumps(value, default=_values, separators=(",", ":"))


def _values(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


async def _request(channel: Channel) -> WebRequest:
    """A request, when it is there as a whole."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_SIZE)
    request: h11.Request | None = None
    size = 0
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            raise RequestError(error.error_status_hint, str(error)) from None
        if event is h11.NEED_DATA:
            connection.receive_data(await channel.read())
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            size += len(event.data)
            if size > MAX_BODY_SIZE:
                raise RequestError(413, f"the body has more than {MAX_BODY_SIZE} bytes")
        elif request is None:
            raise ConnectionError("closed before a request came")
        else:
            return _plain(request)


def _plain(request: h11.Request) -> WebRequest:
    """A request as texts; of a header that is repeated, the values are joined as HTTP says."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return WebRequest(request.method.decode(), request.target.decode("ascii", "replace"), headers)


async def _send(channel: Channel, answer: WebAnswer) -> None:
    """The whole response; the connection ends with it."""
    headers = {"Content-Type": answer.kind, **answer.headers, "Connection": "close"}
    body = answer.body
    if isinstance(body, bytes):
        headers["Content-Length"] = str(len(body))
    lines = [f"HTTP/1.1 {answer.code} {HTTPStatus(answer.code).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    if isinstance(body, bytes):
        await channel.write(head + body)
    else:
        await channel.write(head)
        async with aclosing(body):
            async for part in body:
                await channel.write(part)
    await channel.close()

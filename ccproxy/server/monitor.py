"""The port of the option `http`: metrics, health, and the status, for programs that watch servers.

    GET /metrics       for Prometheus, in its text format or as OpenMetrics
    GET /healthz       200 while the server answers at all
    GET /readyz        200 while listeners are bound and required links are up, else 503 and why
    GET /status.json   a Status; names of peers and types only with the token

Each answer is made of a Status and of nothing else. Web pages are not obeyed: a request without the
token must name this machine as its host. It must never change anything of the server.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ccproxy.config.address import Address
from ccproxy.config.security import is_local
from ccproxy.server.metrics import exposition
from ccproxy.server.requests import RequestError, WebAnswer, WebRequest, json_answer
from ccproxy.server.status import (
    HandlerStatus,
    LinkStatus,
    ListenerStatus,
    SinksStatus,
    SinkStatus,
    Status,
)

TEXT = "text/plain; charset=utf-8"
CHALLENGE = {"WWW-Authenticate": "Bearer"}
COMMON = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class MonitorAccess:
    """Which requests are answered: `token` is what they carry, `local` that only this machine
    reaches the port, `host` the name in the option `http`."""

    token: bytes
    local: bool
    host: str

    def check(self, headers: Mapping[str, str]) -> bool:
        """True if a request carries the token; RequestError if it may not ask at all."""
        given = headers.get("authorization")
        if given is not None and self._right(given):
            return True
        if given is not None or not self.local:
            raise RequestError(401, "the token of http-token is needed", CHALLENGE)
        host = headers.get("host", "")
        if not self._ours(host):
            raise RequestError(403, "the header Host names another machine; try 127.0.0.1")
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            raise RequestError(403, "web pages of other hosts may not ask")
        return False

    def _right(self, given: str) -> bool:
        scheme, _, token = given.partition(" ")
        known = hmac.compare_digest(token.strip().encode(), self.token)
        return bool(self.token) and scheme.lower() == "bearer" and known

    def _ours(self, host: str) -> bool:
        """True for names of this machine, with any port; a web page cannot make one its own."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return bool(name) and (name == self.host.lower() or is_local(Address("tcp", name)))


class Monitor:
    """Answers requests by what the server's status is then."""

    def __init__(self, status: Callable[[], Status], access: MonitorAccess) -> None:
        self._status = status
        self.access = access
        """May be replaced: a reload reads the token again."""
        self._table: Mapping[str, Callable[[WebRequest, bool], Awaitable[WebAnswer]]] = {
            "/metrics": self._metrics,
            "/healthz": self._health,
            "/readyz": self._ready,
            "/status.json": self._json,
        }

    async def answer(self, request: WebRequest) -> WebAnswer:
        """What a request gets; RequestError if it is not obeyed."""
        trusted = self.access.check(request.headers)
        path = request.target.partition("?")[0]
        page = self._table.get(path)
        if page is None:
            raise RequestError(404, f"nothing is at this path, known are {', '.join(self._table)}")
        if request.method != "GET":
            raise RequestError(405, f"found {request.method}, expected GET", {"Allow": "GET"})
        return await page(request, trusted)

    async def _metrics(self, request: WebRequest, trusted: bool) -> WebAnswer:
        text, kind = await exposition(self._status(), request.headers.get("accept", ""))
        return WebAnswer(200, text, kind, COMMON)

    async def _health(self, request: WebRequest, trusted: bool) -> WebAnswer:
        return WebAnswer(200, b"ok\n", TEXT, COMMON)

    async def _ready(self, request: WebRequest, trusted: bool) -> WebAnswer:
        lines = unready(self._status())
        text = "".join(f"{line}\n" for line in lines) or "ready\n"
        return WebAnswer(503 if lines else 200, text.encode(), TEXT, COMMON)

    async def _json(self, request: WebRequest, trusted: bool) -> WebAnswer:
        status = self._status()
        return await json_answer(status if trusted else without_names(status), headers=COMMON)


def unready(status: Status) -> list[str]:
    """Why the server is not ready, one line each; nothing if it is."""
    lost = [
        f"[{one.section}] has lost its address" for one in status.listeners if not one.listening
    ]
    down = [
        f"[{one.section}] is {one.state}, and required"
        for one in status.links
        if one.required and one.state != "up"
    ]
    return lost + down


def without_names(status: Status) -> Status:
    """A status without names and addresses of peers, message types, and texts of handlers, in which
    there may be some. Sections and numbers stay."""
    return replace(
        status,
        process=replace(status.process, file=HIDDEN),
        listeners=tuple(map(_listener, status.listeners)),
        links=tuple(map(_link, status.links)),
        handlers=tuple(map(_handler, status.handlers)),
        routes=(),
        sinks=_sinks(status.sinks),
    )


def _listener(one: ListenerStatus) -> ListenerStatus:
    return replace(one, address=HIDDEN)


def _link(one: LinkStatus) -> LinkStatus:
    return replace(one, address=HIDDEN, reason="", sink=_sink(one.sink))


def _handler(one: HandlerStatus) -> HandlerStatus:
    return HandlerStatus(one.section, one.handler, {}, {}, faults=one.faults)


def _sinks(found: SinksStatus) -> SinksStatus:
    return replace(found, worst=tuple(map(_sink, found.worst)))


def _sink(one: SinkStatus) -> SinkStatus:
    """Behind the section stands the address of a peer, and the name that it has proven."""
    return replace(one, name=one.name.partition(" ")[0])

"""The port of the option `http`: the live page, metrics, health, and the status.

    GET /              the page, whose files hold nothing of this server
    GET /updates       for the page: the status again and again, as server-sent events
    GET /metrics       for Prometheus, in its text format or as OpenMetrics
    GET /healthz       200 while the server answers at all
    GET /readyz        200 while listeners are bound and required links are up, else 503 and why
    GET /status.json   a Status; names of peers and types only with the token
    GET /v1/...        with the token, what the control socket shows; /v1/status also without it

Web pages of others are not obeyed: a request without the token must name this machine as its host,
and come from no other page. It must never change anything of the server.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ccproxy.config.address import Address
from ccproxy.config.security import is_local
from ccproxy.server.hidden import without_names
from ccproxy.server.metrics import exposition
from ccproxy.server.page_files import PAGE, page_files
from ccproxy.server.requests import (
    COMMON_HEADERS,
    Answering,
    RequestError,
    WebAnswer,
    WebRequest,
    json_answer,
)
from ccproxy.server.status import DRAINING, Status
from ccproxy.server.updates import Updates

TEXT = "text/plain; charset=utf-8"
CHALLENGE = {"WWW-Authenticate": "Bearer"}
UNKNOWN = "nothing is at this path, known are {}"


@dataclass(frozen=True, slots=True)
class MonitorAccess:
    """Which requests are answered: `token` is what they carry, `local` that only this machine
    reaches the port, `host` the name in the option `http`, `secure` that it speaks TLS."""

    token: bytes
    local: bool
    host: str
    secure: bool = False

    def check(self, headers: Mapping[str, str]) -> bool:
        """True if a request carries the token; RequestError if it may not ask at all."""
        given = headers.get("authorization")
        if given is not None and self._right(given):
            return True
        if given is not None or not self.local:
            raise RequestError(401, "the token of http-token is needed", CHALLENGE)
        self.check_page(headers)
        # A page may ask without saying so in Origin, if it cannot read the answer.
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise RequestError(403, "web pages of other hosts may not ask")
        return False

    def check_page(self, headers: Mapping[str, str]) -> None:
        """RequestError if the files of the page are asked for by the name of another machine, or by
        another page. Where other machines reach the port, they know it by any name."""
        if not self.local:
            return
        host = headers.get("host", "")
        if not self._ours(host):
            raise RequestError(403, "the header Host names another machine; try 127.0.0.1")
        origin = f"http{'s' if self.secure else ''}://{host}"
        if headers.get("origin", origin) != origin:
            raise RequestError(403, "web pages of other hosts may not ask")

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

    def __init__(
        self,
        status: Callable[[], Status],
        access: MonitorAccess,
        control: Answering,
        updates: Updates,
    ) -> None:
        """`control` answers on the control socket."""
        self.access = access
        """May be replaced: a reload reads the token again."""
        self._status = status
        self._updates = updates
        self._control = control
        self._files = page_files()
        self._table: Mapping[str, Callable[[WebRequest, bool], Awaitable[WebAnswer]]] = {
            "/metrics": self._metrics,
            "/healthz": self._health,
            "/readyz": self._ready,
            "/status.json": self._json,
            "/updates": self._update,
        }

    async def answer(self, request: WebRequest) -> WebAnswer:
        """What a request gets; RequestError if it is not obeyed."""
        path = request.target.partition("?")[0]
        file = self._files.get(path)
        if file is not None:
            self.access.check_page(request.headers)
            _only_get(request)
            return file
        trusted = self.access.check(request.headers)
        if path.startswith("/v1/"):
            return await self._look(request, path, trusted)
        page = self._table.get(path)
        if page is None:
            raise RequestError(404, UNKNOWN.format(", ".join([PAGE, *self._table])))
        _only_get(request)
        return await page(request, trusted)

    async def close(self) -> None:
        """End the answers that go on."""
        await self._updates.close()

    async def _metrics(self, request: WebRequest, trusted: bool) -> WebAnswer:
        text, kind = await exposition(self._status(), request.headers.get("accept", ""))
        return WebAnswer(200, text, kind, COMMON_HEADERS)

    async def _health(self, request: WebRequest, trusted: bool) -> WebAnswer:
        return WebAnswer(200, b"ok\n", TEXT, COMMON_HEADERS)

    async def _ready(self, request: WebRequest, trusted: bool) -> WebAnswer:
        lines = unready(self._status())
        text = "".join(f"{line}\n" for line in lines) or "ready\n"
        return WebAnswer(503 if lines else 200, text.encode(), TEXT, COMMON_HEADERS)

    async def _json(self, request: WebRequest, trusted: bool) -> WebAnswer:
        status = self._status()
        shown = status if trusted else without_names(status)
        return await json_answer(shown, headers=COMMON_HEADERS)

    async def _update(self, request: WebRequest, trusted: bool) -> WebAnswer:
        return self._while_known(self._updates.answer(trusted))

    async def _look(self, request: WebRequest, path: str, trusted: bool) -> WebAnswer:
        """What the control socket answers; nothing is changed from here."""
        if request.method != "GET":
            what = "this port only shows: what changes the server goes through the control socket"
            raise RequestError(405, what, {"Allow": "GET"})
        if trusted:
            return self._while_known(await self._control(request))
        if path != "/v1/status":
            raise RequestError(401, "peers and types need the token of http-token", CHALLENGE)
        return await self._json(request, trusted)

    def _while_known(self, answer: WebAnswer) -> WebAnswer:
        """An answer; one that goes on does so until the token is another one."""
        headers = {**answer.headers, **COMMON_HEADERS}
        if isinstance(answer.body, bytes):
            return replace(answer, headers=headers)
        return replace(answer, body=self._parts(answer.body, self.access.token), headers=headers)

    async def _parts(
        self, parts: AsyncGenerator[bytes, None], token: bytes
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(parts):
            async for part in parts:
                if token != self.access.token:
                    return
                yield part


def _only_get(request: WebRequest) -> None:
    if request.method != "GET":
        raise RequestError(405, f"found {request.method}, expected GET", {"Allow": "GET"})


def unready(status: Status) -> list[str]:
    """Why the server is not ready, one line each; nothing if it is."""
    if status.draining:
        return [DRAINING]
    lost = [
        f"[{one.section}] has lost its address" for one in status.listeners if not one.listening
    ]
    down = [
        f"[{one.section}] is {one.state}, and required"
        for one in status.links
        if one.required and one.state != "up"
    ]
    return lost + down

"""The control socket: JSON over HTTP on a Unix socket, for `ccserver status`, reloads and curl.

    GET  /v1/status                       the sections of a Status
    GET  /v1/status/peers?after=&most=    pages: `next` of one is `after` of the next one
    GET  /v1/status/flows?after=&most=
    GET  /v1/status/types?most=           the message types with the most messages
    GET  /v1/status/flow?type=            where messages of one type go now, 404 if none came
    GET  /v1/status/onward?type=&section= what a handler does with messages of one type now
    GET  /v1/status/losses                what was lost lately, where, why and when
    GET  /v1/tap?prefix=&from=&to=&body=  messages as they pass, see `tapping`
    POST /v1/drop-peer, pause, resume, log, drain, drain/cancel, see `steering`
    POST /v1/replace?version=&linger=     101 another process takes over, see `process.handover`
    /v1/spool/..., see `spools`
    POST /v1/reload                       200 adopted, 422 mistakes in the files, 409 impossible

Only the server's user and root are answered. It must never hold up messages, and never stop the
server by a failure.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from socket import socket

from ccproxy.net.notices import ServerLog
from ccproxy.process.control_socket import ControlSocket, peer_user
from ccproxy.server.observer import Observer
from ccproxy.server.pages import CursorError
from ccproxy.server.reload import Reloads
from ccproxy.server.requests import (
    RequestError,
    RequestServer,
    WebAnswer,
    WebRequest,
    json_answer,
    parameters,
)
from ccproxy.server.status import Status
from ccproxy.server.steering import Steering
from ccproxy.server.tapping import Tapping

MAX_PAGE = 1000
"""Items of the largest page."""
USUAL_PAGE = 100

Query = Mapping[str, str]
Action = Callable[[Query], Awaitable[WebAnswer]]


class ControlActions:
    """What can be asked for, by method and path."""

    def __init__(
        self,
        status: Callable[[], Status],
        observer: Observer,
        reloads: Reloads,
        tapping: Tapping,
        steering: Steering,
    ) -> None:
        self._status = status
        self._tapping = tapping
        self._observer = observer
        self._reloads = reloads
        self.table: dict[tuple[str, str], Action] = {
            ("GET", "/v1/status"): self._get_status,
            ("GET", "/v1/status/peers"): self._get_peers,
            ("GET", "/v1/status/flows"): self._get_flows,
            ("GET", "/v1/status/types"): self._get_types,
            ("GET", "/v1/status/flow"): self._get_flow,
            ("GET", "/v1/status/onward"): self._get_onward,
            ("GET", "/v1/status/losses"): self._get_losses,
            ("GET", "/v1/tap"): self._tap,
            ("POST", "/v1/reload"): self._reload,
            ("POST", "/v1/drop-peer"): steering.drop_peer,
            ("POST", "/v1/pause"): steering.pause,
            ("POST", "/v1/resume"): steering.resume,
            ("POST", "/v1/log"): steering.log,
            ("POST", "/v1/drain"): steering.drain,
            ("POST", "/v1/drain/cancel"): steering.cancel_drain,
            ("GET", "/v1/spool"): steering.spools.show,
            ("GET", "/v1/spool/runs"): steering.spools.runs,
            ("GET", "/v1/spool/copies"): steering.spools.copies,
            ("POST", "/v1/spool/replay"): steering.spools.replay,
            ("POST", "/v1/spool/drop"): steering.spools.drop,
            ("POST", "/v1/spool/resend"): steering.spools.resend,
        }

    async def answer(self, request: WebRequest) -> WebAnswer:
        """Do what a request asks for; RequestError if there is no such thing."""
        method = request.method
        place, query = parameters(request.target)
        action = self.table.get((method, place))
        if action is None:
            methods = [method for method, path in self.table if path == place]
            if methods:
                raise RequestError(405, f"found {method}, expected {methods[0]}")
            known = ", ".join(path for _, path in self.table)
            raise RequestError(404, f"nothing is at this path, known are {known}")
        try:
            return await action(query)
        except CursorError as error:
            raise RequestError(400, str(error)) from None

    async def _get_status(self, query: Query) -> WebAnswer:
        _only(query)
        return await json_answer(self._status())

    async def _get_peers(self, query: Query) -> WebAnswer:
        _only(query, "after", "most")
        return await json_answer(await self._observer.peers(query.get("after", ""), _most(query)))

    async def _get_flows(self, query: Query) -> WebAnswer:
        _only(query, "after", "most")
        return await json_answer(await self._observer.flows(query.get("after", ""), _most(query)))

    async def _get_types(self, query: Query) -> WebAnswer:
        _only(query, "most")
        return await json_answer(await self._observer.types(_most(query)))

    async def _get_flow(self, query: Query) -> WebAnswer:
        _only(query, "type")
        found = self._observer.flow(query.get("type", ""))
        if found is None:
            raise RequestError(404, "there is no flow of this type: no message of it came")
        return await json_answer(found)

    async def _get_onward(self, query: Query) -> WebAnswer:
        _only(query, "type", "section")
        found = self._observer.onward(query.get("type", ""), query.get("section", ""))
        if found is None:
            raise RequestError(404, "no handler of this section runs")
        return await json_answer(found)

    async def _get_losses(self, query: Query) -> WebAnswer:
        _only(query)
        return await json_answer(self._observer.losses())

    async def _tap(self, query: Query) -> WebAnswer:
        _only(query, "prefix", "from", "to", "body")
        return await self._tapping.answer(query)

    async def _reload(self, query: Query) -> WebAnswer:
        _only(query)
        outcome = await self._reloads.outcome()
        code = 200 if outcome.adopted else 422 if outcome.bad_configuration else 409
        return await json_answer(outcome, code)


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


class ControlServer:
    """Answers on one control socket, until it is closed."""

    def __init__(self, place: ControlSocket, actions: ControlActions, log: ServerLog) -> None:
        self.path = place.path
        self.requests = RequestServer(
            "control socket", place.socket, actions.answer, log, self._admit
        )
        self._place = place
        self._log = log

    async def open(self) -> None:
        """Begin to answer."""
        try:
            await self.requests.open()
        except BaseException:
            self._place.remove()
            self._place.socket.close()
            raise

    async def close(self) -> None:
        """Answer no more, and remove the socket's file if it is still ours."""
        self._place.remove()
        await self.requests.close()

    def _admit(self, sock: socket) -> None:
        """RequestError for a process of a user that may not use the socket."""
        user = peer_user(sock)
        if user not in (None, 0, os.geteuid()):
            self._log.often("control socket", "control socket refused user=%d", user)
            raise RequestError(403, f"user {user} may not use this socket")

"""What all forms over HTTP have in common, whatever their bodies are.

It must never know what a request asks for, or what an answer says; a subclass reads and writes the
bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ccproxy.core.pace import Pending
from ccproxy.net.work import Steps, quick
from ccproxy.protocols.jolie.http.access import WebAccess
from ccproxy.protocols.jolie.http.client import HttpClient
from ccproxy.protocols.jolie.http.messages import (
    BodyTooBig,
    HttpLimits,
    HttpRequest,
    HttpResponse,
    RefusedRequest,
    Sending,
)
from ccproxy.protocols.jolie.http.packing import Packing
from ccproxy.protocols.jolie.http.passage import Passage, PassedSending
from ccproxy.protocols.jolie.http.server import HttpServer
from ccproxy.protocols.jolie.json_check import LARGE
from ccproxy.protocols.jolie.raw_values import without_raw
from ccproxy.protocols.jolie.sodep import Packed, Upstream
from ccproxy.protocols.jolie.sodep.messages import Encoded
from ccproxy.protocols.jolie.sodep.to_json import to_json
from ccproxy.protocols.jolie.style import CallStyle
from ccproxy.protocols.jolie.values import (
    Answer,
    Answered,
    Asked,
    Call,
    CallerSide,
    Fault,
    Reading,
    Result,
    Tree,
    Unexecuted,
    Value,
)


class WebForm:
    """A form. `host` and `path` are those of the service's location."""

    name = ""
    pipelines = False
    apart = False

    def __init__(self, host: str = "", path: str = "/", limits: HttpLimits | None = None) -> None:
        self.host = host
        self.path = path
        self.limits = limits or HttpLimits()
        self.style = CallStyle()
        """How bodies are written and read on connections to come."""
        self.access: WebAccess | None = None
        """Which requests are obeyed on connections to come; None: every one."""
        self.packing: Packing | None = None
        """Gzips answers on connections to come; None: they go as they are."""

    @property
    def serial(self) -> bool:
        """True if the service takes one call at a time."""
        return False

    def limit(self, size: int) -> None:
        """The most bytes of a body on connections to come."""
        self.limits = HttpLimits(body=size)

    def request(self, call: Call, id: int) -> Sending:
        """The request of a call; Unportable if the form cannot carry it."""
        raise NotImplementedError

    def prepare(self, value: Value, token: Any = None) -> Steps[Value] | None:
        """Large values of sodep, and of XML, become JSON text."""
        if value.size <= LARGE:
            return None
        base64 = self.style.base64
        if isinstance(value, Packed):
            return to_json(value.frame.tail, value.frame.value, value.charset, base64)
        if isinstance(value, Encoded):
            return to_json(value.data, 0, value.charset, base64)
        return None

    def portable(self, value: Value) -> Value:
        """A small value without what JSON cannot carry, if the style has another form for it."""
        return without_raw(value) if self.style.base64 else value

    def caller(self) -> WebCaller:
        """For one accepted connection."""
        raise NotImplementedError

    def service(self, upstream: Upstream | None = None) -> WebService:
        """For one connection to a service."""
        raise NotImplementedError

    def abandon(self, callers: Iterable[CallerSide], fault: Fault) -> None:
        """Refuse the requests whose calls are not read yet; their listener answers calls."""
        for one in callers:
            if isinstance(one, WebCaller):
                one.abandon(str(fault.value.tree().payload))

    def upstreams(self, timeout: float, clock: Callable[[], float]) -> None:
        """HTTP has no fast path."""
        return


class WebCaller:
    """One connection of a caller; see `CallerSide` of `jolie.values`."""

    def __init__(
        self,
        limits: HttpLimits,
        access: WebAccess | None = None,
        style: CallStyle | None = None,
        packing: Packing | None = None,
    ) -> None:
        self.style = style or CallStyle()
        """How answers are written and calls are read."""
        self.calls = 0
        """Calls without answer."""
        self.direct = True
        """Without effect: HTTP has no fast path."""
        self.wake: Callable[[], None] = _no_wake
        self._server = HttpServer(limits, access)
        self._limits = limits
        self._packing = packing
        self._unread = False
        """True while a large request is read in steps."""

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on."""
        return self._server.broken

    @property
    def too_big(self) -> bool:
        """True if that is because of the size of a body."""
        return self._server.too_big

    @property
    def unwelcome(self) -> bool:
        """True if that is because of a request that is not obeyed."""
        return self._server.unwelcome

    @property
    def closing(self) -> bool:
        """No further call is read."""
        return self._server.closing

    @property
    def crowded(self) -> bool:
        """So much waits for the answer to an earlier call that no more should be fed."""
        return self._server.crowded

    def pending(self) -> Pending:
        """The request that is not whole yet."""
        return self._server.pending()

    def feed(self, data: bytes) -> list[Asked]:
        """The calls that became whole, up to those of one request that waits for its response."""
        asked: list[Asked] = []
        server = self._server
        while found := server.feed(data):
            data = b""
            try:
                if isinstance(found, RefusedRequest):
                    self.refuse(found)
                    break
                asked += self._read(found)
            except BodyTooBig as reason:
                self._too_big(reason)
                break
            if server.waiting:
                break
        self.calls += len(asked)
        if server.has_output:
            self.wake()
        return asked

    def eof(self) -> None:
        """The caller sends no more."""
        self._server.eof()

    def drain(self, reason: str) -> None:
        """Read no further call; the next response is the last, and says so."""
        refused = self._server.drain(reason)
        if refused is not None:
            self.refuse(refused)

    def abandon(self, reason: str) -> None:
        """Respond to a request that is still being read; its calls will have no answers."""
        if self._unread:
            self.refuse(RefusedRequest(503, reason))
            self.wake()

    def answer(self, token: Any, answer: Answer) -> None:
        """Answer one call; what the form cannot carry is answered with a fault."""
        self.calls -= 1
        self.write(token, answer)
        self.wake()

    def take(self) -> list[bytes | memoryview]:
        """The bytes to be written since the last time; none if nothing is."""
        return self._server.out()

    def read(self, request: HttpRequest) -> Steps[list[Asked]]:
        """The calls of one request; BodyTooBig if its body is too large once it is unpacked."""
        raise NotImplementedError

    def write(self, token: Any, answer: Answer) -> None:
        """Respond, once the request has all the answers that it waits for."""
        raise NotImplementedError

    def refuse(self, refused: RefusedRequest) -> None:
        """Respond to a request that is not read to its end."""
        raise NotImplementedError

    def respond(self, sending: Sending) -> None:
        """Send the response of the request that waits."""
        if self._packing is not None:
            sending = self._packing.packed(sending, self._server.headers)
        self._server.respond(sending)

    def _read(self, request: HttpRequest) -> list[Asked]:
        steps = self.read(request)
        if done := quick(steps):
            return done[0]
        self._unread = True
        return [Asked(None, Reading(self._reading(steps), len(request.body)))]

    def _reading(self, steps: Steps[list[Asked]]) -> Steps[list[Asked]]:
        """Read the calls; until they are counted, the reading is counted as one."""
        asked: list[Asked] = []
        try:
            asked = yield from steps
        except BodyTooBig as reason:
            self._too_big(reason)
        self._unread = False
        self.calls += len(asked) - 1
        if self._server.has_output:
            self.wake()
        return asked

    def _too_big(self, reason: BodyTooBig) -> None:
        self._server.exceed(str(reason))
        self.refuse(RefusedRequest(413, str(reason)))


class WebService:
    """One connection to a service, one call at a time; see `ServiceSide` of `jolie.values`."""

    def __init__(self, limits: HttpLimits) -> None:
        self.passage: Passage | None = None
        """What passes through, if it is no call that is read here."""
        self._client = HttpClient(limits)
        self._limits = limits
        self.sent = Sending()
        """The request that was written last."""
        self._last, self._end = False, ""
        self._unmatched = ""
        """Why a response belongs to another request than the one it should answer."""

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on."""
        return self._client.broken or self._unmatched or self._end

    @property
    def closing(self) -> bool:
        """No further request."""
        return self._client.closing or self._last

    def send(self, request: Sending) -> list[bytes | memoryview]:
        """The pieces of a request; of one that is passed its head."""
        self.sent = request
        if not isinstance(request, PassedSending):
            return self._client.send(request)
        self.passage = Passage(request, self._limits)
        return [self.passage.start()]

    def feed(self, data: bytes) -> list[Answered]:
        """The answer once it is whole; one that is passed is on its way already."""
        if self.passage is not None:
            return self._passed(self.passage, data)
        return self._answered(self._client.feed(data))

    def eof(self) -> list[Answered]:
        """The answer that ends with the connection."""
        if self.passage is not None:
            return self._passed(self.passage, b"")
        return self._answered(self._client.eof())

    def read(self, response: HttpResponse) -> Steps[Answer | Unexecuted | None]:
        """The answer of a response; None if it belongs to another request."""
        raise NotImplementedError

    def _passed(self, passage: Passage, data: bytes) -> list[Answered]:
        whole, client = passage.feed(data), passage.client
        self._last, self._end = client.closing, client.broken
        if not whole:
            return []
        self.passage = None
        return [Answered(self.sent.id, Result(Tree()))]

    def _answered(self, response: HttpResponse | None) -> list[Answered]:
        if response is None:
            return []
        steps = self.read(response)
        done = quick(steps)
        if done is None:
            return [Answered(self.sent.id, Reading(steps, len(response.body)))]
        return [] if done[0] is None else [Answered(self.sent.id, done[0])]


def _no_wake() -> None:
    """Do nothing: the owner, which would write, has not set its `wake` yet."""

"""Jolie's `http` protocol as one form, with bodies of JSON or XML.

The operation stands in the target, the value is the body, whose root is always an object or an
element; a fault is status 500 with an error object, or with an element in the root. A caller gets
the format in which it asks, unless it accepts only the other one. It must never take a fault for a
value, as the original redirector does, or the error page of an HTTP proxy for an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ccproxy.net.work import Steps, result
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.access import WebAccess
from ccproxy.protocols.jolie.http.bodies import (
    answered_in_xml,
    body_of,
    error_body,
    fault_of_body,
    read_body,
    read_xml,
    with_fields,
    xml_body,
)
from ccproxy.protocols.jolie.http.exchange import Exchange
from ccproxy.protocols.jolie.http.messages import (
    JSON,
    TYPE,
    XML_TYPE,
    BodyTooBig,
    HttpLimits,
    HttpRequest,
    HttpResponse,
    RefusedRequest,
    Sending,
    header,
    is_xml,
)
from ccproxy.protocols.jolie.http.packing import Packing
from ccproxy.protocols.jolie.http.passage import PassedSending
from ccproxy.protocols.jolie.http.sides import WebCaller, WebForm, WebService
from ccproxy.protocols.jolie.json_check import LARGE
from ccproxy.protocols.jolie.json_values import JsonText
from ccproxy.protocols.jolie.pieces import Pieces
from ccproxy.protocols.jolie.raw_values import without_raw
from ccproxy.protocols.jolie.sodep import Upstream
from ccproxy.protocols.jolie.style import CallStyle
from ccproxy.protocols.jolie.values import (
    Answer,
    Asked,
    Call,
    Fault,
    Result,
    Tree,
    Unexecuted,
    Unportable,
    Value,
    io_fault,
)
from ccproxy.protocols.jolie.xml.content import is_written, to_xml

_READ = frozenset({"GET", "HEAD"})
_METHODS = _READ | {"POST", "PUT", "PATCH", "DELETE"}
_NO_JSON = 415
"""Unsupported Media Type: the body was not read."""
_PARSER_BUSY, _WARNING = b"FWK005 parse may not be called while parsing", 1024
"""What a Jolie service says in front of a body that it did not read, and where."""
_EXPECTED = "expected /OPERATION or /!/RESOURCE!/OPERATION"


class HttpToken(NamedTuple):
    """What of a request is needed to answer it."""

    operation: str
    message: str
    xml: bool = False
    """True if the answer is to be XML."""
    jolie: bool = False
    """True if the caller is a Jolie program, which knows a fault by its exact content type."""


class Http(WebForm):
    """The form; see `WebForm`."""

    name = "http"
    refuses_json = False
    """True once the service has refused JSON."""

    @property
    def xml(self) -> bool:
        """True if requests are written in XML."""
        return self.style.format == "xml" or self.refuses_json

    @property
    def serial(self) -> bool:
        """One XML parser serves a whole Jolie process, and fails at the second call."""
        return self.xml

    def prepare(self, value: Value, token: Any = None) -> Steps[Value] | None:
        """Large values become XML where XML is written, else JSON text."""
        xml = self.xml if token is None else token.xml
        if not xml:
            return super().prepare(value, token)
        style = self.style.xml()
        return None if value.size <= LARGE or is_written(value, style) else to_xml(value, style)

    def request(self, call: Call, id: int) -> Sending:
        """The request; Unportable if its body, a header or a target cannot carry it."""
        if isinstance(call.value, Exchange):
            where = self.host or "localhost", self.path
            return PassedSending(exchange=call.value, place=where, id=id)
        operation = call.operation
        if not operation:
            raise Unportable("a request without operation has no target")
        body, *types = self._body(call)
        headers = (
            ("Host", self.host or "localhost"),
            ("Accept-Encoding", "identity"),
            ("X-Jolie-Operation", header(operation)),
            ("X-Jolie-ServicePath", header(call.path)),
            *types,
        )
        again: Callable[[], Sending] | None = None
        if self.style.format == "auto" and not self.refuses_json and call.value.size <= LARGE:
            again = partial(self.request, call, id)
        target = targets.write(self.path, call.path, operation)
        return Sending(headers, body, target=target, id=id, operation=operation, again=again)

    def _body(self, call: Call) -> tuple[Any, ...]:
        """The body of a request, and the headers that say what it is."""
        value = call.value
        written = is_written(value, self.style.xml())
        if written or self.xml and not isinstance(value, JsonText):
            content = result(to_xml(value, self.style.xml()))
            return xml_body(call.operation, content), ("Content-Type", XML_TYPE)
        return body_of(self.portable(value)), ("Accept", JSON), ("Content-Type", TYPE)

    def caller(self) -> HttpCaller:
        """For one accepted connection."""
        return HttpCaller(self.limits, self.access, self.style, self.packing)

    def service(self, upstream: Upstream | None = None) -> HttpService:
        """For one connection to a service."""
        return HttpService(self)


class HttpCaller(WebCaller):
    """One connection of a caller; `feed(b"")` after an answer may give the next call."""

    def __init__(
        self,
        limits: HttpLimits,
        access: WebAccess | None,
        style: CallStyle | None = None,
        packing: Packing | None = None,
    ) -> None:
        super().__init__(limits, access, style, packing)
        self._target = targets.read_without_tokens if access and access.plain else targets.read

    def read(self, request: HttpRequest) -> Steps[list[Asked]]:
        """The one call of a request, or the fault with which it is answered."""
        headers = request.headers
        xml, jolie = answered_in_xml(headers, request.body), "x-jolie-operation" in headers
        token = HttpToken("", headers.get("x-jolie-messageid", ""), xml, jolie)
        try:
            target = self._target(request.target, headers)
            token = token._replace(operation=target.operation)
            if request.method not in _METHODS:
                raise Unportable(f"method {request.method:.20}; expected POST")
            if not target.operation:
                raise Unportable(f"no operation in the target {request.target:.60}; {_EXPECTED}")
            value = yield from self._value(request, target)
        except BodyTooBig:
            raise
        except Unportable as reason:
            return [Asked(token, io_fault(str(reason)))]
        return [Asked(token, Call(target.path, target.operation, value))]

    def refuse(self, refused: RefusedRequest) -> None:
        """Respond to a request that is not read to its end."""
        told = self._server.headers
        xml = "soapaction" in told or answered_in_xml(told, b"")
        token = HttpToken("", "", xml, "x-jolie-operation" in told)
        type, body = self._body(token, io_fault(refused.reason))
        self.respond(Sending((("Content-Type", type),), body, refused.status))

    def write(self, token: HttpToken, answer: Answer) -> None:
        """Respond; a value that the body cannot carry is answered with a fault."""
        try:
            self._respond(token, answer)
        except Unportable as reason:
            self._respond(token, io_fault(f"http cannot carry the answer: {reason}"))

    def _respond(self, token: HttpToken, answer: Answer) -> None:
        type, body = self._body(token, answer)
        headers = [("X-Jolie-Operation", header(token.operation)), ("X-Jolie-ServicePath", "/")]
        if token.message:
            headers.append(("X-Jolie-MessageID", token.message))
        headers.append(("Content-Type", type))
        self.respond(Sending(tuple(headers), body, 500 if isinstance(answer, Fault) else 200))

    def _body(self, token: HttpToken, answer: Answer) -> tuple[str, bytes | memoryview | Pieces]:
        """The body in the form that the caller asks for, and its content type."""
        if token.xml:
            return XML_TYPE, self._xml(token.operation, answer)
        # A Jolie client reads the data of a fault only under this very type.
        type = JSON if isinstance(answer, Fault) and token.jolie else TYPE
        return type, self._json(answer)

    def _json(self, answer: Answer) -> bytes | memoryview | Pieces:
        value = without_raw(answer.value) if self.style.base64 else answer.value
        return (
            error_body(Fault(answer.name, value)) if isinstance(answer, Fault) else body_of(value)
        )

    def _xml(self, operation: str, answer: Answer) -> bytes | Pieces:
        content = result(to_xml(answer.value, self.style.xml()))
        name = answer.name if isinstance(answer, Fault) else ""
        return xml_body(operation, content, answer=True, fault=name)

    def _value(self, request: HttpRequest, target: targets.RequestTarget) -> Steps[Value]:
        if request.method in _READ:
            return targets.fields(target.query)
        limit = self._limits.body
        if is_xml(request.headers):
            types = self.style.types
            type = types.request(target.operation)
            return (yield from read_xml(request, limit, type, types.other, target.query))
        return (yield from _value(request, target, limit))


class HttpService(WebService):
    """One connection to a service; see `WebService`."""

    def __init__(self, form: Http) -> None:
        super().__init__(form.limits)
        self._form = form
        self._types = form.style.types

    def read(self, response: HttpResponse) -> Steps[Answer | Unexecuted | None]:
        """The answer in a response; a status of 300 or more is a fault whatever its body says."""
        status = response.status
        if refused := self._refused(response):
            return refused
        operation, limit = self.sent.operation, self._limits.body
        try:
            if status < 300:
                return Result((yield from self._result(response)))
            fault = yield from fault_of_body(response, limit, self._types, operation)
        except Unportable as reason:
            return io_fault(f"HTTP status {status}: {reason}")
        return fault or io_fault(f"HTTP status {status}")

    def _result(self, response: HttpResponse) -> Steps[Value]:
        limit = self._limits.body
        if is_xml(response.headers):
            type = self._types.answer(self.sent.operation)
            return (yield from read_xml(response, limit, type, self._types.other))
        return (yield from read_body(response.headers, response.body, limit))[0]

    def _refused(self, response: HttpResponse) -> Unexecuted | None:
        """What says that the request was refused before the call was executed."""
        sent = self.sent
        if response.status == _NO_JSON and sent.again is not None:
            self._form.refuses_json = True
            return Unexecuted(io_fault("HTTP status 415: the service refuses JSON"), sent.again())
        if response.status == 500 and _PARSER_BUSY in response.body[:_WARNING]:
            self._last = True
            return Unexecuted(io_fault("the XML parser of the service was busy"), sent)
        return None


def _value(request: HttpRequest, target: targets.RequestTarget, limit: int) -> Steps[Value]:
    names = {name for name, _ in target.query}
    value, members = yield from read_body(request.headers, request.body, limit, names)
    if not names:
        return value
    if isinstance(value, JsonText):
        fields = targets.fields(target.query).children
        return with_fields(
            value, {name: vector for name, vector in fields.items() if name not in members}
        )
    return _beside(value, target)


def _beside(value: Value, target: targets.RequestTarget) -> Tree:
    """A value with the fields of the query, unless it has children of their names."""
    tree = value.tree()
    return Tree(tree.payload, {**targets.fields(target.query).children, **tree.children})

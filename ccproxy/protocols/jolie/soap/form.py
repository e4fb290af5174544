"""Jolie's `soap` protocol, SOAP 1.1 over HTTP POST without WSDL, as one form.

The operation is the last part of SOAPAction, or the name of the body's element; the resource is the
path of the request. It must never take a fault for a value, or lose its name or its data whatever
the status is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ccproxy.net.work import Steps, result
from ccproxy.protocols.jolie import paths
from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.http.messages import (
    XML_TYPE,
    BodyTooBig,
    HttpLimits,
    HttpRequest,
    HttpResponse,
    RefusedRequest,
    Sending,
    header,
    read_text,
    unpack,
    utf8_text,
)
from ccproxy.protocols.jolie.http.sides import WebCaller, WebForm, WebService
from ccproxy.protocols.jolie.json_check import LARGE
from ccproxy.protocols.jolie.pieces import Pieces
from ccproxy.protocols.jolie.soap import envelope
from ccproxy.protocols.jolie.sodep import Upstream
from ccproxy.protocols.jolie.values import (
    Answer,
    Asked,
    Call,
    Fault,
    Result,
    Tree,
    Unportable,
    Value,
    io_fault,
)
from ccproxy.protocols.jolie.xml.content import is_written, to_xml
from ccproxy.protocols.jolie.xml.types import Types

UNKNOWN = "UnknownFault"
"""The name of a fault that a service gives no name: the original's."""


class SoapToken(NamedTuple):
    """What of a request is needed to answer it; `status` replaces that of a fault."""

    operation: str
    status: int = 0


class Soap(WebForm):
    """The form; see `WebForm`."""

    name = "soap"

    def request(self, call: Call, id: int) -> Sending:
        """The request; Unportable if XML, a header or a target cannot carry it."""
        content = result(to_xml(call.value, self.style.xml(typed=True)))
        body = envelope.message(call.operation, content, self.style.namespace)
        action = f'"{self.style.namespace}/{call.operation}"'
        headers = (
            ("Host", self.host or "localhost"),
            ("Accept-Encoding", "identity"),
            ("Content-Type", XML_TYPE),
            ("SOAPAction", header(action)),
        )
        target = targets.plain_place(self.path, call.path)
        return Sending(headers, body, target=target, id=id, operation=call.operation)

    def prepare(self, value: Value, token: Any = None) -> Steps[Value] | None:
        """Large values become XML."""
        style = self.style.xml(typed=True)
        return None if value.size <= LARGE or is_written(value, style) else to_xml(value, style)

    def caller(self) -> SoapCaller:
        """For one accepted connection."""
        return SoapCaller(self.limits, self.access, self.style, self.packing)

    def service(self, upstream: Upstream | None = None) -> SoapService:
        """For one connection to a service."""
        return SoapService(self.limits, self.style.types)


class SoapCaller(WebCaller):
    """One connection of a caller; `feed(b"")` after an answer may give the next call."""

    def read(self, request: HttpRequest) -> Steps[list[Asked]]:
        """The one call of a request, or the fault with which it is answered."""
        token = SoapToken("")
        if request.method != "POST":
            what = f"method {request.method:.20}; expected POST"
            return [Asked(SoapToken("", 405), io_fault(what))]
        try:
            operation = _action(request.headers.get("soapaction", ""))
            token = SoapToken(operation)
            path = _path(request)
            data = yield from read_text(request, self._limits.body)
            found = yield from envelope.read(data, self.style.types)
        except BodyTooBig:
            raise
        except Unportable as reason:
            return [Asked(token, io_fault(str(reason)))]
        token = SoapToken(operation or found.operation)
        if found.fault or not token.operation:
            what = "no operation: neither SOAPAction nor an element in the body names one"
            return [Asked(token, io_fault(what))]
        return [Asked(token, Call(path, token.operation, found.value or Tree()))]

    def refuse(self, refused: RefusedRequest) -> None:
        """Respond to a request that is not read to its end."""
        self.write(SoapToken("", refused.status), io_fault(refused.reason))

    def write(self, token: SoapToken, answer: Answer) -> None:
        """Respond; a value that soap cannot carry is answered with a fault."""
        try:
            body = self._body(token, answer)
        except Unportable as reason:
            answer = io_fault(f"soap cannot carry the answer: {reason}")
            body = self._body(token, answer)
        status = 200 if isinstance(answer, Result) else token.status or self.style.fault_status
        headers = [("Content-Type", XML_TYPE)]
        if status == 405:
            headers.append(("Allow", "POST"))
        self.respond(Sending(tuple(headers), body, status))

    def _body(self, token: SoapToken, answer: Answer) -> bytes | Pieces:
        content = result(to_xml(answer.value, self.style.xml(typed=True)))
        if isinstance(answer, Fault):
            return envelope.fault(answer.name, content, self.style.namespace)
        return envelope.message(f"{token.operation}Response", content, self.style.namespace)


class SoapService(WebService):
    """One connection to a service; see `WebService`."""

    def __init__(self, limits: HttpLimits, types: Types) -> None:
        super().__init__(limits)
        self._types = types

    def read(self, response: HttpResponse) -> Steps[Answer | None]:
        """The answer in a response; the detail of a fault is read whatever the status is."""
        status = f"HTTP status {response.status}"
        try:
            body = yield from unpack(response.headers, response.body, self._limits.body)
            if not body and response.status < 300:
                return Result(Tree())
            data = yield from utf8_text(response.headers, body)
            found = yield from envelope.read(data, self._types, self.sent.operation)
        except Unportable as reason:
            return io_fault(f"{status}: {reason}")
        if found.fault:
            if found.value is None:
                return Fault(UNKNOWN, Tree(found.reason or None))
            return Fault(found.name, found.value)
        if response.status >= 300:
            return io_fault(status)
        return Result(found.value or Tree())


def _action(header: str) -> str:
    """The operation that a SOAPAction names."""
    text = header.strip().strip('"').strip()
    try:
        text = text.encode("latin-1").decode()
    except UnicodeError:
        raise Unportable("the header SOAPAction is not UTF-8") from None
    return text.rpartition("/")[2].rpartition("#")[2]


def _path(request: HttpRequest) -> str:
    """The resource path: that of the target, `!` and empty names dropped, or the header's."""
    found = paths.names(targets.read_plain(request.target))
    if not found:
        found = paths.names(targets.resource("/", request.headers))
    return paths.path_of(found)

"""One connection whose requests are passed: the caller's end of an exchange, one at a time.

It must never hold a body, or leave a request without a response.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote

import h11

from ccproxy.core.message import Message, NativeAnswer, Reply
from ccproxy.core.outbox import Limits
from ccproxy.core.pace import Pending
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import unsent
from ccproxy.net.stream import Stream
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie.http.access import WebAccess
from ccproxy.protocols.jolie.http.exchange import (
    Exchange,
    PassedRequest,
    PassedResponse,
    forwarded,
)
from ccproxy.protocols.jolie.http.messages import HttpLimits, RefusedRequest
from ccproxy.protocols.jolie.http.pass_server import BodyData, BodyEnd, PassEvent, PassServer
from ccproxy.protocols.jolie.http.passage import MOST_WAITING
from ccproxy.protocols.jolie.http.targets import leaves
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.paths import path_of
from ccproxy.protocols.jolie.values import Answer, Call, Fault

STATUS = {
    "unrouted": 404, "malformed": 400, "discarded": 403, "refused": 403, "full": 503,
    "failed": 502, "gone": 502,
}  # fmt: skip
"""Fate of a message -> the status of our response."""
REASONS = {
    400: b"Bad Request", 403: b"Forbidden", 404: b"Not Found", 501: b"Not Implemented",
    502: b"Bad Gateway", 503: b"Service Unavailable", 504: b"Gateway Timeout",
}  # fmt: skip


class PassOwner(Protocol):
    """What a peer needs of the listener that accepted it."""

    name: str
    kit: Kit
    access: WebAccess
    options: CallListenerOptions
    secured_by_tls: bool

    @property
    def limits(self) -> Limits:
        """Those of the peer's outbox."""

    def left(self, peer: PassPeer, identity: bytes) -> None:
        """The peer's stream is closed."""

    def take(self, message: Message, stream: Stream) -> str:
        """Give a request to the switch; its fate."""

    def type_of(self, names: tuple[str, ...]) -> str:
        """The message type of a path."""

    def reason(self, fate: str, type: str) -> str:
        """What a response of ours says."""


class PassPeer:
    """One connection; the caller's end of its exchange, see `CallerEnd`."""

    def __init__(self, listener: PassOwner, sock: socket.socket, peer: str) -> None:
        kit = listener.kit
        self.identity = kit.identities.next()
        self.stream = Stream(sock, f"{listener.name} {peer}", self, kit, listener.limits)
        self._listener = listener
        self._address = peer.rpartition(":")[0].strip("[]")
        self._server = PassServer(HttpLimits(), listener.access)
        self._codec = cccall.CallCodec()
        self._requests = 0
        self._number = b""
        """That of the last request, by which its answer is known."""
        self._exchange: Exchange | None = None
        self._waits = False
        """True while the body is not read: its service has not the head yet, or has enough."""
        self._deadline = 0.0
        self._unread = 0
        """Bytes that the caller had not read when its service was told to wait, or since."""
        self._loop = asyncio.get_running_loop()

    @property
    def busy(self) -> bool:
        """True while a request waits for the end of its response."""
        return self._server.busy

    # Owner of its stream

    @property
    def lingers(self) -> bool:
        """True while a caller that sends no more waits for a response."""
        return self._server.busy and not self._server.begun

    def received(self, stream: Stream, data: bytes) -> None:
        """Bytes of requests."""
        if data:
            self._take(data)
            return
        if self._server.begun:
            self._abandon()
        self._server.closing = True

    def pending(self) -> Pending:
        """The request that is not whole yet."""
        server = self._server
        begun = self._requests + 1 if server.begun else 0
        return Pending(server.held, begun, server.busy and not server.begun)

    def closed(self, stream: Stream, reason: str) -> None:
        """The caller is gone, and its exchange ends."""
        self._listener.kit.log.debug("caller gone peer=%s: %s", stream.name, reason)
        self._listener.left(self, self.identity)
        self._abandon()

    # Peer of its listener

    def expire(self, now: float) -> None:
        """Answer a request whose service does not go on; end one whose caller reads nothing."""
        exchange = self._exchange
        if exchange is None or now < self._deadline or self._reads():
            return
        if exchange.service is None or self._unread or not self._server.begun:
            self._abandon_with(504, f"no answer within {self._listener.options.timeout:g} s")

    def drain(self) -> None:
        """Take no more requests; the connection ends with the response that is due."""
        self._server.closing = True
        if not self.busy:
            self.stream.finish("no request is under way")

    def give_up(self, reason: str) -> None:
        """Answer the request that is under way."""
        if self._exchange is not None:
            self._abandon_with(503, reason)

    # Origin of its messages

    def answer(self, message: Message, answer: Reply | NativeAnswer) -> str:
        """The service has answered, or will not: then with a status of ours."""
        if message.route[1] != self._number or self._exchange is None:
            return "gone"
        if isinstance(answer, Reply):
            self._abandon_with(502, "the handler answers no HTTP")
            return "replied"
        content: Answer = answer.content
        if isinstance(content, Fault):
            text = str(content.value.tree().payload)
            self._fail(504 if "within" in text else 502, text)
        else:
            self._fail(502, "the handler answers no HTTP")
        return "replied"

    # The caller's end of an exchange

    @property
    def gone(self) -> bool:
        """True if the caller has left."""
        return self.stream.closed

    def attached(self) -> None:
        """The request is on its way: read its body."""
        self._write(self._server.proceed())
        self.resume()

    def pause(self) -> None:
        """Read no more of the body."""
        self._waits = True
        self.stream.pause()

    def resume(self) -> None:
        """Read the body, what is here of it first."""
        self._waits = False
        self._moved()
        self._take(b"")

    def respond(self, head: PassedResponse) -> None:
        """Write the head of a response."""
        self._moved()
        self._send(lambda: self._server.respond(head))

    def data(self, data: bytes) -> bool:
        """Write a piece of the body; False if the service should wait."""
        self._moved()
        self._send(lambda: self._server.data(data))
        box = self.stream.box
        if box.bytes <= MOST_WAITING:
            return True
        self._unread = box.bytes + unsent(self.stream.sock)
        box.wait(self._sent)
        return False

    def end(self) -> None:
        """The response is whole; the next request is taken in another turn of the loop."""
        self._exchange = None
        self._send(self._server.end)
        if self._server.closing:
            self.stream.close_gracefully("done")
        elif not self.stream.closed:
            self._loop.call_soon(self._take, b"")

    def _sent(self) -> None:
        box, exchange = self.stream.box, self._exchange
        self._moved()
        if box.bytes > MOST_WAITING // 2:
            box.wait(self._sent)
        elif exchange is not None and exchange.service is not None:
            self._unread = 0
            exchange.service.resume()

    def _reads(self) -> bool:
        """True if the caller reads what its service waits for, however slowly: the kernel may hold
        4 MB, and tells when a third of it has gone."""
        before = self._unread
        self._unread = min(before, self.stream.box.bytes + unsent(self.stream.sock))
        if self._unread < before:
            self._moved()
        return self._unread < before

    def _take(self, data: bytes) -> None:
        """Take what was sent, as far as it can be passed on."""
        server, stream = self._server, self.stream
        waits = self._exchange is not None and self._waits
        while not (waits or stream.closed):
            event = server.feed(data)
            data = b""
            if event is None:
                break
            self._event(event)
            if self._exchange is None:
                # A request that has its response already: the next is taken in another turn.
                break
            waits = self._waits
        if data:
            server.keep(data)
        if stream.closed:
            return
        if waits or server.crowded:
            stream.pause()
        else:
            stream.resume()

    def _event(self, event: PassEvent) -> None:
        service = self._exchange.service if self._exchange is not None else None
        if isinstance(event, PassedRequest):
            self._ask(event)
        elif isinstance(event, RefusedRequest):
            self._refuse(event)
        elif service is not None and isinstance(event, BodyData):
            service.data(event.data)
        elif service is not None and isinstance(event, BodyEnd):
            service.end()

    def _ask(self, request: PassedRequest) -> None:
        """Give a request to the switch; without a service for it, say so."""
        self._requests += 1
        listener = self._listener
        scheme = "https" if listener.secured_by_tls else "http"
        headers = forwarded(request.headers, self._address, scheme, request.host)
        names = names_of(request.target)
        if names is None:
            self._refuse(RefusedRequest(400, "a path with dot segments, which may lead elsewhere"))
            return
        type = listener.type_of(names)
        self._exchange = exchange = Exchange(request._replace(headers=headers), self)
        self._number = b"%d" % self._requests
        self._waits = True
        self._moved()
        call = Call(path_of(names[:-1]), names[-1] if names else "", exchange)
        route = (self.identity, self._number)
        size = len(request.target)
        message = Message(type, route, (call,), self._codec, listener.name, self, size)
        fate = listener.take(message, self.stream)
        if fate in STATUS and self._exchange is exchange:
            self._fail(STATUS[fate], listener.reason(fate, type))

    def _refuse(self, refused: RefusedRequest) -> None:
        """Respond to a request that is not read on."""
        listener = self._listener
        listener.kit.log.peer_closed(listener.name, self.stream.peer, refused.reason)
        ledger = listener.kit.switch.ledger
        if self._exchange is None:
            ledger.pass_by("refused" if self._server.unwelcome else "malformed", 1, 0)
        self._server.closing = True
        self._abandon_with(refused.status, refused.reason)

    def _abandon_with(self, status: int, text: str) -> None:
        self._abandon()
        self._fail(status, text)

    def _abandon(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()

    def _fail(self, status: int, text: str) -> None:
        """Respond ourselves; a response that has begun is cut off."""
        if self.stream.closed:
            return
        if not self._server.unanswered:
            self.stream.close(text)
            return
        body = f"{text}\n".encode("utf-8", "replace")
        length = b"%d" % len(body)
        headers = (b"Content-Type", b"text/plain; charset=utf-8"), (b"Content-Length", length)
        self._send(
            lambda: (
                self._server.respond(PassedResponse(status, REASONS.get(status, b""), headers))
                + self._server.body_of(body)
            )
        )
        self.end()

    def _send(self, make: Callable[[], bytes]) -> None:
        """Write what HTTP allows now; what it does not allow closes the connection."""
        if self.stream.closed:
            return
        try:
            self._write(make())
        except h11.LocalProtocolError as reason:
            self.stream.close(f"no HTTP response: {reason}")

    def _write(self, data: bytes) -> None:
        if data and not self.stream.write(data):
            self.stream.close("does not read its responses")

    def _moved(self) -> None:
        """Something has come: the service has its time again."""
        self._deadline = self._loop.time() + self._listener.options.timeout


def names_of(target: bytes) -> tuple[str, ...] | None:
    """The parts of the path of a target; None if a server may read it as another path."""
    path = target.decode("ascii").partition("?")[0]
    if leaves(path) or leaves(unquote(path)):
        return None
    return tuple(unquote(one) for one in path.split("/") if one and one != "*")

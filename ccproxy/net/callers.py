"""A listener whose peers make calls: sodep, http, jsonrpc, each message with one answer.

A call becomes a message of the type PREFIX.RESOURCE.OPERATION and goes through the routes like any
other; whoever takes it answers through the message. A call that nobody takes, or answers in time,
is answered here with a fault. It must never leave a caller without an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import Any

from ccproxy.config.plan import ListenerPlan
from ccproxy.config.server import ListenOptions
from ccproxy.core.message import Answer, Message, Reply
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.services import Services
from ccproxy.net.stream import Stream
from ccproxy.net.streaming import StreamListener
from ccproxy.wire import cccall
from ccproxy.wire.cc import split
from ccproxy.wire.paths import names, type_of
from ccproxy.wire.values import Answer as CallAnswer
from ccproxy.wire.values import Asked, Call, CallerSide, Fault, Form, io_fault
from ccproxy.wire.zmtp import boundaries, unpack

UNREAD = 1024 * 1024
"""Bytes of answers a caller may leave unread before no more of its calls are."""
TYPES = 4096
"""Paths with operations whose message types are remembered."""
UNANSWERED = {
    "unrouted": "no route for {type}",
    "malformed": "{type} is no message type",
    "discarded": "{type} is discarded",
    "refused": "{type} was refused",
    "full": "the queue for {type} is full",
    "failed": "the handler of {type} failed",
    "gone": "the service of {type} is gone",
}
"""Fate -> what a caller is told who would wait for an answer that does not come."""


class CallListener(StreamListener):
    """One address where calls come in."""

    options: ListenOptions

    def __init__(self, plan: ListenerPlan, form: Form, services: Services) -> None:
        super().__init__(plan, services)
        self.prefix = plan.type
        self.form = form
        self._types: dict[tuple[str, str], str] = {}

    def type_of(self, call: Call) -> str:
        """The message type of a call, "" if it can have none."""
        types, key = self._types, (call.path, call.operation)
        found = types.get(key)
        if found is None:
            if len(types) >= TYPES:
                types.clear()
            found = types[key] = type_of(self.prefix, names(call.path), call.operation)
        return found

    def make(self, sock: socket.socket, peer: str) -> Caller:
        """A caller that has asked nothing yet."""
        return Caller(self, sock, peer)


class Caller:
    """One connection that makes calls; the origin of its messages."""

    def __init__(self, listener: CallListener, sock: socket.socket, peer: str) -> None:
        services = listener.services
        self.identity = services.identities.next()
        self.side: CallerSide = listener.form.caller()
        limits = listener.options.limits
        self.stream = Stream(sock, f"{listener.name} {peer}", self, services.turn, limits)
        self._listener = listener
        self._services = services
        self._codec = cccall.CallCodec()
        self._numbers = itertools.count(1)
        self._waiting: dict[bytes, tuple[Any, float]] = {}
        self._due = False
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        services.switch.peers[self.identity] = Returns(self, limits)

    # Owner of its stream

    def received(self, stream: Stream, data: bytes) -> None:
        """Bytes of calls; none means the caller sends no more."""
        if not data:
            self.side.eof()
        self._take(self.side.feed(data))
        self._write(self.stream.write)

    def closed(self, stream: Stream, reason: str) -> None:
        """The caller is gone; answers to it are dropped when they come."""
        self._services.switch.peers.pop(self.identity, None)
        self._waiting.clear()
        self._services.journal.debug("caller gone peer=%s: %s", stream.name, reason)
        self._listener.left(self, self.identity)

    # Origin of its messages

    def answer(self, message: Message, answer: Reply | Answer) -> str:
        """Answer a call; the fate is `gone` if it is answered already or the caller is gone."""
        if isinstance(answer, Answer):
            return self.give(message.route[1], answer.content)
        [content] = self._codec.encode(answer.type, answer.value, answer.blob)
        return self.give(message.route[1], content)

    def give(self, number: bytes, answer: CallAnswer) -> str:
        """Answer the call of this number."""
        found = self._waiting.pop(number, None)
        if found is None or self.stream.closed:
            return "gone"
        self.side.answer(found[0], answer)
        if not self._due:
            self._due = True
            self._services.turn.flush_later(self)
        return "replied"

    def flush(self) -> None:
        """At the end of the turn: write what was answered in it, and take what waited for that."""
        self._due = False
        if not self.stream.closed:
            self._take(self.side.feed(b""))
            self._write(self.stream.send)

    def expire(self, now: float) -> None:
        """Answer who has waited too long."""
        while self._waiting:
            number, (_, deadline) = next(iter(self._waiting.items()))
            if deadline > now:
                return
            seconds = self._listener.options.timeout
            self.give(number, io_fault(f"no answer within {seconds:g} s"))

    def _take(self, calls: list[Asked]) -> None:
        for token, call in calls:
            if isinstance(call, Fault):
                self._services.switch.ledger.receive(1, 0)
                self._services.switch.ledger.end("malformed", 1, 0)
                self.side.answer(token, call)
            else:
                self._ask(token, call)

    def _ask(self, token: Any, call: Call) -> None:
        listener = self._listener
        number = b"%d" % next(self._numbers)
        type = listener.type_of(call)
        route = (self.identity, number)
        length = len(call.operation) + cccall.size_of(call.value)
        message = Message(type, route, (call,), self._codec, listener.name, self, length)
        self._waiting[number] = (token, self._now() + listener.options.timeout)
        fate = self._services.switch.take(message)
        if fate in UNANSWERED:
            where = f"{call.path}:{call.operation}"
            self.give(number, io_fault(UNANSWERED[fate].format(type=type or where)))

    def _write(self, write: Callable[[bytes], bool]) -> None:
        data = self.side.out()
        if data and not write(data):
            self.stream.close("does not read its answers")
            return
        if self.side.broken:
            self._services.journal.peer_closed(
                self._listener.name, self.stream.name, self.side.broken
            )
            self.stream.finish(self.side.broken)
        elif self.side.closing:
            self.stream.finish("done")
        elif self.stream.box.bytes > UNREAD:
            self.stream.pause()
            self.stream.box.wait(self.stream.resume)


class Returns(Outbox):
    """Stands in the switch's table of peers for a caller: turns CC replies into answers."""

    __slots__ = ("_caller",)

    def __init__(self, caller: Caller, limits: Limits) -> None:
        super().__init__("returns", limits)
        self._caller = caller

    def offer(self, chunk: bytes, messages: int) -> int:
        """Answer the calls whose numbers stand in front; how many were waited for."""
        start = taken = 0
        for end in boundaries(chunk):
            taken += self._answer(unpack(chunk[start:end]))
            start = end
        return taken

    def _answer(self, frames: list[bytes]) -> bool:
        try:
            route, type, payload = split(frames)
        except ValueError:
            return False
        number = route[0] if route else b""
        return self._caller.give(number, cccall.read_reply(type, payload)) == "replied"

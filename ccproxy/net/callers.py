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

from ccproxy.config.address import Address
from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import Answer, Message, Reply
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.door import Door
from ccproxy.net.services import Services
from ccproxy.net.stream import Stream
from ccproxy.wire import cccall
from ccproxy.wire.cc import split
from ccproxy.wire.paths import names, type_of
from ccproxy.wire.values import Answer as CallAnswer
from ccproxy.wire.values import Asked, Call, CallerSide, Fault, Form, io_fault
from ccproxy.wire.zmtp import boundaries, unpack

WATCH = 0.5
"""Seconds between two looks at who waits too long."""
UNREAD = 1024 * 1024
"""Bytes of answers a caller may leave unread before no more of its calls are."""
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


class CallListener:
    """One address where calls come in."""

    def __init__(self, plan: ListenerPlan, form: Form, services: Services) -> None:
        self.name = plan.section
        self.prefix = plan.type
        self.form = form
        self.options: Any = plan.options
        self.services = services
        self.callers: set[Caller] = set()
        address = Address.parse(str(plan.address))
        self.door = Door(plan.section, address, services.journal, self._welcome)
        self.past = Outbox(f"{plan.section} peers gone", self.options.limits)
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(WATCH, self._watch)

    def mute(self) -> None:
        """Read no more calls."""
        for caller in self.callers:
            caller.stream.pause()

    async def dismiss(self, reason: str, seconds: float) -> None:
        """Close every connection when its answers are written, after `seconds` at the latest."""
        self._timer.cancel()
        for caller in list(self.callers):
            caller.stream.finish(reason)
        end = self._loop.time() + seconds
        while self.callers and self._loop.time() < end:
            await asyncio.sleep(0.005)
        for caller in list(self.callers):
            caller.stream.close(reason)

    def reconfigure(self, options: ListenerOptions) -> None:
        """New options: limits hold at once, the rest for connections to come."""
        self.options = options
        self.door.reconfigure(options)
        for caller in self.callers:
            caller.stream.box.reconfigure(options.limits)

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all callers, and one that sums up those of callers gone."""
        return [self.past, *(caller.stream.box for caller in self.callers)]

    def _welcome(self, sock: socket.socket, peer: str) -> bool:
        if len(self.callers) >= self.options.max_peers:
            return False
        caller = Caller(self, sock, peer)
        self.callers.add(caller)
        caller.stream.open()
        return True

    def _watch(self) -> None:
        now = self._loop.time()
        for caller in list(self.callers):
            caller.expire(now)
        self._timer = self._loop.call_later(WATCH, self._watch)


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
        self._write()

    def closed(self, stream: Stream, reason: str) -> None:
        """The caller is gone; answers to it are dropped when they come."""
        self._listener.callers.discard(self)
        self._services.switch.peers.pop(self.identity, None)
        self._listener.past.absorb(stream.box)
        self._waiting.clear()
        self._services.journal.debug("caller gone peer=%s: %s", stream.name, reason)

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
            self._write()

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
        type = type_of(listener.prefix, names(call.path), call.operation)
        route = (self.identity, number)
        length = len(call.operation) + cccall.size_of(call.value)
        message = Message(type, route, (call,), self._codec, listener.name, self, length)
        self._waiting[number] = (token, self._now() + listener.options.timeout)
        fate = self._services.switch.take(message)
        if fate in UNANSWERED:
            where = f"{call.path}:{call.operation}"
            self.give(number, io_fault(UNANSWERED[fate].format(type=type or where)))

    def _write(self) -> None:
        data = self.side.out()
        if data and not self.stream.write(data):
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

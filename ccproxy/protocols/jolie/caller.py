"""A connection whose peer makes calls: sodep, http, jsonrpc, each message with one answer.

A call becomes a message of the type PREFIX.RESOURCE.OPERATION and goes through the routes like any
other; whoever takes it answers through the message. A call that nobody takes, or answers in time,
is answered here with a fault. It must never leave a caller without an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ccproxy.core.flows import Flow
from ccproxy.core.ledger import Ledger
from ccproxy.core.message import Message, NativeAnswer, Reply
from ccproxy.net.sockets import quiet
from ccproxy.net.stream import Stream
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie.returns import Returns
from ccproxy.protocols.jolie.sodep import Sodep, SodepCaller, Trunks
from ccproxy.protocols.jolie.values import Answer as CallAnswer
from ccproxy.protocols.jolie.values import Asked, Call, CallerSide, Fault, io_fault

if TYPE_CHECKING:
    from ccproxy.protocols.jolie.listener import CallListener

UNREAD = 1024 * 1024
"""Bytes of answers a caller may leave unread before no more of its calls are."""
UNDERWAY = 1000
"""Calls of one connection without answer before no more of them are read, until half are left."""
UNWILLING = "does not read its answers"
LEAVING = "no more calls are taken here"
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


class Caller:
    """One connection that makes calls; the origin of its messages."""

    def __init__(self, listener: CallListener, sock: socket.socket, peer: str) -> None:
        kit = listener.kit
        self.identity = kit.identities.next()
        self.side: CallerSide = listener.form.caller()
        self._express = self.side.returns if isinstance(self.side, SodepCaller) else None
        if self._express is not None:
            self._express.wake = self._wake
        limits = listener.limits
        self.stream = Stream(sock, f"{listener.name} {peer}", self, kit.flush_queue, limits)
        self._listener = listener
        self._peer = peer
        self._kit = kit
        self._codec = cccall.CallCodec()
        self._numbers = itertools.count(1)
        self._waiting: dict[bytes, tuple[Any, float]] = {}
        self._due = self._named = False
        self._held = self._unread = self._watching = False
        self._asking: Message | None = None
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        kit.switch.peers[self.identity] = Returns(self, limits)

    # Owner of its stream

    @property
    def lingers(self) -> bool:
        """True while a caller that sends no more is to be answered; most protocols know that."""
        return not self.side.closing

    def received(self, stream: Stream, data: bytes) -> None:
        """Bytes of calls; none means the caller sends no more."""
        if not data:
            self.side.eof()
        asked = self.side.feed(data)
        if asked:
            self._take(asked)
        elif self._express is not None and data and not self.side.broken:
            if self._express.open > UNDERWAY:
                self._pace()
            return
        out = self.side.out()
        self._written(not out or stream.write(out))
        if self.calls > UNDERWAY or self.side.crowded:
            self._pace()

    def closed(self, stream: Stream, reason: str) -> None:
        """The caller is gone; answers to it are dropped when they come."""
        self._kit.switch.peers.pop(self.identity, None)
        self._waiting.clear()
        self._kit.log.debug("caller gone peer=%s: %s", stream.name, reason)
        self._listener.left(self, self.identity)

    # Peer of its listener

    @property
    def calls(self) -> int:
        """How many are under way."""
        return len(self._waiting) if self._express is None else self._express.open

    def leave(self) -> None:
        """Take no more calls; when those under way are answered the connection is closed."""
        stream = self.stream
        if stream.closed:
            return
        stream.stop_reading()
        self.side.leave(LEAVING)
        out = self.side.out()
        if not (self.calls or out or stream.box.waiting) and quiet(stream.sock):
            stream.close("nothing is under way")
        else:
            self._written(not out or stream.write(out))

    def give_up(self, fault: Fault) -> None:
        """Answer what is under way alike, and write it."""
        for number in tuple(self._waiting):
            self.give(number, fault)
        self.flush()

    # Origin of its messages

    def pass_on(self, message: Message, path: str, way: Any) -> None:
        """Calls like the one being asked may go straight to a service, if nobody else gets them."""
        form, flow = self._listener.form, self._flow_of(message)
        if flow is None or not isinstance(form, Sodep) or not isinstance(way, Trunks):
            return
        if way.timeout <= self._listener.options.timeout:
            form.pass_on(message.payload[0], path, way, Straight(flow, self._kit.switch.ledger))

    def answer(self, message: Message, answer: Reply | NativeAnswer) -> str:
        """Answer a call; the fate is `gone` if it is answered already or the caller is gone."""
        if isinstance(answer, NativeAnswer):
            return self.give(message.route[1], answer.content)
        [content] = self._codec.encode(answer.type, answer.value, answer.blob)
        return self.give(message.route[1], content)

    def give(self, number: bytes, answer: CallAnswer) -> str:
        """Answer the call of this number."""
        found = self._waiting.pop(number, None)
        if found is None or self.stream.closed:
            return "gone"
        self.side.answer(found[0], answer)
        self._wake()
        return "replied"

    def flush(self) -> None:
        """At the end of the turn: write what was answered in it, and take what waited for that."""
        self._due = False
        pieces: list[Any]
        if self._express is not None:
            pieces = self._express.take()
        else:
            if not (self.stream.closed or self._unread):
                self._take(self.side.feed(b""))
            pieces = [out] if (out := self.side.out()) else []
        if not self.stream.closed:
            self._written(not pieces or self.stream.send(pieces))

    def expire(self, now: float) -> None:
        """Answer who has waited too long; a reload may have let later calls wait shorter."""
        late = [number for number, (_, deadline) in self._waiting.items() if deadline <= now]
        for number in late:
            seconds = self._listener.options.timeout
            self.give(number, io_fault(f"no answer within {seconds:g} s"))

    def _wake(self) -> None:
        if not self._due:
            self._due = True
            self._kit.flush_queue.flush_later(self)

    def _flow_of(self, message: Message) -> Flow | None:
        """The flow of the message being asked, if one handler takes it and nobody else."""
        if message is not self._asking:
            return None
        flow = self._kit.switch.table.flows.get(message.type.encode())
        alone = flow and not flow.target.boxes and len(flow.target.handlers) == 1
        return flow if alone else None

    def _take(self, calls: list[Asked]) -> None:
        for token, call in calls:
            if isinstance(call, Fault):
                self._kit.switch.ledger.receive(1, 0)
                self._kit.switch.ledger.end("malformed", 1, 0)
                self.side.answer(token, call)
                self._wake()
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
        self._asking = message
        fate = self._kit.switch.take(message)
        self._asking = None
        if fate in UNANSWERED:
            self.give(number, io_fault(UNANSWERED[fate].format(type=type)))

    def _written(self, taken: bool) -> None:
        """What is due behind a write, of which all was taken or nothing."""
        stream, side = self.stream, self.side
        if side.broken or not taken:
            self._blame(taken)
        if side.closing:
            stream.close_gracefully(side.broken or "done")
        elif self._held or stream.box.waiting:
            self._pace()

    def _blame(self, taken: bool) -> None:
        """Read no more of a peer that is to blame, and name it, once."""
        stream, reason = self.stream, self.side.broken if taken else UNWILLING
        stream.stop_reading()
        if not self._named:
            self._named = True
            if self.side.too_big:
                self._kit.switch.too_big()
            self._kit.log.peer_closed(self._listener.name, self._peer, reason)
        if not taken:
            stream.box.clear("full")
            stream.close(reason)

    def _pace(self) -> None:
        """Read on, or not while too many calls are under way or too many answers unread."""
        stream, box = self.stream, self.stream.box
        self._unread = box.bytes > UNREAD or box.blocked
        many = self.calls > (UNDERWAY // 2 if self._held else UNDERWAY)
        self._held = self._unread or many or self.side.crowded
        if not self._held:
            stream.resume()
            return
        stream.pause()
        if self._unread and not self._watching:
            self._watching = True
            box.wait(self._drained)

    def _drained(self) -> None:
        """Some answers were taken by the kernel: see whether enough of them."""
        self._watching = False
        self._pace()
        if not self._unread:
            self._wake()


class Straight:
    """The account of calls that go straight to their service: what `Switch.take` would count."""

    __slots__ = ("_ledger", "flow")

    def __init__(self, flow: Flow, ledger: Ledger) -> None:
        self.flow = flow
        self._ledger = ledger

    def count(self, calls: int, size: int) -> None:
        """So many calls of so many bytes."""
        flow, ledger = self.flow, self._ledger
        flow.count += calls
        flow.bytes += size
        ledger.receive(calls, size)
        ledger.end("consumed", calls, size)

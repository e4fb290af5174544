"""A connection whose peer makes calls: sodep, http, jsonrpc, each message with one answer.

A call becomes a message of the type PREFIX.RESOURCE.OPERATION and goes through the routes like any
other; the handler that takes it answers through the message. A call that no handler takes, or
answers in time, is answered here with a fault. It must never leave a caller without an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple, Protocol

from ccproxy.core.flows import Flow
from ccproxy.core.ledger import Ledger
from ccproxy.core.message import Message, NativeAnswer, Reply
from ccproxy.core.outbox import Limits
from ccproxy.core.pace import Pending
from ccproxy.core.sinks import TAKEN, Receipt
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import quiet
from ccproxy.net.stream import Stream
from ccproxy.net.work import Computation, Steps
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie.backpressure import Backpressure
from ccproxy.protocols.jolie.form import Form
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.sodep import SodepCaller
from ccproxy.protocols.jolie.style import BASE64
from ccproxy.protocols.jolie.values import (
    Answer,
    Asked,
    Call,
    CallerSide,
    Fault,
    Reading,
    Unportable,
    Value,
    io_fault,
)
from ccproxy.wire.cc import split
from ccproxy.wire.zmtp import boundaries, unpack

AT_ONCE = 0.002
"""Seconds in which calls that came together are taken at once, unless other callers have work in
steps; the rest becomes such steps, and is taken before more is read."""
SLOW_READER = "does not read its answers"
NO_MORE_CALLS = "no more calls are taken here"
UNANSWERED = {
    "unrouted": "no route for {type}",
    "malformed": "{type} is no message type",
    "discarded": "{type} is discarded",
    "refused": "{type} was refused",
    "full": "the queue for {type} is full",
    "failed": "the handler of {type} failed",
    "gone": "the service of {type} is gone",
}
"""Fate of a message -> the fault that its caller gets, because no answer will come."""


class CallOwner(Protocol):
    """What a caller needs of the listener that accepted it."""

    name: str
    kit: Kit
    form: Form
    options: CallListenerOptions

    @property
    def limits(self) -> Limits:
        """Those of the caller's outbox."""

    def type_of(self, call: Call) -> str:
        """The message type of a call."""

    def left(self, peer: Caller, identity: bytes) -> None:
        """The caller's stream is closed."""


class _Waiting(NamedTuple):
    """A call without answer: what its side wants back, when it is late, its bytes."""

    token: Any
    deadline: float
    size: int


class Caller:
    """One connection that makes calls; the origin of its messages."""

    def __init__(self, listener: CallOwner, sock: socket.socket, peer: str) -> None:
        kit = listener.kit
        self.identity = kit.identities.next()
        self.side: CallerSide = listener.form.caller()
        self.side.wake = self._wake
        self.stream = Stream(sock, f"{listener.name} {peer}", self, kit, listener.limits)
        self._apart = listener.form.apart
        self._listener = listener
        self._kit = kit
        self._codec = cccall.CallCodec(listener.options.raw == BASE64)
        self._numbers = itertools.count(1)
        self._waiting: dict[bytes, _Waiting] = {}
        self._due = self._named = False
        self._pacing = Backpressure(self.stream, self.side, self._wake)
        if isinstance(self.side, SodepCaller) and not self._apart:
            self.stream.divert(self.side.pass_on, self._remains)
            self.side.write_through(self.stream, kit.flush_queue, self._pacing, self._written)
        self._asking: Message | None = None
        self._converting: set[bytes] = set()
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        kit.switch.peers[self.identity] = ReplySink(self)

    # Owner of its stream

    @property
    def lingers(self) -> bool:
        """True while a caller that has half-closed its connection still waits for answers."""
        return not self.side.closing

    def received(self, stream: Stream, data: bytes) -> None:
        """Bytes of calls; none means the caller sends no more."""
        side = self.side
        if stream.box.owner[1]:
            rights = self._kit.switch.access.rights(*stream.box.owner[1:])
            side.direct = rights is None or rights.send is None
        if not data:
            side.eof()
        self._remains(side.feed(data))
        if not data:
            self._write()

    def _remains(self, asked: list[Asked]) -> None:
        """Bytes were fed, of which these calls are left."""
        if asked:
            self._take_some(asked)
        if self.side.broken:
            self._write()
        if self._pacing.needed:
            self._pacing.apply()

    def pending(self) -> Pending:
        """The call that is not whole yet."""
        return self.side.pending()

    def closed(self, stream: Stream, reason: str) -> None:
        """The caller is gone; answers to it are dropped when they come."""
        self._kit.switch.peers.pop(self.identity, None)
        self._waiting.clear()
        self._kit.log.debug("caller gone peer=%s: %s", stream.name, reason)
        self._listener.left(self, self.identity)

    # Peer of its listener

    def drain(self) -> None:
        """Take no more calls; when those in flight are answered the connection is closed."""
        stream = self.stream
        if stream.closed:
            return
        stream.stop_reading()
        self.side.drain(NO_MORE_CALLS)
        pieces = self.side.take()
        if not (self.side.calls or pieces or stream.box.waiting) and quiet(stream.sock):
            stream.close("no call is in flight")
        else:
            self._written(not pieces or self._send(pieces))

    def give_up(self, fault: Fault) -> None:
        """Answer every call in flight alike, and write the answers."""
        for number in tuple(self._waiting):
            self._give(number, fault)
        self.flush()

    # Origin of its messages

    def answer(self, message: Message, answer: Reply | NativeAnswer) -> str:
        """Answer a call; the fate is `gone` if it is answered already or the caller is gone."""
        if isinstance(answer, NativeAnswer):
            return self.respond(message.route[1], answer.content)
        [content] = self._codec.encode(answer.type, answer.value, answer.blob)
        return self.respond(message.route[1], content)

    def respond(self, number: bytes, answer: Answer) -> str:
        """Answer the call of this number."""
        if number in self._converting or number not in self._waiting:
            return "gone"
        token = self._waiting[number].token
        steps = self._listener.form.prepare(answer.value, token)
        if steps is None:
            return self._give(number, answer)
        self._converting.add(number)
        work = self._answered(number, answer, steps)
        self._work(work, answer.value.size, lambda: self._waits(number))
        return "replied"

    def waits(self, message: Message) -> bool:
        """True as long as an answer to this message would reach the caller."""
        return self._waits(message.route[1])

    @property
    def timeout(self) -> float:
        """Seconds after which a call is answered with a fault."""
        return self._listener.options.timeout

    @property
    def ledger(self) -> Ledger:
        """Where its calls are counted."""
        return self._kit.switch.ledger

    def only_flow(self, message: Message) -> Flow | None:
        """The flow of a message, while it is being handled, if only one handler gets it."""
        if message is not self._asking:
            return None
        flow = self._kit.switch.table.flows.get(message.type.encode())
        if flow is None or flow.target.taps:
            return None
        alone = not flow.target.sinks and len(flow.target.handlers) == 1
        return flow if alone else None

    def flush(self) -> None:
        """Write what was answered, and take the calls that waited for these answers.

        The flush queue calls it at the end of a turn of the loop.
        """
        self._due = False
        waits = self.stream.closed or self._pacing.unread or self._pacing.taking
        if not waits and (asked := self.side.feed(b"")):
            self._take_some(asked)
        self._write()

    def expire(self, now: float) -> None:
        """Answer the calls that waited too long; a reload may have shortened the timeout since."""
        late = [number for number, call in self._waiting.items() if call.deadline <= now]
        for number in late:
            self._give(number, io_fault(f"no answer within {self.timeout:g} s"))

    def _wake(self) -> None:
        if not self._due:
            self._due = True
            self._kit.flush_queue.flush_later(self)

    def _waits(self, number: bytes) -> bool:
        return number in self._waiting and not self.stream.closed

    def _give(self, number: bytes, answer: Answer) -> str:
        found = self._waiting.pop(number, None)
        self._converting.discard(number)
        if found is None or self.stream.closed:
            return "gone"
        self._pacing.bytes -= found.size
        self.side.answer(found.token, answer)
        return "replied"

    def _work(self, steps: Steps[None], size: int, wanted: Callable[[], bool]) -> None:
        self._kit.computations.add(Computation(steps, size, self._failed, wanted))

    def _failed(self, error: Exception) -> None:
        """Close the connection: which of its calls would have no answer is not known here."""
        self._kit.log.failed(self._listener.name, "(work)", error)
        self.stream.close("internal error")

    def _answered(self, number: bytes, answer: Answer, steps: Steps[Value]) -> Steps[None]:
        """Give an answer once its value has the form of the caller."""
        try:
            answer = answer._replace(value=(yield from steps))
        except Unportable as reason:
            name = self._listener.form.name
            answer = io_fault(f"{name} cannot carry the answer: {reason}")
        self._give(number, answer)

    def _read(self, reading: Reading) -> Steps[None]:
        """Take the calls of a large message once they are read."""
        yield from self._take_each((yield from reading.steps))
        self._write()

    def _take_some(self, calls: list[Asked]) -> None:
        """Take calls that came together: the first ones now, and the rest in steps if others have
        work in steps as well or it takes long; nothing is read before the last of them is taken."""
        end = perf_counter() + AT_ONCE
        for number, one in enumerate(calls, 1):
            self._take(one)
            if number < len(calls) and (self._kit.computations or perf_counter() >= end):
                self._pacing.taking = True
                self._pacing.apply()
                self._work(self._take_rest(calls[number:]), 0, lambda: not self.stream.closed)
                return

    def _take_rest(self, calls: list[Asked]) -> Steps[None]:
        yield from self._take_each(calls)
        self._pacing.taking = False
        self._pacing.apply()
        self.flush()

    def _take_each(self, calls: list[Asked]) -> Steps[None]:
        for one in calls:
            self._take(one)
            yield

    def _take(self, asked: Asked) -> None:
        token, call = asked
        if isinstance(call, Reading):
            self._work(self._read(call), call.size, lambda: not self.stream.closed)
        elif isinstance(call, Fault):
            self.ledger.pass_by("malformed", 1, 0)
            self.side.answer(token, call)
        else:
            self._ask(token, call)

    def _ask(self, token: Any, call: Call) -> None:
        listener = self._listener
        number = b"%d" % next(self._numbers)
        type = listener.type_of(call)
        _, kind, proven = self.stream.box.owner
        if kind and (name := self._kit.switch.access.refusal(kind, proven, type)):
            self.ledger.pass_by("refused", 1, call.value.size)
            self.side.answer(token, io_fault(f"{name} may not call {type}"))
            return
        route = (self.identity, number)
        length = len(call.operation) + call.value.size
        message = Message(type, route, (call,), self._codec, listener.name, self, length)
        self._waiting[number] = _Waiting(token, self._now() + listener.options.timeout, length)
        self._pacing.bytes += length
        self._asking = message
        fate = self._kit.switch.take(message)
        self._asking = None
        if fate in UNANSWERED:
            self._give(number, io_fault(UNANSWERED[fate].format(type=type)))

    def _write(self) -> None:
        pieces = self.side.take()
        if not self.stream.closed:
            self._written(not pieces or self._send(pieces))

    def _send(self, pieces: list[bytes | memoryview]) -> bool:
        stream = self.stream
        return stream.send_apart(pieces) if self._apart else stream.send(pieces) > 0

    def _written(self, taken: bool) -> None:
        """Go on after a write, of which the stream took everything (`taken`) or nothing."""
        stream, side = self.stream, self.side
        if side.broken or not taken:
            self._protocol_error(taken)
        if side.closing:
            stream.close_gracefully(side.broken or "done")
        elif self._pacing.held or stream.box.waiting:
            self._pacing.apply()

    def _protocol_error(self, taken: bool) -> None:
        """Read no more of a peer that broke the protocol or does not read, and log it once."""
        stream, reason = self.stream, self.side.broken if taken else SLOW_READER
        stream.stop_reading()
        if not self._named:
            self._named = True
            if self.side.too_big:
                self._kit.switch.too_big()
            if self.side.unwelcome:
                self.ledger.pass_by("refused", 1, 0)
            self._kit.log.peer_closed(self._listener.name, stream.peer, reason)
        if not taken:
            stream.box.clear("full")
            stream.close(reason)


class ReplySink:
    """The sink of a caller in the switch's table of peers: turns CC replies into answers."""

    name = "replies"
    may_block = blocked = False

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def wait(self, call: Callable[[], None]) -> None:
        """Do nothing: no sender ever waits for it."""

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Answer the calls whose numbers stand in front; how many of them were open."""
        start = taken = 0
        for end in boundaries(chunk):
            taken += self._answer(unpack(chunk[start:end]))
            start = end
        if receipt is not None and taken:
            receipt(taken, TAKEN)
        return taken

    def _answer(self, frames: list[bytes]) -> bool:
        try:
            route, type, payload = split(frames)
        except ValueError:
            return False
        number = route[0] if route else b""
        return self._caller.respond(number, cccall.read_reply(type, payload)) == "replied"

"""Calls whose values are converted before they are sent: in steps, in the order of each caller.

A call that needs no conversion is sent at once, unless an earlier one of the same caller is still
here. It must never convert for a caller that does not wait any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from ccproxy import Context, Message, Steps
from ccproxy.protocols.jolie.caller import Caller
from ccproxy.protocols.jolie.values import Answer, Call, Unportable, Value

from . import faults
from .connections import Connections


class _WaitingCall(NamedTuple):
    message: Message
    connections: Connections
    call: Call


class CallPreparation:
    """The calls of all callers that are not sent yet."""

    def __init__(self, ctx: Context, respond: Callable[[Any, Answer], None]) -> None:
        self._ctx = ctx
        self._respond = respond
        self._queues: dict[Any, deque[_WaitingCall]] = {}

    def __len__(self) -> int:
        """Calls that are here."""
        return sum(map(len, self._queues.values()))

    def holds(self, connections: Connections) -> bool:
        """True if a call is here that will be sent there."""
        queues = self._queues.values()
        return any(one.connections is connections for queue in queues for one in queue)

    def ask(self, message: Message, connections: Connections, call: Call) -> None:
        """Send a call, now or once its value has the form of the service."""
        origin = message.origin
        queue = self._queues.get(origin)
        if queue is not None:
            queue.append(_WaitingCall(message, connections, call))
        elif connections.port.prepare(call.value) is None:
            connections.ask(message, call)
        else:
            queue = self._queues[origin] = deque([_WaitingCall(message, connections, call)])
            self._ctx.work(self._prepare(origin, queue), call.value.size, lambda: True)

    def _prepare(self, origin: Any, queue: deque[_WaitingCall]) -> Steps[None]:
        """Send the calls of one caller, one after the other."""
        try:
            while queue:
                yield from self._send(queue[0])
                queue.popleft()
        finally:
            del self._queues[origin]

    def _send(self, one: _WaitingCall) -> Steps[None]:
        message, connections, call = one
        steps = connections.port.prepare(call.value)
        if steps is None:
            connections.ask(message, call)
            return
        try:
            value = yield from _while(lambda: waits(message), steps)
        except Unportable as reason:
            word = connections.port.target.protocol.word
            self._respond(message, faults.not_portable(word, str(reason)))
            return
        if value is not None:
            connections.ask(message, call._replace(value=value))


def waits(message: Message) -> bool:
    """False if the caller of a message is gone or has its answer."""
    origin = message.origin
    return not isinstance(origin, Caller) or origin.waits(message)


def _while(wanted: Callable[[], bool], steps: Steps[Value]) -> Steps[Value | None]:
    """The result of a computation; None if it was given up because it is not wanted any more."""
    while wanted():
        try:
            next(steps)
        except StopIteration as done:
            found: Value = done.value
            return found
        yield
    steps.close()
    return None

"""Messages to a ROUTER and a REP socket: requests, whose answers go back.

A ROUTER passes on all frames of a peer, the empty one of a REQ socket included. A REP takes them
off up to the first empty one, and an answer gets them again. It must never keep them: they travel
with the message.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccproxy.core.message import Message
from ccproxy.core.runs import Acquainted, PeerInput, Run
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import cut
from ccproxy.core.stops import BLOCKED, MORE, TIRED
from ccproxy.core.switch import Switch
from ccproxy.core.typed import Given, TypedIngress
from ccproxy.protocols.zmq.codec import DELIMITED
from ccproxy.wire.zmtp.frames import MORE as MORE_FRAMES
from ccproxy.wire.zmtp.frames import frame, span, unpack


class AskingIngress(TypedIngress):
    """The input of a peer that gets answers: where its messages go to, it is known from now on."""

    __slots__ = ()

    def __init__(self, switch: Switch, input: PeerInput, given: Given) -> None:
        super().__init__(switch, input, given)
        for sink in self._flow_of(self._type).target.distributors:
            if isinstance(sink, Acquainted):
                sink.meet(input.source)


class RouterIngress(AskingIngress):
    """The input of a peer of a ROUTER socket."""

    __slots__ = ()

    def _message(self, raw: bytes, type: bytes) -> Message:
        """As it is; a handler sees and answers what is behind the empty frame of a REQ socket."""
        payload = tuple(unpack(raw))
        codec = DELIMITED if len(payload) > 1 and not payload[0] else self._codec
        source = self._source
        return Message(type.decode(), (source.identity,), payload, codec, source.listener)


class RepIngress(AskingIngress):
    """The input of a peer of a REP socket."""

    __slots__ = ("_stack",)

    def __init__(self, switch: Switch, input: PeerInput, given: Given) -> None:
        self._stack = b""
        super().__init__(switch, input, given)

    def _take(self, chunk: bytes, messages: int) -> tuple[int, int, Sequence[Sink]]:
        """Pass on messages one by one: each may have other frames in front."""
        flow = self._flow_of(self._type)
        target, done = flow.target, 0
        for message in cut(chunk):
            if waiting := [sink for sink in target.blocking if sink.blocked]:
                return done, BLOCKED, waiting
            body = delimited(message)
            if body == 0:
                self._refuse(message)
            else:
                flow.count += 1
                flow.bytes += len(message)
                self._stack = message[:body]
                self._pass(target, message[body:], 1, self._type)
            done += len(message)
            if target.handlers and self._tired() and done < len(chunk):
                return done, TIRED, ()
        return done, MORE, ()

    def _run(self, chunk: bytes, messages: int, type: bytes) -> Run:
        """The head of each message is another one: it holds what its peer put in front."""
        run = Run(self._source, messages, chunk, None, self._head(type))
        run.stack = self._stack
        return run

    def _head(self, type: bytes) -> bytes:
        """The frames that the peer put in front belong to the route."""
        identity = frame(self._source.identity, more=True)
        return identity + self._stack + frame(type, more=True)

    def _message(self, raw: bytes, type: bytes) -> Message:
        source = self._source
        route = (source.identity, *unpack(self._stack + b"\0\0")[:-2])
        return Message(type.decode(), route, tuple(unpack(raw)), self._codec, source.listener)

    def _refuse(self, message: bytes) -> None:
        switch = self._switch
        switch.ledger.pass_by("malformed", 1, len(message))
        switch.notices.malformed(self._source.peer, message, 1)


def delimited(message: bytes) -> int:
    """Where the frames behind the first empty one begin; 0 if there are none."""
    at, flags = 0, MORE_FRAMES
    while flags & MORE_FRAMES:
        found = span(message, at)
        assert found is not None
        flags, start, at = found
        if start == at:
            return at if flags & MORE_FRAMES else 0
    return 0

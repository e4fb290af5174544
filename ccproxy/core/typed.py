"""Messages that carry no type: their listener gives it, alone or with the topic behind it.

These are the inputs of accepted and dialled peers whose sockets know no CC: their frames pass
unchanged, and in front of what leaves for another server stands the type. Whole messages are found
by the hot functions. An ingress must never keep bytes between two reads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ccproxy.core.flows import Flow, Target
from ccproxy.core.message import Codec, Message
from ccproxy.core.rights import PeerAccess
from ccproxy.core.runs import PeerInput, Run, singles
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import by_topic, cut, skip, whole
from ccproxy.core.stops import BLOCKED, MORE, TIRED
from ccproxy.core.switch import Switch
from ccproxy.core.taps import Passing
from ccproxy.core.walk import MISS
from ccproxy.wire.zmtp.frames import frame, unpack

TOPIC_SIZE = 200
"""Bytes of a first frame that become parts of the type."""
TOPIC_STEP = 64 * MISS
"""64 series of messages of one topic are passed on at a time, or fewer if they are asked for."""
TOPICS = 1024
"""Topics of one peer whose flows are remembered."""
SEPARATORS = bytes.maketrans(b":/", b"..")

FlowOf = Callable[[bytes], Flow]
"""The flow of a message type."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a listener gives to messages that carry nothing: a type, and how to read a payload.

    `flow_of` replaces the routes, for peers of a handler that has a destination of its own.
    """

    type: bytes
    codec: Codec | None = None
    flow_of: FlowOf | None = None


class TypedIngress:
    """The input of one peer whose messages all have one type."""

    __slots__ = (
        "_access",
        "_flow_of",
        "_front",
        "_limits",
        "_own_head",
        "_source",
        "_switch",
        "_tired",
        "_codec",
        "_type",
    )

    def __init__(self, switch: Switch, input: PeerInput, given: Given) -> None:
        self._codec = given.codec or switch.codec
        self._switch = switch
        self._source, self._limits, self._tired = input
        self._access = input.source.access or switch.access.access(None)
        self._type = given.type
        self._flow_of = given.flow_of or self._routed
        self._front = frame(input.source.identity, more=True) + frame(b"", more=True)
        self._own_head = self._head(self._type)

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole messages of a read: (bytes done, why it stopped), see `hot.scan`."""
        end, messages, stop = whole(data, self._limits)
        if not messages:
            return 0, stop, ()
        chunk = data if end == len(data) else data[:end]
        done, halted, wait = self._take(chunk, messages)
        return done, (halted if halted != MORE else stop), wait

    def _take(self, chunk: bytes, messages: int) -> tuple[int, int, Sequence[Sink]]:
        """Pass on whole messages; the bytes done, MORE or why it stopped, what to wait for."""
        flow = self._flow_of(self._type)
        target = flow.target
        if target.blocking and (waiting := [sink for sink in target.blocking if sink.blocked]):
            return 0, BLOCKED, waiting
        if target.handlers or target.stepwise:
            step = self._step(target, chunk, 0)
            if target.handlers or step < messages:
                return self._in_steps(flow, chunk, step)
        flow.count += messages
        flow.bytes += len(chunk)
        self._pass(target, chunk, messages, self._type)
        return len(chunk), MORE, ()

    def _step(self, target: Target, chunk: bytes, done: int) -> int:
        """How many messages to pass on at a time: handlers see them one by one."""
        if target.handlers:
            return 1
        return target.reach(chunk, done) if target.stepwise else sys.maxsize

    def _in_steps(self, flow: Flow, chunk: bytes, step: int) -> tuple[int, int, Sequence[Sink]]:
        """Pass on a few messages at a time, to what may take long for each."""
        done, target = 0, flow.target
        while True:
            end, messages = skip(chunk, done, step)
            flow.count += messages
            flow.bytes += end - done
            self._pass(target, chunk[done:end], messages, self._type)
            done = end
            if waiting := [sink for sink in target.blocking if sink.blocked]:
                return done, BLOCKED, waiting
            if done == len(chunk):
                return done, MORE, ()
            if self._tired():
                return done, TIRED, ()
            step = self._step(target, chunk, done)

    def _routed(self, type: bytes) -> Flow:
        access = self._access
        flow: Flow = access.flows.get(type) or access.miss(type)
        return flow

    def _pass(self, target: Target, chunk: bytes, messages: int, type: bytes) -> None:
        """Give messages to their target and count their fates."""
        if target.taps:
            self._show(target, chunk, messages, type)
        ledger = self._switch.ledger
        size = len(chunk)
        ledger.receive(messages, size, self._source.listener)
        if not target.sinks and not target.handlers:
            self._drop(target, chunk, messages, type)
            return
        fates: Sequence[tuple[str, int]] = ((target.fate, messages),)
        if target.sinks:
            fates = target.take(self._run(chunk, messages, type))
        if target.handlers:
            fate = self._switch.handed(target, self._message(chunk, type), fates[0][0], size)
            fates = ((fate, 1),)
        if len(fates) == 1:
            ledger.end(fates[0][0], messages, size)
            return
        for one, fate in zip(cut(chunk), singles(fates), strict=True):
            ledger.end(fate, 1, len(one))

    def _show(self, target: Target, chunk: bytes, messages: int, type: bytes) -> None:
        """Let taps look at messages that pass."""
        source = self._source
        place = source.listener, source.peer, target.places
        target.show(Passing(*place, messages, lambda: cut(chunk), type.decode()))

    def _run(self, chunk: bytes, messages: int, type: bytes) -> Run:
        """Messages as sinks want them."""
        head = self._own_head if type is self._type else self._head(type)
        return Run(self._source, messages, chunk, None, head)

    def _message(self, raw: bytes, type: bytes) -> Message:
        source = self._source
        payload = tuple(unpack(raw))
        return Message(type.decode(), (source.identity,), payload, self._codec, source.listener)

    def _head(self, type: bytes) -> bytes:
        """The frames in front of a payload when it leaves for another server."""
        return self._front + frame(type, more=True)

    def _drop(self, target: Target, chunk: bytes, messages: int, type: bytes) -> None:
        """Count messages that have neither a sink nor a handler."""
        self._switch.ledger.end(target.fate, messages, len(chunk))
        if target.fate == "unrouted":
            self._switch.notices.unrouted(target.reason, messages)
        elif target.fate == "refused":
            first = self._head(type) + next(iter(cut(chunk)))
            self._switch.notices.refused(self._source.peer, target.reason, first, messages)


class TopicIngress(TypedIngress):
    """The same with the first frame of each message behind the type: `bus.weather.oslo`."""

    __slots__ = ("_topics",)

    def __init__(self, switch: Switch, input: PeerInput, given: Given) -> None:
        super().__init__(switch, input, given)
        self._topics = Topics(self._topic)

    def _take(self, chunk: bytes, messages: int) -> tuple[int, int, Sequence[Sink]]:
        done = 0
        while done < len(chunk):
            done, halted, wait = self._some(chunk, done)
            if halted != MORE:
                return done, halted, wait
            if self._tired() and done < len(chunk):
                return done, TIRED, ()
        return done, MORE, ()

    def _some(self, chunk: bytes, done: int) -> tuple[int, int, Sequence[Sink]]:
        """Pass on a few messages from `done` on, each to where its topic goes."""
        for topic, start, end, count in by_topic(chunk, done, self._topics, TOPIC_STEP):
            target = topic.flow.target
            if waiting := [sink for sink in target.blocking if sink.blocked]:
                return start, BLOCKED, waiting
            part = chunk[start:end]
            if target.handlers:
                for message in cut(part):
                    self._pass(target, message, 1, topic.type)
            else:
                self._pass(target, part, count, topic.type)
            topic.flow.count += count
            topic.flow.bytes += len(part)
            if target.handlers and self._tired() and end < len(chunk):
                return end, TIRED, ()
            done = end
        return done, MORE, ()

    def _topic(self, key: bytes) -> Topic:
        """The type and the flow of the messages of a topic."""
        type = typed(self._type, key)
        return Topic(type, self._routed(type), self._access)


class Topics:
    """The topics of one peer, for `by_topic`; if there are too many, it begins anew."""

    longest, version = TOPIC_SIZE, 0

    def __init__(self, new: Callable[[bytes], Topic]) -> None:
        """`new` makes the Topic of a first frame."""
        self.entries: dict[bytes, Topic] = {}
        self._new = new

    def resolve(self, key: bytes) -> Topic:
        """A new Topic for a first frame."""
        if len(self.entries) >= TOPICS:
            self.entries.clear()
        found = self.entries[key] = self._new(key)
        return found


class Topic:
    """One first frame: its type and flow; `version` is 0 while the flow is the right one."""

    __slots__ = ("_access", "_rights", "flow", "type")
    weight = MISS

    def __init__(self, type: bytes, flow: Flow, access: PeerAccess) -> None:
        self.type = type
        self.flow = flow
        self._access = access
        self._rights = access.rights

    @property
    def version(self) -> int:
        """Something else than 0 once the flow has been forgotten, or the peer has other rights."""
        return int(self.flow.gone or self._access.rights is not self._rights)

    @property
    def place(self) -> Any:
        """Messages of one topic stay together."""
        return self


def typed(type: bytes, topic: bytes) -> bytes:
    """A type and the parts of a topic behind it: separated by `:`, `/` or `.` there; what a type
    cannot hold becomes `_`, and empty parts are left out."""
    parts = [_part(part) for part in topic.translate(SEPARATORS).split(b".") if part]
    return b".".join([type, *parts])


def _part(part: bytes) -> bytes:
    return part.translate(PLAIN)


PLAIN = bytes(
    code if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "_-") else ord("_")
    for code in range(256)
)

"""Messages as listeners of each protocol would make them, and what they are answered with.

It must never open a listener.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import Codec, Message, NativeAnswer, Reply
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.protocols.jolie.cc_calls import CallCodec, fields_of, reply_type
from ccproxy.protocols.jolie.json_values import Json
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.paths import path_of
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree
from ccproxy.protocols.zmq.codec import DELIMITED, FRAMES
from ccproxy.protocols.zmq.options import ZmqListenerOptions
from ccproxy.testing.links import CODEC, take
from ccproxy.wire.cc import valid_type

PEER = b"test"
"""The identity of the peer that sends."""
QUEUE_BYTES = 1 << 30
"""Room for the answers of one step."""
CODECS: dict[str, Codec] = {"router": DELIMITED, "rep": FRAMES}
"""How sockets that can be answered read their messages."""

Answer = tuple[str, Any]
"""The type and the value of an answer."""


class ValueCodec:
    """The payload of a protocol that is not known here: the value itself."""

    def decode(self, type: str, payload: tuple[Any, ...]) -> Any:
        """The value."""
        return payload[0]

    def encode(self, type: str, value: Any, blob: bytes | None) -> tuple[Any, ...]:
        """The value, if JSON can hold it."""
        json.dumps(value)
        return (value,)

    def blob(self, payload: tuple[Any, ...]) -> bytes | None:
        """There is none."""
        return None


VALUES = ValueCodec()
CALLS = CallCodec()


class OfflinePeer:
    """The program that sends the messages of a test, and collects what it is answered."""

    def __init__(self) -> None:
        self.outbox = Outbox("test", Limits(bytes=QUEUE_BYTES))
        self._codec: Codec = CODEC
        self._answers: list[Answer] = []

    def message(self, type: str, value: Any, listener: ListenerPlan) -> Message:
        """A message of this type and value; ValueError if the protocol cannot carry it."""
        section, options = listener.section, listener.options
        if not valid_type(type.encode()):
            return Message(type, (PEER,), (), CODEC, section)
        given = {} if value is None else value
        if listener.protocol == "cc":
            self._codec = CODEC
        elif isinstance(options, ZmqListenerOptions):
            self._codec = CODECS.get(options.socket, FRAMES)
        else:
            return self._of_values(type, given, listener)
        payload = self._codec.encode(type, given, None)
        return Message(type, (PEER,), payload, self._codec, section)

    def answered_on(self, listener: ListenerPlan) -> bool:
        """True if answers reach the peer through its outbox: PUB and PUSH sockets get none."""
        options = listener.options
        if isinstance(options, ZmqListenerOptions):
            return options.socket in CODECS
        return listener.protocol == "cc"

    def answer(self, message: Message, answer: Reply | NativeAnswer) -> str:
        """Store the answer to a call, or to a message of another protocol."""
        if isinstance(answer, NativeAnswer):
            content = answer.content
            known = isinstance(content, Result | Fault)
            value = fields_of(content) if known else {"data": repr(content)}
            self._answers.append((reply_type(message.type), value))
            return "replied"
        message.codec.encode(answer.type, answer.value, answer.blob)
        self._answers.append((answer.type, dict(answer.value)))
        return "replied"

    def take(self) -> list[Answer]:
        """Take all answers so far, in order."""
        found = [(one.type, self._codec.decode(one.type, one.payload)) for one in take(self.outbox)]
        found += self._answers
        self._answers = []
        return found

    def _of_values(self, type: str, value: Any, listener: ListenerPlan) -> Message:
        """A call, or a message of a protocol that is not known here."""
        content, codec = value, VALUES
        if isinstance(listener.options, CallListenerOptions):
            *names, operation = type.removeprefix(f"{listener.type}.").split(".")
            return self._call(type, Call(path_of(names), operation, _tree(value)), listener)
        length = len(json.dumps(value))
        return Message(type, (PEER,), (content,), codec, listener.section, self, length)

    def _call(self, type: str, call: Call, listener: ListenerPlan) -> Message:
        return Message(type, (PEER,), (call,), CALLS, listener.section, self, 1)


def _tree(value: Mapping[str, Any] | Sequence[Any] | str) -> Json | Tree:
    return Json(value) if value != {} else Tree()

"""Sodep inside TLS: each message is written by itself, so that it is a record of its own.

A Jolie service answers only the first of several messages in one TLS record, and the callers of the
others wait for ever. It must never look into a message.
"""

from __future__ import annotations

from ccproxy.protocols.jolie.sodep.compiled import AnswerBuffer, Upstream
from ccproxy.protocols.jolie.sodep.sides import Sodep, SodepCaller

_ID = 8
"""Bytes of a message's id, which the fast path writes as a part of its own; all other parts are
longer, or are the path behind the id of a call."""


class SecureSodep(Sodep):
    """The form; see `Sodep`."""

    name = "sodeps"
    apart = True

    def caller(self) -> SodepCaller:
        """For one accepted connection."""
        return SecureCaller(self)


class SecureCaller(SodepCaller):
    """One connection of a caller."""

    __slots__ = ()

    def take(self) -> list[bytes | memoryview]:
        """The answers to be written since the last time, one by one."""
        return answers_apart(self.answers)


def answers_apart(answers: AnswerBuffer) -> list[bytes | memoryview]:
    """The answers to be written since the last time, one by one."""
    parts, answers.parts, answers.due = answers.parts, [], False
    whole: list[bytes | memoryview] = []
    id: list[bytes | memoryview] = []
    for part in parts:
        if len(part) == _ID and not id:
            id = [part]
            continue
        whole.append(b"".join([*id, part]) if id else part)
        id = []
    return whole


def calls_apart(upstream: Upstream) -> tuple[list[bytes], list[int]]:
    """The calls of the fast path to be written since the last time, one by one, and their ids."""
    parts, ids = upstream.parts, upstream.written
    upstream.parts, upstream.written, upstream.due = [], [], False
    starts = range(0, len(parts), 3)
    return [b"".join(parts[start : start + 3]) for start in starts], ids

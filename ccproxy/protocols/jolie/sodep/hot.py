# cython: language_level=3, wraparound=False, nonecheck=True, annotation_typing=False
"""The hot parts of the two ends of a sodep call: what a read and a write of a connection do.

`SodepCaller` and `SodepService` inherit from these classes; what happens once in the life of a
connection, or to calls that do not take the fast path, stands there. Cython compiles this file as
`_hot`, with the types of `_hot.pxd`. It must never decode a value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccproxy.protocols.jolie.sodep.compiled import (
    AnswerBuffer,
    FastRoute,
    MessageCutter,
    Upstream,
    deliver,
    forward,
)
from ccproxy.protocols.jolie.sodep.fastpath import SLOW_ANSWER

MANY_OPEN = 500
"""Calls of a connection without answer from which on its owner is asked whether to read on."""


class HotCaller:
    """What the connection of a caller does at every read and every write; see `SodepCaller`.

    `send` writes; `written` is told of a write if that did not take everything, or `watched` is
    true: what follows from it is decided elsewhere.
    """

    __slots__ = (
        "_charset", "_due", "_ended", "_pacing", "_reader", "_routes", "_stream", "_written",
        "answers", "broken", "direct", "queue",
    )  # fmt: skip

    _reader: MessageCutter
    _routes: dict[bytes, FastRoute]
    answers: AnswerBuffer
    broken: str
    direct: bool
    _ended: bool
    _written: Callable[[bool], None]
    _pacing: Any
    _stream: Any
    queue: Any

    def pass_on(self, data: bytes) -> list[Any] | None:
        """The calls that became whole, without those that took the fast path.

        None if no others came, no bytes are held and the owner has nothing to decide.
        """
        reader = self._reader
        data, ends = reader.cut(data)
        if reader.large is not None:
            return self._large(data, ends)
        answers = self.answers
        start = 0
        last = ends[len(ends) - 1] if ends else 0
        if ends and self._routes and self.direct:
            start = forward(data, ends, self._routes, answers)
        if reader.broken:
            self.broken = reader.broken
        elif ends and start == last and not reader.held and answers.open < MANY_OPEN:
            return None
        if not ends or start == last:
            return []
        return self._others(data, [end for end in ends if end > start], start)

    def flush(self) -> None:
        """Write the answers; the flush queue calls it at the end of a turn of the loop."""
        answers = self.answers
        answers.due = False
        stream = self._stream
        if stream.closed:
            answers.parts.clear()
            return
        taken = not answers.parts or stream.send(answers.take()) > 0
        pacing = self._pacing
        if not taken or self._ended or self.broken or pacing.held or stream.box.waiting:
            self._written(taken)

    def write_through(
        self, stream: Any, queue: Any, pacing: Any, written: Callable[[bool], None]
    ) -> None:
        """Write the answers to `stream` from now on, at the end of each turn of the loop."""
        self._stream = stream
        self.queue = queue
        self._pacing = pacing
        self._written = written
        self.answers.wake = self.wake_later

    def wake_later(self) -> None:
        """Have the answers written at the end of this turn."""
        self.queue.flush_later(self)

    def _others(self, data: bytes, ends: list[int], start: int) -> list[Any]:
        """The calls from `start` on, which do not take the fast path."""
        raise NotImplementedError

    def _large(self, data: bytes, ends: list[int]) -> list[Any]:
        """A large call, and those behind it, which must not overtake it."""
        raise NotImplementedError


class HotService:
    """What the connection to a service does at every read; see `SodepService`."""

    __slots__ = ("_charset", "_reader", "_upstream")

    _reader: MessageCutter
    _upstream: Upstream | None

    def pass_on(self, data: bytes) -> list[Any] | None:
        """The answers that became whole, without those to calls of the fast path.

        None if no others came, no bytes are held and the owner has nothing to decide.
        """
        reader = self._reader
        upstream = self._upstream
        data, ends = reader.cut(data)
        if reader.large is not None:
            return self._large(data, ends)
        if upstream is not None and ends:
            data, ends = deliver(data, ends, upstream)
            quick = upstream.load.took <= SLOW_ANSWER and not upstream.last
            if quick and not ends and not reader.held and not reader.broken:
                return None
        return self._others(data, ends) if ends else []

    def _others(self, data: bytes, ends: list[int]) -> list[Any]:
        """The answers to calls that did not take the fast path."""
        raise NotImplementedError

    def _large(self, data: bytes, ends: list[int]) -> list[Any]:
        """A large answer, and those behind it, without those to calls of the fast path."""
        raise NotImplementedError

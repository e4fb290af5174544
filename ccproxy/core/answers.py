"""Answers of services, to DEALER and REQ sockets: each goes back to the peer that has asked.

An answer that names no peer, or one that is gone, has the fate `gone`. It must never keep bytes
between two reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy.core.askers import Askers, answers
from ccproxy.core.outbox import Outbox
from ccproxy.core.runs import PeerInput
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import by_name, cut, whole
from ccproxy.core.stops import TIRED
from ccproxy.core.switch import Switch

DELIMITER = b"\1\0"
"""The empty frame between an envelope and the frames of a request."""
GONE, MALFORMED = "gone", "malformed"


class AnswerIngress:
    """The input of one peer of a DEALER socket."""

    __slots__ = ("_askers", "_limits", "_source", "_switch")

    def __init__(self, switch: Switch, input: PeerInput, askers: Askers) -> None:
        self._askers = askers
        self._limits = input.limits
        self._source = input.source
        self._switch = switch

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole answers of a read, see `hot.scan`."""
        end, _, stop = whole(data, self._limits)
        for name, frames, messages, size in by_name(data[:end]):
            if not frames:
                self._malformed(name)
            answer(self._switch, self._askers, name, (frames, messages, size))
        return end, stop, ()

    def _malformed(self, name: bytes) -> None:
        self._switch.notices.malformed(self._source.peer, name, 1)


class Requester:
    """A worker of a REQ socket: it gets one request, and the next one after the answer."""

    __slots__ = ("_given_at", "_now", "_resend", "_waiter", "box", "late", "name", "request")

    def __init__(
        self, name: bytes, box: Outbox, resend: bool, now: Callable[[], float] = float
    ) -> None:
        """`resend`: a request that may have been sent goes to another worker when this one goes, or
        does not answer in time."""
        self.name = name
        self.box = box
        self.request = b""
        """The request under way, behind the name of its asker."""
        self.late = False
        """True while the worker owes an answer that comes too late."""
        self._given_at = 0.0
        self._now = now
        self._resend = resend
        self._waiter: Callable[[], None] | None = None

    @property
    def slots(self) -> int:
        """1 while no request is under way, and no answer is owed."""
        return int(not self.request and not self.late)

    @property
    def room(self) -> int:
        """Any request fits."""
        return 1

    def give(self, chunk: bytes, messages: int) -> None:
        """Send a request, without the name of its asker."""
        [(_, frames, _, _)] = by_name(chunk)
        self.request = chunk
        self._given_at = self._now()
        self.box.put(DELIMITER + frames, 1)

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` when the request is answered."""
        self._waiter = call

    def leave(self) -> list[tuple[bytes, int]]:
        """The request that no byte was sent of; with `resend` any request under way."""
        unsent, request, self.request = self.box.withdraw(), self.request, b""
        return [(request, 1)] if request and (unsent or self._resend) else []

    def overdue(self, seconds: float) -> bool:
        """True if a request was given so long ago. One of which no byte was sent is not: its worker
        does not read, and would never answer it."""
        begun = bool(self.request) and (self.box.half_sent or not self.box.waiting)
        return begun and self._now() - self._given_at >= seconds

    def give_up(self) -> list[tuple[bytes, int]]:
        """Wait no longer for the answer to a request; with `resend` the request.

        The worker gets no other request before it has answered: what it says next is that answer.
        """
        request, self.request, self.late = self.request, b"", True
        return [(request, 1)] if self._resend else []

    def answered(self) -> bytes:
        """The name of the asker; the next request may come."""
        [(name, _, _, _)] = by_name(self.request)
        self.request = b""
        return name

    def go_on(self) -> None:
        """Take the next request, after `answered`."""
        call, self._waiter = self._waiter, None
        if call is not None:
            call()


class RequestIngress:
    """The input of one peer of a REQ socket."""

    __slots__ = ("_askers", "_limits", "_source", "_switch", "_tired", "_worker")

    def __init__(self, switch: Switch, input: PeerInput, worker: Requester) -> None:
        self._askers = Askers()
        self._source, self._limits, self._tired = input
        self._switch = switch
        self._worker = worker

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole answers of a read, see `hot.scan`."""
        end, _, stop = whole(data, self._limits)
        done = 0
        for message in cut(data[:end]):
            self._answer(message)
            done += len(message)
            if done < end and self._tired():
                return done, TIRED, ()
        return end, stop, ()

    def _answer(self, message: bytes) -> None:
        """Take one message; the request stays under way if it is no answer, as in libzmq."""
        switch, worker, size = self._switch, self._worker, len(message)
        if not message.startswith(DELIMITER):
            switch.notices.malformed(self._source.peer, message, 1)
            answer(switch, self._askers, b"", (b"", 1, size))
            return
        if not worker.request or worker.box.waiting:  # nothing was asked yet, or it is too late
            answer(switch, self._askers, b"", (message, 1, size))
            if worker.late and not worker.box.waiting:
                worker.late = False
                worker.go_on()
            return
        name = worker.answered()
        answer(switch, self._askers, name, (message[len(DELIMITER) :], 1, size))
        worker.go_on()


def answer(switch: Switch, askers: Askers, name: bytes, found: tuple[bytes, int, int]) -> None:
    """Pass on answers with one name: their frames, how many, and their bytes; count the fates."""
    frames, messages, size = found
    back = askers.way_back(name, switch.peers) if frames else None
    if back is None:
        switch.ledger.pass_by(GONE if frames else MALFORMED, messages, size)
        return
    give(switch, back.sink, answers(back.head, frames), messages, size)


def give(switch: Switch, sink: Sink, chunk: bytes, messages: int, size: int) -> None:
    """Give answers to their asker; count the fates. `size` is their bytes as they came in."""
    ledger = switch.ledger
    ledger.receive(messages, size)
    taken = sink.offer(chunk, messages)
    if taken == messages:
        ledger.end("replied", messages, size)
        return
    lost = size * (messages - taken) // messages
    ledger.end("replied", taken, size - lost)
    ledger.end("full", messages - taken, lost)

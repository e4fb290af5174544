"""Runs of numbered messages and their targets: each destination that confirms gets a receipt, and
what no destination has taken is refused to the source.

It must never know in which form messages come: each input makes of its runs what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.delivery.late import LateMessages
from ccproxy.core.delivery.receipts import RunReceipt
from ccproxy.core.delivery.store import MessageNumber, RunOrigin
from ccproxy.core.flows import Target
from ccproxy.core.hot import Buffer
from ccproxy.core.message import DeliveryNumber, Message
from ccproxy.core.runs import FULL, Fates, Run, best, confirms, distributes, offered, singles
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import skip, whole
from ccproxy.core.stops import BLOCKED, COMMAND
from ccproxy.core.switch import Switch
from ccproxy.wire.zmtp.frames import COMMAND as COMMAND_FLAG
from ccproxy.wire.zmtp.frames import ZmtpError

NEGATIVE = frozenset(("full", "failed", "refused", "gone", "malformed"))
"""Fates that the source is told of: nothing has these messages, and not because of a route."""

Taken = tuple[int, int, Sequence[Sink]]
"""What `MessageSink.feed` returns."""
Answers = tuple[MessageNumber, LateMessages, frozenset[str]]
"""What the source is told of a run: the number of its first message, those whose outcome comes
later, and the fates that are refusals."""


class NumberedRun(Protocol):
    """Some messages of an input that have one target."""

    messages: int
    size: int
    """Their bytes, as they came."""

    def envelopes(self) -> bytes:
        """The same for sinks: with route, empty frame and type, see `Run`."""

    def run(self) -> Run:
        """The same for sinks that choose among peers."""

    def raws(self) -> Iterable[Buffer]:
        """Each of them, as it came."""

    def message(self, raw: Buffer) -> Message:
        """One of them for handlers."""

    def drop(self, target: Target) -> None:
        """Count them: their target has neither a sink nor a handler."""


class NumberedRuns:
    """The numbers of one connection of a link."""

    __slots__ = ("_link", "_switch")

    def __init__(self, switch: Switch, link: RememberedLink) -> None:
        self._switch = switch
        self._link = link

    def feed(self, data: bytes, limits: tuple[int, int], feed: Callable[[bytes], Taken]) -> Taken:
        """Pass on the whole messages of a read by `feed`, but for those that came before. ZmtpError
        for a message before the source has said its number."""
        link = self._link
        if link.next is None:
            if not data[0] & COMMAND_FLAG:
                raise ZmtpError("a message before its number")
            return 0, COMMAND, ()
        if link.tracker.blocked:
            return 0, BLOCKED, (link.tracker,)
        start = self._skip(data, limits) if link.again else 0
        if not start:
            return feed(data)
        done, stop, wait = feed(data[start:])
        return start + done, stop, wait

    def pass_on(self, target: Target, given: NumberedRun) -> None:
        """Give a run to its target, and count its fates."""
        messages, ledger = given.messages, self._switch.ledger
        ledger.receive(messages, given.size, self._link.listener)
        destinations = len(target.confirming) + bool(target.handlers)
        first, receipts = self._link.handed(messages, destinations)
        if not target.sinks and not target.handlers:
            given.drop(target)
            self._answer(first, target.fate, messages)
            return
        negative = NEGATIVE - {FULL} if target.confirming else NEGATIVE
        fates: Fates = ((target.fate, messages),)
        if target.sinks:
            fates = self._spread(target, given, first, receipts)
        if target.handlers:
            late = LateMessages(receipts[-1], first.number)
            self._show_all(target, given, fates, (first, late, negative))
        elif len(fates) == 1:
            ledger.end(fates[0][0], messages, given.size)
            self._answer(first, fates[0][0], messages, negative)
        else:
            for place, (raw, fate) in enumerate(zip(given.raws(), singles(fates), strict=True)):
                ledger.end(fate, 1, len(raw))
                self._answer(first._replace(number=first.number + place), fate, 1, negative)

    def _skip(self, data: bytes, limits: tuple[int, int]) -> int:
        """Where the messages that came before end."""
        link = self._link
        end, messages, _ = whole(data, limits)
        if messages > link.again:
            end, messages = skip(data, 0, link.again)
        link.again -= messages
        link.duplicates += messages
        self._switch.ledger.pass_by("duplicate", messages, end)
        return end

    def _show_all(self, target: Target, given: NumberedRun, fates: Fates, answers: Answers) -> None:
        """Give the messages of a run to the handlers of its target, after the sinks."""
        switch = self._switch
        first, late, negative = answers
        for place, (raw, so_far) in enumerate(zip(given.raws(), singles(fates), strict=True)):
            number = first._replace(number=first.number + place)
            switch.late = None
            delivery = DeliveryNumber(self._link.id, *number, self._link.replaying)
            seen = replace(given.message(raw), delivery=delivery)
            fate = switch.handed(target, seen, so_far, len(raw))
            switch.ledger.end(fate, 1, len(raw))
            if switch.late is None:
                self._answer(number, fate, 1, negative)
            else:
                late.add(number.number)
                switch.late.over = partial(self._over, late, number, negative)
        late.handed(first.number + given.messages)

    def _over(
        self, late: LateMessages, number: MessageNumber, negative: frozenset[str], fate: str
    ) -> None:
        """The last handler has said its outcome of a message that was handed over before."""
        self._answer(number, fate, 1, negative)
        late.over(number.number)

    def _spread(
        self,
        target: Target,
        given: NumberedRun,
        first: MessageNumber,
        receipts: Sequence[RunReceipt],
    ) -> Fates:
        """Put a run into all sinks; what became of each message."""
        origin = RunOrigin(self._link.id, *first, self._link.replaying)
        messages = given.messages
        chunk = given.envelopes() if target.boxes or target.confirming else b""
        several: list[Fates] = []
        waiting = iter(receipts)
        for sink in target.sinks:
            if confirms(sink):
                receipt = next(waiting)
                taken = sink.accept(chunk, messages, origin, receipt)
                receipt.taken(taken, FULL)
            elif distributes(sink):
                several.append(sink.take(given.run()))
                continue
            else:
                taken = sink.offer(chunk, messages)
            several.append(offered(messages, taken))
        return best(several)

    def _answer(
        self,
        first: MessageNumber,
        fate: str,
        messages: int,
        negative: frozenset[str] = NEGATIVE,
    ) -> None:
        """Tell the source of messages that nothing has; a destination that confirms has said by its
        receipt what it did not take."""
        if fate in negative:
            self._link.tracker.refuse(first.epoch, first.number, messages, fate)

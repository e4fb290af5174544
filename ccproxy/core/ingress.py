"""Where bytes come into the switch: from an accepted peer, or back over a link.

Both classes find whole messages by the hot functions and count each run in the ledger. They must
never keep bytes: the caller keeps the rest of a read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy.core.flows import Target
from ccproxy.core.hot import Buffer
from ccproxy.core.ledger import RANK
from ccproxy.core.message import Message
from ccproxy.core.outbox import Outbox
from ccproxy.core.runs import PeerInput, Run, singles
from ccproxy.core.sinks import Sink
from ccproxy.core.switch import Switch
from ccproxy.core.taps import Passing, Places, type_of
from ccproxy.wire.zmtp.frames import frame, unpack

try:
    from ccproxy.core._hot import scan, scan_replies

    COMPILED = True
except ImportError:
    from ccproxy.core.hot import scan, scan_replies

    COMPILED = False

STRAIGHT = 65536
"""Bytes of a run of large messages that is written at once in pieces: to join them would cost more
than the write that is saved if others follow in the same turn."""
PIECES = 16
"""Messages of such a run, at most."""

Taken = tuple[int, int, Sequence[Sink]]
"""What `feed` returns, see `hot.scan`."""


class Ingress:
    """The input of one accepted peer: takes bytes, passes runs of messages to their targets."""

    __slots__ = ("_access", "_limits", "_source", "_switch", "_tired", "prefix")

    def __init__(self, switch: Switch, input: PeerInput) -> None:
        self._switch = switch
        self._source, self._limits, self._tired = input
        self._access = input.source.access or switch.access.access(None)
        self.prefix = frame(input.source.identity, more=True)

    def feed(self, data: bytes) -> Taken:
        """Pass on the whole messages of a read: (bytes done, why it stopped), see `hot.scan`."""
        access = self._access
        return scan(data, access.flows, access.miss, self._emit, self._limits)

    def _feed(self, data: bytes, emit: Callable[[Target, list[Buffer], int], bool]) -> Taken:
        """As `feed`, for an input that changes its runs before they are passed on."""
        access = self._access
        return scan(data, access.flows, access.miss, emit, self._limits)

    def _emit(self, target: Target, parts: list[Buffer], size: int) -> bool:
        if target.indirect:
            return self._emit_indirect(target, parts, size)
        ledger = self._switch.ledger
        messages = len(parts) - 1
        ledger.receive(messages, size, self._source.listener)
        taken = 0
        if target.sinks:
            if size >= STRAIGHT and messages <= PIECES:
                taken = self._straight(target, parts)
            else:
                chunk = self.prefix.join(parts)
                taken = max([box.offer(chunk, messages) for box in target.sinks])
        if target.handlers:
            for number, part in enumerate(parts[1:]):
                fate = ("forwarded" if number < taken else "full") if target.sinks else target.fate
                ledger.end(self._deliver(target, part, fate), 1, len(part))
            return self._tired()
        if not target.sinks:
            self._drop(target, parts, size)
        elif taken == messages:
            ledger.end("forwarded", messages, size)
        else:
            sizes = list(map(len, parts))
            rest = min(target.fate, "full", key=RANK.__getitem__)
            ledger.end("forwarded", taken, sum(sizes[: taken + 1]))
            ledger.end(rest, messages - taken, sum(sizes[taken + 1 :]))
        return False

    def _emit_indirect(self, target: Target, parts: list[Buffer], size: int) -> bool:
        """Pass on a run that taps see, or that is for distributors."""
        if target.untapped is not None:
            source, messages = self._source, parts[1:]
            place = source.listener, source.peer, target.places
            target.show(Passing(*place, len(messages), lambda: messages))
            return self._emit(target.untapped, parts, size)
        self._switch.ledger.receive(len(parts) - 1, size, self._source.listener)
        return self._distribute(target, parts, size)

    def _straight(self, target: Target, parts: list[Buffer]) -> int:
        """Give large messages to their sinks; what can be written at once is not copied."""
        pieces = [piece for part in parts[1:] for piece in (self.prefix, part)]
        messages, chunk, most = len(parts) - 1, b"", 0
        for sink in target.sinks:
            if isinstance(sink, Outbox) and sink.write is not None and not sink.waiting:
                most = max(most, sink.write(pieces, messages))
                continue
            chunk = chunk or self.prefix.join(parts)
            most = max(most, sink.offer(chunk, messages))
        return most

    def _distribute(self, target: Target, parts: list[Buffer], size: int) -> bool:
        """Put a run into sinks of which some choose among peers; then the handlers see it."""
        ledger = self._switch.ledger
        messages = len(parts) - 1
        fates = target.take(Run(self._source, messages, envelopes=self.prefix.join(parts)))
        if len(fates) == 1 and not target.handlers:
            ledger.end(fates[0][0], messages, size)
            return False
        for part, fate in zip(parts[1:], singles(fates), strict=True):
            if target.handlers:
                fate = self._deliver(target, part, fate)
            ledger.end(fate, 1, len(part))
        return bool(target.handlers) and self._tired()

    def _drop(self, target: Target, parts: list[Buffer], size: int) -> None:
        """Count messages that have neither an outbox nor a handler."""
        messages = len(parts) - 1
        self._switch.ledger.end(target.fate, messages, size)
        if target.fate == "unrouted":
            self._switch.notices.unrouted(target.reason, messages)
        elif target.fate == "malformed":
            self._switch.notices.malformed(self._source.peer, parts[1], messages)
        elif target.fate == "refused":
            peer, name = self._source.peer, target.reason
            self._switch.notices.refused(peer, name, parts[1], messages)

    def _deliver(self, target: Target, raw: Buffer, so_far: str) -> str:
        """Give one message to the handlers of its target, after the sinks; return its fate."""
        source, switch = self._source, self._switch
        seen = Message.cut([source.identity, *unpack(raw)], switch.codec, source.listener)
        return switch.handed(target, seen, so_far, len(raw))


class ReplyIngress:
    """The input of one link: replies for peers, or messages for the handler of the link."""

    __slots__ = ("_limits", "_on_message", "_switch", "name")

    def __init__(
        self,
        switch: Switch,
        name: str,
        limits: tuple[int, int],
        on_message: Callable[[Message], None] | None,
    ) -> None:
        self._switch = switch
        self._limits = limits
        self._on_message = on_message
        self.name = name

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole messages of a read: (bytes done, why it stopped), see `hot.scan`."""
        return scan_replies(data, self._switch.peers, self._emit, self._limits)

    def _emit(self, identity: bytes, parts: list[Buffer], size: int) -> None:
        switch = self._switch
        ledger = switch.ledger
        messages = len(parts)
        ledger.receive(messages, size)
        if switch.table.taps:
            self._show(identity, parts)
        if not parts[0]:  # nothing but an identity: such a message is always a run of its own
            ledger.end("malformed", messages, size)
            switch.notices.malformed(self.name, frame(identity), messages)
            return
        if not identity:
            head = (size - sum(map(len, parts))) // messages
            for part in parts:
                ledger.end(self._own(part), 1, head + len(part))
            return
        box = switch.peers.get(identity)
        if box is None:
            ledger.end("gone", messages, size)
            return
        taken = box.offer(b"".join(parts), messages)
        sizes = list(map(len, parts[taken:]))
        ledger.end("replied", taken, size - sum(sizes))
        if sizes:
            ledger.end("full", messages - taken, sum(sizes))

    def _show(self, identity: bytes, parts: list[Buffer]) -> None:
        """Let the taps look at what has come back: a reply takes no route, so each is asked."""
        box = self._switch.peers.get(identity)
        to = box.name.partition(" ")[0] if box is not None else "" if identity else self.name
        places = Places((to,) if to else (), "gone")
        if not identity:  # the scan takes the empty frame for the identity
            parts = [frame(b"", more=True) + part for part in parts]
        for tap in self._switch.table.taps:
            found = tuple(part for part in parts if tap.wants(type_of(part), places))
            if found:
                tap.see(Passing(self.name, "", places, len(found), found.__iter__))

    def _own(self, raw: Buffer) -> str:
        """Give a message without a route to the handler that owns the link; return its fate."""
        switch = self._switch
        try:
            seen = Message.cut([b"", *unpack(raw)], switch.codec, self.name)
        except ValueError:
            switch.notices.malformed(self.name, raw, 1)
            return "malformed"
        if self._on_message is None:
            return "gone"
        try:
            self._on_message(seen)
        except BaseException as error:  # SystemExit and the like must not end the server
            return switch.fault(self.name, seen.type, error)
        return "consumed"

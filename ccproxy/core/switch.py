"""The switch: asks handlers once per type, passes runs of messages on, counts every fate.

It is wired to the outside by calls alone: `Ingress.feed` and `ReplyIngress.feed` take the bytes of
a peer or a link, outboxes take what goes out, `Notices` hears what a log should say. It must never
do I/O, look at a clock, or lose a message without naming its fate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ccproxy.core.flows import Flow, FlowTable, Target
from ccproxy.core.hot import Buffer
from ccproxy.core.ledger import RANK, Ledger
from ccproxy.core.message import Action, Actions, Codec, Message, Reply
from ccproxy.core.outbox import Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.verdict import Deliver, Discard, Forward, Receiver, Refuse, Verdict
from ccproxy.wire.cc import Refused, frames, valid_type
from ccproxy.wire.zmtp.frames import frame, pack, unpack

try:
    from ccproxy.core._hot import scan, scan_replies

    COMPILED = True
except ImportError:
    from ccproxy.core.hot import scan, scan_replies

    COMPILED = False


class Decider(Receiver, Protocol):
    """A handler, as far as the switch has to know it."""

    def decide(self, type: str) -> Verdict:
        """Say once where messages of a type go."""


class Notices(Protocol):
    """Who hears what happened, to log it at a bearable rate."""

    def unrouted(self, type: str, messages: int) -> None:
        """Messages no route matches."""

    def malformed(self, sender: str, raw: Buffer, messages: int) -> None:
        """Messages that are none; `raw` is the first of them on the wire."""

    def failed(self, handler: str, type: str, error: Exception) -> None:
        """A handler raised, or refused a message."""


class Switch:
    """Routes, flows, peers and the ledger of one server."""

    def __init__(self, codec: Codec, notices: Notices, flow_limit: int = 65536) -> None:
        self.codec = codec
        self.notices = notices
        self.ledger = Ledger()
        self.peers: dict[bytes, Outbox] = {}
        self.table = FlowTable(flow_limit, self._compile)
        self.malformed = Flow(Target(fate="malformed"))
        self._routes = Routes()
        self._handlers: Mapping[str, Decider] = {}
        self._receivers: Mapping[Receiver, Receiver] = {}

    def configure(
        self,
        routes: Routes,
        handlers: Mapping[str, Decider],
        receivers: Mapping[Receiver, Receiver],
    ) -> None:
        """New routes, the handlers they name, and who stands for a handler when it handles."""
        self._routes, self._handlers, self._receivers = routes, handlers, receivers
        self.table.clear()

    def miss(self, type: bytes) -> Flow:
        """The flow of a type that is not in the table; the one of malformed messages for none."""
        return self.table.miss(type) or self.malformed

    def inject(self, handler: Decider, message: Message) -> None:
        """Give a message that was held back to a handler; its fate was counted when it came."""
        verdict = self._ask(handler, message.type)
        if isinstance(verdict, Forward):
            chunk = pack([*message.route, b"", message.type.encode(), *message.payload])
            for box in verdict.outboxes:
                box.offer(chunk, 1)
        if isinstance(verdict, Deliver):
            for receiver in verdict.handlers or (handler,):
                self.deliver(self._receivers.get(receiver, receiver), message)

    def deliver(self, receiver: Receiver, message: Message) -> str:
        """Let one handler see one message; the fate it gave it is returned."""
        try:
            actions = receiver.handle(message)
            if actions is None:
                return "consumed"
            return self.act(actions, message)
        except Refuse as refusal:
            self.notices.failed(receiver.name, message.type, refusal)
            return refusal.fate if refusal.fate in RANK else "refused"
        except Refused as error:
            self.notices.failed(receiver.name, message.type, error)
            return "refused"
        except Exception as error:
            self.notices.failed(receiver.name, message.type, error)
            return "failed"

    def act(self, actions: Actions, message: Message | None) -> str:
        """Carry out actions; the best fate among them is returned."""
        listed: Iterable[Action]
        listed = () if actions is None else actions if isinstance(actions, Iterable) else (actions,)
        fates = [self._act(action, message) for action in listed]
        return min(fates, key=RANK.__getitem__, default="consumed")

    def _act(self, action: Action, message: Message | None) -> str:
        kind = action.type
        if not isinstance(action, Reply):
            payload = self.codec.encode(kind, action.value, action.blob)
            chunk = pack(frames(action.route, kind, payload))
            return "consumed" if action.link.outbox.offer(chunk, 1) else "full"
        if message is None or not message.route:
            raise ValueError("a Reply needs a message that came from a peer, to answer it")
        payload = message.codec.encode(kind, action.value, action.blob)
        box = self.peers.get(message.route[0])
        if box is None:
            return "gone"
        taken = box.offer(pack(frames(message.route[1:], kind, payload)), 1)
        return "replied" if taken else "full"

    def _compile(self, raw: bytes) -> Target | None:
        if not valid_type(raw):
            return None
        type = raw.decode("ascii")
        sections = self._routes.sections(type)
        if not sections:
            return Target(fate="unrouted", reason=type)
        boxes: list[Outbox] = []
        receivers: list[Receiver] = []
        fate, reason = "failed", type
        for section in sections:
            verdict = self._ask(self._handlers[section], type)
            if isinstance(verdict, Forward):
                boxes += verdict.outboxes
            elif isinstance(verdict, Deliver):
                whom = verdict.handlers or (self._handlers[section],)
                receivers += [self._receivers.get(one, one) for one in whom]
            elif isinstance(verdict, Discard):
                fate, reason = "discarded", verdict.reason
        return Target(tuple(boxes), tuple(receivers), fate, reason)

    def _ask(self, handler: Decider, type: str) -> Verdict | None:
        try:
            verdict = handler.decide(type)
            if not isinstance(verdict, Verdict):
                raise TypeError(f"decide({type!r}) returned {verdict!r:.80}, expected a verdict")
            return verdict
        except Exception as error:
            self.notices.failed(handler.name, type, error)
            return None


class Ingress:
    """What one accepted peer sends: bytes in, runs of messages out to where they belong."""

    __slots__ = ("_limits", "_listener", "_switch", "identity", "name", "prefix")

    def __init__(
        self, switch: Switch, identity: bytes, name: str, listener: str, limits: tuple[int, int]
    ) -> None:
        self._switch = switch
        self._limits = limits
        self._listener = listener
        self.identity = identity
        self.name = name
        self.prefix = frame(identity, more=True)

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Outbox]]:
        """Pass on the whole messages of a read: (bytes done, why it stopped), see `hot.scan`."""
        table = self._switch.table
        return scan(data, table.flows, self._switch.miss, self._emit, self._limits)

    def _emit(self, target: Target, parts: list[Buffer], size: int) -> None:
        ledger = self._switch.ledger
        messages = len(parts) - 1
        ledger.receive(messages, size)
        taken = 0
        if target.boxes:
            chunk = self.prefix.join(parts)
            taken = max([box.offer(chunk, messages) for box in target.boxes])
        if target.handlers:
            for number, part in enumerate(parts[1:]):
                ledger.end(self._deliver(target, part, number < taken), 1, len(part))
        elif target.boxes:
            if taken == messages:
                ledger.end("forwarded", messages, size)
                return
            sizes = list(map(len, parts))
            rest = min(target.fate, "full", key=RANK.__getitem__)
            ledger.end("forwarded", taken, sum(sizes[: taken + 1]))
            ledger.end(rest, messages - taken, sum(sizes[taken + 1 :]))
        else:
            ledger.end(target.fate, messages, size)
            if target.fate == "unrouted":
                self._switch.notices.unrouted(target.reason, messages)
            elif target.fate == "malformed":
                self._switch.notices.malformed(self.name, parts[1], messages)

    def _deliver(self, target: Target, raw: Buffer, forwarded: bool) -> str:
        """One message to handlers that see each of them, after the outboxes."""
        switch = self._switch
        fates = [target.fate]
        if target.boxes:
            fates.append("forwarded" if forwarded else "full")
        seen = Message.cut([self.identity, *unpack(raw)], switch.codec, self._listener)
        fates += [switch.deliver(receiver, seen) for receiver in target.handlers]
        return min(fates, key=RANK.__getitem__)


class ReplyIngress:
    """What comes back over one link: replies to peers, or messages to the handler of the link."""

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

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Outbox]]:
        """Pass on the whole messages of a read: (bytes done, why it stopped), see `hot.scan`."""
        return scan_replies(data, self._switch.peers, self._emit, self._limits)

    def _emit(self, identity: bytes, parts: list[Buffer], size: int) -> None:
        switch = self._switch
        ledger = switch.ledger
        messages = len(parts)
        ledger.receive(messages, size)
        if not parts[0]:  # a bare identity, which is a run of its own
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

    def _own(self, raw: Buffer) -> str:
        """A message without a route: for the handler that owns the link."""
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
        except Exception as error:
            switch.notices.failed(self.name, seen.type, error)
            return "failed"
        return "consumed"

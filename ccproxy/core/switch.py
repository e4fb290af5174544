"""The switch: asks handlers once per type, passes runs of messages on, counts every fate.

Bytes of a peer or a link come in through the classes of `core.ingress`, whole messages of other
protocols through `take`. What goes out is put into outboxes, what belongs in a log goes to
`Notices`. It must never do I/O, read a clock, or lose a message without naming its fate.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Protocol

from ccproxy.core.access import AccessTable
from ccproxy.core.flows import Flow, FlowTable, Target
from ccproxy.core.hot import Buffer
from ccproxy.core.ledger import OUTCOMES, RANK, Ledger
from ccproxy.core.message import (
    Action,
    Actions,
    Codec,
    Message,
    NativeAnswer,
    Send,
    UnreadableMessage,
)
from ccproxy.core.plugin_code import file_of
from ccproxy.core.routes import Routes
from ccproxy.core.runs import FORWARDED, FULL, Run, distributes
from ccproxy.core.sinks import Sink
from ccproxy.core.verdict import (
    Deliver,
    Discard,
    Ended,
    Forward,
    LateOutcome,
    Queued,
    Receiver,
    Refuse,
    Verdict,
)
from ccproxy.wire.cc import UntrustedMessage, frames, valid_type
from ccproxy.wire.zmtp.frames import pack

LOSSES = {*OUTCOMES["dropped"], *OUTCOMES["crashed"]}
"""Fates of messages that no destination has taken."""


class Decider(Receiver, Protocol):
    """The part of a handler that the switch uses."""

    def decide(self, type: str) -> Verdict:
        """Say where messages of a type go; asked once for each type."""


class Notices(Protocol):
    """Is told what went wrong with messages, and logs it at a limited rate."""

    def unrouted(self, type: str, messages: int) -> None:
        """No route matches these messages."""

    def malformed(self, sender: str, raw: Buffer, messages: int) -> None:
        """These messages are malformed; `raw` holds the bytes of the first."""

    def refused(self, sender: str, name: str, raw: Buffer, messages: int) -> None:
        """The section `[name]` does not allow these messages; `raw` is the first."""

    def failed(self, handler: str, type: str, error: BaseException) -> None:
        """A handler raised an exception, or refused a message."""


class Switch:
    """Routes, flows, peers and the ledger of one server."""

    def __init__(
        self, codec: Codec, notices: Notices, flow_limit: int = 65536, named: int = 1000
    ) -> None:
        """`flow_limit` types have a flow; the first `named` ones have counts for good."""
        self.codec = codec
        self.notices = notices
        self.ledger = Ledger()
        self.peers: dict[bytes, Sink] = {}
        self.table = FlowTable(flow_limit, self._compile, named)
        self.malformed = Flow(Target(fate="malformed"))
        self.access = AccessTable(self.table, self.miss)
        self._routes = Routes()
        self._handlers: Mapping[str, Decider] = {}
        self._receivers: Mapping[int, Receiver] = {}
        self._queued: list[Queued] = []
        self._crashed: list[Receiver] = []
        """Those that have queued the message which is being dealt with, and that raised for it."""
        self.late: Ended | None = None
        """The latest message that receivers have queued; inputs that wait for its end reset it."""

    def configure(
        self,
        routes: Routes,
        handlers: Mapping[str, Decider],
        receivers: Mapping[int, Receiver],
    ) -> None:
        """Apply new routes and the handlers they name.

        `receivers` maps the `id` of a handler to the object that handles messages in its place.
        """
        self._routes, self._handlers, self._receivers = routes, handlers, receivers
        self.table.clear()

    def miss(self, type: bytes) -> Flow:
        """The flow of a type that is not in the table; `malformed` if the type is invalid."""
        return self.table.miss(type) or self.malformed

    def targets(self, type: str, below: bool) -> list[Target]:
        """Where messages of a type go now; with `below` also those of longer types that have
        routes of their own."""
        types = [type, *(self._routes.below(type) if below else ())]
        names = [one.encode() for one in types]
        return [(self.table.flows.get(name) or self.miss(name)).target for name in names]

    def watch(self, call: Callable[[], None]) -> None:
        """Call whenever `targets` may answer otherwise than before."""
        self.table.watchers.append(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more; nothing is done if it was not called."""
        if call in self.table.watchers:
            self.table.watchers.remove(call)

    def take(self, message: Message) -> str:
        """Deal with a message of a protocol that is not ZMTP; return its fate."""
        name = message.type.encode("utf-8", "replace")
        flow = self.table.flows.get(name) or self.miss(name)
        target, size = flow.target, message.size
        if target.taps:
            target.show_value(message.listener, message.type, size)
        flow.count += 1
        flow.bytes += size
        self.ledger.receive(1, size, message.listener)
        fates = [target.fate, *self._forward(target.sinks, message)]
        fates += [self.deliver(receiver, message) for receiver in target.handlers]
        fate = min(fates, key=RANK.__getitem__)
        self.ledger.end(fate, 1, size)
        if self._queued or self._crashed:
            self._note(target, fates, size)
        if target.handlers:
            self.table.totals.lost(name, fate, size)
        if fate == "unrouted":
            self.notices.unrouted(message.type, 1)
        return fate

    def routes_below(self, type: str) -> list[str]:
        """The prefixes of the routes that match some types under this one."""
        return self._routes.below(type)

    def too_big(self) -> None:
        """Count a message that was larger than allowed, for which its peer was closed."""
        self.ledger.pass_by("too-big", 1, 0)

    def inject(self, handler: Decider, message: Message) -> str:
        """Give a message that was held back to a handler; return what became of it now.

        The ledger does not change: it counted the message's fate when the message came in.
        """
        outer, self._queued, self._crashed = (self._queued, self._crashed), [], []
        place = self._ask(handler, message.type)
        fates = [place.fate, *self._forward(place.sinks, message)]
        fates += [self.deliver(receiver, message) for receiver in place.handlers]
        self._queued, self._crashed = outer
        return min(fates, key=RANK.__getitem__)

    def waits(self, handler: Decider, type: str) -> bool:
        """True while senders must wait for an outbox that the handler forwards this type to."""
        return any(box.blocked for box in self._ask(handler, type).blocking)

    def handed(self, target: Target, message: Message, so_far: str, size: int) -> str:
        """Give one message to the handlers of its target, after the sinks, whose fate it has so
        far; return the best fate. `size` is its bytes on the wire."""
        fates = [target.fate, so_far]
        fates += [self.deliver(receiver, message) for receiver in target.handlers]
        fate = min(fates, key=RANK.__getitem__)
        if self._queued or self._crashed:
            self._note(target, fates, size)
        if fate in LOSSES:
            self.table.totals.lost(message.type.encode(), fate, size)
        return fate

    def deliver(self, receiver: Receiver, message: Message) -> str:
        """Let one handler see one message; return the fate that the handler gave it."""
        try:
            actions = receiver.handle(message)
            if actions is None:
                return "consumed"
            if isinstance(actions, Queued):
                self._queued.append(actions)
                return "consumed"
            return self.act(actions, message)
        except BaseException as error:  # SystemExit and the like must not end the server
            fate = self.fault(receiver.name, message.type, error)
            if fate == "failed":
                self._crashed.append(receiver)
            return fate

    def fault(self, name: str, type: str, error: BaseException) -> str:
        """The fate of a message whose handler raised `error`; `Notices` is told."""
        self.notices.failed(name, type, error)
        if isinstance(error, Refuse):
            return error.fate if error.fate in RANK else "refused"
        return "refused" if isinstance(error, UntrustedMessage) else "failed"

    def finish(self, queued: Queued, outcome: LateOutcome) -> str:
        """Carry out what a receiver has answered to a message that it had queued, or say why it has
        not taken it; the fate of that.

        The ledger counts the message as replied, or as what it is, instead of consumed then. A
        message whose answer has no way back was taken all the same.
        """
        message, settled = queued.message, "consumed"
        try:
            if isinstance(outcome, BaseException):
                raise outcome
            fate = self.act(outcome, message)
            settled = fate if fate == "replied" else settled
        except BaseException as error:  # values of a reply may be objects of a plugin
            fate = settled = self.fault(queued.name, message.type, error)
        self._settle(queued, settled)
        return fate

    def abandon(self, queued: Queued) -> None:
        """The server stops before a receiver has dealt with a message: it counts as failed, and a
        source that waits for its end hears nothing, and sends it again."""
        if queued.ended is not None:
            queued.ended.over = None
        self._settle(queued, "failed")

    def _settle(self, queued: Queued, fate: str) -> None:
        """One receiver of a message has said its outcome."""
        ended = queued.ended
        if ended is None:
            return
        ended.open -= 1
        ended.so_far = min(ended.so_far, fate, key=RANK.__getitem__)
        now = ended.so_far
        if ended.open:
            now = min(now, "consumed", key=RANK.__getitem__)
        if now != ended.fate:
            self.ledger.change(ended.fate, now, ended.size)
            self.table.totals.lost(queued.message.type.encode("utf-8", "replace"), now, ended.size)
            ended.fate = now
        if not ended.open and ended.over is not None:
            ended.over(now)

    def _note(self, target: Target, fates: list[str], size: int) -> None:
        """Tell the receivers that queued the message how it ended; count those that raised."""
        if self._queued:
            known = list(fates)
            for _ in self._queued:
                known.remove("consumed")
            fate = min(fates, key=RANK.__getitem__)
            so_far = min(known, key=RANK.__getitem__)
            self.late = ended = Ended(fate, size, so_far, len(self._queued))
            for one in self._queued:
                one.ended = ended
        for receiver in self._crashed:
            self.table.totals.crashed(target.crashes.get(id(receiver), ()), size)
        self._queued.clear()
        self._crashed.clear()

    def act(self, actions: Actions, message: Message | None) -> str:
        """Carry out actions; return the best fate among them."""
        if isinstance(actions, Action):
            return self._act(actions, message)
        fates = [self._act(action, message) for action in actions or ()]
        return min(fates, key=RANK.__getitem__, default="consumed")

    def _act(self, action: Action, message: Message | None) -> str:
        if isinstance(action, Send):
            payload = self.codec.encode(action.type, action.value, action.blob)
            chunk = pack(frames(action.route, action.type, payload))
            return "consumed" if action.link.sink.offer(chunk, 1) else "full"
        if message is None or not message.route:
            raise ValueError("an answer needs a message that came from a peer")
        if message.origin is not None:
            return message.origin.answer(message, action)
        if isinstance(action, NativeAnswer):
            raise ValueError("a CC message is answered by a Reply")
        payload = message.codec.encode(action.type, action.value, action.blob)
        box = self.peers.get(message.route[0])
        if box is None:
            return "gone"
        taken = box.offer(pack(frames(message.route[1:], action.type, payload)), 1)
        return "replied" if taken else "full"

    def _forward(self, sinks: Sequence[Sink], message: Message) -> list[str]:
        """Put a message of any protocol into sinks, as CC; return its fate, if there are sinks."""
        if not sinks:
            return []
        payload = message.payload
        if message.origin is not None:
            try:
                payload = self.codec.encode(message.type, message.value(), None)
            except ValueError as error:
                unfit = UnreadableMessage(str(error))
                self.notices.failed(sinks[0].name, message.type, unfit)
                return ["failed"]
        chunk = pack(frames(message.route, message.type, payload))
        return [_offered(sink, chunk) for sink in sinks]

    def _compile(self, raw: bytes) -> Target | None:
        if not valid_type(raw):
            return None
        type = raw.decode("ascii")
        sections = self._routes.sections(type)
        if not sections:
            return Target(fate="unrouted", reason=type)
        sinks: list[Sink] = []
        receivers: list[Receiver] = []
        fates = []
        counters: list[str] = []
        crashes: dict[int, tuple[str, ...]] = {}
        for section in sections:
            place = self._ask(self._handlers[section], type)
            sinks += place.sinks
            fates.append(place.fate)
            counters += place.counters
            crashes |= place.crashes
            if any(one.exclusive for one in place.handlers):
                receivers = [one for one in receivers if not one.exclusive]
            receivers += place.handlers
        fate = min(fates, key=RANK.__getitem__)
        target = Target(tuple(sinks), tuple(receivers), fate, type, tuple(counters))
        target.crashes = crashes
        return target

    def _ask(self, handler: Decider, type: str) -> Target:
        """Where one handler wants messages of a type to go; "failed" if `decide` fails."""
        try:
            verdict = handler.decide(type)
            if isinstance(verdict, Forward):
                return Target(verdict.sinks, counters=verdict.counters)
            if isinstance(verdict, Deliver):
                whom = verdict.receivers(handler)
                receivers = [self._receivers.get(id(one), one) for one in whom]
                target = Target(handlers=tuple(receivers), counters=verdict.counters)
                if verdict.crashes:
                    target.crashes = dict.fromkeys(map(id, receivers), verdict.crashes)
                return target
            if isinstance(verdict, Discard):
                reason, counters = str(verdict.reason), verdict.counters
                return Target(fate="discarded", reason=reason, counters=counters)
            if isinstance(verdict, Coroutine):
                verdict.close()  # Python warns of a coroutine that is never awaited
            found = f"decide({type!r}) returned {verdict!r:.80}"
            raise TypeError(f"{found}, expected a verdict ({file_of(handler)})")
        except BaseException as error:  # SystemExit and the like must not end the server
            self.notices.failed(handler.name, type, error)
            return Target(fate="failed")


def _offered(sink: Sink, chunk: bytes) -> str:
    """Offer one message to a sink of any kind; its fate there."""
    if distributes(sink):
        return sink.take(Run(None, 1, envelopes=chunk))[0][0]
    return FORWARDED if sink.offer(chunk, 1) else FULL

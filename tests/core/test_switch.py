"""The switch with handlers that do as they are told, and outboxes that are never emptied."""

from __future__ import annotations

import asyncio
import itertools
import json
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.core.hot import Buffer
from ccproxy.core.ingress import Ingress, ReplyIngress
from ccproxy.core.ledger import FATES
from ccproxy.core.message import Actions, Message, NativeAnswer, Reply, Send, Value
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, MORE, TIRED, TOO_BIG
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import (
    Deliver,
    Discard,
    Forward,
    Full,
    Queued,
    Receiver,
    Refuse,
    Verdict,
)
from ccproxy.server.pages import verdict_counters
from ccproxy.wire.zmtp.frames import boundaries, frame, pack, unpack

ROUTING = Path(__file__).parents[1] / "vectors/cc/routing.json"
PEER = b"\0peer"
BOUNDS = (100_000, 100)


class PlainCodec:
    """A payload of one frame, the text of the value."""

    def decode(self, type: str, payload: tuple[bytes, ...]) -> Value:
        return payload[0].decode()

    def encode(self, type: str, value: Value, blob: bytes | None) -> tuple[bytes, ...]:
        if value == {"bad": True}:
            raise ValueError("no form for this value")
        return (str(value).encode(), *([] if blob is None else [blob]))

    def blob(self, payload: tuple[bytes, ...]) -> bytes | None:
        return payload[1] if len(payload) > 1 else None


class Heard:
    """Records what the log would say."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def unrouted(self, type: str, messages: int) -> None:
        self.lines.append(("unrouted", type, messages))

    def malformed(self, sender: str, raw: Buffer, messages: int) -> None:
        self.lines.append(("malformed", sender, bytes(raw), messages))

    def failed(self, handler: str, type: str, error: Exception) -> None:
        self.lines.append(("failed", handler, type, str(error)))


class Puppet:
    """A handler that returns what the test says; it raises an exception that it is given."""

    exclusive = False

    def __init__(self, name: str, verdict: Any = None, answer: Any = None) -> None:
        self.name = name
        self.verdict = Deliver() if verdict is None else verdict
        self.answer = answer
        self.asked: list[str] = []
        self.seen: list[Message] = []

    def decide(self, type: str) -> Verdict:
        self.asked.append(type)
        if isinstance(self.verdict, BaseException):
            raise self.verdict
        return self.verdict

    def handle(self, message: Message) -> Actions:
        self.seen.append(message)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(message) if callable(self.answer) else self.answer  # type: ignore[no-any-return]


@dataclass
class Link:
    """The only part of a link that the switch uses."""

    outbox: Outbox

    @property
    def sink(self) -> Outbox:
        return self.outbox


class Bench:
    """A switch with one peer, whose handlers all get every message."""

    def __init__(self, *handlers: Puppet, routes: Routes | None = None, flows: int = 100) -> None:
        self.heard = Heard()
        self.switch = Switch(PlainCodec(), self.heard, flows)
        self.peer = Outbox("peer", Limits())
        self.switch.peers[PEER] = self.peer
        self.tired = False
        source = MessageSource(PEER, "10.0.0.1:5", "listener")
        self.ingress = Ingress(self.switch, PeerInput(source, BOUNDS, lambda: self.tired))
        self.configure(routes or Routes([("*", tuple(one.name for one in handlers))]), *handlers)

    def configure(self, routes: Routes, *handlers: Puppet) -> None:
        self.switch.configure(routes, {one.name: one for one in handlers}, {})

    def send(self, *messages: list[bytes]) -> dict[str, int]:
        """Feed messages; return their fates."""
        return self.feed(b"".join(map(pack, messages)))

    def feed(self, data: bytes, ingress: Ingress | ReplyIngress | None = None) -> dict[str, int]:
        """Feed bytes that the switch takes completely; return the fates of the messages."""
        before = +self.switch.ledger.fates
        assert (ingress or self.ingress).feed(data)[:2] == (len(data), MORE)
        self.check()
        return dict(self.switch.ledger.fates - before)

    def check(self) -> None:
        ledger = self.switch.ledger
        assert ledger.balance() == 0
        assert sum(ledger.fate_bytes.values()) == ledger.bytes
        assert set(ledger.fates) <= set(FATES)

    def link(self, on_message: Callable[[Message], None] | None = None) -> ReplyIngress:
        return ReplyIngress(self.switch, "h:link", BOUNDS, on_message)


def room(messages: int, policy: str = "drop-new") -> Outbox:
    """An outbox for `messages` messages."""
    return Outbox("box", Limits(10**9, messages, policy) if messages else Limits(0, 0, policy))


def taken(box: Outbox) -> list[list[bytes]]:
    """The messages that wait, as frames."""
    data = b"".join(map(bytes, box.peek(10**9)))
    ends = [0, *boundaries(data)]
    return [unpack(data[a:b]) for a, b in zip(ends, ends[1:], strict=False)]


def forward(*boxes: Outbox) -> Puppet:
    return Puppet("h:forward", Forward(boxes))


ONE = [b"", b"a", b"{}"]


# Every fate


def refuse(fate: str) -> Exception:
    """A Refuse as a plugin may write it."""
    return type("Own", (Refuse,), {"fate": fate})("no")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("handler", "fate"),
    [
        (forward(room(1)), "forwarded"),
        (forward(room(0)), "full"),
        (forward(room(0), room(1)), "forwarded"),
        (Puppet("h", answer=Reply("b")), "replied"),
        (Puppet("h", answer=[Reply("b"), Reply("c")]), "replied"),
        (Puppet("h", answer=Send(Link(room(1)), "b")), "consumed"),
        (Puppet("h", answer=Send(Link(room(0)), "b")), "full"),
        (Puppet("h", answer=[Send(Link(room(0)), "b"), Send(Link(room(1)), "b")]), "consumed"),
        (Puppet("h", answer=[Send(Link(room(0)), "b"), Reply("b")]), "replied"),
        (Puppet("h", answer=[]), "consumed"),
        (Puppet("h"), "consumed"),
        (Puppet("h", Discard("no")), "discarded"),
        (Puppet("h", answer=Refuse("no")), "refused"),
        (Puppet("h", answer=Full("no")), "full"),
        (Puppet("h", answer=refuse("no such fate")), "refused"),
        (Puppet("h", answer=KeyError("x")), "failed"),
        (Puppet("h", answer=SystemExit(3)), "failed"),
        (Puppet("h", answer=KeyboardInterrupt()), "failed"),
        (Puppet("h", answer=asyncio.CancelledError()), "failed"),
        (Puppet("h", answer=Reply("not a type")), "failed"),
        (Puppet("h", answer=Reply("b", {"bad": True})), "failed"),
        (Puppet("h", answer="nonsense"), "failed"),
        (Puppet("h", answer=7), "failed"),
        (Puppet("h", KeyError("x")), "failed"),
        (Puppet("h", SystemExit(3)), "failed"),
        (Puppet("h", asyncio.CancelledError()), "failed"),
        (Puppet("h", "nonsense"), "failed"),
        (Puppet("h", Forward(())), "failed"),
    ],
)
def test_one_handler_one_fate(handler: Puppet, fate: str) -> None:
    assert Bench(handler).send(ONE) == {fate: 1}


def test_what_is_raised_is_said() -> None:
    bench = Bench(Puppet("h:one", KeyError("x")), Puppet("h:two", "?"), Puppet("h:three"))
    assert bench.send(ONE) == {"consumed": 1}
    assert bench.heard.lines == [
        ("failed", "h:one", "a", "'x'"),
        ("failed", "h:two", "a", f"decide('a') returned '?', expected a verdict ({__file__})"),
    ]


def test_a_coroutine_in_place_of_a_verdict_is_named_and_closed() -> None:
    async def later() -> Verdict:
        return Deliver()

    bench = Bench(Puppet("h", later()))
    assert bench.send(ONE) == {"failed": 1}
    assert "returned <coroutine object" in bench.heard.lines[0][3]


def test_unrouted() -> None:
    bench = Bench(routes=Routes([("b", ("h",))]))
    assert bench.send(ONE, ONE, [b"", b"c"]) == {"unrouted": 3}
    assert bench.heard.lines == [("unrouted", "a", 2), ("unrouted", "c", 1)]


@pytest.mark.parametrize(
    "frames", [[b""], [b"x"], [b"", b""], [b"", b"a."], [b"", b"a b"], [b"", b"\xff"], [b"x", b""]]
)
def test_malformed(frames: list[bytes]) -> None:
    bench = Bench(Puppet("h"))
    assert bench.send(frames, frames) == {"malformed": 2}
    assert bench.heard.lines == [("malformed", "10.0.0.1:5", pack(frames), 2)]


def test_gone_when_the_asker_left() -> None:
    bench = Bench(Puppet("h", answer=Reply("b")))
    del bench.switch.peers[PEER]
    assert bench.send(ONE) == {"gone": 1}


def test_full_when_the_asker_does_not_read() -> None:
    bench = Bench(Puppet("h", answer=Reply("b")))
    bench.peer.reconfigure(Limits(10**9, 2))
    assert bench.send(ONE, ONE, ONE) == {"replied": 2, "full": 1}


def test_too_big_is_left_to_the_caller_that_closes_the_peer() -> None:
    bench = Bench(forward(room(9)))
    data = pack(ONE)
    assert bench.ingress.feed(data + b"\x02" + b"\xff" * 8) == (len(data), TOO_BIG, ())
    assert bench.switch.ledger.line() == "received=1 forwarded=1"


# Several handlers


ORDER = list(FATES)


def handlers_of(fate: str) -> Puppet:
    made: dict[str, Callable[[], Puppet]] = {
        "forwarded": lambda: forward(room(9)),
        "replied": lambda: Puppet("h", answer=Reply("b")),
        "consumed": lambda: Puppet("h"),
        "discarded": lambda: Puppet("h", Discard()),
        "refused": lambda: Puppet("h", answer=Refuse("no")),
        "full": lambda: forward(room(0)),
        "gone": lambda: Puppet("h", answer=lambda message: gone(message)),
        "failed": lambda: Puppet("h", KeyError("x")),
    }
    return made[fate]()


def gone(message: Message) -> Actions:
    """Answer a peer that is not there: a fate only an action can come to."""
    object.__setattr__(message, "route", (b"nobody",))
    return Reply("b")


POSSIBLE = ["forwarded", "replied", "consumed", "discarded", "refused", "full", "gone", "failed"]


PAIRS = [
    pair
    for pair in itertools.product(POSSIBLE, repeat=2)
    if set(pair) != {"gone", "replied"}  # a sender is either connected or not
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_best_fate_counts(first: str, second: str) -> None:
    one, two = handlers_of(first), handlers_of(second)
    one.name, two.name = "h:one", "h:two"
    assert Bench(one, two).send(ONE) == {min(first, second, key=ORDER.index): 1}


def test_a_type_that_one_handler_discards_keeps_its_own_target() -> None:
    box = room(1)
    discard, relay = Puppet("h:discard", Discard()), forward(box)
    bench = Bench(discard, relay, routes=Routes([("*", (relay.name,)), ("a", (discard.name,))]))
    assert bench.send([b"", b"b"], ONE, [b"", b"b"]) == {
        "forwarded": 1, "full": 2,
    }  # fmt: skip


def test_a_handler_that_raises_does_not_keep_the_others_from_the_message() -> None:
    box = room(9)
    bad, good = Puppet("h:bad", answer=RuntimeError("x")), Puppet("h:good")
    worse = Puppet("h:worse", RuntimeError("y"))
    bench = Bench(bad, worse, good, forward(box))
    assert bench.send(ONE, ONE) == {"forwarded": 2}
    assert (len(good.seen), len(taken(box))) == (2, 2)
    assert bench.heard.lines == [
        ("failed", "h:worse", "a", "y"),
        ("failed", "h:bad", "a", "x"),
        ("failed", "h:bad", "a", "x"),
    ]


def test_a_generator_that_raises_in_the_middle() -> None:
    def answer(message: Message) -> Iterator[Reply]:
        yield Reply("b")
        raise KeyError("x")

    bench = Bench(Puppet("h", answer=answer))
    assert bench.send(ONE) == {"failed": 1}


def test_a_substitute_of_a_handler_gets_its_messages() -> None:
    handler, other, stand_in = Puppet("h"), Puppet("h:other"), Puppet("stand-in")
    bench = Bench(handler)
    receivers: Mapping[int, Receiver] = {id(handler): stand_in}
    bench.switch.configure(Routes([("*", ("h",))]), {"h": handler}, receivers)
    bench.send(ONE)
    bench.switch.inject(handler, stand_in.seen[0])
    handler.verdict = Deliver((handler, other))
    bench.switch.table.clear()
    bench.send(ONE)
    assert (len(handler.seen), len(stand_in.seen), len(other.seen)) == (0, 3, 1)


class Later(Puppet):
    """A receiver that queues messages, as one with a thread does."""

    def handle(self, message: Message) -> Any:
        self.seen.append(Queued(message))  # type: ignore[arg-type]
        return self.seen[-1]


def test_a_message_that_is_answered_later_is_counted_as_replied() -> None:
    """It was counted as consumed for good."""
    first, second = Later("h:one"), Later("h:two")
    bench = Bench(first, second)
    assert bench.send(ONE) == {"consumed": 1}
    for one in (first, second):
        assert bench.switch.finish(one.seen[0], Reply("re")) == "replied"
        assert +bench.switch.ledger.fates == {"replied": 1}
        bench.check()
    assert len(taken(bench.peer)) == 2


def test_what_else_becomes_of_a_queued_message_changes_no_fate() -> None:
    later = Later("h:one")
    bench = Bench(later, forward(room(10)))
    assert bench.send(ONE) == {"forwarded": 1}
    assert bench.switch.finish(later.seen[0], Reply("re")) == "replied"
    bench = Bench(later)
    bench.send(ONE)
    assert bench.switch.finish(later.seen[-1], None) == "consumed"
    held = later.seen[-1].message  # type: ignore[attr-defined]
    bench.switch.inject(later, held)
    assert bench.switch.finish(later.seen[-1], Reply("re")) == "replied"
    assert +bench.switch.ledger.fates == {"consumed": 1}
    bench.check()


def late_fates(bench: Bench) -> list[str]:
    """Are told the end of the latest message."""
    told: list[str] = []
    assert bench.switch.late is not None
    bench.switch.late.over = told.append
    return told


def test_a_message_that_no_receiver_takes_in_the_end_is_counted_as_lost() -> None:
    first, second = Later("h:one"), Later("h:two")
    bench = Bench(first, second)
    bench.send(ONE)
    told = late_fates(bench)
    assert bench.switch.finish(first.seen[0], Refuse("not this one")) == "refused"
    assert (+bench.switch.ledger.fates, told) == ({"consumed": 1}, [])
    assert bench.switch.finish(second.seen[0], KeyError("x")) == "failed"
    assert (+bench.switch.ledger.fates, told) == ({"refused": 1}, ["refused"])
    bench.check()


def test_a_message_that_another_receiver_has_taken_is_not_lost() -> None:
    later, other = Later("h:one"), Puppet("h:two")
    bench = Bench(later, other)
    bench.send(ONE)
    told = late_fates(bench)
    bench.switch.finish(later.seen[0], Refuse("not this one"))
    assert (+bench.switch.ledger.fates, told) == ({"consumed": 1}, ["consumed"])


def test_an_answer_that_cannot_be_carried_out_is_a_failure_of_the_handler() -> None:
    later = Later("h:one")
    bench = Bench(later)
    bench.send(ONE)
    assert bench.switch.finish(later.seen[0], NativeAnswer("x")) == "failed"
    assert +bench.switch.ledger.fates == {"failed": 1}
    bench.check()


def test_the_end_of_a_message_that_is_abandoned_is_not_told() -> None:
    later = Later("h:one")
    bench = Bench(later)
    bench.send(ONE)
    told = late_fates(bench)
    bench.switch.abandon(later.seen[0])  # type: ignore[arg-type]
    assert (+bench.switch.ledger.fates, told) == ({"failed": 1}, [])
    bench.check()


def test_what_is_held_back_inside_a_handler_forgets_no_queued_message() -> None:
    """A handler that gave another message on made the switch forget that of its neighbour."""
    later, target = Later("h:one"), Puppet("h:target")
    bench = Bench(later)
    bench.send(ONE)
    held = later.seen[-1].message  # type: ignore[attr-defined]
    giving = Puppet("h:giving", answer=lambda _: bench.switch.inject(target, held) and None)
    bench.switch.configure(
        Routes([("*", ("h:one", "h:giving"))]), {"h:one": later, "h:giving": giving}, {}
    )
    bench.send(ONE)
    assert later.seen[-1].ended is not None  # type: ignore[attr-defined]
    assert len(target.seen) == 1


@pytest.mark.parametrize(("error", "crashed"), [(KeyError("x"), 1), (refuse("refused"), 0)])
def test_a_message_whose_handler_raises_is_counted_by_the_verdict(
    error: Exception, crashed: int
) -> None:
    """It was counted as ok by the filter in front of the handler."""
    target = Puppet("h:target", answer=error)
    verdict = Deliver((target,), counters=("f.{}", "f.{}.ok"), crashes=("f.{}",))
    other = Puppet("h:other", answer=KeyError("y"))
    bench = Bench(Puppet("h:filter", verdict), other)
    bench.send(ONE, ONE)
    found = asyncio.run(verdict_counters(bench.switch.table))
    assert found.messages["f.{}"] == 2
    assert found.messages["f.{}.ok"] == 2 - 2 * crashed
    assert found.messages.get("f.{}.crashed", 0) == 2 * crashed
    if crashed:
        sizes = found.bytes
        assert (sizes["f.{}.ok"], sizes["f.{}.crashed"] > 0) == (0, True)


# Routes


def routing_cases() -> Iterator[Any]:
    """The cases that are about routing; how an INI is read is tested where it is read."""
    reading = {"default-section", "multi-line", "inline-comment-semicolon", "colon-separator"}
    for case in json.loads(ROUTING.read_text("utf-8"))["cases"]:
        if case["starts"] and case["name"] not in reading:
            yield pytest.param(case, id=case["name"])


def routes_of(config: list[str]) -> Routes:
    begin = config.index("[routes]") + 1

    found = {}
    for line in config[begin:]:
        if line.startswith("["):
            break
        prefix, _, sections = line.partition("=")
        found[prefix.strip().lower()] = tuple(one.strip() for one in sections.split(","))
    return Routes(found.items())


@pytest.mark.parametrize("case", list(routing_cases()))
def test_messages_reach_the_handlers_of_the_original(case: dict[str, Any]) -> None:
    reached: list[str] = []

    def handler(name: str) -> Puppet:
        return Puppet(name, answer=lambda message: reached.append(name))

    routes = routes_of(case["config"])
    names = [line.strip("[]") for line in case["config"] if line.startswith("[")]
    bench = Bench(*map(handler, names), routes=routes)
    for type, expected in case["reached"].items():
        reached.clear()
        fates = bench.send([b"", type.encode(), b"{}"])
        assert reached == expected, type
        assert fates == ({"consumed": 1} if expected else {"unrouted": 1})


def test_a_handler_is_asked_once_for_a_type_and_for_each_route_that_names_it() -> None:
    handler = Puppet("h")
    bench = Bench(handler, routes=Routes([("*", ("h",)), ("a", ("h",))]))
    bench.send(ONE, ONE, [b"", b"b"])
    assert handler.asked == ["a", "a", "b"]
    assert [one.type for one in handler.seen] == ["a", "a", "a", "a", "b"]


# Runs, outboxes


def test_the_sender_is_put_in_front() -> None:
    box = room(9)
    Bench(forward(box)).send([b"Q1", b"", b"a", b"{}"], ONE)
    assert taken(box) == [[PEER, b"Q1", b"", b"a", b"{}"], [PEER, b"", b"a", b"{}"]]


@pytest.mark.parametrize("policy", ["drop-new", "drop-old"])
def test_a_run_that_is_taken_in_part(policy: str) -> None:
    small, large = room(2, policy), room(4, policy)
    fates = Bench(forward(small, large)).send(*[[b"", b"a", b"%d" % one] for one in range(5)])
    assert fates == ({"forwarded": 4, "full": 1} if policy == "drop-new" else {"forwarded": 5})
    kept = [int(one[-1]) for one in taken(large)]
    assert kept == ([0, 1, 2, 3] if policy == "drop-new" else [1, 2, 3, 4])
    assert small.queued == large.queued == 5
    assert small.waiting == 2


def test_handlers_and_an_outbox_that_takes_a_part() -> None:
    box, refusing = room(2), Puppet("h:refusing", answer=Refuse("no"))
    assert Bench(refusing, forward(box)).send(*[ONE] * 5) == {"forwarded": 2, "refused": 3}
    assert len(refusing.seen) == 5


def test_a_blocked_outbox_stops_its_senders_and_loses_nothing() -> None:
    box, handler = room(2, "block"), Puppet("h")
    bench = Bench(handler, forward(box))
    data = pack(ONE)
    assert bench.ingress.feed(data * 5) == (2 * len(data), BLOCKED, [box])
    assert bench.ingress.feed(data) == (0, BLOCKED, [box])
    assert len(handler.seen) == 2
    box.advance(box.bytes)
    assert bench.feed(data) == {"forwarded": 1}
    assert (box.waiting, +box.dropped) == (1, {})


def test_handlers_that_take_long_end_the_read() -> None:
    handler = Puppet("h")
    bench = Bench(handler)
    data = pack(ONE)
    bench.tired = True
    assert bench.ingress.feed(data * 3) == (len(data), TIRED, [])
    assert len(handler.seen) == 1
    bench.tired = False
    assert bench.feed(data * 2) == {"consumed": 2}


@pytest.mark.parametrize(
    "verdict", [None, 7, "x", Forward(()), Forward(3), Forward(("x",)), Deliver((1,)), Deliver(5)]
)
def test_a_verdict_that_is_none_harms_no_other_handler(verdict: Any) -> None:
    wrong = Puppet("h:wrong")
    wrong.verdict = verdict
    bench = Bench(wrong, forward(room(9)))
    assert bench.send(ONE, ONE) == {"forwarded": 2}
    assert [heard[:2] for heard in bench.heard.lines] == [("failed", "h:wrong")]


# What a handler sees and returns


def test_a_handler_sees_route_type_payload_and_where_it_came_in() -> None:
    handler = Puppet("h")
    bench = Bench(handler)
    bench.send([b"Q1", b"Q2", b"", b"a.b", b"text", b"", b"blob"])
    (seen,) = handler.seen
    assert seen == Message(
        "a.b", (PEER, b"Q1", b"Q2"), (b"text", b"", b"blob"), bench.switch.codec, "listener"
    )
    assert seen.value() == "text"


def test_large_messages_reach_handlers_whole() -> None:
    handler, box = Puppet("h"), room(9)
    body = bytes(range(256)) * 256
    Bench(handler, forward(box)).send([b"", b"a", body], [b"", b"a", body])
    assert [one.payload for one in handler.seen] == [(body,), (body,)]
    assert [one[-1] for one in taken(box)] == [body, body]


@pytest.mark.parametrize("hops", [0, 1, 2, 7])
def test_a_reply_finds_its_way_over_any_number_of_hops(hops: int) -> None:
    ids = [b"hop%d" % number for number in range(hops)]
    bench = Bench(Puppet("h", answer=Reply("b", {"x": 1}, b"blob")))
    assert bench.send([*ids, b"", b"a"]) == {"replied": 1}
    assert taken(bench.peer) == [[*ids, b"", b"b", b"{'x': 1}", b"blob"]]


def test_a_message_of_the_handlers_own() -> None:
    box = room(1)
    send = Send(Link(box), "b.c", {"x": 1}, route=(b"Q1",))
    Bench(Puppet("h", answer=send)).send(ONE)
    assert taken(box) == [[b"Q1", b"", b"b.c", b"{'x': 1}"]]


@pytest.mark.parametrize("message", [None, Message("a", (), (), PlainCodec())])
def test_a_reply_without_a_peer_is_a_mistake_of_the_handler(message: Message | None) -> None:
    with pytest.raises(ValueError, match="came from a peer"):
        Bench().switch.act(Reply("b"), message)


def test_actions_later_than_the_message() -> None:
    bench = Bench()
    message = Message("a", (PEER, b"Q1"), (), PlainCodec())
    assert bench.switch.act([Reply("b"), Reply("c")], message) == "replied"
    assert bench.switch.act(None, message) == "consumed"
    assert [one[2] for one in taken(bench.peer)] == [b"b", b"c"]
    assert bench.switch.ledger.received == 0


# Messages that were held back


def test_inject_forwards_the_message_as_it_came() -> None:
    box = room(9)
    frames = [b"Q1", b"", b"a", b"{}", b"", b"blob"]
    held = Puppet("h")
    Bench(held).send(frames)
    bench = Bench()
    bench.switch.inject(forward(box, room(0)), held.seen[0])
    assert taken(box) == [[PEER, *frames]]
    assert bench.switch.ledger.received == 0


def test_inject_delivers_and_carries_out_what_is_answered() -> None:
    bench, message = Bench(), Message("a", (PEER,), (), PlainCodec())
    handler = Puppet("h", answer=Reply("b"))
    bench.switch.inject(handler, message)
    assert handler.seen == [message]
    assert taken(bench.peer) == [[b"", b"b", b"{}"]]


@pytest.mark.parametrize("handler", [Puppet("h", KeyError("x")), Puppet("h", answer=KeyError("x"))])
def test_inject_isolates_a_handler_that_raises(handler: Puppet) -> None:
    bench = Bench()
    bench.switch.inject(handler, Message("a", (PEER,), (), PlainCodec()))
    assert bench.heard.lines == [("failed", "h", "a", "'x'")]


def test_inject_discards() -> None:
    bench = Bench()
    bench.switch.inject(Puppet("h", Discard()), Message("a", (PEER,), (), PlainCodec()))
    assert not bench.heard.lines


# The flow table


def test_handlers_are_asked_again_when_flows_changed() -> None:
    first, second = room(9), room(9)
    handler = forward(first)
    bench = Bench(handler)
    bench.send(ONE)
    handler.verdict = Forward((second,))
    bench.send(ONE)
    bench.switch.table.clear()
    bench.send(ONE)
    assert (len(taken(first)), len(taken(second))) == (2, 1)
    assert handler.asked == ["a", "a"]


def test_a_handler_may_change_the_flows_while_it_handles() -> None:
    bench = Bench()

    def answer(message: Message) -> None:
        bench.switch.table.clear()

    bench.configure(Routes([("*", ("h",))]), Puppet("h", answer=answer))
    assert bench.send(ONE, [b"", b"b"], ONE, [b"x"], ONE) == {"consumed": 4, "malformed": 1}


def test_new_routes_hold_from_the_next_message_on() -> None:
    bench = Bench(Puppet("h"))
    assert bench.send(ONE) == {"consumed": 1}
    bench.configure(Routes())
    assert bench.send(ONE) == {"unrouted": 1}


def test_hostile_types_cost_no_memory() -> None:
    handler = forward(room(9))
    handler.decide = lambda type: handler.verdict  # type: ignore[method-assign]
    bench = Bench(handler, flows=500)
    used = []
    tracemalloc.start()
    try:
        for begin in range(0, 20_000, 1000):
            names = [b"x.%d" % number for number in range(begin, begin + 1000)]
            bench.feed(b"".join(pack([b"", name]) for name in names))
            used.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(bench.switch.table.flows) == 500
    assert max(used) - used[1] < 100_000


# Messages that come back over a link


def test_replies_go_to_the_peer_their_first_frame_names() -> None:
    bench = Bench()
    other = bench.switch.peers[b"other"] = room(9)
    replies = [[PEER, b"Q1", b"", b"b", b"1"], [b"other", b"", b"c"], [PEER, b"", b"b", b"2"]]
    assert bench.feed(b"".join(map(pack, replies)), bench.link()) == {"replied": 3}
    assert taken(bench.peer) == [[b"Q1", b"", b"b", b"1"], [b"", b"b", b"2"]]
    assert taken(other) == [[b"", b"c"]]


def test_replies_to_unknown_peers_are_gone() -> None:
    bench = Bench()
    assert bench.feed(pack([b"nobody", b"", b"b"]) * 3, bench.link()) == {"gone": 3}


def test_replies_are_taken_in_part() -> None:
    bench = Bench()
    bench.peer.reconfigure(Limits(10**9, 2))
    assert bench.feed(pack([PEER, b"", b"b"]) * 5, bench.link()) == {"replied": 2, "full": 3}


def test_a_peer_that_blocks_stops_the_link() -> None:
    bench = Bench()
    bench.peer.reconfigure(Limits(10**9, 1, "block"))
    data = pack([PEER, b"", b"b"])
    link = bench.link()
    assert bench.feed(data, link) == {"replied": 1}
    assert link.feed(data) == (0, BLOCKED, (bench.peer,))
    bench.check()


def test_a_bare_identity_is_malformed_and_reaches_no_peer() -> None:
    bench = Bench()
    assert bench.feed(pack([PEER]) * 2 + pack([b"nobody"]), bench.link()) == {"malformed": 3}
    assert bench.peer.queued == 0
    assert bench.heard.lines[0] == ("malformed", "h:link", frame(PEER), 1)


def test_a_message_without_a_route_is_for_the_owner_of_the_link() -> None:
    bench, seen = Bench(), list[Message]()
    link = bench.link(seen.append)
    assert bench.feed(pack([b"", b"b.c", b"{}"]) + pack([b"", b"d"]), link) == {"consumed": 2}
    assert seen[0] == Message("b.c", (), (b"{}",), bench.switch.codec, "h:link")


@pytest.mark.parametrize("frames", [[b""], [b"", b""], [b"", b"a b"], [b"", b"a."]])
def test_a_message_without_a_route_may_be_malformed(frames: list[bytes]) -> None:
    bench = Bench()
    assert bench.feed(pack(frames), bench.link(lambda _: None)) == {"malformed": 1}
    assert bench.heard.lines[0][:2] == ("malformed", "h:link")


def test_a_message_without_a_route_and_without_an_owner_is_gone() -> None:
    bench = Bench()
    assert bench.feed(pack([b"", b"a"]), bench.link()) == {"gone": 1}


@pytest.mark.parametrize("kind", [KeyError, SystemExit, KeyboardInterrupt])
def test_the_owner_of_a_link_may_raise(kind: type[BaseException]) -> None:
    def fail(message: Message) -> None:
        raise kind("x")

    bench = Bench()
    assert bench.feed(pack([b"", b"a"]) * 2, bench.link(fail)) == {"failed": 2}
    assert bench.heard.lines == [("failed", "h:link", "a", str(kind("x")))] * 2


# Random bytes


MESSAGE = st.lists(
    st.sampled_from([b"", b"", b"a", b"b", b"a.b", b"Q1", PEER, b"x y", bytes(300)]),
    min_size=1, max_size=5,
)  # fmt: skip
HANDLERS = st.lists(st.sampled_from(POSSIBLE), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(MESSAGE, max_size=15), HANDLERS, st.integers(1, 3), st.integers(1, 4))
def test_every_message_has_one_fate_and_every_flow_its_count(
    messages: list[list[bytes]], fates: list[str], flows: int, peer: int
) -> None:
    handlers = [handlers_of(fate) for fate in fates]
    for number, one in enumerate(handlers):
        one.name = f"h:{number}"
    names = tuple(one.name for one in handlers)
    bench = Bench(*handlers, routes=Routes([("a", names)]), flows=flows)
    bench.peer.reconfigure(Limits(10**9, peer))
    assert sum(bench.send(*messages).values()) == len(messages)
    table = bench.switch.table
    assert len(table.flows) <= flows
    flowing = [*table.flows.values(), table.other, bench.switch.malformed]
    assert sum(flow.count for flow in flowing) == len(messages)
    replies = bench.feed(b"".join(map(pack, messages)), bench.link(lambda _: None))
    assert sum(replies.values()) == len(messages)
    for box in (bench.peer, *(box for one in handlers for box in outboxes(one))):
        assert box.queued == box.sent + sum(box.dropped.values()) + box.waiting == box_total(box)


def outboxes(handler: Puppet) -> tuple[Outbox, ...]:
    return handler.verdict.to if isinstance(handler.verdict, Forward) else ()


def box_total(box: Outbox) -> int:
    return len(taken(box)) + sum(box.dropped.values())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_garbage_is_counted_or_left(data: bytes) -> None:
    bench = Bench(Puppet("h"))
    for ingress in (bench.ingress, bench.link()):
        done, _, _ = ingress.feed(data)
        assert 0 <= done <= len(data)
        bench.check()


def test_counters_of_verdicts_follow_each_type() -> None:
    """Types that go to the same places by different verdicts do not share a target."""

    class Counting:
        name = "h:x"
        exclusive = False

        def decide(self, type: str) -> Verdict:
            if type == "d":
                return Discard("x", counters=("drop_{}",))
            return Deliver(counters=(f"{type}_{{}}",))

        def handle(self, message: Message) -> None:
            return None

    handler = Counting()
    switch = Switch(PlainCodec(), Heard())
    switch.configure(Routes([("*", ("h:x",))]), {"h:x": handler}, {})
    found = {type: switch.miss(type).target.counters for type in (b"a", b"b", b"d")}
    assert found == {b"a": ("a_{}",), b"b": ("b_{}",), b"d": ("drop_{}",)}

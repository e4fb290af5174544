"""The counts of the ledger: no message is missing in it, whatever outboxes and handlers do."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.access import AccessTable
from ccproxy.core.flows import Flow, Target
from ccproxy.core.ingress import Ingress, ReplyIngress
from ccproxy.core.ledger import FATES, Ledger
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import MORE, TIRED
from ccproxy.core.switch import Switch
from ccproxy.core.type_totals import TypeTotals
from ccproxy.core.verdict import Queued
from ccproxy.wire.zmtp.frames import frame, pack

BOUNDS = (100_000, 100)
PEER = b"\0peer"


class Box:
    """An outbox that takes a given number of messages of each run."""

    name = "box"
    may_block = False
    blocked = False

    def __init__(self, room: int) -> None:
        self.room = room
        self.chunks: list[bytes] = []

    def offer(self, chunk: bytes, messages: int, receipt: object = None) -> int:
        self.chunks.append(bytes(chunk))
        return min(self.room, messages)


class FakeSwitch:
    """A ledger, one flow for all types, and handlers, each of which is the text of a fate."""

    def __init__(self, target: Target | None = None, peers: dict[bytes, Box] | None = None) -> None:
        self.ledger = Ledger()
        self.table = SimpleNamespace(flows={}, totals=TypeTotals(9), taps=())
        self.flow = Flow(target or Target())
        self.access = AccessTable(self.table, self.miss)
        self.peers = peers or {}
        self.codec = None
        self.notices = self
        self.said: list[tuple] = []
        self._queued: list[Queued] = []
        self._crashed: list[object] = []
        self.late = None

    def miss(self, type: bytes) -> Flow:
        return self.flow

    handed = Switch.handed

    def deliver(self, receiver: str, message: object) -> str:
        return receiver

    def fault(self, name: str, type: str, error: Exception) -> str:
        self.said.append((name, type, str(error)))
        return "failed"

    def unrouted(self, *facts: object) -> None:
        self.said.append(("unrouted", *facts))

    def malformed(self, sender: str, raw: bytes, messages: int) -> None:
        self.said.append(("malformed", sender, bytes(raw), messages))

    def refused(self, sender: str, name: str, raw: bytes, messages: int) -> None:
        self.said.append(("refused", sender, name, bytes(raw), messages))

    def fates(self) -> dict[str, int]:
        """The fates, after a check that the ledger is in balance."""
        assert self.ledger.balance() == 0
        assert self.ledger.bytes == sum(self.ledger.fate_bytes.values())
        return {fate: count for fate, count in self.ledger.fates.items() if count}


def run(sizes: list[int]) -> bytes:
    return b"".join(pack([b"", b"a.b", b"x" * size]) for size in sizes)


def ingress(switch, **options):
    source = MessageSource(PEER, "1.2.3.4:5", "ccserver")
    return Ingress(switch, PeerInput(source, BOUNDS, **options))


@given(
    st.lists(st.integers(0, 600), min_size=1, max_size=8),
    st.lists(st.integers(0, 9), max_size=3),
    st.lists(st.sampled_from(sorted(FATES)), max_size=2),
    st.sampled_from(sorted(FATES)),
)
def test_every_message_and_byte_of_a_peer_has_one_fate(sizes, rooms, handlers, fate):
    boxes = tuple(Box(room) for room in rooms)
    switch = FakeSwitch(Target(boxes, tuple(handlers), fate, "a.b"))
    data = run(sizes)
    assert ingress(switch).feed(data)[:2] == (len(data), MORE)
    fates = switch.fates()
    assert (switch.ledger.received, switch.ledger.bytes) == (len(sizes), len(data))
    if boxes and not handlers:
        assert fates.get("forwarded", 0) >= min(max(rooms), len(sizes))


def test_a_run_goes_to_each_box_as_one_chunk_behind_its_sender():
    boxes = (Box(9), Box(9))
    ingress(FakeSwitch(Target(boxes))).feed(run([1, 2]))
    one, two = (pack([b"", b"a.b", b"x" * size]) for size in (1, 2))
    head = frame(PEER, more=True)
    assert [box.chunks for box in boxes] == [[head + one + head + two]] * 2


def test_the_box_that_took_most_counts_and_the_rest_is_full():
    switch = FakeSwitch(Target((Box(1), Box(2)), fate="failed"))
    ingress(switch).feed(run([10, 20, 30]))
    assert switch.fates() == {"forwarded": 2, "full": 1}
    assert switch.ledger.fate_bytes["full"] == len(run([30]))


@pytest.mark.parametrize(
    ("room", "handlers", "fate"),
    [
        (1, ["failed"], "forwarded"),
        (0, ["failed"], "full"),
        (0, ["consumed", "failed"], "consumed"),
        (0, ["consumed", "replied"], "replied"),
    ],
)
def test_with_handlers_each_message_has_the_best_fate(room, handlers, fate):
    switch = FakeSwitch(Target((Box(room),), tuple(handlers), "failed"))
    ingress(switch).feed(run([1, 2]))
    assert switch.fates() == {fate: 2}


@pytest.mark.parametrize(
    ("fate", "words"),
    [("failed", {"ok": -2, "crashed": 2}), ("refused", {"ok": -2, "dropped": 2}), ("replied", {})],
)
def test_a_message_that_no_handler_took_is_not_ok_for_its_type(fate, words):
    """The flow counts it as ok, because the flow has a destination."""
    switch = FakeSwitch(Target((), (fate,), "failed"))
    ingress(switch).feed(run([1, 2]))
    assert switch.table.totals.other.messages == words


@pytest.mark.parametrize("fate", ["unrouted", "malformed", "discarded"])
def test_what_goes_nowhere_is_said_if_a_peer_is_to_blame(fate):
    switch = FakeSwitch(Target(fate=fate, reason="a.b"))
    ingress(switch).feed(run([1, 2]))
    assert switch.fates() == {fate: 2}
    said = {
        "unrouted": [("unrouted", "a.b", 2)],
        "malformed": [("malformed", "1.2.3.4:5", run([1]), 2)],
        "discarded": [],
    }
    assert switch.said == said[fate]


def test_a_slice_ends_after_a_message_that_handlers_saw():
    switch = FakeSwitch(Target(handlers=("consumed",)))
    data = run([1, 2])
    done, why, _ = ingress(switch, tired=lambda: True).feed(data)
    assert (done, why) == (len(run([1])), TIRED)
    assert switch.fates() == {"consumed": 1}
    assert switch.ledger.bytes == done


def reply(identity: bytes, size: int) -> bytes:
    """A message that came back over a link; without an identity it is for the link's owner."""
    return pack([*filter(None, [identity]), b"", b"a.b", b"x" * size])


@given(
    st.lists(st.tuples(st.sampled_from([b"one", b"two", b"gone", b""]), st.integers(0, 400))),
    st.integers(0, 3),
    st.sampled_from(["takes", "raises", None]),
)
def test_every_reply_has_one_fate(replies, room, owner):
    def on_message(message):
        if owner == "raises":
            raise ValueError("on purpose")

    switch = FakeSwitch(peers={b"one": Box(room), b"two": Box(9)})
    link = ReplyIngress(switch, "h:far", BOUNDS, on_message if owner else None)
    data = b"".join(reply(*one) for one in replies)
    assert link.feed(data)[:2] == (len(data), MORE)
    fates = switch.fates()
    names = [identity for identity, _ in replies]
    own = {"takes": "consumed", "raises": "failed", None: "gone"}[owner]
    expected = {"gone": names.count(b"gone")}
    expected[own] = expected.get(own, 0) + names.count(b"")
    for fate, count in expected.items():
        assert fates.get(fate, 0) == count
    assert fates.get("replied", 0) + fates.get("full", 0) == names.count(b"one") + names.count(
        b"two"
    )
    assert (switch.ledger.received, switch.ledger.bytes) == (len(replies), len(data))


def test_replies_travel_without_the_identity():
    box = Box(9)
    switch = FakeSwitch(peers={b"one": box})
    ReplyIngress(switch, "h:far", BOUNDS, None).feed(reply(b"one", 1) + reply(b"one", 2))
    assert box.chunks == [b"".join(pack([b"", b"a.b", b"x" * size]) for size in (1, 2))]
    assert switch.fates() == {"replied": 2}


def test_what_is_no_reply_is_malformed():
    switch = FakeSwitch(peers={b"one": Box(9)})
    link = ReplyIngress(switch, "h:far", BOUNDS, lambda message: None)
    data = pack([b"one"]) + pack([b"", b"not a type!", b"x"])
    assert link.feed(data)[0] == len(data)
    assert switch.fates() == {"malformed": 2}
    assert [said[:2] for said in switch.said] == [("malformed", "h:far")] * 2


def test_large_messages_go_in_pieces_to_outboxes_with_nothing_waiting() -> None:
    idle, busy, offline = (Outbox(name, Limits()) for name in ("idle", "busy", "offline"))
    busy.offer(pack([b"first"]), 1)
    written: dict[str, list[bytes]] = {"idle": [], "busy": []}
    for box in (idle, busy):

        def write(pieces, messages, name=box.name):
            written[name].append(b"".join(pieces))
            return messages

        box.write = write
    switch = FakeSwitch(Target((idle, busy, offline)))
    ingress = Ingress(switch, PeerInput(MessageSource(PEER, "peer", "in"), (1_000_000, 20)))
    large = pack([b"", b"a", b"x" * 33_000])
    small = pack([b"", b"a", b"x"])
    ingress.feed(large * 2)
    prefix = frame(PEER, more=True)
    assert written == {"idle": [(prefix + large) * 2], "busy": []}
    assert [b"".join(box.peek(9)) for box in (busy, offline)] == [
        pack([b"first"]) + (prefix + large) * 2,
        (prefix + large) * 2,
    ]
    ingress.feed(large)  # others may follow in the same turn
    ingress.feed(large * 2 + small * 20)  # as pieces they would be many
    assert len(written["idle"]) == 1 and idle.waiting == 23
    assert switch.ledger.fates == {"forwarded": 25} and switch.ledger.balance() == 0

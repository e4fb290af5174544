"""Whole connections: two wired together, any cut, fuzz, bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.wire.zmtp.commands import Error, Other, Ping, Pong, error, ping, pong
from ccproxy.wire.zmtp.connection import (
    CommandReceived,
    ConnectionEvent,
    MessageReceived,
    WireConnection,
)
from ccproxy.wire.zmtp.frames import command, frame, pack
from ccproxy.wire.zmtp.greeting import OPENING, closing
from ccproxy.wire.zmtp.handshake import Failed, Handshake, Ready, Transmit
from ccproxy.wire.zmtp.metadata import encode

OPEN = (
    OPENING
    + closing(b"NULL", False)
    + command(b"READY", encode({b"Socket-Type": b"DEALER", b"Identity": b"me"}))
)
BODIES = st.one_of(st.binary(max_size=8), st.integers(250, 260).map(bytes))
UNITS = st.one_of(
    st.lists(BODIES, min_size=1, max_size=4).map(pack),
    st.sampled_from([ping(7, b"c"), pong(), error("x"), command(b"NEW", b"b")]),
    st.just(frame(b"a", True) + ping(1) + frame(b"b")),
)


def router() -> WireConnection:
    return WireConnection(Handshake(b"ROUTER"), max_message=2000, max_frames=10)


def opened() -> WireConnection:
    connection = router()
    assert isinstance(connection.receive(OPEN)[-1], Ready)
    return connection


def test_two_wired_together() -> None:
    one, other = WireConnection(Handshake(b"ROUTER")), WireConnection(Handshake(b"DEALER", b"d"))
    wires = {0: other.start(), 1: one.start()}
    while any(wires.values()):
        incoming, wires = wires, {0: b"", 1: b""}
        for side, connection in ((0, one), (1, other)):
            for event in connection.receive(incoming[side]):
                if isinstance(event, Transmit):
                    wires[1 - side] += event.data
    assert one.peer is not None
    assert one.peer.identity == b"d"
    message = [b"", b"log.info", bytes(300)]
    assert other.receive(one.send(message)) == [MessageReceived(message)]


def test_nothing_is_sent_before_ready() -> None:
    with pytest.raises(RuntimeError, match="handshake"):
        router().send([b"x"])


def test_commands_and_messages_after_ready() -> None:
    connection = opened()
    wire = ping(5, b"ctx") + pack([b"a", b""]) + pong(b"q") + error("e") + command(b"NEW", b"b")
    assert connection.receive(wire) == [
        Transmit(pong(b"ctx")),
        CommandReceived(Ping(5, b"ctx")),
        MessageReceived([b"a", b""]),
        CommandReceived(Pong(b"q")),
        CommandReceived(Error("e")),
        CommandReceived(Other(b"NEW", b"b")),
    ]


def test_a_ping_inside_a_message_is_answered_at_once() -> None:
    connection = opened()
    assert connection.receive(frame(b"a", True) + ping(1)) == [
        Transmit(pong()),
        CommandReceived(Ping(1)),
    ]
    assert connection.receive(frame(b"b")) == [MessageReceived([b"a", b"b"])]


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x09", "frame flags 0x09"),
        (b"\x02" + b"\xff" * 8, "message of"),
        (pack([bytes(1998)]), "message of 2007 bytes"),
        (pack([b""] * 11), "message of more than 10 frames"),
        (b"\x04\x05\x04PING", "PING with 0 of the 2 bytes"),
        (b"\x04\x00", "command name of 0 bytes"),
    ],
)
def test_what_ends_a_connection(wire: bytes, reason: str) -> None:
    connection = opened()
    events = connection.receive(pack([b"ok"]) + wire)
    assert events[0] == MessageReceived([b"ok"])
    assert isinstance(events[1], Failed)
    assert events[1].reason.startswith(reason)
    assert connection.receive(pack([b"late"])) == []


@given(st.lists(UNITS, max_size=6), st.lists(st.integers(0, 1500), max_size=8))
@settings(max_examples=150)
def test_any_split_leads_to_the_same_events(units: list[bytes], at: list[int]) -> None:
    data = OPEN + b"".join(units)
    cuts = [0, *sorted(min(cut, len(data)) for cut in at), len(data)]
    split = router()
    found: list[ConnectionEvent] = []
    for start, end in zip(cuts, cuts[1:], strict=False):
        found += split.receive(data[start:end])
    assert found == router().receive(data)


@given(st.lists(UNITS, min_size=1, max_size=4), st.data())
@settings(max_examples=250)
def test_mutated_streams_fail_or_wait(units: list[bytes], draw: st.DataObject) -> None:
    data = bytearray(OPEN + b"".join(units))
    for _ in range(draw.draw(st.integers(1, 5))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    step = draw.draw(st.sampled_from([1, 7, 5000]))
    connection = router()
    events: list[ConnectionEvent] = []
    for at in range(0, len(data), step):
        events += connection.receive(bytes(data[at : at + step]))
    assert sum(isinstance(event, Failed) for event in events) <= 1


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_random_traffic_fails_or_waits(data: bytes) -> None:
    connection = opened()
    events: list[ConnectionEvent] = []
    for octet in data:
        events += connection.receive(bytes((octet,)))
    whole = opened().receive(data)
    assert events == whole
    assert sum(isinstance(event, Failed) for event in whole) <= 1

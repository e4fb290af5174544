"""The opening: transcripts of ZMTP 3.1, 3.0, 2.0 and 1.0, refusals, any cut of the stream."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.wire.zmtp.commands import Error, Other, error, ping, ready
from ccproxy.wire.zmtp.frames import command, frame, pack
from ccproxy.wire.zmtp.greeting import OPENING, SIGNATURE, closing
from ccproxy.wire.zmtp.handshake import Failed, Handshake, HandshakeEvent, Peer, Ready, Transmit
from ccproxy.wire.zmtp.mechanism import MechanismStep
from ccproxy.wire.zmtp.metadata import Properties, decode, encode
from ccproxy.wire.zmtp.zmtp1 import Zmtp1Frames, header

GREETING = OPENING + closing(b"NULL", False)
OLD_GREETING = SIGNATURE + b"\x03\x00" + GREETING[12:]


def hello(socket_type: bytes = b"DEALER", identity: bytes = b"", **more: bytes) -> bytes:
    properties = {b"Socket-Type": socket_type, b"Identity": identity}
    return ready(encode(properties | {name.encode(): value for name, value in more.items()}))


def feed(handshake: Handshake, chunks: Iterable[bytes]) -> list[HandshakeEvent]:
    return [event for chunk in chunks for event in handshake.receive(chunk)]


def bytewise(data: bytes) -> list[bytes]:
    return [bytes((octet,)) for octet in data]


def last(data: bytes, socket_type: bytes = b"ROUTER") -> HandshakeEvent:
    handshake = Handshake(socket_type)
    whole = handshake.receive(data)
    assert whole == feed(Handshake(socket_type), bytewise(data))
    assert handshake.receive(data) == [] or not isinstance(whole[-1], Failed)
    return whole[-1]


def refusal(data: bytes) -> Failed:
    event = last(data)
    assert isinstance(event, Failed)
    return event


def test_transcript_3_1() -> None:
    handshake = Handshake(b"ROUTER", properties={b"X-Node": b"a"})
    assert handshake.start() == bytes.fromhex("ff00000000000000017f")
    assert handshake.receive(SIGNATURE) == [Transmit(b"\x03")]
    assert handshake.waiting_for == "major version"
    assert handshake.receive(b"\x03") == [Transmit(closing(b"NULL", False))]
    assert handshake.waiting_for == "greeting"
    described = {b"Socket-Type": b"ROUTER", b"Identity": b"", b"X-Node": b"a"}
    assert handshake.receive(GREETING[11:]) == [Transmit(ready(encode(described)))]
    assert handshake.waiting_for == "command"
    wire = hello(b"REQ", b"me", x=b"1") + pack([b"traffic"])
    properties = Properties({b"Socket-Type": b"REQ", b"Identity": b"me", b"x": b"1"})
    peer = Peer((3, 1), b"REQ", b"me", b"NULL", properties)
    assert handshake.receive(wire) == [Ready(peer)]
    assert handshake.rest == pack([b"traffic"])
    assert handshake.waiting_for == ""


def test_transcript_3_0() -> None:
    event = last(OLD_GREETING + hello())
    assert isinstance(event, Ready)
    assert event.peer.version == (3, 0)


def test_a_later_version_is_spoken_to_as_3_1() -> None:
    event = last(SIGNATURE + b"\x04\x02" + GREETING[12:] + hello())
    assert isinstance(event, Ready)
    assert event.peer.version == (4, 2)


def test_transcript_2_0() -> None:
    handshake = Handshake(b"DEALER", b"ours")
    assert handshake.start() == bytes.fromhex("ff00000000000000057f")
    assert handshake.receive(SIGNATURE + b"\x01") == [
        Transmit(b"\x03"),
        Transmit(b"\x05" + frame(b"ours")),
    ]
    assert handshake.receive(b"\x06") == []
    assert handshake.waiting_for == "identity frame"
    peer = Peer((2, 0), b"ROUTER", b"theirs")
    assert handshake.receive(frame(b"theirs") + b"rest") == [Ready(peer)]
    assert handshake.rest == b"rest"


@pytest.mark.parametrize("flags", [b"\x00", b"\x7e"], ids=["2.1.12", "2.1.11"])
@pytest.mark.parametrize("size", [0, 1, 10, 253, 254, 255])
@pytest.mark.parametrize("ours", [b"", b"ours", b"o" * 255])
def test_transcript_1_0(size: int, flags: bytes, ours: bytes) -> None:
    """libzmq 2 sends its identity as a frame, and takes our signature for the header of one."""
    identity = b"i" * size
    greeting = header(size)[:-1] + flags + identity
    handshake = Handshake(b"ROUTER", ours)
    assert handshake.start() + ours == b"\xff" + (len(ours) + 1).to_bytes(8, "big") + b"\x7f" + ours
    events = feed(handshake, bytewise(greeting + header(4) + b"mess"))
    assert events == ([Transmit(ours)] if ours else []) + [Ready(Peer((1, 0), b"", identity))]
    whole = Handshake(b"ROUTER", ours)
    assert whole.receive(greeting + header(4) + b"mess") == events
    assert whole.rest == header(4) + b"mess"
    assert isinstance(whole.seal, Zmtp1Frames)
    assert whole.seal.open(whole.rest) == frame(b"mess")


def test_a_peer_with_a_version_needs_no_translation() -> None:
    for opening in (SIGNATURE + b"\x01\x05" + frame(b"me"), GREETING + hello()):
        handshake = Handshake(b"ROUTER")
        assert isinstance(handshake.receive(opening)[-1], Ready)
        assert handshake.seal is None


def test_an_identity_that_does_not_come_is_waited_for() -> None:
    handshake = Handshake(b"ROUTER")
    assert handshake.receive(b"\x06\x00alic") == []
    assert handshake.waiting_for == "unversioned identity"


def test_jeromq_0_3_as_captured() -> None:
    event = last(bytes.fromhex("ff000000000000000a7f0105" + "0009313437363030363534"))
    assert event == Ready(Peer((2, 0), b"DEALER", b"147600654"))


def test_jeromq_0_5_as_captured() -> None:
    greeting = "ff000000000000000a7f0300" + "4e554c4c" + "00" * 48
    ready_frame = (
        "04320552454144590b536f636b65742d54797065000000064445414c4552"
        "084964656e7469747900000009313437363931333332"
    )
    event = last(bytes.fromhex(greeting + ready_frame))
    assert isinstance(event, Ready)
    assert (event.peer.socket_type, event.peer.identity) == (b"DEALER", b"147691332")


@pytest.mark.parametrize(
    "data",
    [
        SIGNATURE[:1] + b"paddings" + b"\x01" + GREETING[10:] + hello(),
        GREETING[:32] + b"\x01" + b"rubbish in the filler, 31 bytes"[:31] + hello(),
        GREETING + b"\0" + hello()[1:],
        GREETING + b"\x06" + (len(hello()) - 2).to_bytes(8, "big") + hello()[2:],
        GREETING + ready(encode({b"socket-TYPE": b"DEALER"})),
        OPENING[:10] + b"\x01\x05\x02" + bytes(7) + b"\x02me",
    ],
    ids=["padding", "as-server", "no command bit", "long command", "names in any case", "long id"],
)
def test_as_tolerant_as_libzmq(data: bytes) -> None:
    assert isinstance(last(data), Ready)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "an HTTP request, not ZMTP"),
        (b"\x16\x03\x01\x02\x00\x01", "a TLS client hello, not ZMTP"),
        (b"SSH-2.0-OpenSSH_9\r\n", "an SSH greeting, not ZMTP"),
        (b"\x03\x00\0a", "identity 0061 starts with a zero byte"),
        (b"\xff" + bytes(6) + b"\x01\x01\0", "256 bytes where an identity of ZMTP 1.0"),
        (b"\xff\x80" + bytes(7) + b"\0", "9223372036854775807 bytes where an identity"),
        (b"\xff" + bytes(9), "a frame with the length 0"),
        (b'{"log": 1}', "not ZMTP; it starts with 7b22"),
        (SIGNATURE + b"\x00", "ZMTP revision 0"),
        (SIGNATURE + b"\x02", "ZMTP revision 2"),
        (SIGNATURE + b"\x01\x02", "SUB socket cannot talk to our ROUTER"),
        (SIGNATURE + b"\x01\x63", "type 99 socket cannot talk"),
        (SIGNATURE + b"\x01\x05\x01\x00", "flags 1, 0 bytes where an identity"),
        (SIGNATURE + b"\x01\x05\x02" + bytes(6) + b"\x01\0", "flags 2, 256 bytes"),
        (SIGNATURE + b"\x01\x05\x00\x02\0a", "identity 0061 starts with a zero byte"),
        (OPENING + closing(b"PLAIN", False), "security mechanism PLAIN; NULL expected"),
        (OPENING + closing(b"CURVE", True), "security mechanism CURVE; NULL expected"),
        (OPENING + closing(b"NULLX", False), "security mechanism NULLX"),
        (OPENING + closing(b"", False), "security mechanism none"),
    ],
)
def test_refusals_without_a_word(data: bytes, reason: str) -> None:
    failed = refusal(data)
    assert failed.reason.startswith(reason)
    assert failed.transmit == b""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hello(b"SUB"), "SUB socket cannot talk to our ROUTER; expected DEALER, REQ, ROUTER"),
        (hello(b""), "no socket cannot talk"),
        (hello(identity=b"\0abcd"), "identity 0061626364 starts with a zero byte"),
        (hello(identity=b"i" * 256), "identity of 256 bytes"),
        (ready(b"\x04Name\0\0\0\x09a"), "metadata cut"),
        (pack([b"a", b"b"]), "frame flags 0x01 where a command"),
        (b"\x08\0", "frame flags 0x08"),
        (b"\x04\x00", "command name of 0 bytes"),
        (command(b"HELLO"), "HELLO where READY was expected"),
        (ping(), "PING before the handshake was over"),
        (b"\x06" + (8193).to_bytes(8, "big"), "command of 8193 bytes; limit 8192"),
        (b"\x06" + b"\xff" * 8, "command of 18446744073709551615 bytes"),
    ],
)
def test_refusals_that_are_told(data: bytes, reason: str) -> None:
    failed = refusal(GREETING + data)
    assert failed.reason.startswith(reason)
    assert failed.transmit == error(failed.reason)


def test_an_error_of_the_peer() -> None:
    assert refusal(GREETING + error("go away")) == Failed("the peer refused us: go away")
    assert refusal(GREETING + command(b"ERROR")).reason.endswith("no reason given")


@pytest.mark.parametrize(
    "arguments",
    [{"socket_type": b"GATHER"}, {"identity": b"\0abc"}, {"properties": {b"a b": b""}}],
)
def test_our_own_mistakes_raise(arguments: dict[str, bytes]) -> None:
    with pytest.raises(ValueError):
        Handshake(**({"socket_type": b"ROUTER"} | arguments))  # type: ignore[arg-type]


def wire_up(one: Handshake, other: Handshake) -> tuple[list[HandshakeEvent], list[HandshakeEvent]]:
    """Connect two handshakes; return the events of either side, without the transmits."""
    happened: tuple[list[HandshakeEvent], list[HandshakeEvent]] = ([], [])
    to_one, to_other = other.start(), one.start()
    while to_one or to_other:
        outs = [b"", b""]
        for side, machine, data in ((0, one, to_one), (1, other, to_other)):
            for event in machine.receive(data):
                if isinstance(event, Transmit):
                    outs[side] += event.data
                else:
                    happened[side].append(event)
                    outs[side] += event.transmit if isinstance(event, Failed) else b""
        to_one, to_other = outs[1], outs[0]
    return happened


def test_two_of_ours() -> None:
    ours, theirs = wire_up(Handshake(b"ROUTER"), Handshake(b"DEALER", b"d", None, {b"X-a": b"b"}))
    assert isinstance(ours[0], Ready)
    assert isinstance(theirs[0], Ready)
    assert (ours[0].peer.identity, ours[0].peer.properties[b"x-A"]) == (b"d", b"b")
    assert (theirs[0].peer.socket_type, theirs[0].peer.version) == (b"ROUTER", (3, 1))


def test_two_of_ours_that_do_not_fit() -> None:
    ours, theirs = wire_up(Handshake(b"ROUTER"), Handshake(b"PUB"))
    assert isinstance(ours[-1], Failed)
    assert isinstance(theirs[-1], Failed)


class Riddle:
    """A mechanism of two rounds, as CURVE will be."""

    name = b"RIDDLE"
    silent = False
    hint = ""
    credential = None

    def __init__(self, as_server: bool) -> None:
        self.as_server = as_server
        self._properties = Properties()

    def start(self, properties: Properties) -> MechanismStep:
        self._properties = properties
        return (
            MechanismStep()
            if self.as_server
            else MechanismStep(command(b"ASK", encode(properties)))
        )

    def receive(self, command_: Error | Other) -> MechanismStep:
        assert isinstance(command_, Other)
        metadata = decode(command_.body)
        answer = command(b"TELL", encode(self._properties)) if self.as_server else b""
        return MechanismStep(answer, metadata)


def test_another_mechanism() -> None:
    ours, theirs = wire_up(
        Handshake(b"ROUTER", mechanism=Riddle(True)), Handshake(b"DEALER", b"d", Riddle(False))
    )
    assert isinstance(ours[0], Ready)
    assert ours[0].peer.mechanism == b"RIDDLE"
    assert isinstance(theirs[0], Ready)


def test_another_mechanism_is_not_passed_by_with_an_old_version() -> None:
    events = Handshake(b"ROUTER", mechanism=Riddle(True)).receive(SIGNATURE + b"\x01\x05\0\0")
    assert events == [Transmit(b"\x03"), Failed("ZMTP 2.0 has no RIDDLE; 3.0 needed")]
    events = Handshake(b"ROUTER", mechanism=Riddle(True)).receive(b"\x01\x00")
    assert events == [Failed("ZMTP 1.0 has no RIDDLE; 3.0 needed")]


STREAMS = [
    GREETING + hello(b"DEALER", b"me") + pack([b"x", b""]),
    SIGNATURE + b"\x01\x05" + frame(b"me") + pack([b"x"]),
    b"\x03\x00me" + b"\x02\x00x",
    b"\xff" + bytes(7) + b"\xff\x7e" + b"i" * 254 + b"\x02\x01x\x01\x00",
    GREETING + hello(b"PUSH"),
    GREETING + error("no"),
    OPENING + closing(b"CURVE", False),
    b"POST / HTTP/1.1\r\n",
]


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 120), max_size=6))
@settings(max_examples=150)
def test_any_split_leads_to_the_same_events(data: bytes, at: list[int]) -> None:
    cuts = [0, *sorted(min(cut, len(data)) for cut in at), len(data)]
    whole, split = Handshake(b"ROUTER"), Handshake(b"ROUTER")
    expected = whole.receive(data)
    found: list[HandshakeEvent] = []
    rest = b""
    for start, end in zip(cuts, cuts[1:], strict=False):
        if any(isinstance(event, Ready) for event in found):
            rest += data[start:end]
        else:
            found += split.receive(data[start:end])
    assert found == expected
    assert split.rest + rest == whole.rest


@given(st.sampled_from(STREAMS), st.data())
@settings(max_examples=300)
def test_mutated_streams_fail_or_wait(data: bytes, draw: st.DataObject) -> None:
    mutated = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        mutated[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    events = Handshake(b"ROUTER").receive(bytes(mutated))
    assert all(isinstance(event, HandshakeEvent) for event in events)


@given(st.binary(max_size=200), st.sampled_from([b"", OPENING, GREETING, SIGNATURE + b"\x01\x05"]))
@settings(max_examples=200)
def test_random_bytes_fail_or_wait(data: bytes, opening: bytes) -> None:
    handshake = Handshake(b"ROUTER")
    events = feed(handshake, bytewise(opening + data))
    assert all(isinstance(event, HandshakeEvent) for event in events)

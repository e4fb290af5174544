"""The server's side: a recorded libzmq client, our own one, and everything that goes wrong."""

import json
from pathlib import Path

import pytest

from ccproxy.wire.zmtp.commands import Other, Ping
from ccproxy.wire.zmtp.connection import CommandReceived
from ccproxy.wire.zmtp.curve_keys import key_text
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.handshake import Failed, Handshake, Ready, Transmit
from ccproxy.wire.zmtp.mechanism import Credential, Null, Work
from ccproxy.wire.zmtp.metadata import Properties
from tests.wire.zmtp.curve_partners import (
    CLIENT,
    OTHER,
    client,
    failure,
    messages,
    server,
    talk,
    up,
)

VECTOR = Path(__file__).parents[2] / "vectors" / "curve" / "dealer.json"


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_a_recorded_client_of_libzmq(step):
    dialogue = json.loads(VECTOR.read_text())["dialogue"]
    ours = server()
    sent, events = ours.start(), []
    for data in (bytes.fromhex(text) for side, text in dialogue if side == "theirs"):
        for at in range(0, len(data), step):
            for event in ours.receive(data[at : at + step]):
                events.append(event)
                if isinstance(event, Transmit) and not isinstance(events[-2:][0], Ready):
                    sent += event.data
    recorded = b"".join(bytes.fromhex(text) for side, text in dialogue if side == "ours")
    handshake = len(recorded) - recorded[::-1].index(b"\x07MESSAGE"[::-1])
    assert sent[:64] == recorded[:64] and len(sent) < handshake
    assert recorded.startswith(sent[:300])
    assert messages(events) == [[b"", b"type", b"x" * 300], [b"short"]]
    assert [one.command for one in events if isinstance(one, CommandReceived)] == [Ping()]
    assert ours.peer.credential == Credential("curve", key_text(CLIENT.public))


def test_our_two_sides_meet_and_talk():
    near, far = server(), client()
    events, others = talk(near, far)
    assert up(events) and up(others)
    assert near.peer.socket_type == b"DEALER" and far.peer.socket_type == b"ROUTER"
    assert near.peer.mechanism == b"CURVE"
    assert messages(near.receive(far.send([b"", b"hello"]))) == [[b"", b"hello"]]
    assert messages(far.receive(near.send([b"x" * 1000]))) == [[b"x" * 1000]]


def test_the_server_says_nothing_of_its_mechanism_before_it_knows_the_peers():
    opening = client()
    theirs = opening.start() + b"".join(e.data for e in opening.receive(server().start()))
    ours = server()
    ours.start()
    sent = b"".join(one.data for one in ours.receive(theirs[:11]))
    assert sent == b"\x03"


@pytest.mark.parametrize(
    ("handshake", "text"),
    [
        (Handshake(b"DEALER", mechanism=Null()), "security mechanism NULL; CURVE expected"),
    ],
)
def test_another_mechanism_is_refused_in_silence(handshake, text):
    ours = server()
    events = ours.receive(handshake.start() + b"\x03\x01NULL" + bytes(48))
    assert failure(events) == Failed(text)
    assert not any(b"CURVE" in one.data for one in events if isinstance(one, Transmit))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x01\x00", "ZMTP 1.0 has no CURVE; 3.0 needed"),
        (b"\xff" + bytes(7) + b"\x01\x7f\x01\x05\x00\x00", "ZMTP 2.0 has no CURVE; 3.0 needed"),
    ],
)
def test_older_versions_are_refused(data, text):
    assert failure(server().receive(data)).reason == text


def test_a_key_that_is_not_admitted_is_refused_in_silence_or_by_an_error():
    seen = []

    def refuse(credential):
        seen.append(credential)
        return "not allowed here"

    events, others = talk(server(admit=refuse), client())
    assert failure(events) == Failed("not allowed here")
    assert not up(events) and not up(others) and failure(others) is None
    events, others = talk(server(admit=refuse, silent=False), client())
    assert failure(others).reason == "the peer refused us: not allowed here"
    assert seen == 2 * [Credential("curve", key_text(CLIENT.public))]


def test_wrong_keys_fail_before_anything_is_kept():
    events, others = talk(server(), client(key=OTHER.public))
    assert failure(events) == Failed("HELLO cannot be opened with our keys")
    assert not up(others)


def test_a_handshake_that_is_changed_at_any_byte_never_comes_up():
    """Of the padding of HELLO nothing depends; it is 72 bytes of 0 in a frame of 202."""
    sizes = {}

    def count(number, data):
        sizes[number] = len(data)
        return data

    events, _ = talk(server(), client(), count)
    assert up(events)
    hello = next(number for number, size in sizes.items() if size == 202)
    for number, size in sizes.items():
        if size < 100:
            continue  # greetings: their tests are those of the handshake
        for at in range(3, size):
            if number == hello and 10 <= at < 82:
                continue

            def change(sent, data, number=number, at=at):
                changed = bytearray(data)
                if sent == number:
                    changed[at] ^= 0x40
                return bytes(changed)

            ends = talk(server(), client(), change)
            assert not all(map(up, ends)), (number, at)


def test_a_recorded_initiate_opens_no_other_connection():
    recorded = []
    talk(server(), client(), lambda number, data: recorded.append(data) or data)
    theirs = [one for one in recorded if b"INITIATE" in one or b"HELLO" in one]
    assert len(theirs) == 2
    mechanism = server(seed="another connection")._handshake._mechanism
    mechanism.start(Properties())
    bodies = [Other(b"HELLO", theirs[0][8:]), Other(b"INITIATE", theirs[1][9 + 9 :])]
    assert mechanism.receive(bodies[0]).work.run().transmit
    with pytest.raises(ZmtpError, match="the cookie of INITIATE cannot be opened"):
        mechanism.receive(bodies[1]).work.run()


@pytest.mark.parametrize(
    ("commands", "text"),
    [
        ([Other(b"INITIATE", bytes(300))], "INITIATE where HELLO was expected"),
        ([Other(b"HELLO", bytes(10))], "HELLO of 10 bytes; 194 of CURVE 1.0 expected"),
        ([Other(b"HELLO", bytes(194))], "HELLO of 194 bytes; 194 of CURVE 1.0 expected"),
        ([Other(b"HELLO", b"\x01\x00" + bytes(192))], "HELLO with the nonce 0 behind 0"),
        ([Other(b"READY", b"")], "READY where HELLO was expected"),
    ],
)
def test_commands_out_of_order_or_cut(commands, text):
    mechanism = server()._handshake._mechanism
    mechanism.start(Properties())
    with pytest.raises(ZmtpError, match=text):
        for command in commands:
            mechanism.receive(command).work.run()


def test_the_server_waits_for_its_work_and_reads_nothing_meanwhile():
    handshake = server()._handshake
    handshake.start()
    far = client()
    theirs = far.start() + b"".join(one.data for one in far.receive(handshake.start() + b"\x03"))
    greeted = handshake.receive(theirs)
    [hello] = far.receive(b"".join(one.data for one in greeted)[1:])
    [work] = handshake.receive(hello.data)
    assert isinstance(work, Work) and not work.slow and handshake.working
    assert handshake.receive(b"\x04\x02\x01x") == []
    [welcome, failed] = handshake.resume(work.run)
    assert isinstance(welcome, Transmit) and isinstance(failed, Failed)
    assert handshake.resume(work.run) == []

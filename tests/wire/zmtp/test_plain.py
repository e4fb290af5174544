"""PLAIN: name and password, checked in a work, then properties both ways."""

import pytest

from ccproxy.wire.zmtp.commands import Error, Other
from ccproxy.wire.zmtp.connection import WireConnection
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.handshake import Handshake
from ccproxy.wire.zmtp.mechanism import Credential
from ccproxy.wire.zmtp.metadata import Properties
from ccproxy.wire.zmtp.plain import PlainClient, PlainServer
from tests.wire.zmtp.curve_partners import failure, messages, talk, up


def check(user, password):
    if (user, password) != ("joe", b"secret"):
        raise ZmtpError("no such user, or another password")
    return Credential("plain", user, "proof")


def pair(password=b"secret", silent=True):
    return (
        WireConnection(Handshake(b"ROUTER", mechanism=PlainServer(check, silent))),
        WireConnection(Handshake(b"DEALER", mechanism=PlainClient(b"joe", password))),
    )


def test_the_right_password():
    near, far = pair()
    events, others = talk(near, far)
    assert up(events) and up(others)
    assert near.peer.credential == Credential("plain", "joe", "proof")
    assert messages(near.receive(far.send([b"hello"]))) == [[b"hello"]]


def test_a_wrong_password_is_refused_in_silence_or_by_an_error():
    near, far = pair(b"guess")
    events, others = talk(near, far)
    assert failure(events).reason == "no such user, or another password"
    assert failure(events).transmit == b"" and not up(others)
    assert far._handshake.hint.endswith("it does not take our name and password")
    events, others = talk(*pair(b"guess", silent=False))
    assert failure(others).reason == "the peer refused us: no such user, or another password"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Other(b"INITIATE", b""), "INITIATE where HELLO was expected"),
        (Error(""), "ERROR where HELLO was expected"),
        (Other(b"HELLO", b""), "HELLO ends 1 bytes too early"),
        (Other(b"HELLO", b"\x03joe\x06sec"), "HELLO ends 3 bytes too early"),
        (Other(b"HELLO", b"\x03joe\x06secretx"), "HELLO with 1 bytes behind the password"),
    ],
)
def test_what_is_no_hello(command, text):
    mechanism = PlainServer(check)
    mechanism.start(Properties())
    assert mechanism.hint == "closed by the peer before its HELLO"
    with pytest.raises(ZmtpError, match=text):
        mechanism.receive(command)


def test_the_check_is_slow_work():
    mechanism = PlainServer(check)
    mechanism.start(Properties())
    work = mechanism.receive(Other(b"HELLO", b"\x03joe\x06secret")).work
    assert work.slow and mechanism.credential is None
    assert work.run().transmit == b"\x04\x08\x07WELCOME"
    assert mechanism.hint == "closed by the peer before its INITIATE"


def test_the_client_expects_welcome_and_ready():
    mechanism = PlainClient(b"joe", b"secret")
    mechanism.start(Properties())
    with pytest.raises(ZmtpError, match="WELCOME with a body"):
        mechanism.receive(Other(b"WELCOME", b"x"))
    mechanism.receive(Other(b"WELCOME", b""))
    with pytest.raises(ZmtpError, match="WELCOME where READY was expected"):
        mechanism.receive(Other(b"WELCOME", b""))


@pytest.mark.parametrize(("user", "password"), [(b"", b""), (b"u" * 256, b""), (b"u", b"p" * 256)])
def test_what_plain_cannot_carry(user, password):
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        PlainClient(user, password)

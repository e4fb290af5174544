"""The client's side: what a server may say wrongly, and what an end of the connection means."""

import pytest

from ccproxy.wire.zmtp.commands import Error, Other
from ccproxy.wire.zmtp.curve_client import CurveClient
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.metadata import Properties
from tests.wire.zmtp.curve_partners import CLIENT, OTHER, SERVER, client, failure, server, talk, up


def started():
    mechanism = CurveClient(SERVER.public, CLIENT)
    mechanism.start(Properties())
    return mechanism


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Other(b"READY", bytes(64)), "READY where WELCOME was expected"),
        (Error("no"), "ERROR where WELCOME was expected"),
        (Other(b"WELCOME", bytes(10)), "WELCOME of 10 bytes; 160 expected"),
        (Other(b"WELCOME", bytes(160)), "WELCOME cannot be opened with our keys"),
    ],
)
def test_what_is_no_welcome(command, text):
    with pytest.raises(ZmtpError, match=text):
        started().receive(command)


def test_a_server_with_another_key_is_refused():
    """It cannot even open our HELLO; one that lies about that cannot make a WELCOME."""
    events, others = talk(server(keys=OTHER), client())
    assert failure(events) and not up(others)


def test_what_the_end_of_the_connection_means():
    mechanism = started()
    assert mechanism.hint == "closed by the peer after our HELLO: curve-server is not its key"
    far = client()
    talk(server(admit=lambda credential: "no"), far)
    assert far._handshake.hint.endswith("our key is not allowed there")


@pytest.mark.parametrize("size", [0, 23, 24, 40])
def test_what_is_no_ready(size):
    far = client()
    talk(server(admit=lambda credential: "no"), far)
    with pytest.raises(ZmtpError, match="READY"):
        far._handshake._mechanism.receive(Other(b"READY", bytes(size)))

"""The sockets of sessions."""

import socket

import pytest

from ccproxy.protocols import ssmmp
from ccproxy.service import sockets


@pytest.fixture
def listener():
    made = sockets.listen("127.0.0.1", 0)
    yield made
    made.close()


def test_a_session_comes_from_the_address_of_its_instance(listener):
    port = listener.getsockname()[1]
    with sockets.connect("127.0.0.5", "127.0.0.1", port) as sock:
        far, peer = listener.accept()
        far.close()
        assert sockets.peer_of(peer) == ("127.0.0.5", sock.getsockname()[1])
        assert sock.gettimeout() is None


def test_an_address_of_another_machine_is_no_obstacle(listener):
    """As behind address translation: the own address is not on this machine."""
    with sockets.connect("192.0.2.1", "127.0.0.1", listener.getsockname()[1]):
        far, peer = listener.accept()
        far.close()
    assert sockets.peer_of(peer)[0] == "127.0.0.1"


def test_a_port_that_is_taken_cannot_be_listened_at(listener):
    with pytest.raises(OSError):
        sockets.listen("127.0.0.1", listener.getsockname()[1])


def test_what_is_not_connected_has_a_status():
    assert sockets.status_of(TimeoutError()) == 504
    assert sockets.status_of(ConnectionRefusedError()) == 502


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (("127.0.0.1", 5), ("127.0.0.1", 5)),
        (("fe80::1%eth0", 5, 0, 2), ("fe80::1", 5)),
        ("", (ssmmp.NOWHERE, 0)),
        (None, (ssmmp.NOWHERE, 0)),
    ],
)
def test_a_peer_is_named_as_the_protocol_writes_it(name, peer):
    assert sockets.peer_of(name) == peer


def test_close_ends_the_connection_for_a_reader_in_another_thread_too():
    near, far = socket.socketpair()
    with near.dup() as other, far:
        sockets.close(near)
        assert other.recv(1) == b"" == far.recv(1)
    sockets.close(near)

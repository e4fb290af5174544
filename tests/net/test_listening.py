"""Listening sockets: opened, inherited from another process, lent to one."""

import socket
from pathlib import Path

import pytest

from ccproxy.config.address import Address
from ccproxy.net.listening import InheritedSocket, ListeningSockets

TCP = Address.parse("tcp://127.0.0.1:0")


@pytest.fixture
def ipc(tmp_path):
    return Address.parse(f"ipc://{tmp_path}/x")


def handed(one, number=0):
    """What another process would get of a socket: a descriptor of its own."""
    return InheritedSocket(number, one.owner, str(one.address), one.socket.dup())


def test_a_socket_and_its_file_go_together(ipc):
    sockets = ListeningSockets()
    sock = sockets.open("h:x", ipc, 5, 0o600)
    assert Path(ipc.file).stat().st_mode & 0o777 == 0o600
    assert sockets.has_file(sock)
    assert [(one.owner, one.address) for one in sockets.all()] == [("h:x", ipc)]
    sockets.close(sock)
    assert not Path(ipc.file).exists()
    assert (sockets.all(), sock.fileno()) == ([], -1)


def test_a_file_of_another_process_stays(ipc):
    sockets = ListeningSockets()
    sock = sockets.open("h:x", ipc, 5)
    Path(ipc.file).unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(ipc.file)
        assert not sockets.has_file(sock)
        sockets.close(sock)
    assert Path(ipc.file).exists()


def test_a_socket_changes_hands_with_its_file(ipc):
    old, new = ListeningSockets(), ListeningSockets()
    first = old.open("h:x", ipc, 5)
    new.inherit([handed(old.all()[0], 7)])
    second = new.open("h:y", ipc, 5, 0o640)
    assert new.used == [7]
    assert new.has_file(second)
    old.lend([first])
    old.close(first)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(ipc.file)
        second.accept()[0].close()
    new.own()
    assert Path(ipc.file).stat().st_mode & 0o777 == 0o640
    new.close(second)
    assert not Path(ipc.file).exists()


def test_as_long_as_it_is_lent_the_file_stays(ipc):
    old, new = ListeningSockets(), ListeningSockets()
    first = old.open("h:x", ipc, 5)
    new.inherit([handed(old.all()[0])])
    new.close(new.open("h:x", ipc, 5))
    assert old.has_file(first)
    old.close(first)
    assert not Path(ipc.file).exists()


def test_a_port_chosen_by_the_system_is_that_of_its_section():
    old, new = ListeningSockets(), ListeningSockets()
    ports = {}
    for section in ("h:x", "h:y"):
        ports[section] = old.open(section, TCP, 5).getsockname()
    new.inherit([handed(one, number) for number, one in enumerate(old.all())])
    for section in ("h:y", "h:x"):
        assert new.open(section, TCP, 5).getsockname() == ports[section]
    third = new.open("h:x", TCP, 5)
    assert third.getsockname() not in ports.values()
    for sockets in (old, new):
        for one in sockets.all():
            sockets.close(one.socket)


def test_another_spelling_of_an_address_is_the_same_socket():
    old, new = ListeningSockets(), ListeningSockets()
    sock = old.open("h:x", TCP, 5)
    port = sock.getsockname()[1]
    one = InheritedSocket(0, "h:x", f"tcp://127.0.0.1:{port}", sock.dup())
    new.inherit([one])
    same = new.open("h:x", Address.parse(f"tcp://localhost:{port}"), 5)
    assert same.getsockname() == sock.getsockname()
    old.close(sock)
    new.close(same)


def test_what_nothing_needs_is_closed():
    old, new = ListeningSockets(), ListeningSockets()
    sock = old.open("h:x", TCP, 5)
    one = handed(old.all()[0])
    new.inherit([one])
    with pytest.raises(OSError):
        new.open("h:x", Address.parse(f"tcp://*:{sock.getsockname()[1]}"), 5)
    new.own()
    assert one.socket.fileno() == -1
    old.close(sock)

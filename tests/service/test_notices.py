"""The socket on which a program says that it is ready."""

import os
import socket
from contextlib import closing

import pytest

from ccproxy.service.notices import NoticeSocket


@pytest.fixture
def notices():
    made = NoticeSocket(f"ccproxy-test-{os.getpid()}")
    yield made
    made.close()


def notify(notices, data):
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.sendto(data, "\0" + notices.name.removeprefix("@"))


def test_the_lines_of_all_notices_are_read(notices):
    assert notices.read() == []
    notify(notices, b"READY=1\nSTATUS=fine")
    notify(notices, b"STOPPING=1\xff")
    assert notices.read() == ["READY=1", "STATUS=fine", "STOPPING=1\N{REPLACEMENT CHARACTER}"]


def test_a_name_belongs_to_one_socket(notices):
    with pytest.raises(OSError):
        NoticeSocket(notices.name.removeprefix("@"))


def test_the_name_vanishes_with_the_socket(notices):
    other = NoticeSocket(f"ccproxy-test-{os.getpid()}-other")
    assert other.fileno() >= 0
    other.close()
    with pytest.raises(ConnectionRefusedError):
        notify(other, b"READY=1")

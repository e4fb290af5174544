"""A session of a service with threads."""

import socket
import threading

import pytest

from ccproxy.service import Session
from ccproxy.service.events import CloseWanted, SessionDenied

SECONDS = 60.0


@pytest.fixture
def ends():
    near, far = socket.socketpair()
    yield Session(near), far
    near.close()
    far.close()


def test_there_is_something_to_read(ends):
    session, far = ends
    far.sendall(b"x")
    assert session.wait_readable()
    session.sock.recv(1)
    far.close()
    assert session.wait_readable(), "the end is read as well"


def test_a_wait_ends_when_the_session_has_to_be_closed(ends):
    session, _ = ends
    found = []
    thread = threading.Thread(target=lambda: found.append(session.wait_readable()))
    thread.start()
    session.deliver(SessionDenied(1, 403))
    assert not session.closing.is_set()
    session.deliver(CloseWanted(1))
    thread.join(SECONDS)
    assert found == [False] and session.closing.is_set()
    assert not session.wait_readable()


def test_a_callback_is_called_after_the_mark(ends):
    session, _ = ends
    called = []
    session.on_close = lambda: called.append(session.closing.is_set())
    session.want_close()
    assert called == [True]

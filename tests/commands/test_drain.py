"""The verb drain; tests/e2e/test_steer.py has it with a real server."""

from contextlib import contextmanager

import pytest

from ccproxy.commands import server_verb
from ccproxy.server.control_client import NoServer

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"


@pytest.fixture
def answer(monkeypatch):
    """A server that says these numbers and ends."""

    def answer(*numbers):
        @contextmanager
        def stream(target, where, timeout, method):
            assert (target, method) == ("/v1/drain", "POST")
            yield all_of()

        def all_of():
            yield from ({"waiting": number} for number in numbers)
            raise NoServer("the server has ended")

        monkeypatch.setattr(server_verb, "stream", stream)

    return answer


def test_it_returns_when_nothing_waits(ini, call, answer):
    answer(3, 3, 1, 0)
    status, out, err = call("drain", ini(INI))
    assert (status, out) == (0, "all is delivered, the server stops\n")
    assert err.splitlines() == [
        f"ccserver: {number} messages and calls wait" for number in (3, 1, 0)
    ]


def test_a_server_that_ended_with_messages_is_a_failure(ini, call, answer):
    answer(3)
    status, out, err = call("drain", ini(INI))
    assert (status, out) == (1, "") and "3 messages and calls waited at last" in err


def test_no_server(ini, call, answer):
    answer()
    assert call("drain", ini(INI)) == (1, "", "ccserver: the server has ended\n")

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


def test_numbers_for_programs(ini, call, answer):
    answer(3, 3, 0)
    assert call("drain", "--json", ini(INI)) == (0, '{"waiting": 3}\n{"waiting": 0}\n', "")


def test_a_server_that_ended_with_messages_is_a_failure(ini, call, answer):
    answer(3)
    status, out, err = call("drain", ini(INI))
    assert (status, out) == (1, "") and "3 messages and calls waited at last" in err


def test_a_drain_that_is_cancelled_meanwhile(ini, call, monkeypatch):
    @contextmanager
    def stream(target, where, timeout, method):
        yield iter([{"waiting": 3}, {"waiting": 3, "cancelled": True}])

    monkeypatch.setattr(server_verb, "stream", stream)
    status, out, err = call("drain", ini(INI))
    assert (status, out) == (1, "") and "the drain was cancelled, the server goes on" in err


def test_it_cancels(ini, call, serving):
    asked = serving(lambda method, target: (200, {"changed": 1}))
    said = "the drain is cancelled, the server accepts again\n"
    assert call("drain", "--cancel", ini(INI)) == (0, said, "")
    assert asked == [("POST", "/v1/drain/cancel")]


def test_no_server(ini, call, answer):
    answer()
    assert call("drain", ini(INI)) == (1, "", "ccserver: the server has ended\n")

"""The handler `zmq`: what a section needs."""

from types import SimpleNamespace

import pytest

from ccproxy.testing import options_for, run_handler
from ccproxy_handlers.zmq.handler import Zmq


def test_a_socket_without_an_address_is_a_mistake():
    plan = SimpleNamespace(file="x.ini", handlers=(), handler=lambda name: SimpleNamespace(line=9))
    [problem] = Zmq("h:out", options_for(Zmq, "socket = pub")).check(plan)
    assert "neither bind nor connect" in problem.what and problem.line == 9
    assert not list(
        Zmq("h:out", options_for(Zmq, "socket = pub\nbind = tcp://127.0.0.1:1")).check(plan)
    )


def test_it_listens_on_every_address():
    with run_handler(Zmq, "socket = xpub\nbind = tcp://127.0.0.1:1, tcp://*:2") as running:
        roles = running.ctx.bound
        assert [role.socket for role in roles.values()] == [b"XPUB", b"XPUB"]
        assert running.handler.decide("bus").sinks == (running.handler.socket.sink,)
        assert running.handler.status()["subscribers"] == 0


def test_only_a_socket_that_connects_and_is_answered_has_an_identity():
    plan = SimpleNamespace(file="x.ini", handlers=(), handler=lambda name: None)
    mistaken = ("socket = push\nconnect = tcp://h:1", "socket = dealer\nbind = tcp://*:1")
    for text in mistaken:
        [problem] = Zmq("h:out", options_for(Zmq, f"{text}\nidentity = me")).check(plan)
        assert '"identity" of [h:out] has no meaning' in problem.what
    text = "socket = req\nconnect = tcp://h:1\nidentity = me"
    assert not list(Zmq("h:out", options_for(Zmq, text)).check(plan))


def test_a_routing_id_is_not_empty_and_not_long():
    for name in ("", "x" * 256):
        with pytest.raises(ValueError, match="a name of 1 to 255 bytes"):
            options_for(Zmq, f"socket = req\nconnect = tcp://h:1\nidentity = {name}")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("on-full = latest", "on-full = latest"), ("last-value = 1 MiB", "last-value"),
        ("welcome = hello", "welcome"), ("verbose = all", "verbose"),
    ],
)  # fmt: skip
def test_what_only_publishers_have_is_a_mistake_elsewhere(line, named):
    plan = SimpleNamespace(file="x.ini", handlers=(), handler=lambda name: SimpleNamespace(line=9))
    text = f"bind = tcp://127.0.0.1:1\n{line}\nsocket ="
    [problem] = Zmq("h:out", options_for(Zmq, f"{text} push")).check(plan)
    assert f'"{named}" of [h:out] has no meaning with socket = push' in problem.what
    assert not list(Zmq("h:out", options_for(Zmq, f"{text} xpub")).check(plan))


@pytest.mark.parametrize("line", ["answer-timeout = 5 s", "resend = yes"])
def test_what_only_req_has_is_a_mistake_elsewhere(line):
    plan = SimpleNamespace(file="x.ini", handlers=(), handler=lambda name: SimpleNamespace(line=9))
    text = f"bind = tcp://127.0.0.1:1\n{line}\nsocket ="
    [problem] = Zmq("h:out", options_for(Zmq, f"{text} dealer")).check(plan)
    named = line.partition(" ")[0]
    assert f'"{named}" of [h:out] has no meaning with socket = dealer' in problem.what
    assert not list(Zmq("h:out", options_for(Zmq, f"{text} req")).check(plan))

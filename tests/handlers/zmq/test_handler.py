"""The handler `zmq`: what a section needs."""

from types import SimpleNamespace

from ccproxy.testing import options_for, run_handler
from ccproxy_handlers.zmq.handler import Zmq


def test_a_socket_without_an_address_is_a_mistake():
    plan = SimpleNamespace(file="x.ini", handler=lambda name: SimpleNamespace(line=9))
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

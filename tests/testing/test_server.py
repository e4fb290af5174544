import pytest

from ccproxy.client import Client
from ccproxy.testing import free_ports, running_server
from ccproxy.testing.server import PORTS


def test_ports_are_different():
    assert len(set(free_ports(5))) == 5 and free_ports(0) == []


def test_a_port_of_an_earlier_call_is_not_given_again():
    calls = [port for _ in range(100) for port in free_ports(2)]
    assert len(set(calls)) == 200


def test_workers_look_at_ports_of_their_own(monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    for worker, rest in (("gw0", 0), ("gw1", 1)):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        assert {(port - PORTS[0]) % 2 for port in free_ports(20)} == {rest}
    monkeypatch.setattr("ccproxy.testing.server.PORTS", PORTS[:4])
    with pytest.raises(OSError, match="fewer than 9"):
        free_ports(9)


SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[routes]
echo = h:echo
[h:echo]
handler = echo
"""


def test_a_server_runs_and_ends():
    with running_server(SERVER) as server, Client(server.address()) as client:
        answer = client.request("echo.request", {"target": "me"})
        assert (answer.type, answer.value["orig_target"]) == ("echo.response", "me")
    assert server.process.returncode == 0


def test_a_server_that_does_not_start_shows_its_log():
    with pytest.raises(RuntimeError, match="ended without 'ready'") as error:
        running_server(SERVER.replace("socket", "sockte")).__enter__()
    assert "cc-sockte" in error.value.__notes__[0]


def test_a_failing_test_shows_the_log_of_its_server():
    with pytest.raises(TimeoutError) as error, running_server(SERVER) as server:
        server.wait_for("what is never said", timeout=0.05)
    assert "New route: echo" in error.value.__notes__[0]

"""A verb says at once that nothing listens, and sends as soon as something does."""

import socket

import pytest

from ccproxy import reach as module
from ccproxy.reach import reach


@pytest.fixture
def port():
    """A port of the loopback that refuses connections: it is bound, and nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def test_something_listens(port, capsys):
    port.listen()
    reach(f"tcp://127.0.0.1:{port.getsockname()[1]}", 5.0)
    assert capsys.readouterr().err == ""


def test_nothing_listens(port, capsys):
    address = f"tcp://127.0.0.1:{port.getsockname()[1]}"
    with pytest.raises(ConnectionError) as caught:
        reach(address, 0.25)
    assert str(caught.value) == f"{address}: connection refused, nothing sent within 0.25 s"
    said = capsys.readouterr().err
    assert said == f"ccserver: {address}: connection refused, trying for 0.25 s\n"


def test_a_server_that_is_just_starting(port, capsys, monkeypatch):
    address = f"tcp://127.0.0.1:{port.getsockname()[1]}"
    refused = []

    def sleep(seconds):
        refused.append(capsys.readouterr().err)
        port.listen()

    monkeypatch.setattr(module.time, "sleep", sleep)
    reach(address, 60.0)
    assert refused == [f"ccserver: {address}: connection refused, trying for 60 s\n"]


def test_a_socket_file_that_is_not_there_and_then_is(tmp_path, capsys, monkeypatch):
    file = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as sock:

        def sleep(seconds):
            sock.bind(str(file))
            sock.listen()

        monkeypatch.setattr(module.time, "sleep", sleep)
        reach(f"ipc://{file}", 60.0)
    assert "no such file or directory, trying" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["tcp://*:5000", "tcp://127.0.0.1", "nonsense://x"])
def test_no_address(address):
    with pytest.raises(ValueError, match="expected"):
        reach(address, 1.0)


@pytest.mark.parametrize(
    "words",
    [("send", "X", "echo.request"), ("send", "X", "echo.request", "--wait", "1"),
     ("relocate", "X", "sum"), ("mesh", "X", "status")],
)  # fmt: skip
def test_the_verbs_say_it(port, call, words):
    address = f"tcp://127.0.0.1:{port.getsockname()[1]}"
    text = [address if one == "X" else one for one in words]
    status, out, err = call(*text, "--timeout", "0.15")
    assert (status, out) == (1, "")
    assert err.splitlines()[0] == f"ccserver: {address}: connection refused, trying for 0.15 s"

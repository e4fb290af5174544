"""What verbs share that ask a server: answers, pages, and what is said without one."""

import argparse
from pathlib import Path

import pytest

from ccproxy.commands.server_verb import (
    TOKEN,
    AskedServer,
    ServerVerb,
    print_answer,
    server_address,
    token_given,
)
from ccproxy.server.control_client import NoServer, Refused, WebPlace
from ccproxy.server.status import TypeStatus

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"


@pytest.fixture
def answers(serving):
    """What a server answers, in order; what it was asked."""
    values = []
    return values, serving(lambda method, target: values.pop(0))


def test_an_answer_and_a_refusal(answers):
    values, asked = answers
    server = AskedServer([Path("s")])
    values += [(200, {"a": 1}), (409, {"error": "not now"})]
    assert server.ask("POST", "/v1/x", {"b": "c d"}) == {"a": 1}
    with pytest.raises(Refused, match="s: not now"):
        server.ask("GET", "/v1/y")
    assert asked == [("POST", "/v1/x?b=c+d"), ("GET", "/v1/y")]


def test_items_of_several_pages(answers):
    values, asked = answers
    one = {"type": "a", "messages": 1, "bytes": 2, "to": ["h:x"]}
    values += [
        (200, {"items": [one] * 3, "total": 5, "next": "c"}),
        (200, {"items": [one], "total": 5, "next": "d"}),
    ]
    assert (
        list(AskedServer([Path("s")]).items(TypeStatus, "types", 4))
        == [TypeStatus("a", 1, 2, ("h:x",))] * 4
    )
    assert [target for _, target in asked] == [
        "/v1/status/types?most=4", "/v1/status/types?most=1&after=c",
    ]  # fmt: skip


class Asking(ServerVerb):
    def __init__(self, error=None):
        self.error = error

    def asked(self, options, server):
        if self.error:
            raise self.error
        return 7


class Options:
    token = None
    timeout = 10.0

    def __init__(self, file):
        self.file = server_address(str(file))


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(None, 7, ""), (NoServer("nobody"), 1, "ccserver: nobody\n"),
     (Refused("no"), 1, "ccserver: no\n"), (ValueError("odd"), 1, "ccserver: odd\n")],
)  # fmt: skip
def test_what_goes_wrong_is_said(ini, capsys, error, status, said):
    assert Asking(error).run(Options(ini(INI))) == status
    assert capsys.readouterr().err == said


def test_a_file_that_wants_no_socket_or_is_wrong(ini, capsys):
    assert Asking().run(Options(ini(INI + "control = no\n"))) == 1
    assert "its server cannot be asked" in capsys.readouterr().err
    assert Asking().run(Options(ini(INI + "control = ~/x\n"))) == 78
    assert Asking(NoServer("nobody")).run(Options("missing.ini")) == 78


SECRET = "0123456789abcdef"


class Steering(Asking):
    changes = True


def test_an_address_is_a_path_or_that_of_a_port():
    assert server_address("conf/x.ini") == Path("conf/x.ini")
    assert server_address("http://h:1") == WebPlace(False, "h", 1)
    with pytest.raises(argparse.ArgumentTypeError, match="expected http://HOST:PORT"):
        server_address("ftp://h")


def test_a_port_is_asked_with_the_token(monkeypatch, tmp_path):
    seen = []

    class Looking(Asking):
        def asked(self, options, server):
            seen.extend(server._paths)
            return 0

    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    options = Options("https://h:1")
    monkeypatch.delenv(TOKEN, raising=False)
    assert Looking().run(options) == 0
    monkeypatch.setenv(TOKEN, SECRET[::-1])
    assert Looking().run(options) == 0
    options.token = file
    assert Looking().run(options) == 0
    assert [one.token for one in seen] == ["", SECRET[::-1], SECRET]
    assert SECRET not in repr(seen)


@pytest.mark.parametrize(
    ("address", "status"),
    [("http://10.0.0.7:1", 2), ("http://hub.example", 2), ("https://10.0.0.7:1", 7),
     ("http://127.0.0.1:1", 7), ("http://localhost:1", 7), ("http://[::1]:1", 7)],
)  # fmt: skip
def test_a_token_crosses_no_network_in_clear(monkeypatch, capsys, address, status):
    monkeypatch.setenv(TOKEN, SECRET)
    assert Asking().run(Options(address)) == status
    err = capsys.readouterr().err
    assert ("would cross the network in clear" in err) == (status == 2) and SECRET not in err


def test_what_changes_a_server_needs_the_control_socket(capsys):
    assert Steering().run(Options("http://h:1")) == 2
    assert capsys.readouterr().err == (
        "ccserver: http://h:1 only shows: name the INI file or the control socket of the server\n"
    )


def test_a_token_that_cannot_be_used_is_said_without_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(TOKEN, "short secret")
    assert Asking().run(Options("http://h:1")) == 2
    err = capsys.readouterr().err
    assert "CCSERVER_TOKEN: the first line is no token" in err and "secret" not in err
    (tmp_path / "open").write_text(SECRET)
    (tmp_path / "open").chmod(0o644)
    with pytest.raises(ValueError, match="--token: "):
        token_given(tmp_path / "open")
    with pytest.raises(ValueError, match="--token: .*missing"):
        token_given(tmp_path / "missing")


def test_an_answer_is_text_or_json(capsys):
    print_answer({"changed": 1}, "closed 1", False)
    print_answer({"changed": 1}, "closed 1", True)
    assert capsys.readouterr().out == 'closed 1\n{"changed": 1}\n'

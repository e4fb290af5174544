"""What verbs share that ask a server: answers, pages, and what is said without one."""

from pathlib import Path

import pytest

from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.server.control_client import NoServer, Refused
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
    def __init__(self, file):
        self.file = Path(file)


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

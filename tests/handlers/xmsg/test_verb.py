"""The verb `xmsg` at a running registrar: what it prints, what it removes, and what it refuses."""

import json

import pytest
import zmq

from ccproxy import cli
from ccproxy.commands import common
from ccproxy.testing import free_ports, running_server
from ccproxy_handlers.xmsg.messages import classes

MESSAGE = classes()["Registration"]
INI = """
[ccserver]
cc-role = local
[h:registrar]
handler = xmsg-registrar
address = tcp://127.0.0.1:PORT1
"""


@pytest.fixture(scope="module")
def server():
    with running_server(INI, 60) as running:
        yield running


@pytest.fixture
def file(server):
    """A configuration whose registrar knows two publishers and a subscriber."""
    with zmq.Context.instance().socket(zmq.REQ) as client:
        client.linger, client.rcvtimeo = 0, 60_000
        client.connect(server.address())

        def send(action, data):
            client.send_multipart([action, b"test", data])
            assert client.recv_multipart()[2] == b"success"

        for host in (b"10.0.0.1", b"10.0.0.2"):
            send(b"removeAllRegistration", host)
        for kind, name, host, type in (
            (b"Publisher", "one", "10.0.0.1", "C"),
            (b"Publisher", "two\x1b[31m", "10.0.0.2", "D"),
            (b"Subscriber", "one", "10.0.0.1", "*"),
        ):
            made = MESSAGE(
                name=name, host=host, port=7771, domain="A", subject="B", type=type,
                description="of a test",
            )  # fmt: skip
            send(b"register" + kind, made.SerializeToString())
    return str(server.directory / "server.ini")


def test_all_records_are_listed_without_control_characters(file, capsys):
    assert cli.main(["xmsg", file, "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "publisher   A:B:C  one  10.0.0.1:7771  of a test",
        "publisher   A:B:D  two\\x1b[31m  10.0.0.2:7771  of a test",
        "subscriber  A:B  one  10.0.0.1:7771  of a test",
    ]


def test_json_has_all_fields(file, server, capsys):
    assert cli.main(["xmsg", server.address(), "list", "--json", "--kind", "subscriber"]) == 0
    assert json.loads(capsys.readouterr().out) == [{
        "kind": "Subscriber", "topic": "A:B", "name": "one", "host": "10.0.0.1", "port": 7771,
        "description": "of a test",
    }]  # fmt: skip


@pytest.mark.parametrize("words, topics", [
    (["A:B"], ["A:B:C", "A:B:D", "A:B"]),
    (["A:B:C"], ["A:B:C", "A:B"]),
    (["A:B:C", "--match", "exact"], ["A:B:C"]),
    (["*:*:D", "--match", "filter"], ["A:B:D"]),
    (["A", "--kind", "publisher", "--host", "10.0.0.1"], ["A:B:C"]),
    (["Z"], []),
])  # fmt: skip
def test_records_are_found_as_actors_find_them(file, words, topics, capsys):
    assert cli.main(["xmsg", file, "find", *words, "--json"]) == 0
    assert [one["topic"] for one in json.loads(capsys.readouterr().out)] == topics


@pytest.mark.parametrize("words, left", [
    (["--host", "10.0.0.1"], 1),
    (["--host", "10.0.0.1", "--kind", "publisher"], 2),
    (["--host", "10.0.0.1", "--topic", "A:B"], 2),
    (["--host", "10.0.0.1", "--name", "one"], 1),
])  # fmt: skip
def test_what_is_removed_is_printed(file, words, left, capsys):
    assert cli.main(["xmsg", file, "remove", *words]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3 - left
    assert cli.main(["xmsg", file, "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == left
    assert cli.main(["xmsg", file, "remove", *words]) == common.FAILED
    assert "no record has " in capsys.readouterr().err


def test_what_is_not_there_is_said(file, capsys):
    words = ["--host", "1.2.3.4", "--kind", "publisher", "--json"]
    assert cli.main(["xmsg", file, "remove", *words]) == common.FAILED
    said = capsys.readouterr()
    assert said.err == "no record has kind publisher and host 1.2.3.4\n" and said.out == "[]\n"
    for host in ("10.0.0.1", "10.0.0.2"):
        assert cli.main(["xmsg", file, "remove", "--host", host]) == 0
    assert capsys.readouterr().err == ""
    assert cli.main(["xmsg", file, "list"]) == 0
    assert capsys.readouterr() == ("", "there are no records\n")


@pytest.mark.parametrize("words, said", [
    (["find"], "TOPIC is for find"), (["list", "A"], "TOPIC is for find"),
    (["remove"], "remove needs --host"),
])  # fmt: skip
def test_wrong_usage(words, said, capsys):
    assert cli.main(["xmsg", "tcp://127.0.0.1:1", *words]) == common.WRONG_USAGE
    assert said in capsys.readouterr().err


def test_the_reason_of_an_error_is_said(file, capsys):
    assert cli.main(["xmsg", file, "find", "A" * 20_000]) == common.FAILED
    assert "findPublisher: a request of 20" in capsys.readouterr().err


def test_nothing_listens_there(capsys):
    [port] = free_ports(1)
    words = ["xmsg", f"tcp://127.0.0.1:{port}", "list", "--timeout", "0.1"]
    assert cli.main(words) == common.FAILED
    assert "connection refused" in capsys.readouterr().err


def test_a_configuration_without_a_registrar(ini, capsys):
    file = ini("[ccserver]\ncc-socket = tcp://127.0.0.1:1\ncc-role = local\n[routes]\n")
    assert cli.main(["xmsg", file, "list"]) == common.FAILED
    assert "no section has handler = xmsg-registrar" in capsys.readouterr().err
    assert cli.main(["xmsg", ini("[nothing"), "list"]) == common.BAD_CONFIGURATION

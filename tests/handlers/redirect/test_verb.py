import json
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path

import pytest

from ccproxy import cli
from ccproxy.client import Answer
from ccproxy.commands import common
from ccproxy.testing import free_ports
from ccproxy_handlers.redirect import verb as relocate

CONF = Path(__file__).parents[3] / "conf"
DYNAMIC = str(CONF / "redirect-dynamic.ini")


def test_it_goes_to_the_listener_that_may_relocate():
    assert relocate.address_of(DYNAMIC, "relocate.sum") == "tcp://127.0.0.1:22667"
    assert relocate.address_of("tcp://h:1", "relocate.sum") == "tcp://h:1"


def test_a_configuration_whose_server_would_not_obey():
    with pytest.raises(ValueError, match="add relocate.sum = h:sum"):
        relocate.address_of(str(CONF / "echo.ini"), "relocate.sum")


def test_without_a_door_it_says_so(tmp_path):
    file = tmp_path / "x.ini"
    text = Path(DYNAMIC).read_text("utf-8")
    file.write_text(text.replace("relocate-from = listen:admin", "relocate-from = listen:calc"))
    with pytest.raises(ValueError, match="no listener with protocol = cc"):
        relocate.address_of(str(file), "relocate.sum")


def test_a_bad_configuration(tmp_path, capsys):
    file = tmp_path / "x.ini"
    file.write_text("[ccserver]\n")
    assert cli.main(["relocate", str(file), "sum"]) == common.BAD_CONFIGURATION
    assert "cc-socket" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ([], {}),
        (["sum"], {"save": False}),
        (["sum", "socket://h:1", "--save"], {"location": "socket://h:1", "save": True}),
        (["sum", "socket://h:1", "--protocol", "http"],
         {"location": "socket://h:1", "protocol": "http", "save": False}),
        (["calc", "--add", "Mul", "socket://h:1"],
         {"add": "Mul", "location": "socket://h:1", "save": False}),
        (["calc", "--add", "Mul", "h:sum"], {"add": "Mul", "section": "h:sum", "save": False}),
        (["calc", "--remove", "Mul"], {"remove": "Mul", "save": False}),
    ],
)  # fmt: skip
def test_only_what_is_given_is_sent(words, fields):
    parser = ArgumentParser()
    relocate.RelocateVerb().arguments(parser)
    assert relocate.fields_of(parser.parse_intermixed_args(["x.ini", *words])) == fields


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--add", "Mul"], "which redirect?"),
        (["--save"], "which redirect?"),
        (["calc", "--add", "Mul"], "--add Mul where?"),
        (["calc", "--remove", "Mul", "socket://h:1"], "needs no LOCATION"),
        (["calc", "--json"], "--json is for the list"),
        (["calc", "--add", "A", "--remove", "B", "socket://h:1"], "not allowed with argument"),
    ],
)
def test_words_that_do_not_belong_together(words, says, capsys):
    with suppress(SystemExit):
        assert cli.main(["relocate", DYNAMIC, *words]) == common.WRONG_USAGE
    assert says in capsys.readouterr().err


def test_the_list_of_a_server_that_does_not_run(tmp_path, capsys):
    file = tmp_path / "x.ini"
    file.write_text(f"[ccserver]\ncontrol = {tmp_path}/c.sock\n")
    assert cli.main(["relocate", str(file)]) == common.FAILED
    assert "no server" in capsys.readouterr().err


def test_the_list_of_another_host(capsys):
    facts = {"h:sum": {"location": "socket://h:1", "protocol": "sodep", "calls": 0}}
    answer = Answer("reply.relocate", {"data": {"redirects": facts}}, None, ())
    assert relocate.said(answer, False) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "h:sum"
    assert relocate.said(answer, True) == 0
    [place] = json.loads(capsys.readouterr().out)
    assert (place["redirect"], place["to"]) == ("h:sum", "socket://h:1 in sodep")
    for wrong in ({"data": 7}, {"data": {"redirects": {"h:sum": {"location": 1}}}}):
        answer = Answer("reply.relocate", wrong, None, ())
        assert relocate.said(answer, False) == common.FAILED
    assert relocate.listed({}, False) == 0
    assert "no section has handler = redirect" in capsys.readouterr().out


def test_what_is_printed(capsys):
    done = Answer("reply.relocate.sum", {"req": "", "data": {"location": "socket://h:1"}}, None, ())
    assert relocate.said(done) == 0
    assert capsys.readouterr().out == '{"location": "socket://h:1"}\n'
    error = {"message": "IOException", "code": -32000, "data": '[ccserver] may "not" \x1b[m'}
    refused = Answer("reply.relocate.sum", {"req": "", "error": error}, None, ())
    assert relocate.said(refused) == common.FAILED
    assert capsys.readouterr().err == 'ccserver: [ccserver] may "not" \\x1b[m\n'


@pytest.mark.parametrize("name", ["a b", "", "."])
def test_a_name_that_no_route_has(name, capsys):
    assert cli.main(["relocate", "tcp://h:1", name]) == common.WRONG_USAGE


def test_nobody_there(capsys):
    [port] = free_ports(1)
    words = ["relocate", f"tcp://127.0.0.1:{port}", "sum", "--timeout", "0.1"]
    assert cli.main(words) == common.FAILED
    assert "connection refused" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "0", "nan", "x"])
def test_a_time_that_is_none(text, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["relocate", "tcp://127.0.0.1:1", "sum", "--timeout", text])
    assert caught.value.code == common.WRONG_USAGE
    assert "expected seconds, more than 0" in capsys.readouterr().err

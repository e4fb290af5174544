from argparse import Namespace
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


def test_only_what_is_given_is_sent():
    given = Namespace(location="socket://h:1", protocol=None, save=True)
    assert relocate.fields_of(given) == {"location": "socket://h:1", "save": True}
    given = Namespace(location=None, protocol=None, save=False)
    assert relocate.fields_of(given) == {"save": False}


def test_what_is_printed(capsys):
    done = Answer("reply.relocate.sum", {"req": "", "data": {"location": "socket://h:1"}}, None, ())
    assert relocate.said(done) == 0
    assert capsys.readouterr().out == '{"location": "socket://h:1"}\n'
    error = {"message": "IOException", "code": -32000, "data": "[ccserver] may not"}
    refused = Answer("reply.relocate.sum", {"req": "", "error": error}, None, ())
    assert relocate.said(refused) == common.FAILED
    assert capsys.readouterr().err == "ccserver: [ccserver] may not\n"


@pytest.mark.parametrize("name", ["a b", "", "."])
def test_a_name_that_no_route_has(name, capsys):
    assert cli.main(["relocate", "tcp://h:1", name]) == common.WRONG_USAGE


def test_nobody_there(capsys):
    [port] = free_ports(1)
    words = ["relocate", f"tcp://127.0.0.1:{port}", "sum", "--timeout", "0.1"]
    assert cli.main(words) == common.FAILED
    assert "connection refused" in capsys.readouterr().err

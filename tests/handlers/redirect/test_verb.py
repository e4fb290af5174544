import json
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path

import pytest
import zmq.auth

from ccproxy import cli
from ccproxy.client import Answer
from ccproxy.commands import common
from ccproxy.commands.keygen import certificates
from ccproxy.testing import free_ports, running_server
from ccproxy.wire.zmtp.passwords import hashed
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


PROVEN = """
[ccserver]
[listen:keys]
protocol = cc
address = tcp://127.0.0.1:PORT1
curve-secret = FOLDER/server.key_secret
[listen:users]
protocol = cc
address = tcp://127.0.0.1:PORT2
plain-users = FOLDER/users
[allow:me]
curve = KEY-ME
operate = yes
[allow:guest]
curve = KEY-GUEST
[allow:joe]
plain = joe
operate = yes
[routes]
relocate = h:sum
relocate.sum = h:sum
[h:sum]
handler = redirect
location = socket://127.0.0.1:1
relocate-from = listen:keys, listen:users
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("server", "me", "guest", "other"):
        assert certificates(folder / name) == 0
    (folder / "users").write_text(f"joe:{hashed(b'secret')}\n")
    (folder / "password").write_text("secret\n")
    for name in ("users", "password"):
        (folder / name).chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def proven(keys):
    text = PROVEN.replace("FOLDER", str(keys))
    for name in ("me", "guest"):
        text = text.replace(
            f"KEY-{name.upper()}", zmq.auth.load_certificate(keys / f"{name}.key")[0].decode()
        )
    with running_server(text, 60) as found:
        yield found


def curve(keys, name):
    return ["--curve-server", str(keys / "server.key"), "--curve-secret",
            str(keys / f"{name}.key_secret")]  # fmt: skip


def plain(keys):
    return ["--plain", "joe", "--password-file", str(keys / "password")]


@pytest.mark.parametrize("words", [["sum"], ["sum", "socket://127.0.0.1:2"], []])
def test_it_proves_a_key_or_a_password(proven, keys, words, capsys):
    for port, proof in (("PORT1", curve(keys, "me")), ("PORT2", plain(keys))):
        asked = [*words, *proof, "--timeout", "60"]
        assert cli.main(["relocate", proven.address(port), *asked]) == 0
        if "sum" in words:
            assert json.loads(capsys.readouterr().out)["location"].startswith("socket://127.0.0.1:")
        else:
            assert "h:sum" in capsys.readouterr().out


def test_a_key_without_the_right_to_operate_moves_nothing(proven, keys, capsys):
    other = zmq.auth.load_certificate(keys / "other.key")[0].decode()
    for name, log in (("guest", "see [allow:guest]"), ("other", f"key {other} is not allowed")):
        words = ["sum", "socket://127.0.0.1:9", *curve(keys, name), "--timeout", "60"]
        command = [sys.executable, "-m", "ccproxy", "relocate", proven.address("PORT1"), *words]
        with subprocess.Popen(command) as asking:
            proven.wait_for(log)
            # No answer comes to what is refused.
            asking.kill()
    words = ["sum", *curve(keys, "me"), "--timeout", "60"]
    assert cli.main(["relocate", proven.address("PORT1"), *words]) == 0
    assert ":9" not in capsys.readouterr().out


def test_what_it_says_if_no_answer_comes(proven, keys, capsys):
    for proof, says in ((curve(keys, "other"), "the log of its server says"), ([], "use --curve-")):
        words = ["relocate", proven.address("PORT1"), "sum", *proof, "--timeout", "1"]
        assert cli.main(words) == common.FAILED
        assert says in capsys.readouterr().err


def test_of_several_listeners_it_takes_the_one_with_its_proof(tmp_path, keys, capsys):
    file = tmp_path / "x.ini"
    secret = keys / "server.key_secret"
    file.write_text(
        Path(DYNAMIC)
        .read_text("utf-8")
        .replace("relocate-from = listen:admin", "relocate-from = listen:keys, listen:admin")
        + "[listen:keys]\nprotocol = cc\naddress = tcp://127.0.0.1:22699\n"
        + f"curve-secret = {secret}\ncurve-allow = any\n"
    )
    assert relocate.address_of(str(file), "relocate.sum").endswith(":22667")
    assert relocate.address_of(str(file), "relocate.sum", proven=True).endswith(":22699")
    with pytest.raises(ValueError, match="22667 does not ask for a key"):
        relocate.address_of(DYNAMIC, "relocate.sum", proven=True)
    file.write_text(file.read_text().replace("listen:keys, listen:admin", "listen:keys"))
    with pytest.raises(ValueError, match="use --curve-server or --plain"):
        relocate.address_of(str(file), "relocate.sum")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sum", "--password-file", "x"], "is for --plain USER"),
        (["sum", "--curve-server", "/nowhere.key"], "--curve-server"),
        (["--plain", "joe"], "the list of a FILE needs no key"),
    ],
)
def test_proofs_that_are_none(words, says, capsys):
    assert cli.main(["relocate", DYNAMIC, *words]) == common.WRONG_USAGE
    assert says in capsys.readouterr().err

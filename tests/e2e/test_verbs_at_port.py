"""The verbs that only look, at the port of the option `http`, with the token and without it."""

import json
import os
import subprocess
import sys

import pytest
import zmq

SECONDS = 60
TOKEN = "0123456789abcdef"
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
http = 127.0.0.1:PORT2
http-token = %(config_dir)s/token
[routes]
data = h:bin
[h:bin]
handler = disposer
"""


@pytest.fixture
def server(start, tmp_path):
    (tmp_path / "server").mkdir()
    token = tmp_path / "server" / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    return start(SERVER)


@pytest.fixture
def ask(server, forks, monkeypatch):
    """Run a verb at the port, with the token in the environment unless it is empty."""

    def ask(verb, *words, token=TOKEN):
        monkeypatch.setenv("CCSERVER_TOKEN", token)
        return forks.run(verb, f"http://127.0.0.1:{server.ports['PORT2']}", *words)

    return ask


@pytest.fixture
def client(server, make, until):
    made = make(zmq.DEALER, f"tcp://127.0.0.1:{server.ports['PORT1']}")
    made.send_multipart([b"", b"data.x", b"1"])
    until(lambda: json.loads(server.verb("status", "--json").stdout)["ledger"]["received"] == 1)
    return made


def test_everything_that_looks_works_with_the_token(ask, client, server):
    by_socket = json.loads(server.verb("status", "--json").stdout)
    status = json.loads(ask("status", "--json").stdout)
    assert status["listeners"] == by_socket["listeners"]
    assert status["ledger"] == by_socket["ledger"]
    [peer] = json.loads(ask("status", "peers", "--json").stdout)
    assert peer["sink"]["name"].startswith("ccserver 127.0.0.1:")
    [type] = json.loads(ask("status", "types", "--json").stdout)
    assert (type["type"], type["messages"]) == ("data.x", 1)
    done = ask("why", "data.x", "--json")
    assert json.loads(done.stdout)["flow"]["messages"] == 1
    [line] = ask("top", "--json", "--times", "1", "--seconds", "0.01").stdout.splitlines()
    assert [one["type"] for one in json.loads(line)["types"]] == ["data.x"]
    done = ask("probe", "--json", "--seconds", "0.01")
    assert (done.returncode, json.loads(done.stdout)["grade"]) == (0, "OK")
    file = str(server.directory / "token")
    assert ask("status", "types", "--token", file, token="").returncode == 0


def test_a_tap_at_the_port(ask, client, server, until):
    address = f"http://127.0.0.1:{server.ports['PORT2']}"
    command = [sys.executable, "-m", "ccproxy", "tap", address, "data", "--limit", "1", "--json"]
    environment = {**os.environ, "CCSERVER_TOKEN": TOKEN}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as tap:

        def seen():
            client.send_multipart([b"", b"data.y", b"1"])
            return tap.poll() is not None

        until(seen)
        assert json.loads(tap.stdout.read())["type"] == "data.y"


def test_without_the_token_no_names_are_shown(ask, client):
    done = ask("status", token="")
    assert done.returncode == 0 and "(hidden)" in done.stdout and "PORT1" not in done.stdout
    assert "127.0.0.1" not in done.stdout
    for words in (["status", "peers"], ["status", "types"], ["tap", "data"], ["why", "data"]):
        done = ask(*words, token="")
        assert done.returncode == 1 and "give its file by --token" in done.stderr, done
    done = ask("status", token=TOKEN[::-1])
    assert done.returncode == 1 and "the token of http-token is needed" in done.stderr


@pytest.mark.parametrize(
    "words", [("drop-peer", "x"), ("pause", "h:x"), ("resume", "h:x"), ("drain",), ("reload",)]
)
def test_what_changes_the_server_needs_the_control_socket(ask, words):
    done = ask(*words)
    assert done.returncode == 2
    assert "only shows: name the INI file or the control socket" in done.stderr

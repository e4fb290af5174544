"""Keys and passwords of send and listen, against a server that wants them."""

import argparse
import threading

import pytest
import zmq

from ccproxy import cli
from ccproxy.commands import proof
from ccproxy.commands.keygen import certificates
from ccproxy.testing import running_server
from ccproxy.wire.zmtp.passwords import hashed

SERVER = """
[ccserver]
[listen:jobs]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:PORT1
type = job
plain-users = FOLDER/users
[routes]
job = h:bus
[h:bus]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT2
curve-secret = FOLDER/server.key_secret
curve-allow = FOLDER/me.key
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("server", "me", "other"):
        assert certificates(folder / name) == 0
    (folder / "users").write_text(f"joe:{hashed(b'secret')}\n")
    (folder / "password").write_text("secret\n")
    for name in ("users", "password"):
        (folder / name).chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def server(keys):
    with running_server(SERVER.replace("FOLDER", str(keys)), 60) as found:
        yield found


def listening(server, keys, *words):
    """`listen` until one message has come, in a thread; its exit status."""
    statuses = []
    key = ["--curve-server", str(keys / "server.key")]
    words = ["listen", server.address("PORT2"), *key, "--limit", "1", *words]
    thread = threading.Thread(target=lambda: statuses.append(cli.main(words)))
    thread.start()
    return thread, statuses


def sent(server, *words):
    plain = ["--socket", "push", "--plain", "joe", "--timeout", "60"]
    return cli.main(["send", *plain, *words, server.address("PORT1"), "x", "y"])


def test_a_password_and_a_key(server, keys, capsys, monkeypatch):
    thread, statuses = listening(server, keys, "--curve-secret", str(keys / "me.key_secret"))
    while thread.is_alive():
        assert sent(server, "--password-file", str(keys / "password")) == 0
        monkeypatch.setenv(proof.PASSWORD, "secret")
        assert sent(server) == 0
        thread.join(0.1)
    assert statuses == [0]
    assert "x | y" in capsys.readouterr().out


@pytest.mark.parametrize("secret", [(), ("--curve-secret", "other.key_secret")])
def test_a_key_that_is_not_allowed_gets_nothing(server, keys, capsys, secret):
    secret = [str(keys / word) if word.startswith("other") else word for word in secret]
    thread, statuses = listening(server, keys, *secret, "--timeout", "0.5")
    thread.join()
    assert statuses == [1]
    assert "0 messages came" in capsys.readouterr().err


def test_a_wrong_password_sends_nothing(server, monkeypatch, capsys):
    monkeypatch.setenv(proof.PASSWORD, "wrong")
    assert sent(server, "--timeout", "0.5") == 1
    assert "no connection in time, nothing sent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--plain", "joe"], "--plain needs --password-file FILE, or the password in CCSERVER_"),
        (["--password-file", "x"], "--password-file is for --plain USER"),
        (["--plain", "joe", "--password-file", "nowhere"], "--password-file: "),
        (["--plain", "j" * 256, "--password-file", "x"], "a user has at most 255 bytes"),
        (["--curve-server", "nowhere"], "7 characters, expected a key"),
        (["--curve-secret", "nowhere"], "--curve-secret: it needs curve-server"),
        (["--curve-server", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "--plain", "joe"],
         "--plain: curve-server is given too"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_said(words, error, monkeypatch):
    monkeypatch.delenv(proof.PASSWORD, raising=False)
    parser = argparse.ArgumentParser()
    proof.arguments(parser)
    with pytest.raises(ValueError, match="--") as found:
        proof.preparation(parser.parse_args(words))
    assert error in str(found.value)


def test_nothing_given_is_nothing_to_prove():
    parser = argparse.ArgumentParser()
    proof.arguments(parser)
    assert proof.preparation(parser.parse_args([])) is None


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["listen", "tcp://127.0.0.1:1", "--bind", "--plain", "joe"], "no far side to prove"),
        (["send", "tcp://127.0.0.1:1", "a.b", "--plain", "joe"], "needs --password-file"),
    ],
)
def test_where_keys_have_no_meaning(words, error, capsys):
    assert cli.main(words) == 2
    assert error in capsys.readouterr().err


def test_the_key_of_the_file_is_the_key_of_the_socket(keys):
    parser = argparse.ArgumentParser()
    proof.arguments(parser)
    words = ["--curve-server", str(keys / "server.key"), "--curve-secret"]
    prepare = proof.preparation(parser.parse_args([*words, str(keys / "me.key_secret")]))
    with zmq.Context() as context, context.socket(zmq.SUB) as made:
        prepare(made)
        assert made.mechanism == zmq.CURVE

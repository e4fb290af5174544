"""Keys that pyzmq reads, and lines of users that fit."""

import io
import stat

import zmq.auth

from ccproxy.cli import main
from ccproxy.config.keys import users_of
from ccproxy.wire.zmtp.passwords import verified


def test_certificates_are_written_once(tmp_path, capsys):
    assert main(["keygen", str(tmp_path / "one")]) == 0
    public, secret = tmp_path / "one.key", tmp_path / "one.key_secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    key, hidden = zmq.auth.load_certificate(secret)
    assert zmq.auth.load_certificate(public) == (key, None)
    assert zmq.curve_public(hidden) == key
    said = capsys.readouterr().out
    assert key.decode() in said and hidden.decode() not in said
    before = secret.read_text()
    assert main(["keygen", str(tmp_path / "one")]) == 1
    assert "exists already" in capsys.readouterr().err and secret.read_text() == before


def test_a_folder_that_is_missing(tmp_path, capsys):
    assert main(["keygen", str(tmp_path / "no" / "one")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_the_line_of_a_user(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert main(["keygen", "--plain", "joe"]) == 0
    [(user, text)] = users_of(capsys.readouterr().out).items()
    assert user == "joe" and verified(b"secret", text)


def test_users_are_added_to_a_file_of_their_own(monkeypatch, capsys, tmp_path):
    users = tmp_path / "users"
    for user, status in (("joe", 0), ("ann", 0), ("joe", 1)):
        monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
        assert main(["keygen", "--plain", user, str(users)]) == status
    assert "user joe is there already" in capsys.readouterr().err
    assert list(users_of(users.read_text())) == ["joe", "ann"]
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert main(["keygen", "key", str(users)]) == 2


def test_no_password_and_no_name(monkeypatch, capsys):
    for user, text in (("joe", ""), ("a:b", "secret"), ("a b", "secret"), ("u" * 256, "secret")):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert main(["keygen", "--plain", user]) == 1
    said = capsys.readouterr().err
    assert "no password: its first line has 0 bytes" in said and "'a:b' is no name" in said

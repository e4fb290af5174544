"""The files of keys and users: what is read, and what is refused."""

from pathlib import Path

import pytest
import zmq.auth

from ccproxy.config.keys import (
    KeyFault,
    certificate_of,
    link_keys,
    listener_keys,
    password_of,
    users_of,
)
from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.wire.zmtp.curve_keys import KeyPair, key_of, key_text
from ccproxy.wire.zmtp.passwords import NOBODY

PAIR = KeyPair.of(bytes(range(32)))
PUBLIC = f'metadata\n    name = "far"\ncurve\n    public-key = "{key_text(PAIR.public)}"\n'
SECRET = f'{PUBLIC}    secret-key = "{key_text(PAIR.secret)}"\n'
FILES = {"far.key": PUBLIC, "far.key_secret": SECRET, "users": f"# ours\n\njoe:{NOBODY}\n"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with keys in it; further files by name and text."""
    monkeypatch.chdir(tmp_path)

    def write(mode=0o600, **files):
        for name, text in {**FILES, **files}.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(mode)
        return tmp_path

    write()
    return write


def listener(**options):
    return listener_keys(ZmtpListenerOptions(**options))


def test_files_of_pyzmq_are_read(tmp_path):
    public, secret = zmq.auth.create_certificates(tmp_path, "one", {"name": "first"})
    key, hidden = zmq.auth.load_certificate(secret)
    found = certificate_of(Path(public).read_text(), "file")
    assert (found.name, found.public, found.secret) == ("file", key.decode(), "")
    found = certificate_of(Path(secret).read_text(), "file")
    assert (found.name, found.secret) == ("first", hidden.decode())  # pyzmq names only this one


def test_a_certificate_has_a_name_and_a_key():
    assert certificate_of(f"public-key={key_text(PAIR.public)}", "stem").name == "stem"
    with pytest.raises(ValueError, match='no line "public-key'):
        certificate_of('# public-key = "x"\n', "stem")
    with pytest.raises(ValueError, match="expected a key"):
        certificate_of('public-key = "x"', "stem")
    assert "secret" not in repr(certificate_of(SECRET, "")).replace("secret=", "")


def test_a_listener_without_files_checks_nothing(here):
    found = listener()
    assert found.ours is None and found.users is None


def test_curve_with_a_certificate_a_folder_anybody_or_sections(here):
    secret = "far.key_secret"
    found = listener(curve_secret=secret, curve_allow="far.key")
    assert found.ours == PAIR and found.names == {key_text(PAIR.public): "far"}
    assert listener(curve_secret=secret, curve_allow=str(here())).names == found.names
    assert listener(curve_secret=secret, curve_allow="any").anybody
    assert listener(curve_secret=secret).sections
    assert PAIR.secret.hex() not in repr(found)


def test_users(here):
    assert listener(plain_users="users").users == {"joe": NOBODY}
    with pytest.raises(ValueError, match='line 2 gives user "a" again'):
        users_of(f"a:{NOBODY}\na:{NOBODY}")
    with pytest.raises(ValueError, match="line 1 is none of ccserver keygen --plain"):
        users_of("joe:secret")
    assert password_of("secret\r\nmore") == b"secret"
    with pytest.raises(ValueError, match="has 0 bytes, expected 1 to 255"):
        password_of("\nsecret")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
@pytest.mark.parametrize(
    ("option", "file"), [("curve_secret", "far.key_secret"), ("plain_users", "users")]
)
def test_a_secret_that_others_can_read_is_refused(here, mode, option, file):
    here(mode)
    with pytest.raises(KeyFault, match="can be read by others") as fault:
        listener(**{option: file})
    assert fault.value.hint == f"chmod 600 {file}"
    assert fault.value.option == option.replace("_", "-")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"curve_secret": "none"}, "none cannot be read: No such file"),
        ({"curve_secret": "far.key"}, 'far.key: it has no line "secret-key'),
        ({"curve_secret": "mixed"}, "public key does not belong to its secret key"),
        ({"curve_secret": "far.key_secret", "plain_users": "users"}, "curve-secret is given too"),
        ({"curve_allow": "far.key"}, "it needs curve-secret"),
        ({"curve_secret": "far.key_secret", "curve_allow": "nokey"}, 'nokey: it has no line "publ'),
        (
            {"curve_secret": "far.key_secret", "curve_allow": "./far.key_secret"},
            "is the secret certificate of this server itself",
        ),
        ({"plain_users": "latin"}, "latin: it is not UTF-8"),
    ],
)
def test_mistakes_of_a_listener(here, options, text):
    other = KeyPair.of(bytes(32))
    folder = here(mixed=SECRET.replace(key_text(PAIR.public), key_text(other.public)), nokey="x")
    (folder / "latin").write_bytes(b"\xff")
    (folder / "latin").chmod(0o600)
    with pytest.raises(KeyFault, match=text) as fault:
        listener(**options)
    assert fault.value.strerror.startswith(fault.value.option)


def test_links(here):
    here(password="secret\n")
    key = key_text(PAIR.public)
    assert link_keys(LinkOptions()).server == b""
    for server in (key, "far.key"):
        found = link_keys(LinkOptions(curve_server=server, curve_secret="far.key_secret"))
        assert (found.server, found.ours) == (key_of(key), PAIR)
    assert link_keys(LinkOptions(curve_server=key)).ours is None
    found = link_keys(LinkOptions(plain_user="joe", plain_password_file="password"))
    assert (found.user, found.password) == (b"joe", b"secret")
    assert b"secret" not in repr(found).encode()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"curve_secret": "far.key_secret"}, "it needs curve-server"),
        ({"plain_user": "joe"}, "it needs plain-password-file"),
        ({"plain_password_file": "x"}, "it needs plain-user"),
        ({"plain_user": "joe", "curve_server": "far.key"}, "curve-server is given too"),
        ({"curve_server": "users"}, 'users: it has no line "public-key'),
    ],
)
def test_mistakes_of_a_link(here, options, text):
    with pytest.raises(KeyFault, match=text):
        link_keys(LinkOptions(**options))

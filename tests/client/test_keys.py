"""The options of a client for its proof; what servers say to it is in tests/e2e."""

import pytest
import zmq

from ccproxy.client import Client
from ccproxy.client.keys import LONGEST, ClientKeys, prove
from ccproxy.commands.keygen import certificates

KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


@pytest.fixture
def folder(tmp_path):
    for name in ("server", "me"):
        assert certificates(tmp_path / name) == 0
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"curve_server": "nowhere"}, "curve_server: no such file, and no key: 7 characters"),
        ({"curve_secret": "nowhere"}, "curve_secret: it needs curve-server"),
        ({"curve_server": KEY, "curve_secret": "nowhere"}, "curve_secret: nowhere cannot be read"),
        ({"curve_server": KEY, "plain_user": "joe"}, "plain_user: curve-server is given too"),
        ({"plain_user": "joe"}, "plain_user: it needs plain-password-file"),
        ({"plain_password": "x"}, "plain_password: it goes with plain-user alone"),
        ({"plain_user": "joe", "plain_password": "x", "plain_password_file": "y"}, "user alone"),
        ({"plain_user": "j" * (LONGEST + 1), "plain_password": "x"}, "a user has at most 255"),
        ({"plain_user": "joe", "plain_password": "x" * (LONGEST + 1)}, "a password has at most"),
    ],
)
def test_options_that_cannot_be_used_are_named(options, problem):
    with pytest.raises(ValueError, match="curve|plain") as error:
        Client("tcp://127.0.0.1:1", **options)
    assert problem in str(error.value)


def test_a_secret_that_others_can_read_is_refused(folder):
    (folder / "me.key_secret").chmod(0o644)
    with pytest.raises(ValueError, match="others .mode 644.; chmod 600 "):
        Client("tcp://127.0.0.1:1", curve_server=KEY, curve_secret=folder / "me.key_secret")


def test_no_secret_is_shown(folder):
    keys = ClientKeys(plain_user="joe", plain_password="hidden")
    assert "hidden" not in repr(keys) + repr(keys.read())


def test_the_socket_speaks_what_the_options_say(folder):
    server, secret = folder / "server.key", folder / "me.key_secret"
    with zmq.Context() as context:
        for keys, mechanism in (
            (ClientKeys(), zmq.NULL),
            (ClientKeys(curve_server=server), zmq.CURVE),
            (ClientKeys(curve_server=server, curve_secret=secret), zmq.CURVE),
            (ClientKeys(plain_user="joe", plain_password_file=folder / "password"), zmq.PLAIN),
            (ClientKeys(plain_user="joe", plain_password="secret"), zmq.PLAIN),
        ):
            with context.socket(zmq.DEALER) as made:
                prove(keys.read(), made)
                assert made.mechanism == mechanism
                assert mechanism != zmq.PLAIN or made.plain_password == b"secret"

"""The options of the HTTP port: addresses, tokens, certificates, and what `check` says of them."""

import pytest

from ccproxy.commands import common
from ccproxy.config.monitor import HTTP_ADDRESS, http_address, http_tls
from ccproxy.config.server import ServerOptions
from tests.certificates import Authority

INI = """\
[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = remote
{}
[routes]
"""


@pytest.fixture
def problems(ini, tmp_path):
    """What is said of these options, with a token in the file `token`, and a certificate and its
    key in `both.pem`, and each in a file of its own."""
    (tmp_path / "token").write_text("0123456789abcdef\n")
    (tmp_path / "token").chmod(0o600)
    authority = Authority(tmp_path)
    authority.pair(file="both.pem")
    authority.parts("me.local")

    def problems(options):
        return list(map(str, common.load(ini(INI.format(options)))[1]))

    return problems


@pytest.mark.parametrize("text", ["127.0.0.1:9464", "localhost:1", "*:9464", "[::1]:9464", "h:0"])
def test_addresses(text):
    assert HTTP_ADDRESS.parse(text) == text
    assert str(http_address(text)) == f"tcp://{text}"


def test_an_empty_address_is_no_port():
    assert HTTP_ADDRESS.parse(" ") == ""


@pytest.mark.parametrize("text", ["9464", "http://127.0.0.1:9464", "a:b", "::1:9464", "a:1,b:2"])
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        HTTP_ADDRESS.parse(text)


@pytest.mark.parametrize(
    "options",
    ["http = 127.0.0.1:9464", "http = localhost:9464\nhttp-token = token", "http = [::1]:9464",
     "http = *:9464\nhttp-token = token\nhttp-tls-certificate = both.pem",
     "http = *:9464\nhttp-token = token\nhttp-tls-certificate = cert.pem\nhttp-tls-key = key.pem",
     "http = 127.0.0.1:9464\nhttp-tls-certificate = both.pem"],
)  # fmt: skip
def test_what_is_right(problems, options):
    assert problems(options) == []


@pytest.mark.parametrize("place", ["*:9464", "0.0.0.0:9464", "10.0.0.1:9464", "me.local:9464"])
def test_a_port_that_others_reach_needs_a_token_and_tls(problems, place):
    token = (
        f"x.ini:4: other machines reach http = {place}, so it needs a token; "
        "write http-token = FILE, or http = 127.0.0.1:PORT"
    )
    tls = (
        f"x.ini:4: other machines reach http = {place}, so it needs TLS; "
        "write http-tls-certificate = FILE, or http = 127.0.0.1:PORT"
    )
    assert problems(f"http = {place}") == [tls, token]
    assert problems(f"http = {place}\nhttp-token = token") == [tls]
    assert problems(f"http = {place}\nhttp-tls-certificate = both.pem") == [token]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("http-tls-certificate = none.pem", "none.pem cannot be read: No such file"),
        ("http-tls-certificate = cert.pem", "cert.pem holds no private key in PEM form"),
        ("http-tls-certificate = token", "token holds no certificate in PEM form"),
        ("http-tls-key = key.pem", "it needs http-tls-certificate"),
    ],
)
def test_a_certificate_that_cannot_be_used(problems, options, said):
    [found] = problems(f"http = 127.0.0.1:9464\n{options}")
    assert found.startswith("x.ini:5: ") and said in found


def test_an_expired_certificate_is_found(problems, tmp_path):
    Authority(tmp_path).expired()
    [found] = problems("http = 127.0.0.1:9464\nhttp-tls-certificate = expired.pem")
    assert "certificate has expired" in found


def test_the_files_of_the_port():
    assert http_tls(ServerOptions()) is None
    found = http_tls(ServerOptions(http_tls_certificate="a", http_tls_key="b"))
    assert (found.tls_certificate, found.tls_key, found.tls_client_ca) == ("a", "b", "")


def test_a_certificate_alone_has_no_effect(problems):
    [found] = problems("http-tls-certificate = both.pem")
    assert found == "x.ini:4: warning: http-tls-certificate has no effect without http"


def test_a_token_alone_has_no_effect(problems):
    [found] = problems("http-token = token")
    assert found == "x.ini:4: warning: http-token has no effect without http"


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("0123456789abcdef", 0o644, "other can be read by others (mode 644); chmod 600"),
        ("short", 0o600, "the first line is no token: 16 or more letters"),
        ("0123456789 abcdef", 0o600, "the first line is no token"),
        (None, 0o600, "cannot be read: No such file"),
    ],
)
def test_a_token_that_cannot_be_used(problems, tmp_path, text, mode, said):
    (tmp_path / "other").write_text(text or "")
    (tmp_path / "other").chmod(mode)
    if text is None:
        (tmp_path / "other").unlink()
    [found] = problems("http = 127.0.0.1:9464\nhttp-token = other")
    assert found.startswith("x.ini:5: ") and said in found
    assert not text or text not in found


def test_an_address_that_a_listener_has(problems):
    [found] = problems("http = 127.0.0.1:5000")
    assert "http = 127.0.0.1:5000 is the address of [ccserver]" in found


def test_an_address_that_a_handler_listens_on(problems):
    handler = "[h:bus]\nhandler = zmq\nsocket = xpub\nbind = tcp://127.0.0.1:9464\n"
    [found] = problems(f"http = localhost:9464\n{handler}")
    assert "http = localhost:9464 is the address of [h:bus]" in found

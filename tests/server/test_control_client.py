"""Requests to a control socket: which one is asked, and what is said when none answers."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from ccproxy.process.control_socket import open_at
from ccproxy.server import control_client as module
from ccproxy.server.control_client import (
    NoAnswer,
    NoServer,
    Refused,
    WebPlace,
    request,
    stream,
)
from tests.certificates import Authority

ANSWER = b'{"fine": true}'


def respond(listening, body, code=200):
    """Answer one request."""
    accepted, _ = listening.accept()
    with accepted:
        asked = accepted.recv(65536)
        head = f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n\r\n"
        accepted.sendall(head.encode() + body)
    return asked


@pytest.fixture
def serve(tmp_path):
    """A server that gives one answer; what it was asked."""
    threads, asked = [], []

    def serve(name, body=ANSWER, code=200):
        made = open_at(tmp_path / name)
        made.socket.setblocking(True)

        def run():
            with made.socket:
                asked.append(respond(made.socket, body, code))

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return made.path

    yield serve, asked
    for thread in threads:
        thread.join()


def test_the_first_server_that_answers_is_asked(serve, tmp_path):
    start, asked = serve
    dead = open_at(tmp_path / "dead.sock")
    dead.socket.close()
    path = start("x.sock")
    reply = request("POST", "/v1/reload?a=b", [tmp_path / "none.sock", dead.path, path], 30)
    assert (reply.path, reply.code, reply.value) == (path, 200, {"fine": True})
    while not asked:  # the thread notes what it was asked behind its answer
        time.sleep(0.001)
    assert asked[0].startswith(b"POST /v1/reload?a=b HTTP/1.1\r\n")


def test_each_socket_without_an_answer_is_named_with_the_reason(serve, tmp_path):
    start, _ = serve
    dead = open_at(tmp_path / "dead.sock")
    dead.socket.close()
    garbage = start("garbage.sock", b"<html>")
    with pytest.raises(NoServer) as caught:
        request("GET", "/", [tmp_path / "a.sock", dead.path, tmp_path / "b" / "c", garbage], 30)
    first, second, third = str(caught.value).removeprefix("no server answers: ").split("; ")
    assert first == f"{dead.path}: its server has ended"
    assert second.startswith(f"{garbage}: Expecting value")
    assert third == f"there is no socket {tmp_path}/a.sock or {tmp_path}/b/c"


def test_a_server_that_does_not_answer_in_time(tmp_path):
    made = open_at(tmp_path / "x.sock")
    with made.socket, pytest.raises(NoAnswer, match=r"x.sock: the server gives no answer within"):
        request("GET", "/", [made.path], 0.01)


def test_a_server_that_takes_no_more_requests(tmp_path):
    made = open_at(tmp_path / "x.sock")
    with made.socket, ExitStack() as stack:
        full(stack, made.path)
        with pytest.raises(NoAnswer, match="takes no more requests: it hangs, or a signal"):
            request("GET", "/", [made.path], 30)


def full(stack, path):
    """Connect until no more connections may wait."""
    while True:
        sock = stack.enter_context(socket.socket(socket.AF_UNIX))
        sock.setblocking(False)
        try:
            sock.connect(str(path))
        except BlockingIOError:
            return


LISTENS = """
import sys, time
from pathlib import Path
from ccproxy.process.control_socket import open_at
made = open_at(Path(sys.argv[1]))
print(flush=True)
time.sleep(600)
"""


def test_a_server_that_a_signal_has_stopped_is_named(tmp_path):
    command = [sys.executable, "-c", LISTENS, tmp_path / "x.sock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            server.stdout.readline()
            server.send_signal(signal.SIGSTOP)
            with pytest.raises(NoAnswer, match=f"`kill -CONT {server.pid}` lets it go on"):
                request("GET", "/", [tmp_path / "x.sock"], 600)
        finally:
            server.kill()


def test_a_refusal_is_told_with_its_reason(serve):
    start, _ = serve
    path = start("x.sock", b'{"error": "too many"}', 503)
    reply = request("GET", "/", [path], 30)
    assert reply.error == f"{path}: too many"


def test_a_process_of_another_user_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4294)
    monkeypatch.setattr(module, "peer_user", lambda sock: 4295)
    made = open_at(tmp_path / "x.sock")
    with (
        made.socket,
        pytest.raises(NoServer, match="is of user 4295"),
    ):
        request("GET", "/", [made.path], 30)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_who_may_ask():
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from ccproxy.server.control_client import NoServer, request\n"
        "import os; os.setresuid(65534, 65534, 65534)\n"
        "try: request('GET', '/', [Path(sys.argv[1])], 30)\n"
        "except NoServer as error: print(error)\n"
    )
    with socket.socket(socket.AF_UNIX) as sock:
        path = Path(f"/tmp/ccproxy-test-{os.getpid()}.sock")
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen()
        try:
            done = subprocess.run(
                [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60
            )
        finally:
            path.unlink()
    assert "only the user of the server and root may ask it" in done.stdout, done.stderr


def test_an_answer_that_goes_on(serve, tmp_path):
    start, asked = serve
    path = start("x.sock", b'{"a": 1}\n\n{"a": 2}\n')
    with stream("/v1/tap?prefix=a", [tmp_path / "none.sock", path], 30) as values:
        assert list(islice(values, 3)) == [{"a": 1}, None, {"a": 2}]
        with pytest.raises(NoServer, match="x.sock: the server has ended"):
            next(values)
    while not asked:
        time.sleep(0.001)
    assert asked[0].startswith(b"GET /v1/tap?prefix=a HTTP/1.1\r\n")


def test_an_answer_that_goes_on_may_be_refused(serve):
    path = serve[0]("x.sock", b'{"error": "too many"}', 503)
    with pytest.raises(Refused, match=": too many"), stream("/v1/tap", [path], 30):
        pass


def test_nothing_goes_on_without_a_server(tmp_path):
    with pytest.raises(NoServer, match="there is no socket"), stream("/", [tmp_path / "x"], 30):
        pass


# The port of a server

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("http://h", WebPlace(False, "h", 80)),
        ("https://h", WebPlace(True, "h", 443)),
        ("http://127.0.0.1:9464/", WebPlace(False, "127.0.0.1", 9464)),
        ("https://h:1/cc/src/", WebPlace(True, "h", 1, "/cc/src")),
        ("http://[::1]:9464", WebPlace(False, "::1", 9464)),
    ],
)
def test_addresses_of_ports(text, place):
    assert WebPlace.parse(text) == place
    assert WebPlace.parse(str(place)) == place


@pytest.mark.parametrize(
    "text",
    ["http://", "ftp://h", "http://h:port", "http://h:99999", "http://user:word@h",
     "http://h/?token=x", "https://h/#x", "http://[::1"],
)  # fmt: skip
def test_what_is_no_address_of_a_port(text):
    with pytest.raises(ValueError, match="found|expected an address only"):
        WebPlace.parse(text)


@pytest.fixture
def port():
    """A port that gives one answer, in a TLS context if one is given; what it was asked."""
    threads, asked = [], []

    def port(body=ANSWER, code=200, context=None):
        listening = socket.create_server(("127.0.0.1", 0))
        found = listening.getsockname()[1]

        def run():
            with listening:
                try:
                    with context.wrap_socket(listening, True) if context else listening as secure:
                        asked.append(respond(secure, body, code))
                except ssl.SSLError as error:
                    asked.append(error)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return found

    yield port, asked
    for thread in threads:
        thread.join()


def wait_for(asked):
    while not asked:
        time.sleep(0.001)
    return asked[0]


def test_a_port_is_asked_with_its_prefix_and_the_token(port):
    start, asked = port
    place = WebPlace(False, "127.0.0.1", start(), "/cc", TOKEN)
    assert request("GET", "/v1/status?a=b", [place], 30).value == {"fine": True}
    head = wait_for(asked)
    assert head.startswith(b"GET /cc/v1/status?a=b HTTP/1.1\r\n")
    assert b"Authorization: Bearer 0123456789abcdef\r\n" in head


def test_a_port_is_asked_over_tls(port, tmp_path, monkeypatch):
    start, _ = port
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.pair())
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    place = WebPlace.parse(f"https://localhost:{start(context=context)}")
    assert request("GET", "/v1/status", [place], 30).value == {"fine": True}


def test_a_certificate_that_nobody_vouches_for_is_refused(port, tmp_path, monkeypatch):
    start, asked = port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Authority(tmp_path).pair())
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    place = WebPlace(True, "localhost", start(context=context), token=TOKEN)
    with pytest.raises(NoServer, match="certificate verify failed") as caught:
        request("GET", "/", [place], 30)
    assert TOKEN not in str(caught.value)
    assert isinstance(wait_for(asked), ssl.SSLError)  # no token was sent


def test_a_token_that_is_missing_is_said_with_what_to_do(port):
    place = WebPlace(False, "127.0.0.1", port[0](b'{"error": "needed"}', 401))
    assert request("GET", "/", [place], 30).error == (
        f"{place}: needed; give its file by --token, or the token in CCSERVER_TOKEN"
    )


def test_a_port_that_is_no_server_of_ours(port):
    place = WebPlace(False, "127.0.0.1", port[0](b"<html>"))
    with pytest.raises(NoServer, match="no JSON but '<html>'"):
        request("GET", "/", [place], 30)
    with socket.create_server(("127.0.0.1", 0)) as one:
        place = WebPlace(False, "127.0.0.1", one.getsockname()[1])
    with pytest.raises(NoServer, match=f"{place}: Connection refused"):
        request("GET", "/", [place], 30)


@pytest.mark.parametrize("answer", [b"\xff\0\0\x1b[31m\x7f\n", b"HTTP/1.1 200 OK\r\n\r\n\xff"])
def test_what_speaks_no_http_with_json_puts_nothing_on_the_terminal(answer):
    with socket.create_server(("127.0.0.1", 0)) as one:

        def run():
            with one.accept()[0] as accepted:
                accepted.recv(4096)
                accepted.sendall(answer)

        thread = threading.Thread(target=run)
        thread.start()
        place = WebPlace(False, "127.0.0.1", one.getsockname()[1])
        with pytest.raises(NoServer, match="this is not the port of the option http") as caught:
            request("GET", "/", [place], 30)
        thread.join()
    assert str(caught.value).isprintable()


def test_a_port_without_tls_is_named_so(port):
    place = WebPlace(True, "127.0.0.1", port[0](b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(NoServer, match="this port speaks no TLS; use http:// for it"):
        request("GET", "/", [place], 30)

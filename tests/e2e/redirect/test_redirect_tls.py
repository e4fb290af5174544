"""Calls inside TLS, end to end: real servers in a row, openssl as client and as service, wrong
certificates, a reload, and a flood of handshakes."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time

import pytest

from ccproxy.protocols.jolie.sodep import SodepLimits
from ccproxy.protocols.jolie.sodep.records import SecureSodep
from ccproxy.protocols.jolie.values import Call, Fault, Tree
from ccproxy.server.control_client import request
from tests.certificates import Authority

PATIENCE = 60.0


@pytest.fixture
def authority(tmp_path):
    made = Authority(tmp_path)
    made.pair()
    return made


FRONT = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
control = sock

[listen:sodeps]
protocol = sodeps
address = tcp://127.0.0.1:PORT2
type = calc
tls-certificate = {folder}/server.pem
{more}

[listen:https]
protocol = https
address = tcp://127.0.0.1:PORT3
type = calc
tls-certificate = {folder}/server.pem

[listen:sodep]
protocol = sodep
address = tcp://127.0.0.1:PORT4
type = calc

[routes]
calc = h:near
calc.near = h:near
calc.far = h:far
calc.wrong = h:wrong

[h:near]
handler = redirect
location = {location}

[h:far]
handler = redirect
protocol = sodeps
location = socket://localhost:PORT2/!/near
tls-ca = {folder}/ca.pem
{certificate}

[h:wrong]
handler = redirect
protocol = https
location = socket://localhost:{wrong}
tls-ca = {folder}/ca.pem
"""


@pytest.fixture
def front(start, service, authority):
    """A server whose section `far` calls the server itself, inside TLS."""

    def front(more="", certificate="", wrong=9, extra=""):
        text = FRONT.format(
            folder=authority.folder, location=service().location, more=more,
            certificate=certificate, wrong=wrong,
        )  # fmt: skip
        return start(text + extra)

    return front


class TlsCaller:
    """A client that speaks sodep inside TLS; each of its calls is one record."""

    def __init__(self, port, authority, certificate=""):
        context = ssl.create_default_context(cafile=authority.file)
        if certificate:
            context.load_cert_chain(certificate)
        self.form = SecureSodep(SodepLimits())
        self.side = self.form.service()
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock = context.wrap_socket(plain, server_hostname="localhost")

    def ask_many(self, path, count, value=None):
        for id in range(1, count + 1):
            call = Call(path, "sum", value or Tree(None, {"x": [Tree(id)], "y": [Tree(3)]}))
            self.sock.sendall(b"".join(self.side.send(self.form.request(call, id))))
        answers, records = {}, 0
        while len(answers) < count:
            data = self.sock.recv(1 << 20)
            assert data
            records += 1
            answers |= dict(self.side.feed(data))
        return answers, records


def payload(answer):
    found = answer.value.tree().payload
    return (answer.name, found) if isinstance(answer, Fault) else found


def test_calls_pass_two_servers_inside_tls_one_message_a_record(front, ports, authority):
    front()
    caller = TlsCaller(ports["PORT2"], authority)
    with caller.sock:
        for path in ("/far", "/near", "/far"):
            answers, records = caller.ask_many(path, 50)
            assert [payload(answers[id]) for id in range(1, 51)] == list(range(4, 54))
            # OpenSSL gives one record in each read.
            assert records == 50


def test_a_large_value_passes(front, ports, authority):
    front()
    caller = TlsCaller(ports["PORT2"], authority)
    text = "x" * (4 << 20)
    value = Tree(None, {"x": [Tree(1)], "y": [Tree(2)], "z": [Tree(text)]})
    with caller.sock:
        answers, _ = caller.ask_many("/far", 3, value)
        assert [payload(one) for one in answers.values()] == [3, 3, 3]


def openssl(port, authority, *words, send=b"", seconds=60):
    command = [
        "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", authority.file,
        "-verify_hostname", "localhost", *words,
    ]  # fmt: skip
    made = subprocess.run(command, input=send, capture_output=True, timeout=seconds, check=False)
    return (made.stdout + made.stderr).decode("utf-8", "replace")


REQUEST = (
    b"POST /!/near!/sum HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Connection: close\r\nContent-Length: 14\r\n\r\n{"x":5,"y":3}\n'
)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_as_client(front, ports, authority, version):
    front()
    said = openssl(ports["PORT3"], authority, version, "-ign_eof", send=REQUEST)
    assert "Verify return code: 0 (ok)" in said and '{"$":8}' in said
    assert "TLS session ticket" not in said


def test_openssl_before_tls_1_2_and_renegotiation_are_refused(front, ports, authority):
    server = front("handshake-timeout = 6 s")
    said = openssl(ports["PORT2"], authority, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "alert" in said
    server.wait_for("speaks only versions before TLS 1.2")
    said = openssl(ports["PORT2"], authority, "-tls1_2", send=b"R\n")
    assert "no renegotiation" in said


@pytest.mark.parametrize("kind", ["expired", "self-signed", "wrong"])
def test_openssl_as_service_with_a_wrong_certificate_is_named(
    front, ports, authority, tmp_path, caller, value_of, kind
):
    (tmp_path / "other").mkdir()
    certificate, reason = {
        "expired": (authority.expired, "certificate has expired"),
        "self-signed": (Authority(tmp_path / "other").pair, "unable to get local issuer"),
        "wrong": (lambda: authority.pair("elsewhere.example", file="other.pem"), "Hostname mis"),
    }[kind]
    file, port = certificate(), ports["PORT5"]
    front(wrong=port)
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", file, "-key", file]
    with subprocess.Popen(
        [*command, "-www"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as service:
        try:
            name, text = until_listening(caller, value_of, reason)
            assert name == "IOException" and "its certificate is refused" in text
        finally:
            service.kill()


def until_listening(caller, value_of, reason):
    """Ask until the program listens: what it is said then."""
    one = caller("sodep", "PORT4")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = value_of(one.ask("/wrong"))
        if reason in str(found[1]):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_plain_http_is_refused_and_others_go_on(front, ports, authority):
    server = front()
    caller = TlsCaller(ports["PORT2"], authority)
    with caller.sock, socket.create_connection(("127.0.0.1", ports["PORT3"]), PATIENCE) as plain:
        plain.sendall(REQUEST)
        assert plain.recv(100).startswith(b"HTTP/1.1 400 ")
        server.wait_for("it speaks plain HTTP, where TLS is expected")
        assert payload(caller.ask_many("/near", 1)[0][1]) == 4


def test_the_name_of_a_client_is_shown_and_limits_its_calls(front, ports, authority):
    mine = authority.pair("reader.example", file="mine.pem")
    server = front(
        more=f"tls-client-ca = {authority.file}",
        extra="\n[allow:reader]\ntls = reader.example\nsend = calc.near.*\n",
    )
    stranger = TlsCaller(ports["PORT2"], authority)
    # An alert or a reset, as it comes.
    with stranger.sock, pytest.raises(OSError):
        stranger.ask_many("/near", 1)
    caller = TlsCaller(ports["PORT2"], authority, mine)
    with caller.sock:
        for _ in range(3):
            assert payload(caller.ask_many("/near", 1)[0][1]) == 4
            name, text = payload(caller.ask_many("/far", 1)[0][1])
            assert (name, text) == ("IOException", "reader may not call calc.far.sum")
        where = [server.directory / "sock"]
        [peer] = request("GET", "/v1/status/peers", where, PATIENCE).value["items"]
        assert (peer["name"], peer["proof"], peer["key"]) == ("reader", "tls", "reader.example")


def test_a_reload_takes_a_new_certificate_and_keeps_connections(front, ports, authority):
    server = front()
    caller = TlsCaller(ports["PORT2"], authority)
    with caller.sock:
        authority.pair("localhost", file="server.pem", common_name="the second")
        server.reload((server.directory / "server.ini").read_text("utf-8"), "reload")
        second = TlsCaller(ports["PORT2"], authority)
        with second.sock:
            subject = dict(part[0] for part in second.sock.getpeercert()["subject"])
            assert subject["commonName"] == "the second"
            assert payload(second.ask_many("/near", 1)[0][1]) == 4
        assert payload(caller.ask_many("/near", 1)[0][1]) == 4


def test_a_flood_of_handshakes_leaves_the_others_alone(front, ports, authority):
    """A thousand connections that begin a handshake and never go on; calls are answered."""
    front(more="handshake-timeout = 5 s")
    hello = ssl.MemoryBIO()
    begun = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, False, "localhost")
    with pytest.raises(ssl.SSLWantReadError):
        begun.do_handshake()
    first = hello.read()
    caller = TlsCaller(ports["PORT2"], authority)
    flood = []

    def strangers():
        for _ in range(1000):
            one = socket.create_connection(("127.0.0.1", ports["PORT2"]), PATIENCE)
            one.sendall(first)
            flood.append(one)

    thread = threading.Thread(target=strangers)
    thread.start()
    try:
        with caller.sock:
            while thread.is_alive():
                assert payload(caller.ask_many("/near", 5)[0][5]) == 8
            # They end by themselves: in time, or for new ones.
            end = time.monotonic() + PATIENCE
            left = list(flood)
            while left and time.monotonic() < end:
                left = [one for one in left if not _ended(one)]
            assert not left
            assert payload(caller.ask_many("/near", 1)[0][1]) == 4
    finally:
        thread.join()
        for one in flood:
            one.close()


def _ended(sock):
    """True once the far side has closed; what it sent before is read."""
    sock.settimeout(0.001)
    try:
        return not sock.recv(65536)
    except TimeoutError:
        return False
    except OSError:
        return True

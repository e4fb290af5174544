"""Listeners of calls and services at addresses in every spelling: TCP, files of Unix sockets."""

import json
import socket
import socketserver
import stat
import threading

import pytest

from ccproxy.protocols.jolie.sodep import Sodep, SodepLimits, SodepReader, message
from ccproxy.protocols.jolie.values import Result, Tree

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote

[listen:calls]
protocol = {protocol}
address = {address}
type = calc

[routes]
calc.Sum = h:sum

[h:sum]
handler = redirect
location = {location}
"""
VOID = bytes(5)
NOWHERE = "socket://127.0.0.1:1"


def ini(address, protocol="sodep", location=NOWHERE):
    return INI.format(address=address, protocol=protocol, location=location)


class UnixService:
    """Answers every call of sodep with 8, at a path."""

    def __init__(self, path):
        class Connection(socketserver.BaseRequestHandler):
            def handle(self):
                side = Sodep().caller()
                while data := self.request.recv(1 << 16):
                    for token, _ in side.feed(data):
                        side.answer(token, Result(Tree(8)))
                    self.request.sendall(b"".join(side.take()))

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self._server = Server(str(path), Connection)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def far(tmp_path):
    """The location of a service at a path."""
    service = UnixService(tmp_path / "far.sock")
    yield f"localsocket:{tmp_path}/far.sock"
    service.close()


def connect(where):
    """A raw socket to a port or a path."""
    if isinstance(where, int):
        return socket.create_connection(("127.0.0.1", where), 60)
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(60)
    made.connect(str(where))
    return made


def http(body, target):
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


ASKS = {
    "sodep": message(7, b"/Sum", b"\0\0\0\3sum\0" + VOID),
    "http": http(b"{}", "/!/Sum!/sum"),
    "jsonrpc": http(b'{"jsonrpc":"2.0","method":"sum","id":7}', "/!/Sum"),
}


def ask(sock, protocol="sodep"):
    """Ask with the bytes of a program; what it finds in those it gets."""
    sock.sendall(ASKS[protocol])
    data = sock.recv(1 << 16)
    if protocol == "sodep":
        [frame] = SodepReader(SodepLimits()).feed(data)
        return int.from_bytes(frame.tail[frame.value + 1 : frame.value + 5], "big")
    body = json.loads(data.partition(b"\r\n\r\n")[2])
    return body["$" if protocol == "http" else "result"]


@pytest.mark.parametrize("protocol", ASKS)
@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("socket://localhost:PORT2", "PORT2"),
        ("socket://0.0.0.0:PORT2/", "PORT2"),
        ("tcp://127.0.0.1:PORT2", "PORT2"),
        ("localsocket:%(config_dir)s/calls.sock", ""),
        ("localsocket://%(config_dir)s/calls.sock", ""),
        ("ipc://%(config_dir)s/calls.sock", ""),
    ],
)
def test_calls_come_in_by_every_address(start, far, tmp_path, ports, protocol, address, port):
    server = start(ini(address, protocol, far))
    with connect(ports[port] if port else tmp_path / "server" / "calls.sock") as sock:
        assert ask(sock, protocol) == ask(sock, protocol) == 8
    server.stop()
    assert [one.name for one in (tmp_path / "server").iterdir()] == ["server.ini"]


def refused(server):
    """A server that could not start; it has no books to audit."""
    assert server.process.wait(60) == 1
    server.stop()
    server.killed = True
    return server


def test_the_file_of_a_killed_server_is_taken_over_and_that_of_a_live_one_is_not(
    start, far, tmp_path
):
    path = tmp_path / "calls.sock"
    text = ini(f"localsocket:{path}", location=far)
    killed = start(text, "one")
    killed.kill()
    assert stat.S_ISSOCK(path.stat().st_mode)
    start(text, "two")
    third = refused(start(text.replace("PORT1", "PORT3"), "three", ready=False))
    said = f"[listen:calls] cannot listen on ipc://{path}: Address already in use"
    assert any(said in line for line in third.lines)
    with connect(path) as sock:
        assert ask(sock) == 8


def test_what_stands_in_the_way_is_said_and_left_alone(start, tmp_path):
    (tmp_path / "file").write_text("precious")
    for path, why in (("file", "file is there and is no socket"), ("no/x", "there is no folder")):
        server = refused(start(ini(f"localsocket:{tmp_path}/{path}"), ready=False))
        assert any("[listen:calls] cannot listen on" in one and why in one for one in server.lines)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_reload_moves_it_and_another_spelling_moves_nothing(start, far, tmp_path, ports, fill):
    one, two = tmp_path / "one.sock", tmp_path / "two.sock"
    server = start(ini(f"localsocket:{one}", location=far))

    def move(address):
        server.reload(fill(ini(address, location=far)))

    with connect(one) as sock:
        assert ask(sock) == 8
        move(f"ipc://{one}")
        assert ask(sock) == 8
        server.wait_for("reloaded: nothing changed")
        move(f"localsocket:{two}")
        assert sock.recv(1) == b""
    assert not one.exists()
    with connect(two) as sock:
        assert ask(sock) == 8
        move("socket://127.0.0.1:PORT2")
    assert not two.exists()
    with connect(ports["PORT2"]) as sock:
        assert ask(sock) == 8
        move("tcp://127.0.0.1:PORT2")
        assert ask(sock) == 8
        server.reload(
            fill(ini(f"localsocket:{tmp_path}/no/x", location=far)), expect="reload failed"
        )
        server.wait_for(f"there is no folder {tmp_path}/no")
        assert ask(sock) == 8
    with connect(ports["PORT2"]) as sock:
        assert ask(sock) == 8


def test_the_same_file_for_another_protocol(start, far, tmp_path, fill):
    path = tmp_path / "calls.sock"
    server = start(ini(f"localsocket:{path}", location=far))
    server.reload(fill(ini(f"localsocket:{path}", "http", far)))
    with connect(path) as sock:
        assert ask(sock, "http") == 8


@pytest.fixture
def run(tmp_path, fill, forks):
    """`ccserver VERB x.ini ...` in a process of its own."""

    def run(text, verb, *words):
        (tmp_path / "x.ini").write_text(fill(text))
        return forks.run(verb, "x.ini", *words, folder=tmp_path)

    return run


@pytest.mark.parametrize("address", ["socket://localhost:9000", "localsocket:/run/x/calls.sock"])
def test_check_and_explain(run, address):
    text = ini(address, location="localsocket:///run/x/sum.sock/!/Inner")
    checked = run(text, "check")
    assert checked.returncode == 0
    assert checked.stdout.startswith("x.ini: ok, ")
    assert "1 handler, 2 listeners" in checked.stdout
    explained = run(text, "explain", "calc.Sum.sum")
    assert explained.returncode == 0
    assert "h:sum (redirect" in explained.stdout


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("localsocket:abs:/x", "ipc://@NAME for a name without a file"),
        ("localsocket://abs/x", "ipc://@NAME for a name without a file"),
        ("localsocket:x", "a file with its whole path"),
        ("socket://localhost:9000/!/Sum", "a resource is a route"),
        ("sockets://localhost:9000", "one of socket://HOST:PORT, tcp://HOST:PORT, localsocket:/"),
    ],
)
def test_check_names_the_line_of_what_is_none(run, address, says):
    checked = run(ini(address), "check")
    assert checked.returncode == 78
    assert f'x.ini:8: "address" in [listen:calls]: found "{address}", expected' in checked.stdout
    assert says in checked.stdout

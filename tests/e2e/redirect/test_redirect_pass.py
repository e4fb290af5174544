"""HTTP that stays HTTP, end to end: http.client and raw sockets, a service in Python, large bodies
with bounded memory, ends in the middle, and what is refused."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from hashlib import sha256
from http.client import HTTPConnection

import pytest

PATIENCE = 60.0
LARGE = 100 << 20
MEBIBYTE = 1 << 20


class Site(http.server.BaseHTTPRequestHandler):
    """Says what it has got; /large sends 100 MB, /cut half of what it says, /slow never ends."""

    protocol_version = "HTTP/1.1"
    wbufsize = 0

    def log_message(self, *_):
        pass

    def body(self):
        digest, size = sha256(), 0
        for piece in self.pieces():
            digest.update(piece)
            size += len(piece)
        return size, digest.hexdigest()

    def pieces(self):
        if "transfer-encoding" in self.headers:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        left = int(self.headers.get("content-length", 0))
        while left:
            piece = self.rfile.read(min(left, 65536))
            left -= len(piece)
            yield piece

    def answer(self):
        if self.path.startswith("/site/early"):
            self.close_connection = True
            self.send(413, b"enough")
            return
        size, digest = self.body()
        if self.path.startswith("/site/large"):
            self.send_response(200)
            self.send_header("Content-Length", str(LARGE))
            self.end_headers()
            for _ in range(LARGE // MEBIBYTE):
                self.wfile.write(bytes(MEBIBYTE))
            return
        if self.path.startswith("/site/cut"):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
            return
        said = {
            "method": self.command, "path": self.path, "headers": self.headers.items(),
            "size": size, "sha256": digest,
        }  # fmt: skip
        self.send(404 if "missing" in self.path else 200, json.dumps(said).encode())

    def send(self, status, body):
        self.send_response(status, "As I Say")
        self.send_header("X-Mine", "yes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = do_PURGE = answer


@pytest.fixture
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote

[listen:web]
protocol = http
address = tcp://127.0.0.1:PORT2
type = web
http = pass
{more}

[routes]
web.site = h:site
web.dead = h:dead
web.sum = h:sum

[h:site]
handler = redirect
protocol = http
location = http://127.0.0.1:{site}

[h:dead]
handler = redirect
protocol = http
location = http://127.0.0.1:PORT5

[h:sum]
handler = redirect
location = socket://127.0.0.1:PORT5
"""


@pytest.fixture
def front(start, site):
    return lambda more="": start(INI.format(site=site, more=more))


@pytest.fixture
def web(ports):
    made = []

    def web():
        made.append(HTTPConnection("127.0.0.1", ports["PORT2"], timeout=PATIENCE))
        return made[-1]

    yield web
    for one in made:
        one.close()


def ask(one, method, path, body=None, **headers):
    one.request(
        method, path, body, {key.replace("_", "-"): value for key, value in headers.items()}
    )
    response = one.getresponse()
    return response, response.read()


def test_methods_paths_headers_status_and_bodies_pass_unchanged(front, web):
    front()
    one = web()
    for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "PURGE"):
        body = b"\0\xff" * 50 if method in ("PUT", "POST", "PATCH") else None
        path = "/site/a%20b/c;d=1?q=1&r=%2F&q=2"
        response, said = ask(one, method, path, body, X_Odd="a,  b", Cookie="c=d")
        said = json.loads(said)
        assert (response.status, response.reason) == (200, "As I Say")
        assert response.getheader("X-Mine") == "yes"
        assert (said["method"], said["path"], said["size"]) == (method, path, len(body or b""))
        headers = dict(said["headers"])
        assert (headers["X-Odd"], headers["Cookie"]) == ("a,  b", "c=d")
        assert headers["X-Forwarded-For"] == "127.0.0.1"
        assert headers["Forwarded"].startswith("for=127.0.0.1;proto=http;host=")
    response, said = ask(one, "GET", "/site/missing")
    assert response.status == 404 and json.loads(said)["path"] == "/site/missing"
    response, said = ask(one, "HEAD", "/site/a")
    assert response.status == 200 and said == b""


def test_our_own_answers_say_what_is_wrong(front, web):
    front()
    one = web()
    for path, status, text in (
        ("/nowhere/x", 404, "no route for web.nowhere.x; there are /site, /dead, /sum"),
        ("/dead/x", 502, "Connection refused"),
        ("/sum/x", 502, "sodep cannot carry the call: a request that is passed as it is"),
    ):
        response, said = ask(one, "GET", path)
        assert (response.status, said.decode().strip()[: len(text)]) == (status, text)
    response, _ = ask(one, "GET", "/site/a")
    assert response.status == 200
    for path in ("/site/../dead/x", "/site/%2e%2e/dead", "/site/..;x/dead", "/site/..%2fdead"):
        response, said = ask(web(), "GET", path)
        assert response.status == 400 and b"dot segments" in said


def test_large_bodies_stream_in_both_directions_with_bounded_memory(front, web):
    server = front()
    one = web()
    ask(one, "GET", "/site/warm")
    before = most = server.memory

    def pieces():
        nonlocal most
        for _ in range(LARGE // MEBIBYTE):
            most = max(most, server.memory)
            yield bytes(MEBIBYTE)

    digest = sha256(bytes(LARGE)).hexdigest()
    one.request("PUT", "/site/up", pieces(), {"Content-Length": str(LARGE)})
    said = json.loads(one.getresponse().read())
    assert (said["size"], said["sha256"]) == (LARGE, digest)
    one.request("PUT", "/site/chunked", pieces(), encode_chunked=True)
    said = json.loads(one.getresponse().read())
    assert (said["size"], said["sha256"]) == (LARGE, digest)
    one.request("GET", "/site/large")
    response, size = one.getresponse(), 0
    while piece := response.read(MEBIBYTE):
        size += len(piece)
        most = max(most, server.memory)
    assert size == LARGE
    assert most - before < 20 * MEBIBYTE


def test_a_caller_that_does_not_read_holds_the_service_back(front, ports, web):
    server = front()
    ask(web(), "GET", "/site/warm")
    before = server.memory
    with socket.create_connection(("127.0.0.1", ports["PORT2"]), PATIENCE) as lazy:
        lazy.sendall(b"GET /site/large HTTP/1.1\r\nHost: x\r\n\r\n".replace(b"x", b"localhost", 1))
        lazy.recv(1000)
        for _ in range(20):
            assert ask(web(), "GET", "/site/a")[0].status == 200
            time.sleep(0.01)
        assert server.memory - before < 20 * MEBIBYTE


def test_a_response_that_is_cut_off_is_cut_off_for_the_caller(front, ports):
    front()
    with socket.create_connection(("127.0.0.1", ports["PORT2"]), PATIENCE) as one:
        one.sendall(b"GET /site/cut HTTP/1.1\r\nHost: localhost\r\n\r\n")
        data = b""
        while piece := one.recv(1000):
            data += piece
        assert data.endswith(b"\r\n\r\nhalf") and b"Content-Length: 100" in data


def test_a_caller_that_leaves_in_the_middle_harms_nobody(front, ports, web):
    front()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", ports["PORT2"]), PATIENCE) as one:
            one.sendall(
                b"PUT /site/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nhalf"
            )
        with socket.create_connection(("127.0.0.1", ports["PORT2"]), PATIENCE) as one:
            one.sendall(b"GET /site/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            one.recv(10)
    assert ask(web(), "GET", "/site/a")[0].status == 200


def test_an_early_answer_reaches_the_caller(front, ports):
    front()
    with socket.create_connection(("127.0.0.1", ports["PORT2"]), PATIENCE) as one:
        one.sendall(
            b"PUT /site/early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\nx"
        )
        data = b""
        while piece := one.recv(1000):
            data += piece
        assert data.startswith(b"HTTP/1.1 413 ") and data.endswith(b"enough")
        assert b"Connection: close" in data


def test_requests_sent_ahead_are_answered_in_order(front, ports):
    front()
    with socket.create_connection(("127.0.0.1", ports["PORT2"]), PATIENCE) as one:
        paths = ["/site/a", "/nowhere", "/site/b", "/site/missing"]
        one.sendall(
            b"".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths)
        )
        one.shutdown(socket.SHUT_WR)
        data = b""
        while piece := one.recv(65536):
            data += piece
    statuses = [line.split()[1] for line in data.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    # All of them, or none behind the end of the caller that was seen before them.
    assert statuses == [b"200", b"404", b"200", b"404"][: len(statuses)] and statuses


def test_a_hidden_request_and_a_websocket_are_refused(front, ports, web):
    front()
    for request, status in (
        (
            b"POST /site/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /dead/x HTTP/1.1\r\n\r\n", b"400",
        ),
        (
            b"GET /site/a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\n\r\n", b"501",
        ),
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", ports["PORT2"]), PATIENCE) as one:
            one.sendall(request)
            data = b""
            while piece := one.recv(1000):
                data += piece
            assert data.split()[1] == status and data.count(b"HTTP/1.1 ") == 1
    assert ask(web(), "GET", "/site/a")[0].status == 200

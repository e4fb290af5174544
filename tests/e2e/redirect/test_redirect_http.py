"""HTTP on real sockets: heads that can be read in two ways, what is too long, early closes."""

import gzip
import json
import socket
from http.client import HTTPConnection

import pytest

from ccproxy.protocols.jolie.values import Result, Tree

KINDS = ("http", "jsonrpc")
PORTS = {"http": "PORT3", "jsonrpc": "PORT4"}
HIDDEN = b"POST /!/Sum!/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
EMPTY = b"\r\n\r\n0\r\n\r\n"
HEAD = b"POST /!/Sum!/open HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def world(start, ini, service):
    """A server and a service that answers everything."""

    def world(protocol="sodep", behave=lambda call: Result(Tree(8)), listen=""):
        far = service(protocol, behave)
        text = ini(Sum={"location": far.location, "protocol": protocol})
        return start(text.replace("type = calc", f"type = calc\n{listen}")), far

    return world


def exchange(port, data):
    """Send all of it, whether anybody reads it or not; what comes back until the end."""
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        sock.sendall(data)
        parts = []
        while part := sock.recv(1 << 16):
            parts.append(part)
        return b"".join(parts)


SMUGGLED = {
    "two lengths": HEAD + b"Content-Length: 6\r\nTransfer-Encoding: chunked" + EMPTY + HIDDEN,
    "two content lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + HIDDEN,
    "a fold": HEAD + b"Transfer-Encoding:\r\n chunked" + EMPTY + HIDDEN,
    "a folded value": HEAD + b"X: y\r\n z\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "LF alone": HEAD + b"X: y\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "LF LF": HEAD.replace(b"\r", b"") + b"Content-Length: 2\n\n{}" + HIDDEN,
    "CR alone": HEAD + b"X: y\rContent-Length: 2\r\n\r\n" + HIDDEN,
    "a space before the colon": HEAD + b"Content-Length : 70\r\n\r\n" + HIDDEN,
    "chunked in HTTP/1.0": HEAD.replace(b"1.1", b"1.0")
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "another coding": HEAD + b"Transfer-Encoding: identity\r\n\r\n" + HIDDEN,
    "a chunk that ends with something else": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n" + HIDDEN,
    "a chunked body that ends with LF": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\n" + HIDDEN,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_request_is_hidden_in_another(world, kind):
    server, far = world()
    for what, data in SMUGGLED.items():
        if kind == "jsonrpc":
            data = data.replace(b"/!/Sum!/", b"/!/Sum?")
        found = exchange(server.ports[PORTS[kind]], data)
        head, _, body = found.partition(b"\r\n\r\n")
        assert head.split()[1] in (b"400", b"501"), what
        assert b"Connection: close" in head, what
        assert found.count(b"HTTP/1.1 ") == 1, what
        assert json.loads(body)["error"]["data"], what
    assert far.calls == []
    web = HTTPConnection("127.0.0.1", server.ports["PORT3"], timeout=60)
    for _ in range(2):
        web.request("POST", "/!/Sum!/open", iter([b"{", b"}"]), encode_chunked=True,
                    headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        assert json.loads(web.getresponse().read()) == {"$": 8}
    web.close()


PAGES = {
    "a page": ("Origin: https://evil.example", 403),
    "a page without origin": ("Sec-Fetch-Site: cross-site", 403),
    "a form": ("Content-Type: application/x-www-form-urlencoded", 415),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_web_page_is_obeyed(world, kind):
    server, far = world()
    head = HEAD.replace(b"!/open", b"") if kind == "jsonrpc" else HEAD
    for what, (header, status) in PAGES.items():
        data = head + f"{header}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        assert exchange(server.ports[PORTS[kind]], data).startswith(b"HTTP/1.1 %d " % status), what
    data = head.replace(b"localhost", b"evil.example") + b"Content-Length: 2\r\n\r\n{}"
    assert exchange(server.ports[PORTS[kind]], data).startswith(b"HTTP/1.1 421 ")
    assert server.stop() == 0
    assert server.ledger() == {"received": 4, "refused": 4}
    assert far.calls == []


LONG = {
    "a request line": (b"GET /" + b"x" * 3_000_000, 414, "a request line of more than 8192 bytes"),
    "a whole one": (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "a request line of more"),
    "a header": (HEAD + b"X: " + b"y" * 3_000_000, 431, "a head of more than 65536 bytes"),
    "a whole header": (HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n", 431, "a head of more than"),
    "many": (HEAD + b"X: y\r\n" * 300_000, 431, "a head of more than 65536 bytes"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", LONG)
def test_what_is_too_long_is_said_to_be_although_more_comes(world, kind, what):
    server, _ = world()
    data, status, text = LONG[what]
    found = exchange(server.ports[PORTS[kind]], data)
    assert found.startswith(b"HTTP/1.1 %d" % status)
    assert text in json.loads(found.partition(b"\r\n\r\n")[2])["error"]["data"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_too_large_is_counted_and_named(world, kind):
    server, far = world(listen="max-message = 10 KiB")
    body = b"x" * 3_000_000
    head = HEAD.replace(b"!/open", b"") if kind == "jsonrpc" else HEAD
    found = exchange(
        server.ports[PORTS[kind]], head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    )
    assert found.startswith(b"HTTP/1.1 413")
    server.wait_for("peer=127.0.0.1:")
    assert server.count("a body of more than 10240 bytes") == 1
    assert server.stop() == 0
    assert server.ledger() == {"received": 1, "too-big": 1}
    assert far.calls == []


def test_a_request_without_operation(world):
    server, _ = world()
    web = HTTPConnection("127.0.0.1", server.ports["PORT3"], timeout=60)
    for _ in range(2):
        web.request("GET", "/")
        response = web.getresponse()
        assert response.status == 500
        assert json.loads(response.read())["error"]["data"] == (
            "no operation in the target /; expected /OPERATION or /!/RESOURCE!/OPERATION"
        )
    web.close()


CUT = {
    "in its head": (b"HTTP/1.1 200 OK\r\nContent-Le", True),
    "in its body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", True),
    "in a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}", True),
    "before it": (b"", False),
}


@pytest.mark.parametrize("protocol", KINDS)
@pytest.mark.parametrize("where", CUT)
def test_a_service_that_closes_early(world, caller, value_of, protocol, where):
    data, begun = CUT[where]
    world(protocol, behave=lambda call: [data])
    name, text = value_of(caller().ask("/Sum"))
    assert name == "IOException"
    whole = "the service closed the connection before its answer was whole"
    assert whole in text if begun else "before its answer" in text
    assert "peer" not in text and "bytearray" not in text


@pytest.mark.parametrize("protocol", KINDS)
def test_what_a_service_sends_is_not_repeated(world, caller, value_of, protocol):
    world(protocol, behave=lambda call: [b"HTTP/1.1 200 OK\r\nsecret password\r\n\r\n"])
    name, text = value_of(caller().ask("/Sum"))
    assert name == "IOException" and "illegal header line" in text and "secret" not in text


def test_an_answer_is_gzipped_if_the_caller_takes_it_and_the_listener_does_not_say_no(world):
    for listen, expected in (("", "gzip"), ("gzip = no", None)):
        server, _ = world(behave=lambda call: Result(Tree("x" * 5000)), listen=listen)
        link = HTTPConnection("127.0.0.1", server.ports["PORT3"], timeout=60)
        link.request("POST", "/!/Sum!/sum", "{}", {"Accept-Encoding": "gzip, deflate"})
        response = link.getresponse()
        body = response.read()
        assert response.getheader("Content-Encoding") == expected
        found = json.loads(gzip.decompress(body) if expected else body)
        assert found == {"$": "x" * 5000}
        link.close()
        server.stop()


def test_a_caller_that_speaks_xml_is_refused_in_xml(world):
    server, far = world(listen="max-message = 10 KiB")
    head = b"POST /!/Sum!/sum HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
    for more, status in (
        (b"Content-Length: 99999\r\n\r\n", b"413"),
        (b"X: a\r\n b\r\n\r\n", b"400"),
    ):
        said = exchange(server.ports["PORT3"], head + more)
        assert said.startswith(b"HTTP/1.1 " + status)
        assert b"<Response><IOException>" in said
    said = exchange(server.ports["PORT8"], head + b"Content-Length: 99999\r\n\r\n")
    assert b"<SOAP-ENV:Fault>" in said and b"IOException" in said
    assert far.calls == []

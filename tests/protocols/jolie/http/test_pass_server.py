"""Requests that are passed, as transcripts: whole ones in pieces, and everything that could be read
as two."""

import pytest

from ccproxy.protocols.jolie.http.access import WebAccess
from ccproxy.protocols.jolie.http.exchange import PassedRequest, PassedResponse
from ccproxy.protocols.jolie.http.messages import HttpLimits, RefusedRequest
from ccproxy.protocols.jolie.http.pass_server import BodyData, BodyEnd, PassServer


def server():
    return PassServer(HttpLimits())


def events(one, data, size=1 << 20):
    found = []
    for at in range(0, len(data), size):
        given = data[at : at + size]
        while (event := one.feed(given)) is not None:
            given = b""
            found.append(event)
    return found


def joined(found):
    return b"".join(one.data for one in found if isinstance(one, BodyData))


OK = PassedResponse(200, b"Fine", ((b"Content-Length", b"2"), (b"X-Case", b"kept")))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_request_with_a_length_comes_in_pieces_and_the_next_one_waits(size):
    one = server()
    request = b"PUT /a?b=%20 HTTP/1.1\r\nHost: x\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello"
    found = events(one, request + request, size)
    assert found[0] == PassedRequest(
        b"PUT", b"/a?b=%20", ((b"Host", b"x"), (b"X-A", b"b"), (b"Content-Length", b"5")), b"x"
    )
    assert joined(found) == b"hello" and found[-1] == BodyEnd()
    assert sum(isinstance(event, PassedRequest) for event in found) == 1
    assert one.busy and not one.begun
    written = one.respond(OK) + one.data(b"ok") + one.end()
    assert written.startswith(b"HTTP/1.1 200 Fine\r\n") and b"X-Case: kept" in written
    assert written.endswith(b"\r\n\r\nok") and not one.closing
    assert joined(events(one, b"")) == b""
    again = []
    while (event := one.feed(b"")) is not None:
        again.append(event)
    assert isinstance(again[0], PassedRequest) and joined(again) == b"hello"


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_chunks_come_as_pieces_however_large_the_whole_is(size):
    one = server()
    chunks = b"".join(b"%x\r\n%s\r\n" % (300, b"x" * 300) for _ in range(20))
    request = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    found = events(one, request + b"0\r\n\r\n", size)
    assert found[0].headers[-1] == (b"Transfer-Encoding", b"chunked")
    assert joined(found) == b"x" * 6000 and found[-1] == BodyEnd()
    one.respond(OK), one.data(b"ok"), one.end()
    assert not one.closing


def test_a_request_without_body_is_whole_at_once_and_keeps_the_connection():
    one = server()
    found = events(one, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [type(event) for event in found] == [PassedRequest, BodyEnd]
    assert b"100" not in one.proceed()
    one.respond(OK), one.data(b"ok"), one.end()
    assert not one.closing and not one.busy


def test_a_caller_that_waits_for_100_is_told():
    one = server()
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    [request] = events(one, head)
    assert b"expect" not in {name.lower() for name, _ in request.headers}
    assert one.proceed().startswith(b"HTTP/1.1 100 ")
    assert joined(events(one, b"ok")) == b"ok"


def test_a_response_before_the_request_is_whole_ends_the_connection():
    one = server()
    events(one, b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    assert b"Connection: close" in one.respond(OK)
    one.data(b"ok"), one.end()
    assert one.closing


HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (HEAD + b"Content-Length: 5, 6\r\n\r\n", 400),
        (HEAD + b"Content-Length: +5\r\n\r\n", 400),
        (HEAD + b"Content-Length: 0x5\r\n\r\n", 400),
        (HEAD + b"Content-Length : 5\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n", 501),
        (HEAD + b"X: a\r\n folded\r\n\r\n", 400),
        (HEAD + b"X: a\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (HEAD + b"X: a\rb\r\n\r\n", 400),
        (HEAD + b"X\0: a\r\n\r\n", 400),
        (HEAD + b"Host: y\r\n\r\n", 400),
        (b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /a HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET ftp://y/a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://x@y/a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET https://y/a HTTP/1.1\r\nHost: y\r\n\r\n", 421),
        (b"GET *a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://y/a HTTP/1.1\r\n\r\n", 400),
        (b"GET http://y/a HTTP/1.1\r\nHost: y\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT /a HTTP/1.1\r\nHost: y\r\n\r\n", 501),
        (b"\r\n" * 5 + b"GET /a HTTP/1.1\r\nHost: y\r\n\r\n", 400),
        (b"\nGET /a HTTP/1.1\r\nHost: y\r\n\r\n", 400),
        (b"CONNECT y:1 HTTP/1.1\r\nHost: y\r\n\r\n", 501),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", 400),
        (b"GET /" + b"a" * 9000, 414),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(data, status):
    one = server()
    refused = events(one, data)[-1]
    assert isinstance(refused, RefusedRequest), refused
    assert refused.status == status
    assert one.closing
    assert one.feed(b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n") is None
    answer = one.respond(PassedResponse(status, b"", ((b"Content-Length", b"0"),))) + one.end()
    assert answer.startswith(b"HTTP/1.1 %d " % status) and b"Connection: close" in answer


def test_many_small_chunks_are_refused():
    one = server()
    data = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 5000
    assert isinstance(events(one, data)[-1], RefusedRequest)


def answered(one):
    one.respond(OK), one.data(b"ok"), one.end()
    assert not one.closing


ABSOLUTE = [
    (b"GET http://y/a?b HTTP/1.1\r\nHost: x\r\nX: 1\r\n\r\n", b"GET", b"/a?b", b"y"),
    (b"GET HTTP://y:81 HTTP/1.1\r\nX: 1\r\nhOST: x\r\n\r\n", b"GET", b"/", b"y:81"),
    (b"GET http://y?b HTTP/1.1\r\nHost: \r\nX: 1\r\n\r\n", b"GET", b"/?b", b"y"),
    (b"GET http://y//z/a HTTP/1.1\r\nHost: x\r\nX: 1\r\n\r\n", b"GET", b"//z/a", b"y"),
    (b"GET http://[::1]:1/a HTTP/1.0\r\nX: 1\r\n\r\n", b"GET", b"/a", b"[::1]:1"),
    (b"OPTIONS http://y HTTP/1.1\r\nHost: x\r\nX: 1\r\n\r\n", b"OPTIONS", b"*", b"y"),
    (b"OPTIONS http://y/ HTTP/1.1\r\nHost: x\r\nX: 1\r\n\r\n", b"OPTIONS", b"/", b"y"),
]


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize(("data", "method", "target", "host"), ABSOLUTE)
def test_the_host_of_an_absolute_target_stands_for_the_header(data, method, target, host, size):
    found = events(server(), data, size)
    assert found == [
        PassedRequest(method, target, ((b"Host", host), (b"X", b"1")), host), BodyEnd(),
    ]  # fmt: skip


def test_a_host_that_connection_names_reaches_the_service_once():
    data = b"GET http://y/ HTTP/1.1\r\nHost: x\r\nConnection: host, x\r\nX: 1\r\n\r\n"
    [request, _] = events(server(), data)
    assert request.headers == ((b"Host", b"y"),)


@pytest.mark.parametrize(
    ("target", "header", "status"),
    [
        (b"http://evil.example/a", b"localhost", 421),
        (b"http://localhost/a", b"evil.example", 0),
        (b"http://localhost@evil.example/a", b"localhost", 400),
        (b"http://localhost:80@evil.example/a", b"localhost", 400),
        (b"http://localhost%2eevil.example/a", b"localhost", 400),
        (b"http://localhost\\evil.example/a", b"localhost", 400),
        (b"/a", b"localhost:80@evil.example", 400),
        (b"/a", b"localhost/evil", 400),
        (b"/a", b"localhost, evil.example", 400),
        (b"/a", b"localhost:8a", 400),
        (b"/a", b"evil.example", 421),
        (b"/a", b"localhost:80", 0),
        (b"/a", b"[::1]:80", 0),
        (b"/a", b"[fe80::1%25eth0]", 0),
    ],
)
def test_what_is_looked_at_is_the_host_that_the_service_gets(target, header, status):
    one = PassServer(HttpLimits(), WebAccess())
    found = events(one, b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, header))
    if status:
        [refused] = found
        assert isinstance(refused, RefusedRequest) and refused.status == status
        assert one.unwelcome == (status == 421)
        return
    wanted = target.split(b"/")[2] if b"://" in target else header
    assert found[0].host == wanted and found[0].headers == ((b"Host", wanted),)
    assert found[0].target == b"/a"


def test_https_is_for_connections_with_tls():
    head = b"GET https://localhost/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
    [refused] = events(PassServer(HttpLimits(), WebAccess()), head)
    assert refused.status == 421
    [request, _] = events(PassServer(HttpLimits(), WebAccess(secure=True)), head)
    assert (request.target, request.host) == (b"/a", b"localhost")


@pytest.mark.parametrize("size", [1, 2, 1 << 20])
def test_empty_lines_between_requests_are_no_requests(size):
    one = server()
    put = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n\r\n"
    for _ in range(3):
        # The body is CR and LF; what stands behind it is an empty line.
        found = events(one, b"\r\n\r\n" + put + b"\r\n", size)
        assert joined(found) == b"\r\n" and found[-1] == BodyEnd()
        answered(one)
        assert one.feed(b"") is None and not one.begun and not one.held
    assert not events(one, b"\r") and one.begun
    assert not events(one, b"\n") and not one.begun

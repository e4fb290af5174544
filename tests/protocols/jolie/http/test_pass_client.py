"""Responses that are passed: what a service may send, and what breaks the connection."""

import pytest

from ccproxy.protocols.jolie.http.exchange import PassedRequest, PassedResponse
from ccproxy.protocols.jolie.http.messages import HttpLimits
from ccproxy.protocols.jolie.http.pass_client import CUT_OFF, PassClient
from ccproxy.protocols.jolie.http.pass_server import BodyData, BodyEnd


def asked(method=b"GET", headers=((b"Host", b"x"),)):
    one = PassClient(HttpLimits())
    written = one.request(PassedRequest(method, b"/a", headers, b"x"), "there:1")
    return one, written + one.end()


def test_a_request_is_written_as_it_was_with_a_host_if_it_had_none():
    assert asked(b"PROPFIND")[1] == b"PROPFIND /a HTTP/1.1\r\nHost: x\r\n\r\n"
    one = PassClient(HttpLimits())
    written = one.request(PassedRequest(b"GET", b"/a", (), b""), "there:1")
    assert b"Host: there:1\r\n" in written
    empty = PassedRequest(b"GET", b"/a", ((b"host", b""),), b"")
    written = PassClient(HttpLimits()).request(empty, "there:1")
    assert written == b"GET /a HTTP/1.1\r\nhost: \r\n\r\n"


def test_a_body_goes_in_the_framing_of_the_caller():
    one = PassClient(HttpLimits())
    chunked = (b"Host", b"x"), (b"Transfer-Encoding", b"chunked")
    written = one.request(PassedRequest(b"PUT", b"/a", chunked, b"x"), "x") + one.data(b"ab")
    assert (written + one.end()).endswith(b"\r\n\r\n2\r\nab\r\n0\r\n\r\n")


def test_status_reason_and_headers_come_as_they_were_and_hints_do_not():
    one, _ = asked()
    head = b"HTTP/1.1 404 Gone Fishing\r\nX-Case: b\r\nConnection: keep-alive\r\nContent-Length: 2"
    found = one.feed(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + head + b"\r\n\r\nok")
    headers = (b"X-Case", b"b"), (b"Content-Length", b"2")
    assert found == [PassedResponse(404, b"Gone Fishing", headers), BodyData(b"ok"), BodyEnd()]
    assert not one.broken and not one.closing


def test_chunks_are_the_framing_of_a_response_that_says_a_length_as_well():
    one, _ = asked()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    found = one.feed(head + b"2\r\nok\r\n0\r\n\r\n")
    assert found == [PassedResponse(200, b"OK", ()), BodyData(b"ok"), BodyEnd()]
    assert one.closing and not one.broken


def test_a_response_may_end_with_the_connection():
    one, _ = asked()
    one.feed(b"HTTP/1.0 200 OK\r\n\r\nab")
    assert one.feed(b"") == [BodyEnd()]
    assert one.closing and not one.broken


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0\r\n\r\n", "no HTTP response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "no HTTP response"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "bytes behind a response"),
    ],
)
def test_what_is_no_response_breaks_the_connection(data, reason):
    one, _ = asked()
    one.feed(data)
    assert one.broken and reason in one.broken


def test_a_response_that_is_cut_off():
    one, _ = asked()
    one.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
    assert one.feed(b"") == [] and one.broken == CUT_OFF


def test_a_head_has_no_body():
    one, _ = asked(b"HEAD")
    [head, end] = one.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    assert head.headers == ((b"Content-Length", b"500"),) and end == BodyEnd()

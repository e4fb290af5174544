import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.wire.http import Limits, Refused, Request, Sending, Server

POST = b"POST /sum HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n"
BODY = b'{"x":1}'
LIMITS = Limits(head=2000, body=100, ahead=200)


def server() -> Server:
    return Server(LIMITS)


def test_a_request_becomes_whole_and_is_responded_to():
    one = server()
    assert one.feed(POST) is None
    request = one.feed(BODY)
    assert isinstance(request, Request)
    assert (request.method, request.target, request.body) == ("POST", "/sum", BODY)
    assert request.headers["content-length"] == "7"
    one.respond(Sending((("Content-Type", "text/plain"),), b"hi"))
    assert one.out().startswith(b"HTTP/1.1 200 \r\nContent-Type: text/plain\r\n")
    assert one.out() == b""
    assert not one.closing


def test_pipelined_requests_come_one_after_the_other():
    one = server()
    first = one.feed((POST + BODY) * 2 + POST)
    assert isinstance(first, Request)
    assert one.feed(b"") is None
    assert one.feed(BODY[:3]) is None
    one.respond(Sending())
    assert isinstance(one.feed(b""), Request)
    one.respond(Sending())
    assert one.feed(b"") is None
    assert isinstance(one.feed(BODY[3:]), Request)


def test_what_is_sent_ahead_has_a_limit():
    one = server()
    one.feed(POST + BODY)
    one.feed(b"x" * 201)
    assert "ahead" in one.broken
    assert one.closing


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x00\x01garbage\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 3000, 431),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999999\r\n\r\n", 413),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"
            + b"z" * 101
            + b"\r\n",
            413,
        ),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_connection_ends(data, status):
    one = server()
    found = one.feed(data)
    assert isinstance(found, Refused)
    assert found.status == status
    one.respond(Sending(status=found.status, body=b"no"))
    out = one.out()
    assert out.startswith(b"HTTP/1.1 %d" % status)
    assert b"Connection: close" in out
    assert one.closing
    assert one.feed(POST + BODY) is None


def test_a_caller_that_asks_first_is_told_to_go_on():
    one = server()
    one.feed(POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
    assert one.out().startswith(b"HTTP/1.1 100")
    assert isinstance(one.feed(BODY), Request)


def test_old_and_closing_callers_are_closed_behind_their_response():
    for data in (
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ):
        one = server()
        assert isinstance(one.feed(data), Request)
        one.respond(Sending())
        assert one.closing


def test_a_half_closed_caller_gets_its_response():
    one = server()
    one.feed(POST + BODY)
    one.eof()
    assert not one.closing
    one.respond(Sending(body=b"x"))
    assert one.out().endswith(b"x")
    assert one.feed(b"") is None
    assert one.closing
    ahead = server()
    ahead.feed(POST + BODY)
    ahead.feed(POST)
    ahead.feed(BODY + POST)
    ahead.eof()
    ahead.respond(Sending())
    assert isinstance(ahead.feed(b""), Request)
    ahead.respond(Sending())
    assert isinstance(ahead.feed(b""), Refused)
    idle = server()
    idle.eof()
    assert idle.closing


def test_head_and_no_content_have_no_body():
    one = server()
    one.feed(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    one.respond(Sending(body=b"abc"))
    assert one.out().endswith(b"\r\n\r\n")
    one.feed(POST + BODY)
    one.respond(Sending(status=204))
    assert b"Content-Length" not in one.out()


@given(st.one_of(st.binary(max_size=80), st.text(alphabet="GET /HTP1.\r\n:", max_size=60)))
@settings(max_examples=200, deadline=None)
def test_bytes_of_any_kind_never_raise(data):
    data = data.encode() if isinstance(data, str) else data
    one = server()
    for chunk in (data[: len(data) // 2], data[len(data) // 2 :], b""):
        if one.feed(chunk) is not None:
            one.respond(Sending(body=b"x"))
    one.eof()


@given(st.lists(st.integers(0, 2 * len(POST + BODY)), max_size=6))
@settings(deadline=None)
def test_any_split_gives_the_same_requests(cuts):
    whole = (POST + BODY) * 2
    ends = [0, *sorted(cuts), len(whole)]
    one, found = server(), []
    for start, end in zip(ends, ends[1:], strict=False):
        chunk = whole[start:end]
        while (request := one.feed(chunk)) is not None:
            found.append(request.body)
            one.respond(Sending())
            chunk = b""
    assert found == [BODY, BODY]

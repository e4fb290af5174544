import time
from itertools import product

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.core.pace import NOTHING, Pending
from ccproxy.protocols.jolie.http import (
    HttpLimits,
    HttpRequest,
    HttpServer,
    RefusedRequest,
    Sending,
)
from ccproxy.protocols.jolie.http.access import WebAccess
from ccproxy.protocols.jolie.http.chunks import FREE_CHUNKS, MIN_CHUNK
from ccproxy.protocols.jolie.pieces import joined

POST = b"POST /sum HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n"
BODY = b'{"x":1}'
CHUNKED = b"POST /sum HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMITS = HttpLimits(head=2000, body=100, ahead=200)


def server() -> HttpServer:
    return HttpServer(LIMITS)


def test_a_request_becomes_whole_and_is_responded_to():
    one = server()
    assert one.feed(POST) is None
    request = one.feed(BODY)
    assert isinstance(request, HttpRequest)
    assert (request.method, request.target, request.body) == ("POST", "/sum", BODY)
    assert request.headers["content-length"] == "7"
    one.respond(Sending((("Content-Type", "text/plain"),), b"hi"))
    assert b"".join(one.out()).startswith(b"HTTP/1.1 200 \r\nContent-Type: text/plain\r\n")
    assert b"".join(one.out()) == b""
    assert not one.closing


def test_pipelined_requests_come_one_after_the_other():
    one = server()
    first = one.feed((POST + BODY) * 2 + POST)
    assert isinstance(first, HttpRequest)
    assert one.feed(b"") is None
    assert one.feed(BODY[:3]) is None
    one.respond(Sending())
    assert isinstance(one.feed(b""), HttpRequest)
    one.respond(Sending())
    assert one.feed(b"") is None
    assert isinstance(one.feed(BODY[3:]), HttpRequest)


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
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 3000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 3000, 414),
        (b"GET /" + b"y" * 3000 + b" HTTP/1.1\r\n\r\n", 414),
        (POST.replace(b"7\r\n", b"7\r\nTransfer-Encoding: chunked\r\n"), 400),
        (POST.replace(b"7\r\n", b"7\r\nContent-Length: 8\r\n"), 400),
        (CHUNKED + b"2\r\nabXX0\r\n\r\n", 400),
        (CHUNKED + b"0\r\n\n", 400),
        (CHUNKED + b"0\r\nX: y\n\n", 400),
        (CHUNKED + b"0;" + b"x" * 9000, 400),
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
    assert isinstance(found, RefusedRequest)
    assert found.status == status
    assert one.too_big == (status == 413)
    assert "bytearray" not in found.reason
    one.respond(Sending(status=found.status, body=b"no"))
    out = b"".join(one.out())
    assert out.startswith(b"HTTP/1.1 %d" % status)
    assert b"Connection: close" in out
    assert one.closing
    assert one.feed(POST + BODY) is None


@pytest.mark.parametrize("simple", [True, False])
@pytest.mark.parametrize(
    ("first", "host", "status"),
    [
        (b"POST http://localhost:1/sum HTTP/1.1", b"evil.example", 0),
        (b"POST http://evil.example/sum HTTP/1.1", b"localhost", 421),
        (b"POST https://localhost/sum HTTP/1.1", b"localhost", 421),
        (b"POST http://a@localhost/sum HTTP/1.1", b"localhost", 400),
        (b"POST ftp://localhost/sum HTTP/1.1", b"localhost", 400),
        (b"POST localhost:1 HTTP/1.1", b"localhost", 400),
        (b"POST *a HTTP/1.1", b"localhost", 400),
        (b"CONNECT localhost:1 HTTP/1.1", b"localhost", 501),
        (b"POST /sum HTTP/1.1", b"localhost:1@evil.example", 400),
    ],
)
def test_the_host_that_is_looked_at_is_that_of_the_target(first, host, status, simple):
    one = HttpServer(LIMITS, WebAccess())
    # Two headers of one name are h11's, so that both ways of reading are tried.
    more = b"" if simple else b"\r\nX: 1\r\nX: 2"
    head = first + b"\r\nHost: " + host + more + b"\r\nContent-Length: 7\r\n\r\n"
    found = one.feed(b"\r\n" + head + BODY + b"\r\n")
    if status:
        assert isinstance(found, RefusedRequest) and found.status == status
        assert one.unwelcome == (status != 400)
        one.respond(Sending(status=status))
        assert one.closing and one.feed(POST + BODY) is None
        return
    assert isinstance(found, HttpRequest)
    assert (found.target, found.headers["host"], found.body) == ("/sum", "localhost:1", BODY)
    one.respond(Sending())
    assert one.feed(b"") is None and one.pending() == Pending() and not one.closing


def test_empty_lines_alone_leave_a_connection_without_a_request():
    one = server()
    assert one.feed(b"\r\n") is None and one.pending() == NOTHING
    one.drain("stop")
    assert one.closing
    one = server()
    assert one.feed(b"\r\n" * 5) == RefusedRequest(400, "no HTTP request: it starts with b'\\r\\n'")


def test_a_caller_that_asks_first_is_told_to_go_on():
    one = server()
    one.feed(POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
    assert b"".join(one.out()).startswith(b"HTTP/1.1 100")
    assert isinstance(one.feed(BODY), HttpRequest)


def test_old_and_closing_callers_are_closed_behind_their_response():
    for data in (
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ):
        one = server()
        assert isinstance(one.feed(data), HttpRequest)
        one.respond(Sending())
        assert one.closing


def test_a_half_closed_caller_gets_its_response():
    one = server()
    one.feed(POST + BODY)
    one.eof()
    assert not one.closing
    one.respond(Sending(body=b"x"))
    assert b"".join(one.out()).endswith(b"x")
    assert one.feed(b"") is None
    assert one.closing
    ahead = server()
    ahead.feed(POST + BODY)
    ahead.feed(POST)
    ahead.feed(BODY + POST)
    ahead.eof()
    ahead.respond(Sending())
    assert isinstance(ahead.feed(b""), HttpRequest)
    ahead.respond(Sending())
    assert isinstance(ahead.feed(b""), RefusedRequest)
    idle = server()
    idle.eof()
    assert idle.closing


def test_head_and_no_content_have_no_body():
    one = server()
    one.feed(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    one.respond(Sending(body=b"abc"))
    assert b"".join(one.out()).endswith(b"\r\n\r\n")
    one.feed(POST + BODY)
    one.respond(Sending(status=204))
    assert b"Content-Length" not in b"".join(one.out())


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


@given(st.lists(st.integers(0, 160), max_size=8))
@settings(deadline=None)
def test_any_split_of_chunked_ones_gives_the_same_requests(cuts):
    body = b"3\r\n" + BODY[:3] + b"\r\n4;x=y\r\n" + BODY[3:] + b"\r\n0\r\nX: y\r\n\r\n"
    whole = CHUNKED + body + POST + BODY + CHUNKED + body
    ends = [0, *sorted(cuts), len(whole)]
    one, found = server(), []
    for start, end in zip(ends, ends[1:], strict=False):
        chunk = whole[start:end]
        while (request := one.feed(chunk)) is not None:
            assert isinstance(request, HttpRequest), request
            found.append(request.body)
            one.respond(Sending())
            chunk = b""
    assert found == [BODY] * 3


def test_many_sent_ahead_are_not_copied_again_and_again():
    one = HttpServer(HttpLimits())
    body = b"X: " + b"y" * 180 + b"\r\n\r\n"
    ahead, began = (CHUNKED + b"0\r\n" + body) * 4000, time.process_time()
    assert isinstance(one.feed(ahead), HttpRequest)
    found = 1
    one.respond(Sending())
    while one.feed(b"") is not None:
        found += 1
        one.respond(Sending())
    assert found == 4000
    assert time.process_time() - began < 15


def test_it_is_crowded_before_it_breaks():
    one = server()
    one.feed(POST + BODY + POST)
    assert not one.crowded
    one.feed(BODY + POST)
    assert one.crowded and not one.broken
    one.respond(Sending())
    assert isinstance(one.feed(b""), HttpRequest)
    assert not one.crowded


def test_who_leaves_is_responded_to_and_told():
    one = server()
    one.feed((POST + BODY) * 2)
    assert one.drain("over") is None
    assert not one.closing
    one.respond(Sending(body=b"x"))
    assert b"Connection: close" in b"".join(one.out())
    assert one.closing and not one.broken
    assert one.feed(b"") is None
    idle = server()
    assert idle.drain("over") is None and idle.closing
    again = server()
    again.feed(POST + BODY)
    again.respond(Sending())
    assert again.drain("over") is None and again.closing


@pytest.mark.parametrize("part", [POST[:5], POST, POST + BODY[:3], CHUNKED + b"3\r\nab"])
def test_who_leaves_in_the_middle_of_a_request_is_told(part):
    one = server()
    assert one.feed(part) is None
    assert one.drain("over") == RefusedRequest(503, "over")
    assert one.drain("over") is None
    one.respond(Sending(status=503))
    out = b"".join(one.out())
    assert out.startswith(b"HTTP/1.1 503") and b"Connection: close" in out
    assert one.closing and not one.broken


def test_a_body_that_is_too_large_once_it_is_unpacked():
    one = server()
    one.feed(POST + BODY)
    one.exceed("too much")
    one.respond(Sending(status=413))
    assert b"Connection: close" in b"".join(one.out())
    assert (one.broken, one.too_big, one.closing) == ("too much", True, True)


def test_an_upgrade_nobody_wants_is_not_in_the_way():
    """Java's client asks for HTTP/2 in each first request."""
    one = server()
    upgrade = b"Host: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"
    for _ in range(2):
        assert isinstance(one.feed(POST.replace(b"Host: h", upgrade) + BODY), HttpRequest)
        one.respond(Sending(body=b"x"))
        assert not one.closing


def chunked(count: int, size: int) -> bytes:
    head = b"POST /sum HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + (b"%x\r\n" % size + b"x" * size + b"\r\n") * count + b"0\r\n\r\n"


@pytest.mark.parametrize(("count", "size"), [(FREE_CHUNKS, 1), (FREE_CHUNKS + 1, MIN_CHUNK)])
def test_a_few_small_chunks_or_many_larger_ones_are_taken(count, size):
    one = HttpServer(HttpLimits())
    for _ in range(2):  # each body has chunks of its own
        found = one.feed(chunked(count, size))
        assert isinstance(found, HttpRequest) and len(found.body) == count * size
        one.respond(Sending())


@pytest.mark.parametrize(
    ("size", "step"),
    [
        *product([1, 16, MIN_CHUNK - 1], [1000, 1_000_000]),
        *[(1, 1), (16, 1), (MIN_CHUNK - 1, 11)],  # the last in steps, or it takes 5 s
    ],
)
def test_many_small_chunks_are_refused_before_they_cost_time(size, step):
    one = HttpServer(HttpLimits())
    data = chunked(200_000, size)
    for start in range(0, len(data), step):
        if found := one.feed(data[start : start + step]):
            break
    assert isinstance(found, RefusedRequest) and found.status == 400
    assert found.reason == "more than 4096 chunks of less than 128 bytes on average"
    assert len(one._body) == 0 and one.broken and not one.too_big
    assert start <= 4100 * (size + 10)


def test_a_body_in_small_reads_is_given_to_h11_in_pieces(monkeypatch):
    one, given = HttpServer(HttpLimits()), []
    one.feed(b"POST /sum HTTP/1.1\r\nHost: h\r\nContent-Length: 150000\r\n\r\n")
    receive = h11.Connection.receive_data
    monkeypatch.setattr(
        h11.Connection,
        "receive_data",
        lambda to, data: (given.append(len(data)), receive(to, data)),
    )
    body = bytes(range(250)) * 600
    found = [one.feed(body[start : start + 10]) for start in range(0, len(body), 10)]
    assert found[-1].body == body and not any(found[:-1])
    assert given == [65536, 65536, 18928]


@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_a_body_in_chunks_does_not_go_through_h11(monkeypatch, step):
    """h11 takes 6 us a chunk: the bodies of 4,096 chunks of one byte cost a second per MB."""
    one, given = HttpServer(HttpLimits()), []
    receive = h11.Connection.receive_data
    monkeypatch.setattr(
        h11.Connection,
        "receive_data",
        lambda to, data: (given.append(bytes(data)), receive(to, data)),
    )
    data = CHUNKED + b"1\r\n \r\n" * FREE_CHUNKS + b"0\r\nX: y\r\n\r\n"
    for _ in range(2):
        found = [one.feed(data[start : start + step]) for start in range(0, len(data), step)]
        assert found[-1].body == b" " * FREE_CHUNKS and not any(found[:-1])
        one.respond(Sending(body=b"x"))
        assert b"".join(one.out()).endswith(b"x") and not one.closing
    assert given == [CHUNKED, b"0\r\n\r\n"] * 2


def test_a_body_in_chunks_that_is_cut_off_is_refused():
    one = HttpServer(HttpLimits())
    assert one.feed(CHUNKED + b"5\r\nab") is None
    one._ended = True
    found = one.feed(b"")
    assert isinstance(found, RefusedRequest) and found.status == 400


def test_a_body_that_is_cut_off_in_a_piece_is_refused():
    one = HttpServer(HttpLimits())
    assert one.feed(b"POST /sum HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{") is None
    one._ended = True
    found = one.feed(b"")
    assert isinstance(found, RefusedRequest) and found.status == 400


def test_what_is_pending():
    one = server()
    assert one.pending() == NOTHING
    one.feed(POST[:5])
    assert one.pending() == Pending(5, 1)
    one.feed(POST[5:] + BODY[:3])
    assert (one.pending().message, one.pending().waits) == (1, False)
    one.feed(BODY[3:] + POST[:9])
    assert one.pending() == Pending(9, 0, waits=True)
    one.respond(Sending())
    one.feed(b"")
    assert one.pending() == Pending(9, 2)


@pytest.mark.parametrize("simple", [True, False])
def test_a_response_in_pieces_is_not_joined(simple):
    part = bytearray(b"x" * (1 << 20))
    body = joined((b"<", part, b">"))
    one = server()
    more = b"" if simple else b"X: 1\r\nX: 2\r\n"
    assert isinstance(one.feed(POST.replace(b"Content", more + b"Content") + BODY), HttpRequest)
    one.respond(Sending((("X", "y"),), body))
    *head, first, large, last = one.out()
    assert b"Content-Length: %d\r\n" % (len(part) + 2) in b"".join(head)
    assert (first, last) == (b"<", b">") and large.obj is part
    assert isinstance(one.feed(POST + BODY), HttpRequest)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie.http import HttpClient, HttpLimits, Sending
from ccproxy.protocols.jolie.pieces import joined

ASK = Sending((("Host", "h"),), b"{}", target="/sum")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def asked() -> HttpClient:
    client = HttpClient(HttpLimits(head=2000, body=100))
    client.send(ASK)
    return client


def test_a_request_on_the_wire():
    data = b"".join(HttpClient(HttpLimits()).send(ASK))
    assert data == b"POST /sum HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


def test_one_request_at_a_time_and_many_in_a_row():
    client = asked()
    with pytest.raises(RuntimeError):
        client.send(ASK)
    for _ in range(3):
        assert client.feed(OK[:20]) is None
        assert client.feed(OK[20:]).body == b"hi"
        client.send(ASK)
    assert not client.closing


def test_interim_responses_are_passed_over():
    assert asked().feed(b"HTTP/1.1 103 Hints\r\n\r\n" + OK).status == 200


def test_a_body_that_ends_with_the_connection():
    client = asked()
    assert client.feed(b"HTTP/1.0 200 OK\r\n\r\nhel") is None
    assert client.feed(b"lo") is None
    assert client.eof().body == b"hello"
    assert client.closing


def test_a_service_that_closes_behind_its_answer():
    client = asked()
    assert client.feed(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).body == b"hi"
    assert client.closing


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x00" * 50,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + b"z" * 101,
        OK + b"more",
    ],
)
def test_what_is_no_response_breaks_the_connection(data):
    client = asked()
    client.feed(data)
    assert client.broken and "bytearray" not in client.broken
    assert client.feed(OK) is None


def test_bytes_nobody_asked_for_break_the_connection():
    client = HttpClient(HttpLimits())
    assert client.feed(OK) is None
    assert "without a request" in client.broken


@pytest.mark.parametrize("part", [OK[:1], OK[:20], OK[:-1], b"HTTP/1.1 103 Hints\r\n\r\n"])
def test_a_cut_off_response_is_none(part):
    client = asked()
    client.feed(part)
    assert client.eof() is None
    assert client.broken == "the service closed the connection before its answer was whole"


def test_a_service_that_says_nothing_has_just_closed():
    for client in (asked(), HttpClient(HttpLimits())):
        assert client.eof() is None
        assert client.closing and not client.broken


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_bytes_of_any_kind_never_raise(data):
    client = asked()
    client.feed(data)
    client.eof()


@pytest.mark.parametrize("method", ["POST", "QUERY"])
def test_a_request_in_pieces_is_not_joined(method):
    part = bytearray(b"x" * (1 << 20))
    sending = Sending((("Host", "h"),), joined((b"<", part, b">")), method=method)
    *head, first, large, last = HttpClient(HttpLimits()).send(sending)
    assert b"content-length: %d\r\n" % (len(part) + 2) in b"".join(head).lower()
    assert (first, last) == (b"<", b">") and large.obj is part

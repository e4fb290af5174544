"""Which headers reach the other end, and what is added for the service."""

import pytest

from ccproxy.protocols.jolie.http.exchange import (
    Exchange,
    PassedRequest,
    end_to_end,
    forwarded,
)
from ccproxy.protocols.jolie.values import Unportable


class Caller:
    """Records what an exchange asks of it."""

    def __init__(self, gone=False):
        self.gone = gone
        self.told = []

    def attached(self):
        self.told.append("attached")


class Service:
    """Records that it is abandoned."""

    def __init__(self):
        self.told = []

    def abandon(self):
        self.told.append("abandon")


def test_headers_of_one_connection_stay_there_those_that_connection_names_too():
    headers = (
        (b"Host", b"x"), (b"Connection", b"close, X-Mine"), (b"X-Mine", b"1"), (b"TE", b"trailers"),
        (b"Keep-Alive", b"5"), (b"Upgrade", b"h2c"), (b"Expect", b"100-continue"), (b"X-A", b"b"),
        (b"Transfer-Encoding", b"chunked"), (b"Proxy-Authorization", b"secret"), (b"X-a", b"c"),
    )  # fmt: skip
    assert end_to_end(headers) == ((b"Host", b"x"), (b"X-A", b"b"), (b"X-a", b"c"))


def test_connection_cannot_take_away_what_makes_the_message():
    headers = (
        (b"Host", b"x"), (b"Connection", b"Host, content-length"), (b"Content-Length", b"3"),
        (b"connection", b"X-Mine,"), (b"X-Mine", b"1"),
    )  # fmt: skip
    assert end_to_end(headers) == ((b"Host", b"x"), (b"Content-Length", b"3"))


@pytest.mark.parametrize(
    ("given", "peer", "chain", "standard"),
    [
        ((), "10.0.0.1", b"10.0.0.1", b'for=10.0.0.1;proto=https;host="a.b"'),
        ((), "::1", b"::1", b'for="[::1]";proto=https;host="a.b"'),
        ((), "", b"unknown", b'for=unknown;proto=https;host="a.b"'),
        (
            ((b"x-forwarded-for", b"1.1.1.1"), (b"X-Forwarded-For", b"2.2.2.2")), "10.0.0.1",
            b"1.1.1.1, 2.2.2.2, 10.0.0.1", b'for=10.0.0.1;proto=https;host="a.b"',
        ),
        (
            ((b"Forwarded", b"for=9.9.9.9"), (b"X-Forwarded-Proto", b"gopher")), "10.0.0.1",
            b"10.0.0.1", b'for=9.9.9.9, for=10.0.0.1;proto=https;host="a.b"',
        ),
    ],
)  # fmt: skip
def test_the_address_of_the_caller_comes_last(given, peer, chain, standard):
    assert forwarded((*given, (b"A", b"b")), peer, "https", b"a.b") == (
        (b"A", b"b"), (b"X-Forwarded-For", chain), (b"Forwarded", standard),
        (b"X-Forwarded-Proto", b"https"),
    )  # fmt: skip


def test_a_host_that_would_break_the_quotes_is_left_out():
    [_, standard, _] = forwarded((), "10.0.0.1", "http", b'a";for=b')
    assert standard == (b"Forwarded", b"for=10.0.0.1;proto=http")


def test_a_caller_that_is_gone_is_not_waited_for():
    request = PassedRequest(b"GET", b"/", (), b"")
    here, there = Caller(), Service()
    exchange = Exchange(request, here)
    exchange.attach(there)
    assert (here.told, there.told, exchange.service) == (["attached"], [], there)
    Exchange(request, Caller(gone=True)).attach(there)
    assert there.told == ["abandon"]


def test_it_is_no_value_for_other_protocols():
    with pytest.raises(Unportable, match="http = pass"):
        Exchange(PassedRequest(b"GET", b"/", (), b""), Caller()).tree()

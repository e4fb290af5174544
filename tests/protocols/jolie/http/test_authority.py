import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols.jolie.http.authority import Located, is_host, located
from ccproxy.protocols.jolie.http.messages import RefusedRequest


@pytest.mark.parametrize(
    ("method", "target", "found"),
    [
        ("GET", "/a?b", Located("/a?b")),
        ("GET", "//h/a", Located("//h/a")),
        ("GET", "/http://h/a", Located("/http://h/a")),
        ("OPTIONS", "*", Located("*")),
        ("POST", "*", Located("*")),
        ("GET", "http://h/a?b", Located("/a?b", "h")),
        ("GET", "HTTP://H:80/a", Located("/a", "H:80")),
        ("GET", "http://h:", Located("/", "h:")),
        ("GET", "http://h", Located("/", "h")),
        ("GET", "http://h?b=/c", Located("/?b=/c", "h")),
        ("GET", "http://h//i/a", Located("//i/a", "h")),
        ("GET", "http://h/http://i/", Located("/http://i/", "h")),
        ("GET", "http://h/a@b", Located("/a@b", "h")),
        ("GET", "http://[::1]:1/a", Located("/a", "[::1]:1")),
        ("OPTIONS", "http://h:1", Located("*", "h:1")),
        ("OPTIONS", "http://h:1?a", Located("/?a", "h:1")),
    ],
)
def test_a_target_names_one_host_and_one_path(method, target, found):
    assert located(method, target, secure=False) == found


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("CONNECT", "h:1", 501),
        ("CONNECT", "/a", 501),
        ("CONNECT", "http://h/", 501),
        ("GET", "**", 400),
        ("GET", "h:1", 400),
        ("GET", "a", 400),
        ("GET", "?a", 400),
        ("GET", "http:/h/a", 400),
        ("GET", "http:h", 400),
        ("GET", "://h/a", 400),
        ("GET", "ftp://h/a", 400),
        ("GET", "file:///etc/passwd", 400),
        ("GET", "ws://h/a", 400),
        ("GET", "http:///a", 400),
        ("GET", "http://", 400),
        ("GET", "http://?a", 400),
        ("GET", "http://:80/a", 400),
        ("GET", "http://u@h/a", 400),
        ("GET", "http://u:p@h/a", 400),
        ("GET", "http://h:1:2/a", 400),
        ("GET", "http://h:-1/a", 400),
        ("GET", "http://h:123456/a", 400),
        ("GET", "http://h,i/a", 400),
        ("GET", "http://h%2fi/a", 400),
        ("GET", "http://h\\i/a", 400),
        ("GET", "http://[::1/a", 400),
        ("GET", "http://[h]/a", 400),
        ("GET", "http://h/a#b", 400),
        ("GET", "http://h#b", 400),
        ("GET", "https://h/a", 421),
    ],
)
def test_what_names_nothing_here_is_refused(method, target, status):
    found = located(method, target, secure=False)
    assert isinstance(found, RefusedRequest) and found.status == status


def test_a_uri_of_https_is_for_connections_with_tls_and_one_of_http_for_both():
    assert located("GET", "https://h/a", secure=True) == Located("/a", "h")
    assert located("GET", "http://h/a", secure=True) == Located("/a", "h")


@pytest.mark.parametrize(
    "text", ["", "h", "h:1", "a_b.c-d", "127.0.0.1:1", "[::1]", "[fe80::1%e]:1"]
)
def test_the_value_of_a_host_header(text):
    assert is_host(text)


@pytest.mark.parametrize(
    "text", ["a b", "a,b", "a/b", "a@b", "a:b", "[::1", "::1", "a?b", "a\n", "\xe9"]
)
def test_what_is_no_host(text):
    assert not is_host(text)


@given(
    st.sampled_from(["GET", "OPTIONS"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    st.sampled_from(["", "http://", "https://h", "/"]),
)
def test_whatever_is_found_is_a_path_and_a_host_that_reads_in_one_way(method, rest, front):
    found = located(method, front + rest, secure=True)
    if isinstance(found, Located):
        assert found.target.startswith("/") or found.target == "*"
        assert is_host(found.host)

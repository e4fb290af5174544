"""Web pages are not obeyed, programs are: what the headers of a request say of its sender."""

import pytest

from ccproxy.protocols.jolie.http.access import (
    HttpsListenerOptions,
    WebAccess,
    WebListenerOptions,
    _host,
    _origin,
    host_of,
    is_local,
)

OWN = WebAccess(frozenset({"server1", "0.0.0.0"}))
APP = {"host": "localhost:9000", "origin": "https://app.example"}


def access(**options) -> WebAccess:
    return OWN.changed(WebListenerOptions(type="calc", **options))


def status(headers, **options):
    refused = access(**options).refusal(headers)
    return refused and refused.status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": ""},
        {"host": "localhost:9000", "content-type": "application/json"},
        {"host": "LOCALHOST."},
        {"host": "app.localhost:80"},
        {"host": "192.0.2.7:9000"},
        {"host": "[2001:db8::1]:9000"},
        {"host": "[::1]"},
        {"host": "Server1:9000"},
        {"host": "localhost", "content-type": "text/xml"},
        {"host": "localhost", "sec-fetch-site": "none"},
        {"host": "localhost", "sec-fetch-site": "same-origin"},
    ],
)
def test_programs_and_typed_addresses_are_obeyed(headers):
    assert access().refusal(headers) is None


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "", 403),
        ("origin", "http://localhost:9000", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "Cross-Site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "none, cross-site", 403),
        ("host", "evil.example:9000", 421),
        ("host", "server1.evil.example", 421),
        ("host", "localhost.evil.example", 421),
        ("host", "127.0.0.1.evil.example", 421),
        ("content-type", "text/plain", 415),
        ("content-type", "Text/Plain;charset=UTF-8", 415),
        ("content-type", "application/x-www-form-urlencoded", 415),
        ("content-type", "multipart/form-data; boundary=x", 415),
    ],
)
def test_what_a_page_can_send_is_refused(header, value, expected):
    assert status({"host": "localhost", header: value}) == expected


def test_an_origin_that_is_allowed_is_obeyed_and_no_other():
    allowed = {"origins": ("https://app.example", "null")}
    assert status(APP, **allowed) is None
    assert status(APP | {"sec-fetch-site": "cross-site"}, **allowed) is None
    assert status(APP | {"origin": "null"}, **allowed) is None
    assert status(APP | {"origin": "HTTPS://App.Example"}, **allowed) is None
    assert status(APP | {"origin": "http://app.example"}, **allowed) == 403
    assert status(APP | {"origin": "https://app.example:8443"}, **allowed) == 403
    assert status(APP | {"origin": "https://app.example.evil.example"}, **allowed) == 403
    assert status(APP | {"host": "evil.example"}, **allowed) == 421
    assert status(APP | {"content-type": "text/plain"}, **allowed) == 415
    no_origin = {"host": "localhost", "sec-fetch-site": "cross-site"}
    assert status(no_origin, **allowed) == 403


def test_hosts_and_forms_that_are_allowed():
    far = {"host": "calc.example.org:9000"}
    assert status(far, hosts=("calc.example.org",)) is None
    assert status(far, hosts=("*",)) is None
    assert status(far, hosts=("example.org",)) == 421
    form = {"host": "localhost", "content-type": "application/x-www-form-urlencoded"}
    assert status(form, forms=True) is None
    assert WebAccess(any_host=True).refusal({"host": "null"}) is None


def test_a_refusal_says_what_to_do():
    refused = access().refusal({"host": "calc.example.org"})
    assert "'calc.example.org'" in refused.reason and "list it in hosts" in refused.reason
    refused = access().refusal({"content-type": "text/plain"})
    assert "send Content-Type: application/json or set forms = yes" in refused.reason
    refused = access().refusal({"origin": "https://" + "x" * 500})
    assert "origins" in refused.reason and len(refused.reason) < 200


@pytest.mark.parametrize(
    ("text", "value"),
    [("https://App.example/", "https://app.example"), ("null", "null"),
     ("http://localhost:3000", "http://localhost:3000")],
)  # fmt: skip
def test_origins_are_read(text, value):
    assert _origin(text) == value


@pytest.mark.parametrize("text", ["app.example", "https://app.example/path", "*", "https://"])
def test_what_is_no_origin(text):
    with pytest.raises(ValueError, match="expected an origin such as"):
        _origin(text)


def test_host_names_are_read():
    assert (_host("Calc.Example.Org."), _host("*")) == ("calc.example.org", "*")
    for text in ("calc:9000", "*.example.org", "http://x", ""):
        with pytest.raises(ValueError, match="expected a host name without port"):
            _host(text)
    assert (host_of("[::1]:80"), host_of("A.b.:1")) == ("::1", "a.b")
    assert is_local("10.0.0.1") and not is_local("10.0.0.1.example") and not is_local("x")


def test_a_host_that_is_none_is_malformed_and_not_only_another_one():
    for text, status in (("a@localhost", 400), ("localhost:x", 400), ("other", 421)):
        refused = OWN.refusal({"host": text})
        assert refused is not None and refused.status == status
    assert WebAccess(hosts=frozenset("*")).refusal({"host": "a@b"}) is not None
    # At a Unix socket some programs send its path.
    assert WebAccess(any_host=True).refusal({"host": "/run/x.sock"}) is None


def test_a_listener_with_a_certificate_is_secure():
    options = HttpsListenerOptions(type="calc", tls_certificate="a.pem", tls_key="b.pem")
    assert OWN.changed(options).secure
    assert not OWN.changed(WebListenerOptions(type="calc")).secure

from posixpath import normpath
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie.http import targets
from ccproxy.protocols.jolie.values import Tree, Unportable

BOTH = {"x-jolie-servicepath": "/Sum", "x-jolie-operation": "sum"}
PATH = {"x-jolie-servicepath": "/Sum"}


@pytest.mark.parametrize(
    ("target", "headers", "path", "operation"),
    [
        ("/!/Sum!/sum", BOTH, "/Sum", "sum"),
        ("/!/Sum!/sum", {}, "/Sum", "sum"),
        ("/sum", PATH, "/Sum", "sum"),
        ("/sum", {}, "/", "sum"),
        ("/!/Sum/sum", {}, "/Sum", "sum"),
        ("/!/A/B!/sum", {}, "/A/B", "sum"),
        ("/!/A/!/B!/sum", {}, "/A/!/B", "sum"),
        (
            "/!/A/!/Bsum",
            {"x-jolie-servicepath": "/A/!/B", "x-jolie-operation": "sum"},
            "/A/!/B",
            "sum",
        ),
        ("/base/!/Sum!/sum", {}, "/Sum", "sum"),
        ("/!/Sum!/http://other/sum?x=1", {}, "/Sum", "http://other/sum"),
        ("/!/Sum", {"x-jolie-operation": "sum"}, "/", "Sum"),
        ("/", {}, "/", ""),
        ("*", {}, "/", "*"),
        ("/caff%C3%A8", {}, "/", "caffè"),
    ],
)
def test_where_a_request_goes(target, headers, path, operation):
    found = targets.read(target, headers)
    assert (found.path, found.operation) == (path, operation)


@pytest.mark.parametrize(
    ("target", "headers", "path"),
    [("/!/Sum", {}, "/Sum"), ("*", {}, "/"), ("/rpc", PATH, "/Sum"), ("/b/!/A/B", PATH, "/A/B")],
)
def test_where_a_request_goes_whose_operation_is_in_its_body(target, headers, path):
    assert targets.resource(target, headers) == path


def test_fields_are_strings_and_vectors():
    found = targets.read("/sum?x=5&y=a+b&x=%C3%A8&z=", {})
    assert targets.fields(found.query) == Tree(
        None, {"x": [Tree("5"), Tree("è")], "y": [Tree("a b")], "z": [Tree("")]}
    )


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/%FF", {}),
        ("/s?x=%FF", {}),
        ("/s", {"x-jolie-servicepath": "/\xff"}),
        ("/s?" + "&a=" * 5000, {}),
    ],
)
def test_what_is_no_text_is_refused(target, headers):
    with pytest.raises(Unportable):
        targets.read(target, headers)


def test_the_targets_of_the_original():
    assert targets.write("/", "/", "sum") == "/sum"
    assert targets.write("/", "/Sum", "sum") == "/!/Sum!/sum"
    assert targets.write("/base", "/", "sum") == "/base/sum"
    assert targets.place("/", "/Sum") == "/!/Sum"
    with pytest.raises(Unportable):
        targets.write("/", "/", "\ud800")


@given(st.text(min_size=1).filter(lambda name: "/" not in name))
@settings(deadline=None)
def test_an_operation_written_is_the_operation_read(name):
    assert targets.read(targets.write("/", "/", name), {}).operation == name
    assert targets.read(targets.write("/", "/Sum", name), {}) == ("/Sum", name, ())


LEAVING = [
    "..", ".", "../x", "x/../../y", "..\\x", "..;a", "x/..;jsessionid=1", "%2e%2e", "%2E.", ".%2e",
    "%2e%2e%2fx", "..%5cx",
]  # fmt: skip


@pytest.mark.parametrize("text", LEAVING)
def test_no_target_leaves_the_path_of_the_location(text):
    with pytest.raises(Unportable, match="a dot segment in"):
        targets.write("/api/", "/", text)
    with pytest.raises(Unportable, match="a dot segment in"):
        targets.write("/api/", f"/A/{text}", "sum")
    with pytest.raises(Unportable, match="a dot segment in"):
        targets.place("/api", f"/{text}/B")


def test_a_name_may_have_dots_and_the_path_of_the_location_is_the_operators():
    assert targets.write("/api", "/a.b/...", "..x") == "/api/!/a.b/...!/..x"
    assert targets.write("/a/../b", "/", "sum") == "/a/../b/sum"


@given(st.text("./%2eE\\;5cfF!a", max_size=12), st.text("./%2eE\\;5cfF!a", max_size=12))
def test_what_is_written_stays_below_the_location_however_it_is_read(path, operation):
    try:
        target = targets.write("/api/v1", f"/{path}", operation)
    except Unportable:
        return
    for read in (target, unquote(target), unquote(unquote(target))):
        assert normpath(read.replace("\\", "/")).startswith("/api/v1")


def test_fields_have_a_limit():
    assert targets.pairs("a=" + "x" * 1000)[0][1] == "x" * 1000
    with pytest.raises(Unportable, match="send JSON"):
        targets.pairs("a=" + "%41" * targets.MAX_FIELDS_SIZE)


@pytest.mark.parametrize(
    ("target", "path", "operation"),
    [
        ("/orders/get", "/orders", "get"), ("/a/b/c?d=1", "/a/b", "c"), ("/get", "/", "get"),
        ("/!/orders!/get", "/orders", "get"), ("/", "/", ""), ("/orders/", "/orders", ""),
    ],
)  # fmt: skip
def test_without_tokens_the_last_part_is_the_operation(target, path, operation):
    found = targets.read_without_tokens(target, {})
    assert (found.path, found.operation) == (path, operation)

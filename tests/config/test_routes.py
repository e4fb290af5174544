"""Routes as written: prefixes that never match, empty list elements, lines of sections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.config.ini import parse
from ccproxy.config.plan import RoutePlan
from ccproxy.config.routes import read_routes


def read(*lines):
    made, problems = parse("x.ini", "\n".join(["[routes]", *lines]), {}, "host1")
    assert problems == []
    return read_routes(made.section("routes"))


def test_routes_keep_order_case_and_doubles():
    routes = read("A.b = h:x, h:y , h:x", "* = h:z", "a.b =h:x")
    assert routes.problems == ()
    assert routes.routes == (
        RoutePlan("A.b", ("h:x", "h:y", "h:x"), 2),
        RoutePlan("*", ("h:z",), 3),
        RoutePlan("a.b", ("h:x",), 4),
    )


def test_a_section_is_used_in_the_line_it_stands_in():
    routes = read("a = h:x,", "  ; note", "  h:y, h:z,", "", "  h:w")
    assert [(use.section, use.line) for use in routes.uses] == [
        ("h:x", 2), ("h:y", 4), ("h:z", 4), ("h:w", 6)
    ]  # fmt: skip


@pytest.mark.parametrize("prefix", ["*", "a", "a.b", "A-1._", "pub.infofile.web"])
def test_prefixes_that_match(prefix):
    assert read(f"{prefix} = h:x").problems == ()


@pytest.mark.parametrize(
    "prefix", ["a.*", "*.a", "**", "a.", ".a", "a..b", ".", "a b", "a/b", "a:b", "\u00e9", "a?"]
)
def test_prefixes_that_never_match(prefix):
    [problem] = read(f"{prefix} = h:x").problems
    assert problem.what.startswith(f'route "{prefix}" never matches')
    assert problem.line == 2


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("", "names no handler section"),
        ("h:x,", "has an empty element"),
        (",", "has an empty element"),
        ("h:x,,h:y", "has an empty element"),
        ("h:x\n  h:y", "write a comma between two sections"),
    ],
)
def test_lists_with_holes(value, what):
    routes = read(f"a = {value}")
    assert any(what in str(problem) for problem in routes.problems)
    assert all(use.section for use in routes.uses)


def test_defaults_never_become_routes():
    made, _ = parse("x.ini", "[DEFAULT]\nb = h:x\n[routes]\na = h:x", {}, "host1")
    assert [route.prefix for route in read_routes(made.section("routes")).routes] == ["a"]


def test_a_value_with_a_fault_is_no_route():
    routes = read("a = %(nosuch)s", "b = h:x")
    assert [route.prefix for route in routes.routes] == ["b"]
    assert len(routes.problems) == 1


@given(st.text(alphabet="ab.*- ,h:x%\n", max_size=20))
def test_any_value_is_read(text):
    made, _ = parse("x.ini", f"[routes]\na = {text}", {}, "host1")
    routes = read_routes(made.section("routes"))
    assert all(use.section == use.section.strip() for use in routes.uses)

"""Prefixes: which match, in which order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.core.routes import Routes

ROUTES = Routes(
    [
        ("a.b.c", ("abc",)),
        ("a", ("a", "a2")),
        ("*", ("all",)),
        ("a.b", ("ab", "a")),
        ("a.", ("never",)),
        ("a.*", ("never",)),
        (".b", ("never",)),
        ("", ("never",)),
    ]
)


@pytest.mark.parametrize(
    ("type", "sections"),
    [
        ("a", "all a a2"),
        ("a.b", "all a a2 ab a"),
        ("a.b.c", "all a a2 ab a abc"),
        ("a.b.c.d", "all a a2 ab a abc"),
        ("a.bb", "all a a2"),
        ("ab", "all"),
        ("A", "all"),
        ("x.a", "all"),
        ("*", "all"),
    ],
)
def test_star_first_then_shortest_to_longest(type: str, sections: str) -> None:
    assert " ".join(ROUTES.sections(type)) == sections


def test_match_names_the_prefixes() -> None:
    assert list(ROUTES.match("a.b.x")) == [
        ("*", ("all",)),
        ("a", ("a", "a2")),
        ("a.b", ("ab", "a")),
    ]


def test_no_routes_match_nothing() -> None:
    assert Routes().sections("a.b") == ()


PART = st.sampled_from(["a", "b", "ab", "a-b"])
TYPE = st.lists(PART, min_size=1, max_size=4).map(".".join)


@settings(max_examples=100)
@given(TYPE, st.lists(TYPE, unique=True, max_size=8))
def test_every_prefix_by_whole_parts_and_no_other(type: str, prefixes: list[str]) -> None:
    routes = Routes((prefix, (prefix,)) for prefix in prefixes)
    expected = [prefix for prefix in prefixes if f"{type}.".startswith(f"{prefix}.")]
    assert list(routes.sections(type)) == sorted(expected, key=len)

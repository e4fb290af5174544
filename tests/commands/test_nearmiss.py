"""Why a route does not match, and what is wrong with a type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.commands.nearmiss import MAX_SHOWN, fault_of, matches, near_misses, repaired
from ccproxy.config.plan import RoutePlan
from ccproxy.core.routes import Routes
from ccproxy.wire.cc import valid_type


def why(prefix, type):
    """Why a route does not match a type; empty if no reader would expect a match."""
    found = near_misses(type, (RoutePlan(prefix, ("h:x",), 7),))
    assert all(miss.prefix == prefix and miss.line == 7 for miss in found)
    return found[0].why if found else ""


@pytest.mark.parametrize(
    ("prefix", "type", "reason"),
    [
        ("a.b", "a.bb", 'whole parts, "a.b" is not "a.bb"'),
        ("a.b", "a.bb.c", 'whole parts, "a.b" is not "a.bb"'),
        ("log", "logs", 'whole parts, "log" is not "logs"'),
        ("Log", "log.info", "upper and lower case"),
        ("log", "LOG", "upper and lower case"),
        ("pub.infofile", "pub", "the route is longer than the type"),
        ("a.*", "a.b", 'write "a"'),
        ("a.", "a.b", 'write "a"'),
        ("a*", "a.b", 'write "a"'),
        ("pub.infofiel", "pub.infofile.web", 'the type has "pub.infofile"'),
        ("lgo.info", "log.info", 'the type has "log.info"'),
    ],
)
def test_near_misses(prefix, type, reason):
    assert reason in why(prefix, type)


@pytest.mark.parametrize(
    ("prefix", "type"),
    [
        ("a.b", "a.b"),
        ("a", "a.b.c"),
        ("*", "x"),
        ("task", "log"),
        ("a.b", "x.y"),
        ("*", "a.b"),
        ("ext", "exits"),
    ],
)
def test_what_matches_or_is_far_off_is_no_near_miss(prefix, type):
    assert why(prefix, type) == ""


def test_they_come_in_the_order_of_the_file():
    routes = tuple(RoutePlan(f"log{line}", ("h:x",), line) for line in (9, 3, 5))
    assert [miss.line for miss in near_misses("logs", routes)] == [3, 5, 9]


def test_only_the_nearest_are_shown():
    routes = [RoutePlan(f"data{number}", ("h:x",), number) for number in range(1, 10_000)]
    found = near_misses("data77x", tuple(routes))
    assert len(found) == MAX_SHOWN
    assert "data77" in [one.prefix for one in found]
    assert found == sorted(found, key=lambda one: one.line)


@pytest.mark.parametrize(
    ("type", "fault", "meant"),
    [
        ("", "empty", ""),
        ("a.", "ends with a dot", "a"),
        (".a", "starts with a dot", "a"),
        ("a..b", "nothing between", "a.b"),
        ("a b", "not ' '", "a b"),
        ("a/b:c", "not '/', ':'", "a/b:c"),
        ("log.*", "not '*'", "log.*"),
        ("lög", "not 'ö'", "lög"),
        ("a\n", "not '\\n'", "a"),
    ],
)
def test_faults_of_a_type(type, fault, meant):
    assert fault in fault_of(type)
    assert repaired(type) == meant


TEXTS = st.text("ab_-.*/ \nä", max_size=8)


@given(TEXTS)
def test_a_type_is_faulty_exactly_if_the_switch_says_so(text):
    assert (fault_of(text) == "") == valid_type(text.encode())


@given(st.from_regex(r"[ab]+(\.[ab]+){0,2}", fullmatch=True), TEXTS.filter(bool))
def test_a_route_matches_exactly_if_the_switch_says_so(type, prefix):
    found = [one for one, _ in Routes([(prefix, ())]).match(type)]
    assert found == ([prefix] if matches(prefix, type) else [])

import pytest

from ccproxy.protocols.jolie.values import Fault, Tree
from ccproxy_handlers.redirect.table import PortPath, RouteTable, remainder_of

TABLE = RouteTable({"Sum": "sum", "A": "a", "A/B": "ab"}, {"sum": "sum", "sub": "sub"})


@pytest.mark.parametrize(
    ("path", "operation", "found"),
    [
        ("/Sum", "sum", PortPath("sum", "/")),
        ("/!/Sum/", "x", PortPath("sum", "/")),
        ("/Sum/C/D", "x", PortPath("sum", "/C/D")),
        ("/A/C", "x", PortPath("a", "/C")),
        ("/!/A/!/B/C", "x", PortPath("ab", "/C")),
        ("/", "sub", PortPath("sub", "/")),
        ("", "sum", PortPath("sum", "/")),
    ],
)
def test_what_is_found(path, operation, found):
    assert TABLE.find(path, operation) == found


@pytest.mark.parametrize(
    ("path", "operation", "text"),
    [
        ("/sum", "sum", "Unknown resource: /sum; there are Sum, A, A/B"),
        ("/B/A", "sum", "Unknown resource: /B/A; there are Sum, A, A/B"),
        ("/", "mul", "Invalid operation: mul"),
        ("Sum", "", "Invalid operation: "),
    ],
)
def test_what_is_not_found_is_an_io_exception(path, operation, text):
    assert TABLE.find(path, operation) == Fault("IOException", Tree(text))


def test_operations_offered_twice():
    assert TABLE.clashes(RouteTable({}, {"sub": "x", "mul": "x"})) == ["sub"]
    assert isinstance(RouteTable().find("/A", "x"), Fault)


@pytest.mark.parametrize(
    ("type", "routes", "head", "names", "operation"),
    [
        ("calc.Sum.sum", ("calc.Sum",), 0, (), "sum"),
        ("calc.Sum.A.B.sum", ("calc.Sum",), 0, ("A", "B"), "sum"),
        ("calc.Sum.sum", ("calc",), 0, ("Sum",), "sum"),
        ("calc.Sum.sum", ("calc", "calc.Sum"), 0, (), "sum"),
        ("calc.sum", ("calc",), 0, (), "sum"),
        ("calc.sum", ("calc.sum",), 0, (), "sum"),
        ("calc.Sum.sum", ("*",), 0, ("calc", "Sum"), "sum"),
        ("calc.Sum.sum", ("*",), 1, ("Sum",), "sum"),
        ("calc.Sum.sum", ("*", "calc.Sum"), 1, (), "sum"),
        ("calcs.Sum.sum", ("calc",), 0, ("calcs", "Sum"), "sum"),
        ("sum", ("*",), 0, (), "sum"),
    ],
)
def test_what_a_route_leaves(type, routes, head, names, operation):
    assert remainder_of(type, routes, head) == (names, operation)

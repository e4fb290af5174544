import pytest

from ccproxy_handlers.redirect.ways import way_of


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
    assert way_of(type, routes, head) == (names, operation)

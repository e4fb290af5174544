import pytest

from ccproxy.protocols.jolie.values import Fault, Tree
from ccproxy_handlers.redirect.table import Found, Table

TABLE = Table({"Sum": "sum", "A": "a", "A/B": "ab"}, {"sum": "sum", "sub": "sub"})


@pytest.mark.parametrize(
    ("path", "operation", "found"),
    [
        ("/Sum", "sum", Found("sum", "/")),
        ("/!/Sum/", "x", Found("sum", "/")),
        ("/Sum/C/D", "x", Found("sum", "/C/D")),
        ("/A/C", "x", Found("a", "/C")),
        ("/!/A/!/B/C", "x", Found("ab", "/C")),
        ("/", "sub", Found("sub", "/")),
        ("", "sum", Found("sum", "/")),
    ],
)
def test_what_is_found(path, operation, found):
    assert TABLE.find(path, operation) == found


@pytest.mark.parametrize(
    ("path", "operation", "text"),
    [
        ("/sum", "sum", "Unknown resource: /sum"),
        ("/B/A", "sum", "Unknown resource: /B/A"),
        ("/", "mul", "Invalid operation: mul"),
        ("Sum", "", "Invalid operation: "),
    ],
)
def test_what_is_not_found_is_an_io_exception(path, operation, text):
    assert TABLE.find(path, operation) == Fault("IOException", Tree(text))


def test_operations_offered_twice():
    assert TABLE.clashes(Table({}, {"sub": "x", "mul": "x"})) == ["sub"]
    assert isinstance(Table().find("/A", "x"), Fault)

"""The file of types, and texts read by it."""

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.values import Tree
from ccproxy.protocols.jolie.xml.reading import read_fault, read_value
from ccproxy.protocols.jolie.xml.types import Types, parsed, read

FILE = """
[sum]
x = int
item.price = double   ; of each item
[sum answer]
$ = int
[sum fault DivisionByZero]
a = long
data = raw
"""


def test_what_is_declared_and_what_is_not():
    types = Types(parsed("t.ini", FILE))
    data = b"<sum> <x>5</x><y>5</y><item>\n<price>2</price><n>1</n></item></sum>"
    assert result(read_value(data, types.request("sum"), types.other)).tree() == Tree(
        None,
        {
            "x": [Tree(5)],
            "y": [Tree("5")],
            "item": [Tree(None, {"price": [Tree(2.0)], "n": [Tree("1")]})],
        },
    )
    found = result(read_value(b"<r>8</r>", types.answer("sum"), types.other))
    assert found.tree() == Tree(8)
    fault = result(
        read_fault(b"<r><DivisionByZero><a>5</a><data>x</data></DivisionByZero></r>", types, "sum")
    )
    assert fault.name == "DivisionByZero"
    assert fault.value.tree() == Tree(None, {"a": [Tree(5)], "data": [Tree(b"x")]})
    assert types.request("other") is None


def test_numbers_that_are_inferred_and_raw_in_base64():
    types = Types(parsed("t.ini", FILE), infer=True, base64=True)
    data = b"<r><F><x>5</x><data>YWI=</data><s>a</s></F></r>"
    fault = result(read_fault(data.replace(b"F>", b"DivisionByZero>"), types, "sum"))
    assert fault.value.tree() == Tree(
        None, {"x": [Tree(5)], "data": [Tree(b"ab")], "s": [Tree("a")]}
    )
    assert types == Types(parsed("t.ini", FILE), True, True)
    assert types != Types(parsed("t.ini", FILE), True)


@pytest.mark.parametrize(
    "text, where, what",
    [
        ("[sum]\nx = integer\n", "t.ini:2", 'x: found "integer"'),
        ("[sum reply]\nx = int\n", "t.ini:1", "unknown section [sum reply]"),
        ("[sum]\na..b = int\n", "t.ini:2", "no path"),
        ("x = int\n", "t.ini:1", ""),
    ],
)
def test_mistakes_have_their_line(text, where, what):
    with pytest.raises(ValueError) as reason:
        parsed("t.ini", text)
    assert str(reason.value).startswith(where) and what in str(reason.value)


def test_a_file(tmp_path):
    file = tmp_path / "types.ini"
    file.write_text(FILE)
    assert str(read(f" {file} ")) == str(file)
    assert read(str(file)) == read(str(file))
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read(str(tmp_path / "none.ini"))
    file.write_bytes(b"[sum]\nx = \xff\n")
    with pytest.raises(ValueError, match="not UTF-8"):
        read(str(file))

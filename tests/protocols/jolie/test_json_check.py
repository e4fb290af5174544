import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.net.work import result
from ccproxy.protocols.jolie import json_check
from ccproxy.protocols.jolie.json_check import check, utf8
from ccproxy.protocols.jolie.json_values import loads
from ccproxy.protocols.jolie.json_walk import WINDOW
from ccproxy.protocols.jolie.values import Unportable

NAMES = ["a", "b", "\\u0061", "\\n", "$"]
NUMBERS = ["1", "-0", "1e308", "1e309", "-1E+999", "1" * 400, "1" * 400 + ".5", "1e-999", '"1e999"']


def checked(text: str, names=(), most=0):
    data = text.encode()
    found = result(check(data, 0, len(data), names, most))
    return found, lambda part: text[slice(*part)]


MEMBER = st.tuples(st.sampled_from(NAMES), st.sampled_from([*NUMBERS, "{}", "[1]"]))
OBJECTS = st.lists(MEMBER, max_size=6).map(
    lambda pairs: "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
)
ARRAYS = st.lists(st.one_of(OBJECTS, st.sampled_from(NUMBERS)), max_size=6).map(
    lambda parts: f"[{','.join(parts)}]"
)


@given(st.one_of(OBJECTS, ARRAYS))
@settings(max_examples=500, deadline=None)
def test_what_is_refused_is_what_a_parse_refuses(text):
    try:
        loads(text)
    except ValueError:
        with pytest.raises(ValueError, match="a name twice|beyond a double"):
            checked(text)
    else:
        checked(text)


def test_the_wanted_parts():
    text = ' {"id": 7, "par\\u0061ms": {"id": [1, "x"]}, "more": 1, "method":"m", "last": "x"} '
    found, part = checked(text, ("id", "params", "method", "none"))
    assert {name: part(where) for name, where in found.found.items()} == {
        "id": "7", "params": '{"id": [1, "x"]}', "method": '"m"',
    }  # fmt: skip
    assert found.count == 5
    assert part(found.root) == text.strip()


def test_the_first_values_of_an_array():
    found, part = checked('[1, {"a": [2]}, [3], "x", 5, 6]', most=4)
    assert [part(one) for one in found.parts] == ["1", '{"a": [2]}', "[3]", '"x"']
    assert found.count == 6
    assert checked("[]", most=1)[0].count == 0
    assert checked("5")[0].root == (0, 1)


def test_a_long_string_is_a_part_like_others():
    long = json.dumps("x" * 2 * WINDOW)
    found, part = checked(f'{{"a":{long},"b":[{long}]}}', ("a", "b"))
    assert [len(part(where)) for where in found.found.values()] == [len(long), len(long) + 2]


def test_objects_and_arrays_have_a_limit(monkeypatch):
    monkeypatch.setattr(json_check, "NODES", 3)
    checked("[[],{}]")
    with pytest.raises(ValueError, match="more than 3 objects and arrays"):
        checked("[[],{},[]]")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-15", "utf-16"])
def test_text_becomes_utf_8_wherever_it_is_cut(charset):
    text = "a" + "\u20ac" * WINDOW
    assert bytes(result(utf8(text.encode(charset), charset))).decode() == text


def test_text_that_is_not_in_its_charset():
    data = b"x" * WINDOW + b"\xff"
    with pytest.raises(Unportable, match=f"not utf-8: byte {WINDOW}"):
        result(utf8(data, "utf-8"))
    with pytest.raises(Unportable, match="not utf-8"):
        result(utf8("\u20ac".encode()[:2], "utf-8"))

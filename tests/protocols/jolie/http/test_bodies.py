import json

import pytest

from ccproxy.net.work import quick, result
from ccproxy.protocols.jolie.http.bodies import (
    body_of,
    error_body,
    fault_at,
    read_body,
    value_at,
    with_fields,
)
from ccproxy.protocols.jolie.json_check import LARGE
from ccproxy.protocols.jolie.json_values import Json, JsonText
from ccproxy.protocols.jolie.values import Fault, Tree, Unportable

LONG = "x" * LARGE
LIMIT = 1 << 20
VALUES = [
    {"a": LONG}, [LONG], {"$": LONG}, {"$": [LONG]}, {"$": 1, "a": LONG}, {"a": {"$": LONG}},
]  # fmt: skip


def read(body: bytes, type: str = "application/json", names=()):
    return result(read_body({"content-type": type}, body, LIMIT, names))


@pytest.mark.parametrize("spaces", [0, LARGE])
@pytest.mark.parametrize("body", [{}, {"$": 5}, {"$": None}, 5, [], *VALUES])
def test_a_large_body_is_read_and_written_as_a_small_one(body, spaces):
    small = json.dumps(body).replace(LONG, "x").encode()
    value, _ = read(json.dumps(body).encode().center(spaces))
    expected, _ = read(small)
    written = bytes(body_of(value)).replace(LONG.encode(), b"x")
    assert json.loads(written) == json.loads(body_of(expected))
    try:
        tree = expected.tree()
    except Unportable:
        with pytest.raises(Unportable):
            value.tree()
    else:
        assert str(value.tree()).replace(LONG, "x") == str(tree)


@pytest.mark.parametrize("type", ["", "application/json; charset=utf-16", "text/x-json"])
def test_large_json_of_every_type_is_read_in_steps(type):
    body = json.dumps([1] * LIMIT).encode("utf-16" if "16" in type else "utf-8")
    steps = read_body({"content-type": type}, body, LIMIT)
    assert quick(steps) is None
    value, _ = result(steps)
    assert isinstance(value, JsonText) and value.parsed() == [1] * LIMIT


def test_what_is_no_json_is_refused_or_read_otherwise():
    for wrong in (b"[" * LARGE, b"[1]" + b"," * LARGE, b"\xff" * LARGE * 2):
        with pytest.raises(Unportable, match="the body is no"):
            read(wrong)
    with pytest.raises(Unportable, match="application/json"):
        read(b"<a/>" + LONG.encode(), "text/xml")
    assert read(LONG.encode() * 2, "text/plain")[0] == Tree(LONG * 2)
    assert read(b"\xff" * LARGE * 2, "application/octet-stream")[0] == Tree(b"\xff" * LARGE * 2)


def test_members_of_a_large_body():
    text = json.dumps({"a": 1, "error": {"message": "Wrong", "data": [LONG]}}).encode()
    value, found = read(text, names=("error", "b"))
    assert value.tree() == Json(json.loads(text)).tree()
    fault = result(fault_at(text, found["error"]))
    assert fault.name == "Wrong" and fault.value.parsed() == [LONG]
    assert json.loads(error_body(fault))["error"]["data"] == [LONG]
    assert json.loads(error_body(Fault("Wrong", Tree(5))))["error"]["data"] == 5


@pytest.mark.parametrize("error", [5, [], {"data": LONG}, {"message": 5, "data": LONG}, [LONG]])
def test_an_object_without_message_is_no_fault(error):
    text = json.dumps(error).encode()
    assert result(fault_at(text, (0, len(text)))) is None


def test_a_fault_without_data_or_name():
    text = json.dumps({"message": "", "more": LONG}).encode()
    fault = result(fault_at(text, (0, len(text))))
    assert (fault.name, fault.value.tree()) == ("IOException", Tree())


def test_fields_of_a_query_beside_a_large_object():
    text = json.dumps({"a": LONG}).encode()
    value = value_at(text, (0, len(text)))
    merged = with_fields(value, {"b": [Tree("1")], "c": [Tree("2"), Tree("3")]})
    assert merged.parsed() == {"b": "1", "c": ["2", "3"], "a": LONG}
    assert with_fields(value, {}) is value
    for name in ("$", "_"):
        with pytest.raises(Unportable, match="query"):
            with_fields(value, {name: [Tree("1")]})
    text = json.dumps([LONG]).encode()
    with pytest.raises(Unportable, match="query"):
        with_fields(value_at(text, (0, len(text))), {"b": [Tree("1")]})

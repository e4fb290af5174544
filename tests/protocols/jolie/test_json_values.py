import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie import json_values as joliejson
from ccproxy.protocols.jolie.json_values import DEPTH, Json, from_tree, json_of, loads, to_tree
from ccproxy.protocols.jolie.values import Long, Tree, Unportable

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
)
NAMES = st.text(max_size=4).filter(lambda name: name not in ("$", "_"))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(NAMES, inner, max_size=3),
        st.tuples(SCALARS, st.dictionaries(NAMES, inner, max_size=2)).map(
            lambda both: {"$": both[0], **both[1]}
        ),
    ),
    max_leaves=10,
)


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_a_tree_written_as_json_reads_back_as_the_same_tree(value):
    tree = to_tree(value)
    again = to_tree(loads(joliejson.dumps(from_tree(tree)).decode()))
    assert again == tree


@pytest.mark.parametrize(
    ("value", "tree"),
    [
        (None, Tree()),
        ({}, Tree()),
        (8, Tree(8)),
        ({"$": 8}, Tree(8)),
        ({"x": 5, "y": 3}, Tree(None, {"x": [Tree(5)], "y": [Tree(3)]})),
        ({"$": "r", "a": [1, "two"]}, Tree("r", {"a": [Tree(1), Tree("two")]})),
        ({"a": [1]}, Tree(None, {"a": [Tree(1)]})),
        ({"a": []}, Tree(None, {"a": []})),
        ([1, 2], Tree(None, {"_": [Tree(1), Tree(2)]})),
        ({"a": [[1, 2]]}, Tree(None, {"a": [Tree(None, {"_": [Tree(1), Tree(2)]})]})),
        ({"a": {"b": None}}, Tree(None, {"a": [Tree(None, {"b": [Tree()]})]})),
    ],
)
def test_json_as_jolie_reads_it(value, tree):
    assert to_tree(value) == tree


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        (Tree(None, {"a": [Tree(1)]}), {"a": 1}),
        (Tree(None, {"a": []}), {"a": []}),
        (Tree(None, {"a": [Tree(None, {"_": [Tree(1)]})]}), {"a": [[1]]}),
        (Tree(Long(5)), 5),
        (Tree(2.0), 2.0),
    ],
)
def test_trees_as_json(tree, value):
    assert from_tree(tree) == value
    assert type(from_tree(tree)) is type(value)


def test_json_crosses_as_it_is_without_becoming_a_tree():
    value = {"a": [1], "b": {}, "_": 1, "n": 1 << 80}
    assert json_of(Json(value)) is value


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[Infinity]", "1e999", '{"a":1,"a":2}', "[" * 5000, "1" * 5000, "\ufeff1"],
)
def test_text_that_is_no_json_raises_value_error(text):
    with pytest.raises(ValueError):
        loads(text)


def test_depth_has_a_limit():
    value: list = []
    for _ in range(DEPTH - 1):
        value = [value]
    tree = to_tree(value)
    assert from_tree(tree) == value
    with pytest.raises(Unportable, match="deeper"):
        to_tree([value])
    with pytest.raises(Unportable, match="deeper"):
        from_tree(Tree(None, {"a": [tree]}))


def test_empty_objects_are_counted_before_they_take_memory(monkeypatch):
    monkeypatch.setattr(joliejson, "NODES", 10)
    assert loads("[" + ",".join(["{}"] * 9) + "]") == [{}] * 9
    with pytest.raises(ValueError, match="more than 10"):
        loads("[" + ",".join(["{}"] * 10) + "]")


@given(st.text(max_size=40))
@settings(deadline=None)
def test_text_of_any_kind_raises_only_value_error(text):
    with suppress(ValueError):
        json_of(to_tree(loads(text)))


def test_dumps_is_json_in_utf8():
    assert joliejson.dumps({"è": 1.5}) == '{"è":1.5}'.encode()
    assert json.loads(joliejson.dumps("\x00\u2028")) == "\x00\u2028"
    for wrong in ("\ud800", float("nan"), b"raw"):
        with pytest.raises(Unportable):
            joliejson.dumps(wrong)

import json

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.json_check import LARGE
from ccproxy.protocols.jolie.json_values import JsonText
from ccproxy.protocols.jolie.jsonrpc.values import (
    checked,
    loads,
    params_at,
    params_of,
    params_text,
    read_params,
    read_result,
    result_of,
    result_text,
)
from ccproxy.protocols.jolie.values import Tree, Unportable


@pytest.mark.parametrize(
    ("params", "tree"),
    [
        (None, Tree()),
        ([], Tree()),
        ([5], Tree(5)),
        (5, Tree(5)),
        ([1, 2], Tree(None, {"_": [Tree(1), Tree(2)]})),
        ({"a": 1}, Tree(None, {"a": [Tree(1)]})),
    ],
)
def test_params_in_every_spelling(params, tree):
    value = read_params(params)
    assert value.tree() == tree
    assert params_of(value) == params


@pytest.mark.parametrize(
    ("tree", "params"),
    [(Tree(), None), (Tree(5), [5]), (Tree(None, {"a": [Tree(1)]}), {"a": 1})],
)
def test_params_are_what_the_standard_allows(tree, params):
    assert params_of(tree) == params


def test_results():
    assert read_result([None]).tree() == Tree()
    assert result_of(read_result([None])) == [None]
    assert result_of(Tree(5)) == 5


def test_bodies():
    assert loads(b"[1]") == [1]
    with pytest.raises(Unportable, match="no JSON"):
        loads(b"[")


def test_large_params_in_every_spelling():
    """As text they are what they are as values, and jsonrpc writes them as it got them."""
    for params in (["x" * LARGE], ["x" * LARGE, 1], {"a": "x" * LARGE}, "x" * LARGE):
        text = json.dumps(params).encode()
        value = result(params_at(text, (0, len(text))))
        assert isinstance(value, JsonText)
        assert value.tree() == read_params(params).tree()
        assert bytes(params_text(value)) == text
    empty = b"[" + b" " * LARGE + b"]"
    assert result(params_at(empty, (0, len(empty)))) == []


def test_large_values_of_other_protocols_are_wrapped_as_small_ones():
    text = json.dumps({"a": "x" * LARGE, "b": ["y" * LARGE]}).encode()
    whole = JsonText(text, 0, len(text))
    assert bytes(params_text(whole)) == text == bytes(result_text(whole))
    found = result(checked(text, (0, len(text)), ("b",))).found["b"]
    assert json.loads(params_text(JsonText(text, *found))) == [["y" * LARGE]]

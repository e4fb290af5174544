import gzip

import pytest

from ccproxy.protocols.jolie.http.messages import BodyTooBig, HttpResponse
from ccproxy.protocols.jolie.jsonrpc.values import (
    loads,
    params_of,
    read_params,
    read_result,
    result_of,
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
    assert loads(HttpResponse(200, {}, b"[1]"), 9) == [1]
    with pytest.raises(Unportable, match="no JSON"):
        loads(HttpResponse(200, {}, b"["), 9)
    packed = HttpResponse(200, {"content-encoding": "gzip"}, gzip.compress(b"[1,2,3,4]"))
    assert loads(packed, 9) == [1, 2, 3, 4]
    with pytest.raises(BodyTooBig, match="more than 8 bytes"):
        loads(packed, 8)

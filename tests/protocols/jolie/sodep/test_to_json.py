import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.net.work import result
from ccproxy.protocols.jolie.json_values import DEPTH, dumps, from_tree
from ccproxy.protocols.jolie.many_names import FEW
from ccproxy.protocols.jolie.sodep import CHARSETS, decode, encode
from ccproxy.protocols.jolie.sodep.to_json import LONG_STRING, MAX_RUN, to_json
from ccproxy.protocols.jolie.values import Long, Tree, Unportable

INTS = st.integers(-(2**31), 2**31 - 1)
PAYLOADS = st.one_of(
    st.none(), st.booleans(), INTS, st.integers(-(2**63), 2**63 - 1).map(Long),
    st.floats(), st.text(max_size=3), st.sampled_from(['"\\\n\x1f\x7f', "\u00e9", b"raw"]),
    st.just("\u00e9\n" * LONG_STRING),
)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "\u00e9", "\n", "_", "_", "$"])
RUNS = st.lists(INTS.map(Tree), max_size=12)
TREES = st.recursive(
    PAYLOADS.map(Tree),
    lambda inner: st.builds(
        Tree,
        st.one_of(st.none(), st.none(), PAYLOADS),
        st.dictionaries(NAMES, st.one_of(st.lists(inner, max_size=3), RUNS), max_size=3),
    ),
    max_leaves=12,
)


def converted(data: bytes, charset: str = "utf-8") -> bytes:
    found = bytes(result(to_json(data, 0, charset)).text())
    # A large message is handed on as the bytearray in which it was collected.
    assert bytes(result(to_json(bytearray(data), 0, charset)).text()) == found
    return found


@pytest.mark.parametrize("charset", CHARSETS)
@given(tree=TREES)
@settings(max_examples=80, deadline=None)
def test_it_is_what_the_way_over_a_tree_gives(charset, tree):
    try:
        data = encode(tree, charset)
    except Unportable:
        return
    try:
        expected = dumps(from_tree(decode(data, 0, charset)[0]))
    except Unportable:
        with pytest.raises(Unportable):
            converted(data, charset)
    else:
        assert converted(data, charset) == expected


def test_many_integers():
    numbers = [*range(-MAX_RUN, 2 * MAX_RUN)]
    tree = Tree(None, {"_": [Tree(one) for one in numbers]})
    assert json.loads(converted(encode(tree))) == numbers


def named(*children: tuple[str, int]) -> bytes:
    """A value whose children may have one name twice."""
    parts = [b"\0", struct.pack(">i", len(children))]
    for name, number in children:
        parts += struct.pack(">i", len(name)), name.encode(), b"\0\0\0\1", encode(Tree(number))
    return b"".join(parts)


def test_of_two_children_of_one_name_the_last_counts():
    data = named(("a", 1), ("b", 2), ("a", 3), ("c", 4), ("a", 5), ("b", 6))
    assert json.loads(converted(data)) == {"a": 5, "b": 6, "c": 4}
    inside = Tree(None, {"x": [Tree(1)]})
    data = encode(Tree(None, {"y": [inside, inside]})).replace(encode(inside), data)
    assert json.loads(converted(data)) == {"y": [{"a": 5, "b": 6, "c": 4}] * 2}
    many = [(f"n{number % (3 * FEW)}", number) for number in range(5 * FEW)]
    assert json.loads(converted(named(*many))) == dict(many)


def test_the_depth_has_a_limit():
    tree = Tree(1)
    for _ in range(DEPTH - 1):
        tree = Tree(None, {"a": [tree]})
    converted(encode(tree))
    with pytest.raises(Unportable, match=f"deeper than {DEPTH}"):
        converted(encode(Tree(None, {"a": [tree]})))


def test_a_string_outside_its_charset_is_refused_with_its_place():
    for size in (10, 3 * LONG_STRING):
        data = encode(Tree("x" * size)).replace(b"xx\0\0\0\0", b"x\xff\0\0\0\0")
        with pytest.raises(Unportable, match=f"not utf-8: byte {size - 1}"):
            converted(data)

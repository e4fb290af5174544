import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie.sodep import (
    CHARSETS,
    SodepError,
    SodepLimits,
    SodepReader,
    decode,
    encode,
)
from ccproxy.protocols.jolie.values import Long, Tree, Unportable, walk

VECTORS = Path(__file__).parents[3] / "vectors" / "jolie"
LENIENT = json.loads((VECTORS / "lenient.json").read_text("utf-8"))["cases"]
STRICTER = {
    "unknown tag 9 reads as no payload": SodepError,
    "unknown tag 9, one child": SodepError,
    "negative child count reads as zero children": SodepError,
    "negative string length reads as empty string, no bytes consumed": SodepError,
    "negative value count reads as zero values": SodepError,
    "invalid UTF-8 is replaced by U+FFFD": Unportable,
    "surrogate pair encoded as two 3-byte sequences is replaced": Unportable,
}
"""What the original reads as something else, and we refuse."""
VALUE_AT = 8 + 5 + 8 + 1

PAYLOADS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.integers(-(1 << 63), (1 << 63) - 1).map(Long),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=8),
)
TREES = st.recursive(
    st.builds(Tree, PAYLOADS),
    lambda inner: st.builds(
        Tree, PAYLOADS, st.dictionaries(st.text(max_size=4), st.lists(inner, max_size=3))
    ),
    max_leaves=12,
)


def shape(tree: Tree) -> list:
    """Every node with its place and payload, types and all, for comparing."""
    found = [(place, type(one.payload), repr(one.payload)) for place, one in walk(tree)]
    return [*sorted(found), *sorted((p, list(one.children)) for p, one in walk(tree))]


@given(TREES)
@settings(max_examples=200, deadline=None)
def test_what_is_encoded_decodes_the_same(tree):
    data = encode(tree)
    found, end = decode(data)
    assert end == len(data)
    assert shape(found) == shape(tree)
    assert encode(found) == data


@given(TREES)
@settings(max_examples=50, deadline=None)
def test_what_is_encoded_is_found_as_one_message(tree):
    reader = SodepReader(SodepLimits())
    frames = reader.feed(bytes(16) + b"\0" + encode(tree))
    assert len(frames) == 1
    assert not reader.held


@pytest.mark.parametrize("case", LENIENT, ids=lambda case: case["name"])
def test_values_as_the_original_reads_them(case):
    sent = bytes.fromhex(case["request_hex"])
    answer = bytes.fromhex(case["response"]["hex"])
    if case["name"] in STRICTER:
        with pytest.raises(STRICTER[case["name"]]):
            decode(sent, VALUE_AT)
    else:
        expected = encode(decode(answer, VALUE_AT)[0])
        # Java makes every NaN the same one; ours keeps its bits.
        if case["name"] != "NaN payload":
            assert expected == answer[VALUE_AT:]
            assert encode(decode(sent, VALUE_AT)[0]) == expected


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_bytes_of_any_kind_raise_only_the_named_errors(data):
    with suppress(SodepError, Unportable):
        decode(data)


@given(TREES, st.data())
@settings(max_examples=100, deadline=None)
def test_a_value_that_is_cut_off_is_an_error(tree, data):
    whole = encode(tree)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SodepError, match="cut off"):
        decode(whole[:cut])


def test_integers_take_the_narrowest_form_unless_they_are_long():
    assert encode(Tree(5))[0] == 2
    assert encode(Tree(1 << 31))[0] == 6
    assert encode(Tree(Long(5)))[0] == 6
    with pytest.raises(Unportable, match="64 bits"):
        encode(Tree(1 << 63))


def test_charsets():
    tree = Tree("caffè")
    for charset in CHARSETS:
        if charset == "us-ascii":
            with pytest.raises(Unportable, match="us-ascii"):
                encode(tree, charset)
        else:
            assert decode(encode(tree, charset), charset=charset)[0] == tree
    with pytest.raises(Unportable, match="not utf-8"):
        decode(encode(tree, "iso-8859-1"))
    with pytest.raises(Unportable, match="utf-8 has no character"):
        encode(Tree("\ud800"))


def test_depth_costs_no_stack():
    tree = Tree()
    for _ in range(50_000):
        tree = Tree(None, {"a": [tree]})
    data = encode(tree)
    found, _ = decode(data)
    assert encode(found) == data
    while tree.children:
        tree = tree.children.pop("a")[0]
    while found.children:
        found = found.children.pop("a")[0]

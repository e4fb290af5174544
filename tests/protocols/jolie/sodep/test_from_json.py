import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.net.work import result
from ccproxy.protocols.jolie.json_values import JsonText, to_tree
from ccproxy.protocols.jolie.json_walk import WINDOW
from ccproxy.protocols.jolie.sodep import CHARSETS, encode
from ccproxy.protocols.jolie.sodep.from_json import from_json
from ccproxy.protocols.jolie.values import Unportable

EDGES = [0, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, -(2**63), 999_999_999, 2**63]
TEXTS = ["", "a", "\u00e9", "\u20ac", "\U0001f600", '"\\\n\x01', "x" * WINDOW + "\U0001f600\\" * 9]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**11), 10**11), st.floats(-1e300, 1e300),
    st.sampled_from(EDGES), st.sampled_from(TEXTS), st.text(max_size=3),
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.lists(st.integers(-9, 9), max_size=40),
        st.dictionaries(st.sampled_from(["a", "\u00e9", "\n", "b", "$", "$", "_"]), inner),
    ),
    max_leaves=20,
)
SPELLINGS = st.fixed_dictionaries(
    {"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 1])}
)


def converted(text: str, charset: str = "utf-8", **limits: int) -> bytes:
    data = text.encode()
    return bytes(result(from_json(JsonText(data, 0, len(data)), charset, **limits)))


@pytest.mark.parametrize("charset", CHARSETS)
@given(value=JSON, spelling=SPELLINGS)
@settings(max_examples=80, deadline=None)
def test_it_is_what_the_way_over_a_tree_gives(charset, value, spelling):
    text = json.dumps(value, **spelling)
    try:
        expected = encode(to_tree(value), charset)
    except Unportable:
        with pytest.raises(Unportable):
            converted(text, charset)
    else:
        assert converted(text, charset) == expected


def test_a_pair_of_surrogates_and_a_character_are_never_cut_apart():
    for part in ("\\ud83d\\ude00", "\U0001f600", "\u20ac", "\\\\", "\\u20ac"):
        for ahead in range(12):
            text = "[" + '"' + "x" * (WINDOW - ahead) + part * 3 + '"' + "]"
            assert converted(text) == encode(to_tree(json.loads(text)))


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\ude00\\ud83d"])
def test_half_a_pair_has_no_form(half):
    for ahead in (0, 2 * WINDOW):
        with pytest.raises(Unportable, match="no character"):
            converted('["' + "x" * ahead + half + '"]')


def test_a_payload_behind_the_children_stands_in_front_of_them():
    for payload in ("8", '"text"', json.dumps("\n" * WINDOW), "null"):
        text = f'{{"a":[1,{{"b":2,"$":"inner"}}],"$":{payload},"c":3}}'
        assert converted(text) == encode(to_tree(json.loads(text)))


def test_values_and_names_have_a_limit():
    converted("[" + ",".join("1" * 8) + "]", most=10)
    for text in ("[" + ",".join("1" * 9) + "]", json.dumps(dict.fromkeys("abcdef", 1))):
        with pytest.raises(Unportable, match="more than 10 values and names"):
            converted(text, most=10)

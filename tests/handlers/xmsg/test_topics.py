"""Topics: what the Java library makes of parts and of topics."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.xmsg.topics import TopicParts, build, split

VECTORS = Path(__file__).parents[2] / "vectors" / "xmsg"
CASES = json.loads((VECTORS / "topics.json").read_text("utf-8"))["vectors"]
WORD = st.text("ab_-%.", min_size=1, max_size=5).map(str.encode)


def cases(operation):
    return [one for one in CASES if one["op"] == operation]


@pytest.mark.parametrize("case", cases("build"), ids=str)
def test_building(case):
    parts = TopicParts(*(case[name].encode() for name in ("domain", "subject", "type")))
    expected = case["result"]["java"]
    if expected.startswith("!"):
        with pytest.raises(ValueError, match="needs a domain"):
            build(parts)
        return
    assert build(parts).decode() == expected


@pytest.mark.parametrize("case", cases("split"), ids=str)
def test_splitting(case):
    assert [one.decode() for one in split(case["topic"].encode())] == case["result"]["java"]


@pytest.mark.parametrize("case", cases("matches"), ids=str)
def test_a_subscription_is_a_prefix(case):
    found = case["message_topic"].startswith(case["subscription"])
    assert found == case["result"]


@given(WORD, WORD, WORD)
def test_what_was_built_of_words_is_split_into_them(domain, subject, type):
    assert split(build(TopicParts(domain, subject, type))) == (domain, subject, type)


@given(WORD, st.text("ab*:", max_size=8).map(str.encode))
def test_a_type_never_begins_or_ends_with_a_separator(subject, type):
    built = build(TopicParts(b"A", subject, type))
    assert not built.endswith(b":") and b"::" not in built and b"*" not in built

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.net.work import result
from ccproxy.protocols.jolie import json_walk
from ccproxy.protocols.jolie.json_values import DEPTH
from ccproxy.protocols.jolie.json_walk import (
    MAX_NUMBER,
    WINDOW,
    Visitor,
    each_element,
    each_member,
    end_of_name,
    walk,
)

PIECES = ["[", "]", "{", "}", ",", ":", '"a"', '"\\u00e9"', '"', "\\", "1", "-2.5e3", "01", "1.",
          "true", "nul", " ", "\n", "\x01", "$"]  # fmt: skip


class Transcript(Visitor):
    """Writes down the text again, as it was told."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.told: list[bytes] = []

    def elements(self, start, end):
        self.told += [one[1] for one in each_element(self.data, start, end)]

    def members(self, start, end):
        for one in each_member(self.data, start, end):
            assert end_of_name(self.data, one.start(1)) == one.end(1)
            self.told += one.groups()

    def name(self, start, end):
        self.told.append(self.data[start:end])

    scalar = name

    def long_string(self, start, end):
        yield
        self.told.append(self.data[start:end])

    def opened(self, bracket, at):
        self.told.append(bytes((bracket,)))

    def closed(self, end):
        self.told.append(self.data[end - 1 : end])


def told(text: str) -> list[bytes]:
    data = text.encode()
    found = Transcript(data)
    result(walk(data, 0, len(data), found))
    return found.told


def tokens(value) -> list[bytes]:
    """What the walk tells of a value that `json` wrote."""
    if isinstance(value, dict):
        inside = [one for pair in value.items() for part in pair for one in tokens(part)]
        return [b"{", *inside, b"}"]
    if isinstance(value, list):
        return [b"[", *(one for part in value for one in tokens(part)), b"]"]
    return [json.dumps(value).encode()]


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(-1e9, 1e9), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=8), st.dictionaries(st.text(max_size=3), inner, max_size=8)
    ),
    max_leaves=30,
)


@pytest.mark.parametrize("window", [8, WINDOW])
@given(value=VALUES, indent=st.sampled_from([None, 1]))
@settings(max_examples=60, deadline=None)
def test_every_token_is_told_in_order_wherever_the_steps_end(window, value, indent):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_walk, "RUN", window)
        assert told(json.dumps(value, indent=indent)) == tokens(value)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join))
@settings(max_examples=400, deadline=None)
def test_what_is_no_json_for_python_is_none_here(text):
    try:
        json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match="expected|ends"):
            told(text)
    else:
        told(text)


def test_long_strings_are_told_whole_and_spaces_cost_nothing():
    long = '"' + "\\n\u00e9" * WINDOW + '"'
    spaces = " " * (3 * WINDOW)
    assert told(f"[{long},{spaces}1]{spaces}") == [b"[", long.encode(), b"1", b"]"]
    assert told(f'{{"a":{long}}}') == [b"{", b'"a"', long.encode(), b"}"]
    for wrong in (long[:-1], long[:-1] + "\\", long[:-1] + "\x01" + '"'):
        with pytest.raises(ValueError, match="character of a string"):
            told(f"[{wrong}")


def test_a_step_is_short_in_every_shape():
    """A text of a million tokens in one step would stop everything else for a second."""
    for part in ("1,", "[1],", '{"a":1},', '"x",', " \n", "[],"):
        data = b"[" + part.encode() * 50_000 + b"1]"
        steps = sum(1 for _ in walk(data, 0, len(data), Transcript(data)))
        assert steps >= len(data) // (4 * json_walk.RUN), part


def test_limits():
    told("[" * DEPTH + "]" * DEPTH)
    with pytest.raises(ValueError, match="deeper"):
        told("[" * DEPTH + "1" + "]" * DEPTH)
    with pytest.raises(ValueError, match="more than 4300 characters"):
        told("[" + "1" * (MAX_NUMBER + 1) + "]")
    with pytest.raises(ValueError, match="name of at most"):
        told('{"' + "a" * WINDOW + '":1}')

"""Facts of handlers: plain values of their own, and not too many."""

import pytest

from ccproxy.server.facts import MOST_FACTS, plain_facts


def test_facts_that_are_too_much_or_none():
    around = {}
    around["itself"] = around
    for wrong in (
        dict.fromkeys(range(MOST_FACTS + 1)), {"x": [[1] * 50] * 50}, around, 5, None, "text",
    ):  # fmt: skip
        with pytest.raises((ValueError, RecursionError)):
            plain_facts(wrong)


def test_facts_become_plain_values_of_their_own():
    inner = [1]
    facts = plain_facts({1: inner, "nan": float("nan"), "set": {"x"}, "long": "x" * 5000})
    inner.append(2)
    assert facts["1"] == [1]
    assert facts["nan"] == "nan"
    assert facts["set"] == ["x"]
    assert len(facts["long"]) == 1000

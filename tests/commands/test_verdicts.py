"""What came of a step, compared with what a test expects."""

import pytest

from ccproxy.commands.cases import Described, Reach, Step, StepOptions
from ccproxy.commands.offline import Outcome
from ccproxy.commands.verdicts import compare, difference, shown, told


def step(**options):
    sent = StepOptions(send=Described("a"), **options)
    return Step(1, 2, sent, {"expect": 3, "fate": 4, "reply": 5, "raises": 6})


def texts(step, outcome, not_started=None):
    return [(one.line, one.text) for one in compare(step, outcome, not_started or {})]


def test_a_step_as_expected():
    wanted = step(
        expect=(Reach("h:a", True), Reach("h:b", False)), fate="replied",
        reply=(Described("x", {"n": 1}),), raises=("h:a",),
    )  # fmt: skip
    outcome = Outcome("replied", reached=["h:a"], replies=[("x", {"n": 1, "more": 2})])
    outcome.raised["h:a"] = "ValueError: no"
    assert texts(wanted, outcome) == []


def test_everything_that_is_not_as_expected_at_once():
    wanted = step(
        expect=(Reach("h:a", True), Reach("h:b", False)), fate="replied",
        reply=(Described("x"), Described("y")), raises=("h:a",),
    )  # fmt: skip
    outcome = Outcome("refused", reached=["h:b"], replies=[("z", {})])
    outcome.refused["h:b"] = "Refuse: not so"
    outcome.raised["h:b"] = "KeyError: 'x'"
    assert texts(wanted, outcome) == [
        (3, "h:a was not reached; reached: h:b"),
        (3, "h:b was reached"),
        (4, "the fate is refused, expected replied (h:b: Refuse: not so)"),
        (5, "reply x: found z {}"),
        (5, "no reply y"),
        (6, "h:a raised no exception"),
        (2, "h:b raised KeyError: 'x'"),
    ]


def test_no_reply_is_expected():
    assert texts(step(reply=()), Outcome(replies=[("x", {"n": 1})])) == [
        (5, "reply x {'n': 1} is one too many")
    ]
    assert texts(step(), Outcome(replies=[("x", {})])) == []


def test_what_a_handler_that_cannot_run_does_is_not_known():
    outcome = Outcome("consumed", reached=["h:a"])
    why = {"h:a": "it opens no database", "h:b": "not asked"}
    assert texts(step(expect=(Reach("h:a", True),)), outcome, why) == []
    assert texts(step(fate="replied"), outcome, why) == [
        (4, "h:a cannot run without a server, so what it does is not known: it opens no database")
    ]


@pytest.mark.parametrize(
    ("wanted", "found", "text"),
    [
        ({"a": {"b": [1, {"c": None}]}}, {"a": {"b": [1, {"c": None, "d": 1}]}, "x": 1}, ""),
        ({"a": {"b": 1}}, {"a": {}}, "a.b is missing in {}"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "a[1] is 3, expected 2"),
        ({"a": [1]}, {"a": [1, 2]}, "a is [1, 2], expected [1]"),
        ({"a": True}, {"a": 1}, "a is 1, expected True"),
        ({"a": 1}, {"a": 1.0}, ""),
        ({"frames": ["one"]}, {"frames": [b"one"]}, ""),
        ("one", "two", "it is two, expected one"),
    ],
)
def test_json_needs_to_have_what_is_given(wanted, found, text):
    assert difference("", wanted, found) == text


def test_text_of_plugins_is_shortened_and_escaped():
    assert "\x1b" not in shown("\x1b[2J")
    assert len(shown("x" * 10_000)) < 1000


def test_the_story_of_a_step():
    outcome = Outcome("forwarded", reached=["h:a"], forwarded=[("h:a", "tcp://b:1", "a")])
    outcome.log.append("[h:a] INFO: hello")
    result = type("Result", (), {"steps": [(step(), outcome)]})
    assert list(told(result)) == [
        "  line 2: a: forwarded",
        "    reached h:a",
        "    h:a sends a to tcp://b:1",
        "    [h:a] INFO: hello",
    ]

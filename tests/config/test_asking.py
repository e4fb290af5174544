"""Asking plugins about their sections, whatever they raise."""

import sys

import pytest

from ccproxy.config.asking import asking
from ccproxy.config.plan import HandlerPlan
from ccproxy.config.problems import Problem

ONE = HandlerPlan("h:x", "word", object, None, 7)
FOUND = Problem("x.ini", 8, "odd")


def asked(found, sound=True):
    with asking(ONE, 'handler "word"', "x.ini", sound) as problems:
        problems += found()
    return [str(one) for one in problems]


def broken():
    yield FOUND
    raise LookupError("gone")


def test_what_a_plugin_finds_is_given():
    assert asked(lambda: [FOUND]) == ["x.ini:8: odd"]


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (broken, "LookupError: gone"),
        (lambda: [FOUND, "odd"], "TypeError: check gave 'odd', expected a Problem"),
        (lambda: None, "TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_what_a_plugin_raises_takes_the_place_of_what_it_found(found, what):
    [problem] = asked(found)
    assert problem.startswith(f"x.ini:7: [h:x] cannot be checked: {what}")
    assert 'handler "word"' in problem
    assert asked(found, sound=False) == []


def test_what_would_end_the_process_is_a_problem_as_well():
    assert "cannot be checked: PluginExit: raised SystemExit(3)" in asked(lambda: sys.exit(3))[0]


def test_the_interrupt_of_an_operator_is_none():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked(interrupted)

"""Problems: how they read and in which order they come."""

import pytest

from ccproxy.config.problems import Problem, did_you_mean


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("x.ini", 12, "bad"), "x.ini:12: bad"),
        (Problem("x.ini", 0, "bad"), "x.ini: bad"),
        (Problem("x.ini", 12, "bad", "do good"), "x.ini:12: bad; do good"),
        (Problem("x.ini", 12, "odd", warning=True), "x.ini:12: warning: odd"),
    ],
)
def test_text(problem, text):
    assert str(problem) == text


def test_problems_sort_by_line():
    problems = [Problem("x.ini", 12, "a"), Problem("x.ini", 2, "c"), Problem("x.ini", 2, "b")]
    assert [problem.what for problem in sorted(problems)] == ["b", "c", "a"]


def test_did_you_mean():
    assert did_you_mean("pign", ["ping", "queue"]) == 'did you mean "ping"?'
    assert did_you_mean("colour", ["ping", "queue"]) == ""
    assert did_you_mean("ping", []) == ""


def test_a_word_of_another_length_is_not_suggested():
    """`handler = infowriter`, which is not here yet, must not end as `filter`."""
    known = ("delay", "disposer", "echo", "filter", "locallogger", "proxy", "redirect")
    assert did_you_mean("infowriter", known) == ""
    assert did_you_mean("fliter", known) == 'did you mean "filter"?'
    assert did_you_mean("logger", known) == 'did you mean "locallogger"?'

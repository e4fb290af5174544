"""Log lines cannot be forged, have a bounded length, and the documented formats."""

import json
import logging
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.process.log_format import (
    LINE_LIMIT,
    TRACE_LINES,
    Formats,
    bounded,
    formatter,
    journal_form,
    priority,
    without_form,
)
from ccproxy.wire.text import OPERATOR_LIMIT, TEXT_LIMIT, OperatorText


def record(text, *facts, error=None):
    made = logging.LogRecord("CCServer", logging.INFO, "x.py", 1, text, facts, None, "startup")
    if error:
        made.exc_info = (type(error), error, error.__traceback__)
    return made


def test_the_usual_line():
    line = formatter(Formats(), verbose=False).format(record("New route: %s", "log"))
    pattern = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} %d INFO CCServer: New route: log"
    assert re.fullmatch(pattern % os.getpid(), line)


def test_the_short_line_of_verbose():
    line = formatter(Formats(), verbose=True).format(record("x"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} INFO CCServer: x", line)


def test_formats_of_the_operator():
    wanted = Formats("%(asctime)s|%(levelname)s|%(message)s", "%Y")
    assert re.fullmatch(r"\d{4}\|INFO\|x", formatter(wanted, verbose=False).format(record("x")))
    only_line = Formats("%(asctime)s %(message)s")
    assert re.match(r"\d{4}-", formatter(only_line, verbose=True).format(record("x")))


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_never_begins_a_line(text):
    line = formatter(Formats("%(message)s"), verbose=False).format(record("%s", text))
    assert line.splitlines() == [line] or not line
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", line)


def test_line_breaks_are_visible():
    line = formatter(Formats("%(message)s"), verbose=False).format(record("a\nb\r\x1b[0m\tc"))
    assert line == "a\\nb\\r\\x1b[0m\tc"


def test_lines_of_a_stack_trace_are_indented():
    try:
        raise ValueError("first\n2026-01-01 00:00:00,000 1 INFO forged: line")
    except ValueError as error:
        text = formatter(Formats(), verbose=False).format(record("failed", error=error))
    first, *others = text.splitlines()
    assert first.endswith("failed")
    assert others and all(line.startswith("    | ") for line in others)


def message(text, *facts):
    return formatter(Formats("%(message)s"), verbose=False).format(bounded(record(text, *facts)))


@given(st.text(max_size=400), st.integers(0, 3))
def test_no_argument_is_longer_than_its_limit(text, kind):
    fact = [text, ValueError(text), [text], text.encode("utf-8", "replace")][kind]
    for form in ("%s", "%r"):
        assert len(message(form, fact)) <= TEXT_LIMIT


def test_a_type_of_many_megabytes_is_cut_and_its_length_is_said():
    line = message("no route: %s", "t" * 30_000_000)
    assert line.startswith("no route: ttt") and line.endswith("ttt... (30000000 characters)")
    assert len(message("%(a)s", {"a": "t" * 30_000_000})) == TEXT_LIMIT
    assert len(message("%r", "t" * 30_000_000)) <= TEXT_LIMIT


def test_a_text_without_arguments_is_cut_as_a_whole():
    assert len(message("x" * 1_000_000)) == LINE_LIMIT
    assert len(message(" ".join(["%s"] * 99), *["y" * 999] * 99)) == LINE_LIMIT


def test_what_the_operator_wants_may_be_longer_but_has_a_limit_as_well():
    wanted = OperatorText("x" * 10_000)
    assert message("%s", wanted) == wanted
    assert len(message("%s", OperatorText("x" * 1_000_000))) == OPERATOR_LIMIT


def test_numbers_and_paths_keep_their_form():
    assert message("%d %.2f %s %s %r", 5, 1.234, None, Path("/a b"), "x") == "5 1.23 None /a b 'x'"
    assert message("100%") == "100%"


@pytest.mark.parametrize("code", [0x202A, 0x202E, 0x2066, 0x2069, 0x200B, 0x200F, 0xFEFF, 0x9B])
def test_invisible_characters_are_visible(code):
    for line in (message("%s", f"a{chr(code)}b"), message(f"a{chr(code)}b")):
        assert line == "a" + chr(code).encode("unicode_escape").decode() + "b"


def test_a_record_itself_stays_as_it_was():
    made = record("%s", "x" * 1000)
    made.exc_text = "a trace of another handler"
    bounded(made)
    assert made.getMessage() == "x" * 1000 and made.exc_text == "a trace of another handler"


def test_a_stack_trace_has_bounds():
    try:
        raise ValueError("\n".join(["y" * 1000] * 5000))
    except ValueError as error:
        text = formatter(Formats(), verbose=False).format(bounded(record("x", error=error)))
    lines = text.splitlines()
    assert len(lines) == TRACE_LINES + 2
    assert max(map(len, lines)) <= TEXT_LIMIT + len("    | ")
    assert any("lines left out)" in line for line in lines)


def test_a_record_without_a_form_is_replaced():
    made = without_form(record("%d" + "z" * 1000, "x"), TypeError("w" * 1000))
    text = made.getMessage()
    assert text.startswith("a log line has no form, TypeError: www") and len(text) < 500


@pytest.mark.parametrize(
    ("level", "number"), [(5, 7), (10, 7), (20, 6), (25, 6), (30, 4), (40, 3), (50, 2)]
)
def test_levels_have_the_priorities_of_syslog(level, number):
    assert priority(level) == number


def test_each_line_for_the_journal_has_its_priority():
    try:
        raise ValueError("x")
    except ValueError as error:
        text = journal_form(Formats())(bounded(record("failed", error=error)))
    first, *others = text.split("\n")
    assert first == "<6>CCServer: failed"
    assert others and all(line.startswith("<6>    | ") for line in others)
    assert journal_form(Formats("%(message)s"))(record("x")) == "<6>x"


def test_a_line_as_json():
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        made = record("New route: %s", "a\nb\x1b", error=error)
    usual = formatter(Formats("%(message)s", json=True), verbose=True).format
    for form in (usual, journal_form(Formats(json=True))):
        line = form(bounded(made)).removeprefix("<6>")
        assert "\n" not in line
        value = json.loads(line)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value.pop("time"))
        trace = value.pop("trace")
        assert value == {
            "level": "INFO", "name": "CCServer", "process": os.getpid(),
            "text": "New route: a\\nb\\x1b",
        }  # fmt: skip
        assert trace[0] == "Traceback (most recent call last):" and trace[-1] == "second"
    assert "trace" not in json.loads(
        formatter(Formats(json=True), verbose=False).format(record("x"))
    )


@given(st.text())
def test_any_text_is_one_line_of_json(text):
    line = formatter(Formats(json=True), verbose=False).format(bounded(record("%s", text)))
    assert line.splitlines() == [line]
    assert isinstance(json.loads(line)["text"], str)

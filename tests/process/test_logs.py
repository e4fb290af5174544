"""Log lines cannot be forged, formats are the documented ones, repeats are limited."""

import logging
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.process.logs import (
    TRACE,
    Console,
    Formats,
    LogPlan,
    RateLimit,
    formatter,
    level_of,
    set_up,
    tear_down,
)


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    level = root.level
    yield
    tear_down()
    root.setLevel(level)


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


@pytest.mark.parametrize(
    ("quiet", "verbose", "level"),
    [(False, 0, logging.INFO), (True, 0, logging.WARNING), (False, 1, logging.DEBUG),
     (False, 2, TRACE), (False, 5, TRACE), (True, 1, logging.DEBUG)],
)  # fmt: skip
def test_levels(quiet, verbose, level):
    assert level_of(quiet, verbose) == level


def test_stderr_and_file(tmp_path, capsys):
    set_up(LogPlan(file=tmp_path / "x.log"))
    logging.getLogger("CCServer").info("to both")
    logging.getLogger("CCServer").debug("to none")
    tear_down()
    for text in (capsys.readouterr().err, (tmp_path / "x.log").read_text()):
        assert "INFO CCServer: to both" in text
        assert "to none" not in text


def test_trace_has_a_name(capsys):
    set_up(LogPlan(level=TRACE))
    logging.getLogger("h:x").log(TRACE, "pong")
    assert " TRACE h:x: pong" in capsys.readouterr().err


def test_the_file_is_rotated(tmp_path):
    set_up(LogPlan(file=tmp_path / "x.log", size=300, count=2))
    for number in range(20):
        logging.getLogger("CCServer").warning("line %d of many", number)
    tear_down()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.2"]


def test_set_up_again_replaces(tmp_path, capsys):
    set_up(LogPlan(file=tmp_path / "a.log"))
    set_up(LogPlan(file=tmp_path / "b.log"))
    logging.getLogger().warning("once")
    tear_down()
    assert capsys.readouterr().err.count("once") == 1
    assert (tmp_path / "a.log").read_text() == ""
    assert "once" in (tmp_path / "b.log").read_text()


def test_a_file_that_cannot_be_opened_leaves_the_log_as_it_was(tmp_path, capsys):
    set_up(LogPlan())
    with pytest.raises(OSError):
        set_up(LogPlan(file=tmp_path / "missing" / "x.log"))
    logging.getLogger().warning("still here")
    assert "still here" in capsys.readouterr().err


def test_a_key_is_said_once_in_its_time():
    limit = RateLimit(10.0)
    assert [limit.ask("full", now) for now in (0.0, 1.0, 9.9, 10.0, 11.0)] == [
        1,
        None,
        None,
        3,
        None,
    ]


def test_amounts_are_summed():
    limit = RateLimit(10.0)
    assert limit.ask("full", 0.0, 5) == 5
    assert limit.ask("full", 3.0, 7) is None
    assert limit.ask("full", 12.0, 1) == 8


def test_keys_do_not_disturb_each_other():
    limit = RateLimit(10.0)
    assert limit.ask("a", 0.0) == limit.ask("b", 0.0) == 1


def test_what_went_unsaid_comes_out_at_the_end():
    limit = RateLimit(10.0)
    for now in (0.0, 1.0, 2.0):
        limit.ask("a", now)
    limit.ask("b", 5.0)
    assert limit.expire(9.0) == []
    assert limit.expire(10.0) == [("a", 2)]
    assert limit.expire(99.0) == []
    assert limit.ask("a", 100.0) == 1


def test_too_many_keys_wait_for_their_turn():
    limit = RateLimit(10.0, keys=3)
    said = [limit.ask(key, 0.0) for key in "abcde"]
    assert said == [1, 1, 1, None, None]
    assert limit.overflow == 2
    assert limit.ask("d", 10.0) == 1


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 5), st.integers(1, 3))),
    st.integers(1, 4),
)
def test_nothing_is_lost_from_the_sums(asked, keys):
    limit, now, told = RateLimit(10.0, keys), 0.0, 0
    for key, pause, amount in asked:
        now += pause
        told += limit.ask(key, now, amount) or 0
    told += sum(amount for _, amount in limit.expire(now + 11.0))
    assert told + limit.overflow == sum(amount for _, _, amount in asked)


def test_a_full_disk_is_said_once_and_does_not_keep_the_log_from_closing(capsys, tmp_path):
    (tmp_path / "x.log").symlink_to("/dev/full")
    set_up(LogPlan(file=tmp_path / "x.log", size=0))
    log = logging.getLogger("full")
    for turn in range(50):
        log.info("line %d", turn)
    tear_down()
    err = capsys.readouterr().err
    assert "Traceback" not in err and "line 49" in err
    [file] = [line for line in err.splitlines() if line.startswith("ccserver: ")]
    assert f"cannot log to {tmp_path}/x.log: No space left on device, lines lost: 1" in file


def test_a_line_that_has_no_form_is_said_in_one_line(capsys):
    console = Console()
    console.handle(logging.LogRecord("odd", logging.INFO, "", 1, "%d", ("no number",), None))
    err = capsys.readouterr().err
    assert err.startswith("ccserver: cannot log to stderr: TypeError(")
    assert err.endswith(" in a line of odd, lines lost: 1\n")

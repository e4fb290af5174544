"""What is logged where; a destination that is stuck stops neither the caller nor another one."""

import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ccproxy.process import logs
from ccproxy.process.log_destinations import LogFile
from ccproxy.process.log_format import TRACE
from ccproxy.process.log_writer import Writer
from ccproxy.process.logs import Log, LogHandler, LogPlan, level_of, set_up, tear_down


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setattr(logs, "FLUSH_TIMEOUT", 60.0)
    root = logging.getLogger()
    level = root.level
    yield
    tear_down()
    root.setLevel(level)


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
    tear_down()
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
    tear_down()
    assert "still here" in capsys.readouterr().err


def test_a_full_disk_is_said_once_and_does_not_keep_the_log_from_closing(capsys, tmp_path):
    (tmp_path / "x.log").symlink_to("/dev/full")
    set_up(LogPlan(file=tmp_path / "x.log", size=0))
    log = logging.getLogger("full")
    for turn in range(50):
        log.info("line %d", turn)
    tear_down()
    err = capsys.readouterr().err
    assert "Traceback" not in err and "line 49" in err
    [file] = [line for line in err.splitlines() if "cannot log to" in line]
    found = f" WARNING CCServer: cannot log to {tmp_path}/x.log: No space left on device, lines"
    assert found in file


def test_a_line_that_has_no_form_is_said_in_one_line(capsys):
    set_up(LogPlan())
    [handler] = [one for one in logging.getLogger().handlers if isinstance(one, LogHandler)]
    handler.handle(logging.LogRecord("odd", logging.INFO, "", 1, "%d", ("no number",), None))
    tear_down()
    [line] = capsys.readouterr().err.splitlines()
    assert " ERROR odd: a log line has no form, TypeError: %d format: " in line
    assert line.endswith(": %d")


def test_a_long_line_is_cut_before_it_waits(capsys):
    set_up(LogPlan())
    logging.getLogger("CCServer").warning("dropping msg, no route: %s", "t" * 30_000_000)
    tear_down()
    assert len(capsys.readouterr().err) < 400


def test_a_file_that_nobody_reads_stops_neither_the_caller_nor_stderr(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(logs, "FLUSH_TIMEOUT", 2.0)
    os.mkfifo(tmp_path / "fifo")
    set_up(LogPlan(file=tmp_path / "fifo"))
    for number in range(100):
        logging.getLogger("CCServer").warning("line %d", number)
    tear_down()
    assert "line 99" in capsys.readouterr().err
    assert _read_fifo(tmp_path / "fifo").count("line") == 100


def _read_fifo(path):
    with path.open() as file:
        return file.read()


def test_a_log_takes_over_from_one_that_is_stuck(tmp_path, monkeypatch):
    monkeypatch.setattr("ccproxy.process.log_writer.SUCCESSION_TIMEOUT", 6.0)
    os.mkfifo(tmp_path / "fifo")
    set_up(LogPlan(file=tmp_path / "fifo"))
    logging.getLogger().warning("stuck")
    before = time.monotonic()
    set_up(LogPlan(file=tmp_path / "b.log"))
    assert time.monotonic() - before < 6.0, "the caller never waits"
    logging.getLogger().warning("goes on")
    tear_down()
    assert "goes on" in (tmp_path / "b.log").read_text()
    assert "stuck" in _read_fifo(tmp_path / "fifo")


def test_lines_of_many_logs_in_a_row_keep_their_order(tmp_path):
    for number in range(20):
        set_up(LogPlan(file=tmp_path / "x.log"))
        logging.getLogger().warning("line %d", number)
    tear_down()
    found = [line.rpartition(" ")[2] for line in (tmp_path / "x.log").read_text().splitlines()]
    assert found == [str(number) for number in range(20)]


def test_what_is_logged_last_is_written_although_the_whole_process_stands_still(
    tmp_path, monkeypatch
):
    """No thread has run when the first wait is over, which took longer than all may take."""
    monkeypatch.setattr(logs, "FLUSH_TIMEOUT", 0.8)  # of which each of the two writers has half
    goes_on, waits = threading.Event(), []
    write, wait = LogFile.write, Writer.wait

    def written(file, lines):
        goes_on.wait()
        write(file, lines)

    def waited(writer, seconds):
        waits.append(seconds)
        if len(waits) == 1:
            time.sleep(0.9)
            return False
        goes_on.set()
        return wait(writer, 60)

    monkeypatch.setattr(LogFile, "write", written)
    monkeypatch.setattr(Writer, "wait", waited)
    set_up(LogPlan(file=tmp_path / "x.log"))
    logging.getLogger().warning("the last line")
    tear_down()
    assert "the last line" in (tmp_path / "x.log").read_text()


def test_an_unused_log_leaves_no_thread_and_no_open_file(tmp_path):
    before = set(threading.enumerate())
    Log(LogPlan(file=tmp_path / "x.log")).abandon()
    assert set(threading.enumerate()) <= before
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # another thread has closed it
            assert not one.readlink().is_relative_to(tmp_path)

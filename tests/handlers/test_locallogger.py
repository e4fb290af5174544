import json
import time
from pathlib import Path

import pytest

from ccproxy.core.message import Message
from ccproxy.testing import message, run_handler
from ccproxy.wire import cc
from ccproxy_handlers.locallogger import LocalLogger, line

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"
CASES = json.loads((VECTORS / "echo_log_invalid.json").read_text("utf-8"))["cases"]
CODEC = cc.CcCodec("vm", lambda: 0.0)
LOG = {
    "hostname": "prod1", "job_name": "j", "log_level": "INFO", "log_msg": "m",
    "log_time": 1700000000.25,
}  # fmt: skip


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def for_logger() -> list:
    return [one for one in CASES if one["name"].startswith("log-")]


def words(line: str) -> list[str]:
    """The words of a line, sorted: the original's dictionaries have no fixed order."""
    return sorted(
        line.replace("u'", "'").replace("{", "").replace("}", "").replace(",", "").split()
    )


@pytest.mark.parametrize("case", for_logger(), ids=lambda case: case["name"])
def test_every_case_of_the_original(case):
    frames = [one["text"].encode() for one in case["send"]]
    theirs = [one for one in case["log"] if one.startswith("INFO")]
    failed = case["log"][0].startswith("ERROR")
    with run_handler(LocalLogger) as logger:
        given = Message.cut(frames, CODEC)
        if failed:
            with pytest.raises((ValueError, KeyError)):
                logger.give(given)
        else:
            assert logger.give(given) == []
        ours = [words(one) for one in logger.ctx.lines]
        assert ours == [words(one.replace("h:LocalLogger.handle_msg: ", "")) for one in theirs]


def test_the_level_of_the_line_is_info():
    with run_handler(LocalLogger) as logger:
        logger.send("log.critical", {**LOG, "log_level": "CRITICAL"})
        assert logger.ctx.lines == ["INFO [j@prod1] 22:13:20,250 CRITICAL m"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "000"), (0.9994, "999"), (0.9996, "000"), (0.0004, "000"), (0.001, "001")],
)
def test_thousandths_are_cut_as_by_the_original(seconds, shown):
    assert line({**LOG, "log_time": 1700000000 + seconds}) == f"[j@prod1] 22:13:20,{shown} INFO m"


def test_no_text_can_begin_a_line_of_its_own():
    forged = "x\n2013-01-01 00:00:00,000 1 ERROR y\r\x1b[1A"
    with run_handler(LocalLogger) as logger:
        for key in ("log_msg", "job_name", "hostname", "log_level"):
            logger.send("log.info", {**LOG, key: forged})
        logger.send("log.info", {forged: forged})
        assert len(logger.ctx.lines) == 5
        assert not any({"\n", "\r", "\x1b"} & set(one) for one in logger.ctx.lines)
        assert logger.ctx.lines[0].endswith("x\\n2013-01-01 00:00:00,000 1 ERROR y\\r\\x1b[1A")


def test_percent_signs_are_only_text():
    with run_handler(LocalLogger) as logger:
        logger.send("log.info", {**LOG, "log_msg": "100 %s %d %"})
        assert logger.ctx.lines[0].endswith("INFO 100 %s %d %")


@pytest.mark.parametrize("key", ["job_name", "log_msg", "log_time"])
def test_a_missing_field_fails(key):
    with run_handler(LocalLogger) as logger, pytest.raises(KeyError, match=key):
        logger.give(message("log.info", {name: LOG[name] for name in LOG if name != key}))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e300, "noon", None])
def test_a_time_that_is_none_fails(wrong):
    with pytest.raises((ValueError, OverflowError)):
        line({**LOG, "log_time": wrong})

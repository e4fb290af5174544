"""Statistics as the original wrote them, from a Status alone."""

import asyncio
import re
from dataclasses import replace

import pytest

from ccproxy.config.server import ServerOptions
from ccproxy.core.averages import SAMPLE_INTERVAL
from ccproxy.core.ledger import FATES
from ccproxy.server.statistics import OUTCOMES, Statistics, totals
from ccproxy.server.status import (
    HandlerStatus,
    LedgerStatus,
    ProcessStatus,
    SinksStatus,
    Status,
    TypeStatus,
)

FIVE = LedgerStatus(5, 50, {"forwarded": 5}, {"forwarded": 50})


def status_of(ledger=FIVE, handlers=()):
    process = ProcessStatus(
        "job", "/x.ini", "1", 7, 0, 1.5, 2.5, (0.1, 0.2, 0.3, 0.4, 0.5), "Linux", "3.11", "compiled"
    )
    sinks = SinksStatus(0, 0, 0, {}, ())
    return Status(process, (), (), handlers, (), sinks, 0, 0, ledger)


LINKED = HandlerStatus("h:x", "proxy", {"state": "up"}, {"ping.sent": 3})


@pytest.fixture
def statistics(kit):
    async def made():
        return Statistics(kit().log)

    return made


@pytest.fixture
def options(tmp_path):
    return ServerOptions(cc_socket="x", infofile=str(tmp_path / "info"))


def test_every_fate_has_one_word_of_the_original():
    named = [fate for fates in OUTCOMES.values() for fate in fates]
    assert sorted(named) == sorted(FATES)


def test_counters_have_the_names_of_the_original():
    fates = {fate: number for number, fate in enumerate(FATES, 1)}
    sizes = {fate: 10 * number for fate, number in fates.items()}
    status = status_of(LedgerStatus(66, 660, fates, sizes), (LINKED, LINKED))
    found = totals(status)
    assert found["count"] == sum(found[f"count.{word}"] for word in OUTCOMES) == 66
    assert found["bytes"] == sum(found[f"bytes.{word}"] for word in OUTCOMES) == 660
    assert found["ping.sent"] == 6
    types = [TypeStatus("other", 1, 10), TypeStatus("a.b", 5, 50), TypeStatus("other", 2, 20)]
    found = totals(status, types)
    assert (found["count.msg.a.b"], found["bytes.msg.a.b"]) == (5, 50)
    assert found["count.msg.other"] == 3


async def test_a_line_says_what_was_new(statistics, options, caplog):
    caplog.set_level("INFO")
    writer = await statistics()
    writer.write(status_of(handlers=(LINKED,)), options, ())
    await writer.settle()
    writer.write(status_of(handlers=(LINKED,)), options, ())
    await writer.settle()
    first, second = [one.getMessage() for one in caplog.records]
    assert first == "{count: 5, bytes: 50, count.ok: 5, bytes.ok: 50, ping.sent: 3}"
    assert second == "{count: 0}"


@pytest.mark.parametrize(("level", "sections"), [(1, []), (2, ["total", "latest", "links"])])
async def test_the_infofile(statistics, options, tmp_path, level, sections):
    silent = HandlerStatus("h:silent", "echo", {}, {})
    writer = await statistics()
    writer.write(status_of(handlers=(silent, LINKED)), replace(options, infofile_level=level), ())
    await writer.settle()
    text = (tmp_path / "info").read_text()
    assert re.findall(r"^\[([\w:]+)\]$", text, re.MULTILINE) == sections
    for line in (
        "name: job", "version: 1", "service: ccserver", "pid: 7", "status: ", "info-period: 30",
        "time-consumed: 0.1 0.2 0.3 0.4", "platform: Linux", "python: 3.11",
    ):  # fmt: skip
        assert f"{line}\n" in text
    assert text.count("started: 1.50 (19") + text.count("info-written: 2.50 (19") == 2
    if level > 1:
        assert "\nh:x: state=up\n" in text
        assert "h:silent" not in text
        assert text.count("\ncount: 5\n") == 2
    assert [one.name for one in tmp_path.iterdir()] == ["info"]


async def test_averages(statistics, options, tmp_path):
    writer = await statistics()
    writer.sample(status_of(), [TypeStatus("a", 5, 50)])
    writer.write(status_of(), replace(options, infofile_level=3), ())
    await writer.settle()
    text = (tmp_path / "info").read_text()
    assert f"[avg:60]\nbytes: 50 {50 * SAMPLE_INTERVAL / 60:.12g} {50 / 60:.12g}\n" in text
    assert "\ncount.msg.a: 5 " in text


async def test_a_file_that_cannot_be_written_is_said(statistics, options, tmp_path, caplog):
    writer = await statistics()
    writer.write(status_of(), replace(options, infofile=str(tmp_path / "no" / "info")), ())
    await writer.settle()
    await asyncio.sleep(0)
    assert "cannot write" in caplog.text


async def test_no_file_at_all(statistics, options, tmp_path, caplog):
    caplog.set_level("INFO")
    writer = await statistics()
    for none in ({"infofile": ""}, {"infofile_level": 0}):
        writer.write(status_of(), replace(options, **none), ())
    assert list(tmp_path.iterdir()) == []
    assert len(caplog.records) == 2

"""Statistics as the original wrote them, from a Status alone."""

import asyncio
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ccproxy import NoOptions
from ccproxy.config.server import ServerOptions
from ccproxy.core.averages import SAMPLE_INTERVAL
from ccproxy.core.flows import FlowTable, Target
from ccproxy.core.ledger import FATES, OUTCOMES
from ccproxy.core.type_totals import TypeCount
from ccproxy.server.pages import SLICE, all_types, verdict_counters
from ccproxy.server.statistics import Statistics, totals
from ccproxy.server.status import (
    HandlerStatus,
    LedgerStatus,
    ProcessStatus,
    SinksStatus,
    Status,
)
from ccproxy_handlers.disposer import Disposer
from ccproxy_handlers.filter import Filter

FIVE = LedgerStatus(5, 50, {"forwarded": 5}, {"forwarded": 50})


def status_of(ledger=FIVE, handlers=()):
    process = ProcessStatus(
        "job", "/x.ini", "1", 7, 0, 1.5, 2.5, (0.1, 0.2, 0.3, 0.4, 0.5), "Linux", "3.11", "compiled"
    )
    sinks = SinksStatus(0, 0, 0, {}, ())
    return Status(process, (), (), handlers, (), sinks, 0, 0, ledger)


LINKED = HandlerStatus("h:x", "proxy", {"state": "up"}, {"ping.sent": 3})


NONE = TypeCount()


async def write(writer, status, options):
    """Write the counters of a status."""
    await writer.write(status, options, await totals(status, NONE, {}))


def typed(**words):
    """The counts of a type whose messages have ten bytes each."""
    count = TypeCount()
    for word, messages in words.items():
        count.add(word, messages, 10 * messages)
    return count


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


async def test_counters_have_the_names_of_the_original():
    fates = {fate: number for number, fate in enumerate(FATES, 1)}
    sizes = {fate: 10 * number for fate, number in fates.items()}
    received = sum(fates.values())
    status = status_of(LedgerStatus(received, 10 * received, fates, sizes), (LINKED, LINKED))
    found = await totals(status, NONE, {})
    assert found["count"] == sum(found[f"count.{word}"] for word in OUTCOMES) == received
    assert found["bytes"] == sum(found[f"bytes.{word}"] for word in OUTCOMES) == 10 * received
    assert found["ping.sent"] == 6
    types = {"a.b": typed(ok=4, dropped=1, crashed=0), "other": typed(ok=3)}
    found = await totals(status, NONE, types)
    assert {name: count for name, count in found.items() if ".msg." in name} == {
        "count.msg.a.b": 5, "count.ok.msg.a.b": 4, "count.dropped.msg.a.b": 1,
        "bytes.msg.a.b": 50, "bytes.ok.msg.a.b": 40, "bytes.dropped.msg.a.b": 10,
        "count.msg.other": 3, "count.ok.msg.other": 3,
        "bytes.msg.other": 30, "bytes.ok.msg.other": 30,
    }  # fmt: skip


async def test_verdicts_count_by_the_names_of_the_original():
    def target(type):
        handler = disposer if type == b"drop" else passing
        verdict = handler.decide(type.decode())
        return Target(fate="discarded", counters=verdict.counters)

    disposer = Disposer("h:d", NoOptions())
    passing = Filter("h:f", Filter.Options(forward_to="h:d", exclude=("b*",)))
    passing.ctx = SimpleNamespace(handler=lambda _: disposer)
    table = FlowTable(3, target)
    for number, type in enumerate([b"a", b"b", b"drop", b"c", b"b2", b"a"], 1):
        flow = table.miss(type)
        flow.count, flow.bytes = number, 10 * number
    found = await totals(status_of(), await verdict_counters(table), {})
    assert {name: count for name, count in found.items() if name[:4] in ("filt", "disp")} == {
        "filter.count": 18, "filter.count.ok": 11, "filter.count.dropped": 7,
        "filter.bytes": 180, "filter.bytes.ok": 110, "filter.bytes.dropped": 70,
        "disposed_count": 14, "disposed_bytes": 140,
    }  # fmt: skip


async def test_what_one_of_two_destinations_lost_is_counted():
    """The fate of these messages is `forwarded`."""
    sinks = SinksStatus(2, 0, 0, {"full": 2}, (), {"h:two": {"full": 2, "old": 1}})
    found = await totals(replace(status_of(), sinks=sinks), NONE, {})
    assert (found["count.ok"], "count.dropped" in found) == (5, False)
    assert (found["dropped.h:two.full"], found["dropped.h:two.old"]) == (2, 1)


async def test_all_types_of_a_full_table_never_hold_the_loop(statistics, options, caplog, turns):
    """70,000 types with `cc-stats = 2` were a line of 17 MB and two seconds of silence."""
    caplog.set_level("INFO")
    table = FlowTable(65_536, lambda type: Target())
    for number in range(70_000):
        flow = table.miss(b"a.type.of.some.length.%d" % number)
        flow.count, flow.bytes = 2, 100
    writer = await statistics()
    async with turns:
        for _ in range(3):
            writer.sample(await totals(status_of(), NONE, await all_types(table)))
            total = await totals(status_of(), NONE, await all_types(table))
            await writer.write(status_of(), replace(options, infofile_level=3), total)
    await writer.settle()
    assert turns.number > 3 * 2 * 65_536 / SLICE
    line = caplog.records[0].getMessage()
    assert (line.count("count.ok.msg."), "count.ok.msg.other: 138000" in line) == (1001, True)
    assert len(line) < 200_000


async def test_an_idle_server_has_a_count_of_zero(statistics, options, tmp_path, caplog):
    """Scrapers of the original find `count` in every line and in both sections."""
    caplog.set_level("INFO")
    writer = await statistics()
    await write(writer, status_of(LedgerStatus(0, 0, {}, {})), options)
    await writer.settle()
    assert caplog.messages == ["{count: 0}"]
    assert (tmp_path / "info").read_text().count("]\ncount: 0\n") == 2


async def test_a_line_says_what_was_new(statistics, options, caplog):
    caplog.set_level("INFO")
    writer = await statistics()
    await write(writer, status_of(handlers=(LINKED,)), options)
    await writer.settle()
    await write(writer, status_of(handlers=(LINKED,)), options)
    await writer.settle()
    first, second = [one.getMessage() for one in caplog.records]
    assert first == "{count: 5, bytes: 50, count.ok: 5, bytes.ok: 50, ping.sent: 3}"
    assert second == "{count: 0}"


@pytest.mark.parametrize(("level", "sections"), [(1, []), (2, ["total", "latest", "links"])])
async def test_the_infofile(statistics, options, tmp_path, level, sections):
    silent = HandlerStatus("h:silent", "echo", {}, {})
    writer = await statistics()
    await write(
        writer, status_of(handlers=(silent, LINKED)), replace(options, infofile_level=level)
    )
    await writer.settle()
    text = (tmp_path / "info").read_text()
    assert re.findall(r"^\[([\w:]+)\]$", text, re.MULTILINE) == sections
    for line in (
        "name: job", "version: 1", "service: ccserver", "pid: 7", "status: ", "info-period: 30",
        "time-consumed: 0.1 0.2 0.3 0.4", "platform: Linux", "python: 3.11",
        "skytools: not used", "libzmq: not used", "pyzmq: not used",
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
    writer.sample(await totals(status_of(), NONE, {"a": typed(ok=5)}))
    await write(writer, status_of(), replace(options, infofile_level=3))
    await writer.settle()
    text = (tmp_path / "info").read_text()
    assert f"[avg:60]\nbytes: 50 {50 * SAMPLE_INTERVAL / 60:.12g} {50 / 60:.12g}\n" in text
    assert "\ncount.msg.a: 5 " in text


async def test_a_file_that_cannot_be_written_is_said(statistics, options, tmp_path, caplog):
    writer = await statistics()
    await write(writer, status_of(), replace(options, infofile=str(tmp_path / "no" / "info")))
    await writer.settle()
    await asyncio.sleep(0)
    assert "cannot write" in caplog.text


async def test_no_file_at_all(statistics, options, tmp_path, caplog):
    caplog.set_level("INFO")
    writer = await statistics()
    for none in ({"infofile": ""}, {"infofile_level": 0}):
        await write(writer, status_of(), replace(options, **none))
    await writer.settle()
    assert list(tmp_path.iterdir()) == []
    assert len(caplog.records) == 2

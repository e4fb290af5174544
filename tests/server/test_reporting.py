"""When statistics are written; tests/server/test_server.py has what is written."""

import asyncio
from types import SimpleNamespace

import pytest

from ccproxy.config.plan import Plan
from ccproxy.config.server import ServerOptions
from ccproxy.core.type_totals import TypeCount
from ccproxy.server import reporting as module
from ccproxy.server.reporting import Reporting
from ccproxy.server.status import LedgerStatus, SinksStatus


class Observed:
    """A server that has received one message of one type."""

    def status(self, plan):
        return SimpleNamespace(
            ledger=LedgerStatus(1, 5, {"forwarded": 1}, {}), handlers=(),
            sinks=SinksStatus(0, 0, 0, {}, ()),
        )  # fmt: skip

    async def all_types(self):
        counted = TypeCount()
        counted.add("ok", 1, 5)
        return {"a.b": counted}

    async def verdict_counters(self):
        return TypeCount()


class Written:
    """Statistics that remember what they are told."""

    def __init__(self, log):
        self.calls = []

    def sample(self, total):
        self.calls.append(("sample", total["count"]))

    async def write(self, status, options, total):
        self.calls.append(("write", total))

    async def settle(self):
        self.calls.append("settle")


@pytest.fixture
def reporting(monkeypatch):
    monkeypatch.setattr(module, "Statistics", Written)
    monkeypatch.setattr(module, "SAMPLE_INTERVAL", 0.001)
    return Reporting(Observed(), None)


def plan(**options):
    return Plan("x.ini", "x", ServerOptions(**options), (), (), ())


@pytest.mark.parametrize(("cc_stats", "types"), [(0, None), (1, False), (2, True)])
async def test_the_last_line_waits_for_the_file(reporting, cc_stats, types):
    await reporting.write_last(plan(cc_stats=cc_stats))
    before, *between, after = reporting._statistics.calls
    assert (before, after) == ("settle", "settle")
    assert [("count.msg.a.b" in total) for _, total in between] == (
        [] if types is None else [types]
    )


async def test_each_period_and_each_sample(reporting, until):
    first = plan(stats_period=0.001, infofile_level=2)
    plans = [first]
    tasks = [
        asyncio.ensure_future(one(lambda: plans[-1]))
        for one in (reporting.write_again_and_again, reporting.sample_again_and_again)
    ]
    calls = reporting._statistics.calls
    await until(lambda: len(calls) > 2)
    assert {word for word, _ in calls} == {"write"}
    plans.append(plan(stats_period=0.001, infofile_level=3))  # as after a reload
    await until(lambda: ("sample", 1) in calls)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

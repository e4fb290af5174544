import asyncio
import re
from collections import Counter
from types import SimpleNamespace

import pytest

from ccproxy.config.server import ServerOptions
from ccproxy.core.flows import Flow, Target
from ccproxy.core.ledger import FATES
from ccproxy.server.statistics import OUTCOMES, Statistics, totals


@pytest.fixture
def make(kit, tmp_path):
    """Statistics of a server that is only what they look at."""

    def make(**options):
        made = kit()
        given = {"cc_socket": "x", "infofile": str(tmp_path / "info"), **options}
        server = SimpleNamespace(
            plan=SimpleNamespace(job_name="job", server=ServerOptions(**given)),
            log=made.log,
            switch=made.switch,
            handlers=SimpleNamespace(
                counters=lambda: Counter({"ping.sent": 3}),
                status=lambda: [("h:x", {"state": "up"})],
            ),
        )
        return Statistics(server), made.switch.ledger, made.switch

    return make


def test_every_fate_has_one_word_of_the_original():
    named = [fate for fates in OUTCOMES.values() for fate in fates]
    assert sorted(named) == sorted(FATES)


async def test_counters_have_the_names_of_the_original(make):
    _, ledger, switch = make()
    for number, fate in enumerate(FATES, 1):
        ledger.receive(number, 10 * number)
        ledger.end(fate, number, 10 * number)
    found = totals(switch, per_type=False)
    assert found["count"] == sum(found[f"count.{word}"] for word in OUTCOMES) == 66
    assert found["bytes"] == sum(found[f"bytes.{word}"] for word in OUTCOMES) == 660
    switch.table.flows[b"a.b"] = Flow(Target(fate="discarded"))
    switch.table.flows[b"a.b"].count = 5
    switch.table.flows[b"c"] = Flow(Target(fate="unrouted"))
    switch.table.flows[b"c"].count = 7
    found = totals(switch, per_type=True)
    assert (found["count.msg.a.b"], found["count.msg.c"]) == (5, 7)


async def test_a_line_says_what_was_new(make, caplog):
    caplog.set_level("INFO")
    statistics, ledger, _ = make()
    ledger.receive(5, 50)
    ledger.end("forwarded", 5, 50)
    statistics.write()
    statistics.write()
    first, second = [one.getMessage() for one in caplog.records]
    assert first == "{count: 5, bytes: 50, count.ok: 5, bytes.ok: 50, ping.sent: 3}"
    assert second == "{count: 0}"


@pytest.mark.parametrize(("level", "sections"), [(1, []), (2, ["total", "latest", "links"])])
async def test_the_infofile(make, tmp_path, level, sections):
    statistics, ledger, _ = make(infofile_level=level)
    ledger.receive(5, 50)
    ledger.end("forwarded", 5, 50)
    statistics.write()
    text = (tmp_path / "info").read_text()
    assert re.findall(r"^\[([\w:]+)\]$", text, re.MULTILINE) == sections
    for line in ("name: job", "service: ccserver", "status: ", "info-period: 30"):
        assert f"{line}\n" in text
    if level > 1:
        assert "\nh:x: state=up\n" in text
        assert text.count("\ncount: 5\n") == 2
    assert [one.name for one in tmp_path.iterdir()] == ["info"]


async def test_averages(make, tmp_path, monkeypatch, until):
    monkeypatch.setattr("ccproxy.server.statistics.PERIOD", 0.001)
    statistics, ledger, _ = make(infofile_level=3)
    ledger.receive(5, 50)
    ledger.end("forwarded", 5, 50)
    sampling = asyncio.ensure_future(statistics.sample())

    def written():
        statistics.write()
        return "[avg:60]\nbytes: 50" in (tmp_path / "info").read_text()

    await until(written)
    sampling.cancel()
    await asyncio.gather(sampling, return_exceptions=True)


async def test_a_file_that_cannot_be_written_is_said(make, tmp_path, caplog):
    statistics, _, _ = make(infofile=str(tmp_path / "no" / "info"))
    statistics.write()
    assert "cannot write" in caplog.text


async def test_no_statistics_at_all(make, tmp_path, caplog):
    caplog.set_level("INFO")
    statistics, _, _ = make(cc_stats=0)
    statistics.write()
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []

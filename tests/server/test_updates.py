"""What open pages are told: the same update for all, missed ones, the most pages, the end."""

import asyncio
import json

import pytest

from ccproxy.core.flows import FlowTable, Target
from ccproxy.server import pages, updates
from ccproxy.server.requests import RequestError
from ccproxy.server.status import LossStatus, PeerStatus, SinkStatus, StatusPage
from ccproxy.server.updates import Collector, PageClient, Updates
from tests.server.test_hidden import STATUS

LOSSES = tuple(LossStatus(f"job{number}", "full", 1, 2.0, 1.0) for number in range(30))
PEERS = StatusPage((PeerStatus("ccserver", SinkStatus("ccserver bob", 1, 1, 0, 0, {})),), 1)


class Seen:
    """Stands for an observer of a server with one flow table."""

    def __init__(self):
        self.table = FlowTable(100_000, lambda type: Target(fate="unrouted"))
        self.counted = 0

    async def traffic(self, most):
        self.counted += 1
        return await pages.traffic(self.table, most, float(self.counted))

    async def peers(self, after, most):
        assert after == ""
        return PEERS

    def losses(self):
        return StatusPage(LOSSES, len(LOSSES))


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def made(kit, seen, monkeypatch):
    """Updates without a pause between them, and how often a status was asked for."""
    monkeypatch.setattr(updates, "UPDATE_INTERVAL", 0.0)
    looks = []

    def status():
        looks.append(1)
        return STATUS

    def made():
        return Updates(Collector(status, seen), kit().log), looks

    return made


def value(event):
    """The update in an event, which is one line."""
    head, _, text = event.partition(b"data: {")
    assert event.endswith(b"\n\n") and event.count(b"\n") == 2 + head.count(b"\n")
    return json.loads(b"{" + text)


async def test_an_update_with_names(seen):
    seen.table.miss(b"job.name").count = 7
    found = value((await Collector(lambda: STATUS, seen).updates(True, False))[True])
    assert found["names"] and found["status"]["links"][0]["reason"] == "10.9.8.7 says no"
    assert found["types"]["items"][0] == {
        "type": "job.name", "messages": 7, "bytes": 0, "to": ["unrouted"]
    }  # fmt: skip
    assert found["sections"] == {"unrouted": 7}
    assert found["peers"]["items"][0]["sink"]["name"] == "ccserver bob"
    assert len(found["losses"]["items"]) == updates.LOSSES and found["losses"]["total"] == 30


async def test_an_update_without_names_has_none(seen):
    seen.table.miss(b"job.name").count = 7
    [event] = (await Collector(lambda: STATUS, seen).updates(False, True)).values()
    for name in (b"job", b"10.9.8.7", b"bob", b"/home"):
        assert name not in event
    found = value(event)
    assert not found["names"] and found["types"] == {"items": [], "total": 1, "next": None}
    assert found["sections"] == {"unrouted": 7} and "losses" not in found


async def test_very_many_types_are_counted_less_often(seen, monkeypatch):
    monkeypatch.setattr(updates, "TYPES_PER_UPDATE", 10)
    collector = Collector(lambda: STATUS, seen)
    for number in range(25):
        seen.table.miss(b"a%d" % number)
    times = [value((await collector.updates(True, False))[True])["counted"] for _ in range(7)]
    assert times == [1, 1, 1, 2, 2, 2, 3]


async def test_all_pages_get_the_same_update(made, monkeypatch):
    monkeypatch.setattr(updates, "UPDATE_INTERVAL", 1000.0)
    one, looks = made()
    first, second, plain = one.answer(True), one.answer(True), one.answer(False)
    found = await asyncio.gather(*(anext(page.body) for page in (first, second, plain)))
    assert found[0] is found[1] and found[0] != found[2]
    assert len(looks) == 1 and first.kind == "text/event-stream"
    await one.close()
    for page in (first, second, plain):
        assert [part async for part in page.body] == []


async def test_a_page_that_comes_later_gets_the_latest_update_at_once(made, monkeypatch):
    monkeypatch.setattr(updates, "UPDATE_INTERVAL", 1000.0)
    one, looks = made()
    first = one.answer(True)
    found = await anext(first.body)
    second = one.answer(True)
    assert await anext(second.body) is found and len(looks) == 1
    await one.close()
    await second.body.aclose()
    await first.body.aclose()


async def test_nothing_is_computed_without_a_page(made, until):
    one, looks = made()
    page = one.answer(True)
    await anext(page.body)
    await page.body.aclose()
    await until(lambda: not one.clients[True] and one._task is None)
    number = len(looks)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(looks) == number and not one._latest
    again = one.answer(True)
    assert await anext(again.body)
    await again.body.aclose()
    await one.close()


async def test_a_page_that_does_not_read_misses_updates_and_holds_one():
    client = PageClient()
    for number in range(5):
        client.offer(b"data: %d\n\n" % number)
    assert await client.next() == b"event: missed\ndata: 4\n\ndata: 4\n\n"
    client.offer(b"data: 5\n\n")
    assert await client.next() == b"data: 5\n\n"
    client.end()
    assert await client.next() == b""


async def test_pages_are_bounded_and_say_so(made):
    one, _ = made()
    open_pages = [one.answer(True) for _ in range(updates.MOST_PAGES)]
    await asyncio.gather(*(anext(page.body) for page in open_pages))
    with pytest.raises(RequestError, match="there are 6 open pages already") as error:
        one.answer(True)
    assert (error.value.code, error.value.headers) == (503, {"Retry-After": "10"})
    other = one.answer(False)  # those without the token cannot take the places of those with it
    assert await anext(other.body)
    await open_pages[0].body.aclose()
    again = one.answer(True)
    assert await anext(again.body)
    await one.close()
    for page in (*open_pages[1:], other, again):
        await page.body.aclose()


async def test_a_fault_is_logged_and_closes_the_pages(kit, seen, caplog):
    def status():
        raise ValueError("on purpose")

    one = Updates(Collector(status, seen), kit().log)
    assert [part async for part in one.answer(True).body] == []
    assert "on purpose" in caplog.text and "updates" in caplog.text
    assert [part async for part in one.answer(True).body] == []  # and the next page may try again
    await one.close()


async def test_many_types_are_looked_at_in_steps(made, seen, turns):
    one, _ = made()
    for number in range(20 * pages.SLICE):
        seen.table.miss(b"a%d" % number)
    async with turns:
        page = one.answer(True)
        await anext(page.body)
    assert turns.number >= 20
    await one.close()
    await page.body.aclose()

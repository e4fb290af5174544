"""Pages: in order, complete, in small slices, while the table changes."""

import asyncio
from time import perf_counter

import pytest

from ccproxy.core.flows import FlowTable, Target
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.server import pages
from ccproxy.server.pages import (
    CursorError,
    all_types,
    flows_page,
    peers_page,
    traffic,
    type_flow,
    types_page,
)


def table_of(count, limit=100_000):
    table = FlowTable(limit, lambda type: Target(fate="discarded"))
    for number in range(count):
        flow = table.miss(b"t.%d" % number)
        flow.count, flow.bytes = number, 10 * number
    return table


async def every(page):
    """All items, page by page."""
    found, after = [], ""
    while after is not None:
        one = await page(after)
        found += one.items
        after = one.next
    return found


async def test_flows_come_in_the_order_of_their_types_each_once():
    table = table_of(2500)
    found = await every(lambda after: flows_page(table, after, 300))
    assert [one.type for one in found] == sorted(f"t.{number}" for number in range(2500))
    assert {one.type: one.messages for one in found}["t.77"] == 77
    page = await flows_page(table, "", 300)
    assert (len(page.items), page.total, page.next) == (300, 2500, page.items[-1].type)


async def test_a_flow_says_where_its_messages_go():
    class Receiver:
        name = "h:echo"

    box = Outbox("h:next", Limits())
    table = FlowTable(10, lambda type: Target((box,), (Receiver,), "failed"))
    table.miss(b"a")
    [flow] = (await flows_page(table, "", 10)).items
    assert (flow.links, flow.handlers, flow.fate) == (("h:next",), ("h:echo",), "failed")


def test_a_type_keeps_its_count_when_its_flow_is_made_anew():
    table = FlowTable(10, lambda type: Target(fate="discarded"), named=1)
    for type, count in ((b"a", 5), (b"more", 2)):
        flow = table.miss(type)
        flow.count, flow.bytes = count, 10 * count
    [named, other] = [type_flow(table, type) for type in (b"a", b"more")]
    assert (named.messages, named.earlier, named.counted) == (5, 0, "5 messages, 50 bytes")
    assert other.counted == "2 messages, 20 bytes since its flow was made"
    table.clear()
    forgotten = type_flow(table, b"a")
    assert (forgotten.current, forgotten.messages, forgotten.earlier) == (False, 0, 5)
    since = "a reload or a destination changed its flow"
    assert forgotten.counted == f"5 messages, 50 bytes, none since {since}"
    assert type_flow(table, b"more") is None and type_flow(table, b"never") is None
    table.miss(b"a").count = 2
    again = type_flow(table, b"a")
    assert again.counted == f"7 messages, 50 bytes, 5 of them before {since}"
    assert (again.current, again.messages, again.earlier) == (True, 2, 5)


async def test_no_page_misses_a_flow_that_stays():
    """Between two pages the oldest flows are forgotten and new ones are made."""
    table = table_of(1000, limit=1000)
    fresh = iter(range(10**6))

    async def page(after):
        for _ in range(50):
            table.miss(b"new.%d" % next(fresh))
        return await flows_page(table, after, 100)

    found = {one.type for one in await every(page)}
    stayed = {name.decode() for name in table.flows if name.startswith(b"t.")}
    assert 0 < len(stayed) < 1000
    assert stayed <= found


async def test_the_types_with_the_most_messages_come_first():
    page = await types_page(table_of(5000), 3)
    assert [(one.type, one.messages, one.bytes) for one in page.items] == [
        ("t.4999", 4999, 49990), ("t.4998", 4998, 49980), ("t.4997", 4997, 49970),
    ]  # fmt: skip
    assert page.total == 5000


async def test_traffic_is_that_of_the_top_types_and_of_all_by_section():
    class Receiver:
        name = "h:echo"

    box = Outbox("h:next", Limits())
    both = Target((box, box), (Receiver,))

    def compile(type):
        return both if type.startswith(b"b") else Target(fate="unrouted")

    table = FlowTable(100_000, compile)
    for number in range(5000):
        table.miss(b"a%d" % number).count = number
    table.miss(b"b").count = 4990
    found = await traffic(table, 12, 7.5)
    whole = await types_page(table, 12)
    assert [one.messages for one in found.types.items] == [one.messages for one in whole.items]
    assert set(found.types.items) == set(whole.items) and found.types.total == 5001
    assert found.sections == {"unrouted": sum(range(5000)), "h:next": 4990, "h:echo": 4990}
    assert found.time == 7.5


async def test_the_traffic_of_few_types():
    assert [one.type for one in (await traffic(table_of(3), 12, 0.0)).types.items] == [
        "t.2", "t.1", "t.0",
    ]  # fmt: skip


async def test_all_types_add_up_with_those_that_were_forgotten():
    table = table_of(3000, limit=1000)
    found = await all_types(table)
    assert list(found) == [*(f"t.{number}" for number in range(1000)), "other"]
    assert {found[f"t.{number}"].messages["ok"] for number in range(1000)} == set(range(1000))
    assert found["other"].messages == {"ok": sum(range(1000, 3000))}
    assert found["other"].bytes == {"ok": 10 * sum(range(1000, 3000))}


async def test_counts_of_types_never_get_smaller_while_flows_are_forgotten():
    """Flows are forgotten and made again between two slices."""
    table = table_of(65_536, limit=65_536)

    async def churn():
        for number in range(10**9):
            table.miss(b"new.%d" % number).count += 1
            if number % 50 == 0:
                await asyncio.sleep(0)

    churning = asyncio.ensure_future(churn())
    last = 0
    for _ in range(3):
        found = (await all_types(table))["other"].messages["ok"]
        assert last <= found <= sum(range(1000, 65_536)) + table.other.count
        last = found
    churning.cancel()
    await asyncio.gather(churning, return_exceptions=True)


async def test_peers_of_one_name_are_told_apart():
    """All peers of a Unix socket are called `ipc`."""
    boxes = [Outbox("ccserver ipc", Limits()) for _ in range(25)]
    boxes += [Outbox(f"ccserver 127.0.0.1:{number}", Limits()) for number in range(100, 120)]
    for number, box in enumerate(boxes):
        box.queued = number
    peers = [("ccserver", box) for box in boxes]
    found = await every(lambda after: peers_page(peers, after, 10))
    assert sorted(one.sink.queued for one in found) == list(range(45))
    assert [one.sink.name for one in found] == sorted(box.name for box in boxes)


async def test_a_cursor_that_no_page_gave_out_is_refused():
    with pytest.raises(CursorError, match="after ends with 'xyz', expected `next` of a page"):
        await peers_page([], "ccserver ipc/xyz", 10)


@pytest.mark.parametrize("look", [lambda table: flows_page(table, "", 1000),
                                  lambda table: types_page(table, 1000), all_types])  # fmt: skip
async def test_a_full_table_never_holds_the_loop(look, monkeypatch, turns):
    """Between two slices everything else on the loop is served; a slice is a bounded piece."""
    table = table_of(65_536)
    sizes = []
    slices = pages.slices

    async def counted(items):
        async for some in slices(items):
            sizes.append(len(some))
            yield some

    monkeypatch.setattr(pages, "slices", counted)
    async with turns:
        begun = perf_counter()
        await look(table)
        print(f"{len(sizes)} slices, {1000 * (perf_counter() - begun) / len(sizes):.2f} ms each")
    assert max(sizes) <= pages.SLICE
    assert turns.number >= len(sizes) - 1 == 65


async def test_a_page_of_many_peers_is_made_in_slices(turns):
    peers = [("ccserver", Outbox(f"ccserver {number}", Limits())) for number in range(1000)]
    async with turns:
        page = await peers_page(peers, "", 1000)
    assert len(page.items) == 1000
    assert turns.number >= 1000 // pages.PEERS_AT_ONCE - 1

"""What a status shows of links with acknowledgements."""

from ccproxy.config.spools import Keep, SpoolOptions
from ccproxy.core.delivery.far_side import MOST_LINKS, RememberedLinks
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.server.delivery_status import (
    MOST_REMEMBERED,
    client_totals,
    delivery_status,
    received_status,
    remembered_status,
)
from ccproxy.server.delivery_values import ClientTotals, ReceivedStatus
from ccproxy.wire.zmtp.delivery import SourceId
from tests.net.zmtp.test_delivering import MESSAGE, Two, offer


async def test_both_ends_of_a_link(kit, until):
    async with Two(kit) as both:
        offer(both.link, 10)
        await until(lambda: both.link.sink.sent == 10)
        shown = delivery_status(both.link, 2.5)
        assert (shown.acknowledged, shown.resent, shown.refused, shown.age) == (10, 0, {}, 0.0)
        assert (shown.mode, shown.acknowledging) == ("acknowledged", True)
        assert (shown.unacknowledged, shown.in_flight, shown.doubts, shown.ends) == (0, 0, 0, 0)
        assert shown.link == both.link.sink.link.hex()
        assert shown.server == both.there.far.server.hex()
        [there] = remembered_status(both.there.far.links)
        assert (there.link, there.listener, there.connected) == (shown.link, "cc", True)
        assert (there.last, there.incomplete, there.gaps) == (10, 0, 0)


async def test_the_spool_of_a_link(kit, until, tmp_path):
    options = SpoolOptions(
        delivery="acknowledged", spool=str(tmp_path), spool_keep=Keep(size=1 << 20), linger=5.0
    )
    async with Two(kit, options) as both:
        assert not delivery_status(both.link, 0.0).spool.opened
        offer(both.link, 10)
        await until(lambda: both.link.sink.sent == 10)
        await until(lambda: delivery_status(both.link, 0.0).spool.kept == 10 * len(MESSAGE))
        shown = delivery_status(both.link, 0.0).spool
        assert shown.commits > 0 and shown.failures == 0
        assert (shown.folder, shown.opened, shown.bytes) == (str(tmp_path), True, 0)
        assert (shown.limit, shown.problem, shown.damage) == (1 << 30, "", "")
        assert both.arrived == 10


async def test_what_waits_for_an_acknowledgement_has_an_age(kit):
    async with Two(kit) as both:
        offer(both.link, 3)
        both.link.sink.fetch(1 << 20)
        shown = delivery_status(both.link, 2.5)
        assert (shown.unacknowledged, shown.age) == (3, 2.5)


def test_what_has_come_over_all_links_is_counted_behind_their_end():
    links = RememberedLinks()
    for number in range(3):
        link = links.get(SourceId(b"%016d" % number, 1))
        link.gaps, link.duplicates, link.tracker.refused = 1, 10, 100
    assert received_status(links) == ReceivedStatus(3, 3, 30, 300)
    links.forget(link)
    links.forget(link)
    assert received_status(links) == ReceivedStatus(2, 3, 30, 300)


def test_clients_are_counted_also_those_that_are_not_shown():
    clients = RememberedLinks()
    for number in range(MOST_REMEMBERED + 40):
        clients.get(SourceId(b"%016d" % number, 1))
    for number in range(3):
        one = clients.get(SourceId(b"%016d" % number, 1))
        one.begin(SourceId(one.id, 1), "10.0.0.1:7", "cc")
    one.tracker.add(1, 1, 4, 1)
    assert client_totals(clients) == ClientTotals(MOST_REMEMBERED + 40, MOST_LINKS, 3, 1)


def test_of_many_links_those_that_are_connected_are_shown_first():
    links = RememberedLinks()
    for number in range(MOST_REMEMBERED + 50):
        link = links.get(SourceId(b"%016d" % number, 1))
        link.seen = float(number)
    last = links.get(SourceId(b"%016d" % 0, 1))
    last.begin(SourceId(last.id, 1), "10.0.0.1:7", "cc")
    last.announced(MessageNumber(1, 5))
    shown = remembered_status(links)
    assert len(shown) == MOST_REMEMBERED
    assert (shown[0].link, shown[0].peer, shown[0].last) == (last.id.hex(), "10.0.0.1:7", 4)
    assert shown[1].link == (b"%016d" % (MOST_REMEMBERED + 49)).hex()

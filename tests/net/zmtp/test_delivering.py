"""Link and listener over a socket in one process: what the pure engines say reaches the wire."""

from functools import partial

import pytest

from ccproxy.config.address import Address
from ccproxy.config.delivery import DeliveryOptions
from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.config.spools import SpoolOptions
from ccproxy.core.chunk_queue import MERGE_COUNT
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.flows import Target
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.verdict import Forward
from ccproxy.net.zmtp.delivering import CANNOT, DeliveringSource
from ccproxy.net.zmtp.link import OutgoingLink
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import ListenerRole
from ccproxy.protocols.cc.protocol import CcProtocol
from ccproxy.wire.zmtp import pack

QUICK = DeliveryOptions(
    delivery="acknowledged", reconnect=0.002, reconnect_max=0.004, linger=5.0, window=4096
)
MESSAGE = pack([b"", b"data", b"x" * 50])


class Sink:
    """A handler with one destination."""

    name = "h:sink"

    def __init__(self, box):
        self.box = box

    def decide(self, type):
        return Forward((self.box,))


class LinkHandler:
    """A handler with one link."""

    name = "h:far"

    def __init__(self, link):
        self.link = link

    def decide(self, type):
        return Forward((self.link.sink,))


class Two:
    """A link and the listener that it is connected to."""

    def __init__(self, kit, options=QUICK, **others):
        self.here, self.there = kit(), kit()
        self.box = Outbox("h:sink", Limits())
        self.there.switch.configure(Routes([("*", ("s",))]), {"s": Sink(self.box)}, {})
        plan = ListenerPlan("cc", "cc", CcProtocol, "tcp://127.0.0.1:0", ZmtpListenerOptions(), 1)
        self.listener = ZmtpListener(plan, self.there, **others)
        self.listener.acceptor.open(self.listener.options)
        self.listener.acceptor.accept()
        where = Address.remote(self.listener.acceptor.bound)
        self.link = OutgoingLink("h:far", where, options, self.here)

    @property
    def arrived(self):
        return self.box.waiting

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.link.close(0.5)
        self.listener.acceptor.close()
        await self.listener.close_peers("end of the test", 0.5)


@pytest.fixture
def two(kit):
    return partial(Two, kit)


def offer(link, messages):
    for _ in range(messages):
        assert link.sink.offer(MESSAGE, 1) == 1


async def test_messages_are_kept_until_they_are_acknowledged(two, until):
    async with two() as both:
        store = both.link.sink
        offer(both.link, 500)
        await until(lambda: store.sent == 500)
        assert (both.arrived, store.waiting, both.link.delivering.engine.in_flight) == (500, 0, 0)
        [link] = both.there.far.links
        assert (link.numbers[store.opening], link.connected) == (500, True)


async def test_a_connection_that_ends_loses_and_doubles_nothing(two, until):
    async with two() as both:
        for number in range(5):
            offer(both.link, 200)
            await until(lambda n=number: both.arrived > 200 * n)
            for connection in list(both.listener.connections):
                connection.close("a fault of the test")
        await until(lambda: both.link.sink.sent == 1000)
        assert both.arrived == 1000
        await until(lambda: both.link.reconnects >= 5)


async def test_a_link_that_is_closed_in_order_is_forgotten_by_the_far_side(two, until):
    async with two() as both:
        offer(both.link, 10)
        await both.link.close(5.0)
        assert both.link.outbox.sent == 10
        await until(lambda: len(both.there.far.links) == 0)


async def test_the_end_of_a_link_drops_what_was_not_acknowledged(two, until):
    async with two(role=ListenerRole()) as both:
        offer(both.link, 10)
        await until(lambda: both.link.state == "refused")
        assert both.link.reason == CANNOT
        told = []
        both.link.sink.offer(MESSAGE, 1, lambda *one: told.append(one))
        await both.link.close(0.0, "it is not used any more")
        assert (told, +both.link.sink.dropped) == ([(1, "unused")], {"unused": 11})


async def test_a_far_side_that_cannot_gets_messages_plainly_where_that_is_allowed(two, until):
    async with two(
        DeliveryOptions(delivery="acknowledged-if-possible", window=4096), role=ListenerRole()
    ) as both:
        offer(both.link, 500)
        # What is sent has been taken by the kernel, and arrives a little later.
        await until(lambda: (both.link.sink.sent, both.arrived) == (500, 500))
        assert both.link.sink.waiting == 0
        assert both.link.delivering.plain
        offer(both.link, 5)
        await until(lambda: both.arrived == 505)


async def test_the_delivery_of_a_link_changes_and_nothing_is_lost(two, until):
    async with two() as both:
        total = 0
        for delivery in ("sent", "acknowledged", "sent"):
            offer(both.link, 300)
            total += 300
            both.link.reconfigure(
                DeliveryOptions(delivery=delivery, reconnect=0.002, reconnect_max=0.004)
            )
        await until(lambda: both.arrived >= total)
        await until(lambda: not both.link.sink.waiting)
        assert (both.link.delivering, both.link.outbox.queued) == (None, total)


async def test_flows_lead_to_the_store_that_a_link_has_now(two, tmp_path):
    """Also while a reload waits for other handlers: what goes to the one of before has no end."""
    async with two() as both:
        switch = both.here.switch
        switch.configure(Routes([("*", ("s",))]), {"s": LinkHandler(both.link)}, {})
        for change in ({"delivery": "sent"}, {}, {"spool": f"{tmp_path}/a"},
                       {"spool": f"{tmp_path}/b"}, {}):  # fmt: skip
            before = both.link.sink
            assert switch.targets("data", below=False)[0].sinks == (before,)
            options = {"delivery": "acknowledged", "reconnect": 0.002, "linger": 5.0, **change}
            both.link.reconfigure(SpoolOptions(**options))
            assert switch.targets("data", below=False)[0].sinks == (both.link.sink,) != (before,)


async def test_a_window_holds_back_what_is_not_acknowledged(two, until):
    async with two() as both:
        slow = Outbox("h:slow", Limits(2000, policy="block"))
        both.there.switch.configure(Routes([("*", ("s",))]), {"s": Sink(slow)}, {})
        offer(both.link, 500)
        await until(lambda: slow.blocked)
        most = 4096 + MERGE_COUNT * len(MESSAGE)  # the window, and the run that exceeds it
        assert both.link.delivering.engine.in_flight <= most
        assert both.link.sink.waiting > 300
        slow.clear("test")
        both.link.reconfigure(QUICK)
        while both.link.sink.waiting:
            slow.clear("test")
            await until(lambda: slow.waiting or not both.link.sink.waiting)


def test_what_was_sent_plainly_is_released_as_far_as_the_system_has_it(kit):
    """Without a loop: the outbox for the connection is the system."""

    class Queue:
        def flush_later(self, one):
            self.due = one

    class Voice:
        pass

    store, queue = MemoryStore(Outbox("h:far", Limits()), b"L" * 16, 1), Queue()
    source = DeliveringSource(store, DeliveryOptions(delivery="acknowledged-if-possible"), queue)
    source.plain = True
    store.offer(MESSAGE * 3, 3)
    store.offer(MESSAGE, 1)
    source.opened(Voice())
    queue.due.flush()
    assert source.transmit.waiting == 4
    source.transmit.advance(len(MESSAGE) * 2 + 5)
    source.transmit.rewind()
    source.closed("cut")
    assert (store.sent, store.waiting) == (2, 2)
    assert Target((store,)).confirming == (store,)

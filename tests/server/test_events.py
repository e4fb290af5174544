"""Events: made if a route names them, summed up, without sender, counted like all messages."""

import asyncio
from types import SimpleNamespace

import pytest

from ccproxy import Deliver, Forward, Refuse
from ccproxy.config.plan import RoutePlan
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.server import events as module
from ccproxy.server.events import (
    EVENTS,
    HANDLER_FAILED,
    INTERVAL,
    LINK_DOWN,
    LINK_UP,
    PEER_REFUSED,
    QUEUE_FULL,
    RELOAD,
    Events,
    wanted,
)
from ccproxy.server.queue_watch import QueueWatch
from ccproxy.wire.zmtp.frames import unpack


class Watching:
    """A handler that sees events, or forwards them into an outbox."""

    exclusive = False

    def __init__(self, name="h:watch", box=None):
        self.name = name
        self.box = box
        self.seen = []

    def decide(self, type):
        return Forward((self.box,)) if self.box is not None else Deliver()

    def handle(self, message):
        self.seen.append((message.type, message.value()))


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def made(kit, clock):
    """Events whose routes lead to a handler; to be called on the loop."""

    def made(prefix="event", handler=None):
        switch = kit().switch
        handler = handler or Watching()
        events = Events(switch, lambda: clock[0])
        routes = (RoutePlan(prefix, (handler.name,), 1),)
        switch.configure(
            Routes((one.prefix, one.sections) for one in routes), {handler.name: handler}, {}
        )
        events.configure(SimpleNamespace(routes=routes, job_name="hub"))
        return events, switch, handler

    return made


def test_every_event_has_a_meaning_and_a_valid_type():
    for type, meaning in EVENTS.items():
        assert type.startswith("event.") and meaning[0].islower() and not meaning.endswith(".")


@pytest.mark.parametrize(
    ("prefix", "found"),
    [("*", set()), ("events", set()), ("event", set(EVENTS)), ("event.link", {LINK_UP, LINK_DOWN}),
     ("event.reload", {RELOAD}), ("event.reload.now", set())],
)  # fmt: skip
def test_an_event_is_wanted_if_a_route_names_it(prefix, found):
    assert wanted([RoutePlan(prefix, ("h:x",), 1)]) == found


async def test_an_event_is_a_message_that_is_counted(made):
    events, switch, handler = made()
    events.link("h:far", "up", "connecting")
    assert handler.seen == []  # not within the call that told it
    await asyncio.sleep(0)
    [(type, value)] = handler.seen
    assert type == LINK_UP
    assert value.items() >= {
        "req": LINK_UP, "server": "hub", "section": "h:far", "reason": "up", "count": 1,
    }.items()  # fmt: skip
    assert {"time", "hostname"} <= set(value)
    assert (switch.ledger.received, switch.ledger.balance()) == (1, 0)
    assert switch.ledger.fates == {"consumed": 1}


async def test_nothing_is_made_without_a_route(made):
    events, switch, _ = made("event.link.up")
    events.link("h:far", "refused", "connecting")
    events.reload(True)
    events.queues({("h:far", "full"): 3})
    await asyncio.sleep(0)
    assert switch.ledger.received == 0


@pytest.mark.parametrize(
    ("before", "state", "told"),
    [("up", "connecting", LINK_DOWN), ("connecting", "refused", LINK_DOWN),
     ("connecting", "up", LINK_UP), ("paused", "connecting", None), ("up", "paused", LINK_DOWN)],
)  # fmt: skip
async def test_states_of_links(made, before, state, told):
    events, _, handler = made()
    events.link("h:far", state, before)
    await asyncio.sleep(0)
    assert [type for type, _ in handler.seen] == ([told] if told else [])


async def test_a_handler_that_raises_because_of_an_event_makes_none(made, kit):
    events, switch, handler = made()
    log = kit().log
    log.on_failure = events.handler_failed
    log.failed("h:x", "calc.add", ValueError("in the code"))
    log.failed("h:watch", "event.link.up", ValueError("in the code"))
    log.failed("h:y", "calc.add", Refuse("in the message"))
    await asyncio.sleep(0)
    [(type, value)] = handler.seen
    assert (type, value["section"], value["reason"]) == (HANDLER_FAILED, "h:x", "failed")


async def test_repeated_events_are_summed_up(made, clock):
    events, _, handler = made()
    for number in (1, 2, 3):
        events.queues({("h:far", "full"): number})
    events.queues({("h:far", "old"): 7})
    await asyncio.sleep(0)
    assert [(value["reason"], value["count"]) for _, value in handler.seen] == [
        ("full", 1),
        ("old", 7),
    ]
    clock[0] = INTERVAL / 2
    events.summarise()
    await asyncio.sleep(0)
    assert len(handler.seen) == 2
    clock[0] = INTERVAL
    events.summarise()
    await asyncio.sleep(0)
    assert [(value["reason"], value["count"]) for _, value in handler.seen[2:]] == [("full", 5)]


async def test_refused_peers_are_told_by_the_words_of_the_listener(made):
    events, _, handler = made()
    counts = {"accepted": 9, "peers": 3, "key-refused": 2}
    listener = SimpleNamespace(name="ccserver", acceptor=SimpleNamespace(counts=counts))
    events.listeners([listener])
    counts.update({"accepted": 12, "peers": 5, "key-refused": 4, "handshake-failed": 1})
    events.listeners([listener])
    events.listeners([listener])
    await asyncio.sleep(0)
    told = {(value["section"], value["reason"], value["count"]) for _, value in handler.seen}
    assert told == {("ccserver", "key-refused", 2), ("ccserver", "handshake-failed", 1)}
    assert {type for type, _ in handler.seen} == {PEER_REFUSED}


async def test_the_reload_and_the_end(made):
    events, switch, handler = made()
    events.reload(True)
    events.reload(False)
    await asyncio.sleep(0)
    assert [value["reason"] for _, value in handler.seen] == ["adopted", "failed"]
    events.reload(True)
    events.stop()
    events.reload(True)
    await asyncio.sleep(0)
    assert switch.ledger.received == 2


async def test_no_more_wait_than_a_turn_should_take(made, monkeypatch):
    monkeypatch.setattr(module, "MOST_PENDING", 3)
    events, switch, _ = made()
    for number in range(9):
        events.link(f"h:{number}", "up", "connecting")
    await asyncio.sleep(0)
    assert switch.ledger.received == 3


@pytest.mark.parametrize("policy", ["drop-new", "drop-old"])
async def test_a_full_queue_of_events_makes_no_events(made, clock, policy):
    """The queue that events go to is full of them: what they drop there tells nothing new."""
    box = Outbox("h:watch", Limits(messages=2, policy=policy))
    events, switch, _ = made(handler=Watching(box=box))
    watch = QueueWatch(SimpleNamespace(dropped=lambda box, reason, fresh: None))
    watch.events = events
    other = Outbox("h:other", Limits(messages=1))
    other.offer(b"\0\0" * 5, 5)
    for _ in range(20):
        await watch.look([box, other])
        await asyncio.sleep(0)
        clock[0] += INTERVAL
        events.link("h:far", "up", "connecting")
        await asyncio.sleep(0)
        events.summarise()
        await asyncio.sleep(0)
    assert sum(box.dropped.values()) > 10
    assert switch.ledger.received == 21  # one for each change of the link, one for h:other
    assert switch.ledger.balance() == 0
    assert QUEUE_FULL.encode() in b"".join(unpack(box.peek(1)[0])) or policy == "drop-old"


async def test_a_queue_that_others_fill_tells_so_although_it_carries_events(made):
    box = Outbox("h:watch", Limits(messages=2))
    events, _, _ = made(handler=Watching(box=box))
    watch = QueueWatch(SimpleNamespace(dropped=lambda box, reason, fresh: None))
    watch.events = events
    await watch.look([box])
    box.offer(b"\0\0" * 5, 5)
    events.link("h:far", "up", "connecting")
    await asyncio.sleep(0)
    told = []
    events.queues = told.append
    await watch.look([box])
    assert told == [{("h:watch", "full"): 3}]  # four, one of which may be the event

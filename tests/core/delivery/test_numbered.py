"""The input of a link: numbers, receipts, duplicates, and what is refused to the source."""

import pytest

from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.delivery.memory_store import MemoryStore
from ccproxy.core.delivery.numbered import NumberedIngress
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.core.flows import Flow, Target
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, COMMAND, MORE
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Accepted, Refuse
from ccproxy.testing.links import CODEC
from ccproxy.wire.zmtp import ZmtpError, command
from ccproxy.wire.zmtp.delivery import Ack, Nack, SourceId
from ccproxy.wire.zmtp.frames import pack
from tests.core.test_ingress import BOUNDS, PEER, Box, FakeSwitch, run

EPOCH = 5
SOURCE = SourceId(b"L" * 16, EPOCH)


class Pool:
    """A distributor that has room for some messages."""

    name = "pool"
    may_block = blocked = False

    def __init__(self, room):
        self.room = room

    def take(self, run):
        return (("forwarded", self.room), ("full", run.messages - self.room))


def store(room=100):
    return MemoryStore(Outbox("h:next", Limits(1 << 20, room)), b"N" * 16, 9)


def made(target, first=1):
    switch, link = FakeSwitch(target), RememberedLink(SOURCE)
    link.begin(SOURCE, "peer", "listener")
    source = MessageSource(PEER, "1.2.3.4:5", "ccserver")
    ingress = NumberedIngress(switch, PeerInput(source, BOUNDS), link)
    if first:
        link.announced(MessageNumber(EPOCH, first))
    return ingress, link, switch


def test_a_message_before_its_number_ends_the_connection():
    ingress, _, _ = made(Target((Box(9),)), first=0)
    assert ingress.feed(command(b"NEXT"))[1] == COMMAND
    with pytest.raises(ZmtpError, match="a message before its number"):
        ingress.feed(run([1]))


def test_what_plain_destinations_take_is_acknowledged_at_once():
    ingress, link, switch = made(Target((Box(9), Box(1))))
    assert ingress.feed(run([1, 2, 3]))[1] == MORE
    assert (link.tracker.acknowledged, switch.fates()) == ((EPOCH, 3), {"forwarded": 3})
    assert link.tracker.take_refusals() == []


def test_what_is_full_is_refused_to_the_source():
    ingress, link, switch = made(Target((Box(1),)), first=11)
    ingress.feed(run([1, 2, 3]))
    assert link.tracker.take_refusals() == [Nack(EPOCH, 12, 2, "full")]
    assert link.tracker.acknowledged == (EPOCH, 13)
    assert switch.fates() == {"forwarded": 1, "full": 2}


def test_a_destination_that_confirms_is_waited_for():
    sink = store()
    ingress, link, switch = made(Target((sink, Box(9))))
    ingress.feed(run([1, 2, 3]))
    assert (link.tracker.acknowledged, switch.fates()) == (None, {"forwarded": 3})
    sink.fetch(1000)
    sink.release(MessageNumber(9, 2))
    assert link.tracker.acknowledged == (EPOCH, 2)
    sink.close("unused")
    assert link.tracker.acknowledged == (EPOCH, 3)
    assert link.tracker.take_refusals() == [Nack(EPOCH, 3, 1, "unused")]


def test_all_destinations_that_confirm_have_to_take_a_message():
    one, full = store(), store(room=2)
    ingress, link, switch = made(Target((one, full)))
    ingress.feed(run([1, 2, 3]))
    assert switch.fates() == {"forwarded": 3}
    assert link.tracker.take_refusals() == [Nack(EPOCH, 3, 1, "full")]
    for sink in (one, full):
        sink.fetch(1000)
        sink.release(MessageNumber(9, 3))
    assert link.tracker.acknowledged == (EPOCH, 3)


def test_a_full_store_refuses_once():
    full = store(room=1)
    ingress, link, switch = made(Target((full,)))
    ingress.feed(run([1, 2]))
    assert switch.fates() == {"forwarded": 1, "full": 1}
    assert (link.tracker.take_refusals(), link.tracker.refused) == ([Nack(EPOCH, 2, 1, "full")], 1)


@pytest.mark.parametrize("fate", ["unrouted", "discarded", "unsubscribed"])
def test_what_routes_lead_nowhere_is_acknowledged_and_counted(fate):
    ingress, link, switch = made(Target(fate=fate, reason="a.b"))
    ingress.feed(run([1, 2]))
    assert (link.tracker.acknowledged, switch.fates()) == ((EPOCH, 2), {fate: 2})
    assert link.tracker.take_refusals() == []


@pytest.mark.parametrize("fate", ["failed", "refused", "malformed"])
def test_what_is_wrong_is_refused(fate):
    ingress, link, switch = made(Target(fate=fate))
    ingress.feed(run([1, 2]))
    assert (link.tracker.acknowledged, switch.fates()) == ((EPOCH, 2), {fate: 2})
    assert link.tracker.take_refusals() == [Nack(EPOCH, 1, 2, fate)]


def test_handlers_decide_for_each_message():
    ingress, link, switch = made(Target(handlers=("failed",)))
    ingress.feed(run([1, 2]))
    assert switch.fates() == {"failed": 2}
    assert link.tracker.take_refusals() == [Nack(EPOCH, 1, 2, "failed")]
    ingress, link, switch = made(Target((Box(0),), handlers=("consumed",)))
    ingress.feed(run([1, 2]))
    assert (switch.fates(), link.tracker.take_refusals()) == ({"consumed": 2}, [])


def test_handlers_see_the_number_of_each_message(monkeypatch):
    ingress, link, switch = made(Target(handlers=("consumed",)), first=7)
    seen = []
    monkeypatch.setattr(
        switch, "deliver", lambda receiver, message: seen.append(message.delivery) or receiver
    )
    ingress.feed(run([1, 2]))
    assert seen == [(SOURCE.link, EPOCH, 7, False), (SOURCE.link, EPOCH, 8, False)]
    assert link.tracker.acknowledged == (EPOCH, 8)
    link.replaying = True
    ingress.feed(run([3]))
    link.replaying = False
    ingress.feed(run([4]))
    assert [one.replay for one in seen[2:]] == [True, False]
    assert link.replayed == 1


def test_distributors_say_what_became_of_each():
    ingress, link, switch = made(Target((Pool(1),)))
    ingress.feed(run([1, 2, 3]))
    assert switch.fates() == {"forwarded": 1, "full": 2}
    assert link.tracker.take_refusals() == [Nack(EPOCH, 2, 2, "full")]


def test_what_comes_again_is_counted_and_goes_nowhere():
    box = Box(9)
    ingress, link, switch = made(Target((box,)))
    ingress.feed(run([1, 2, 3]))
    link.begin(SOURCE, "peer", "listener")
    link.announced(MessageNumber(EPOCH, 2))
    data = run([2, 3, 4])
    assert ingress.feed(run([2])[:4])[0] == 0
    assert ingress.feed(data)[0] == len(data)
    assert switch.fates() == {"forwarded": 4, "duplicate": 2}
    assert (link.duplicates, link.again, link.next) == (2, 0, (EPOCH, 5))


def test_taps_see_what_passes():
    seen = []

    class Tap:
        def see(self, passing):
            seen.append(passing.number)

    target = Target((Box(9),)).tapped((Tap(),))
    ingress, link, switch = made(target)
    ingress.feed(run([1, 2]))
    assert (seen, link.tracker.acknowledged) == ([2], (EPOCH, 2))
    assert switch.fates() == {"forwarded": 2}


def test_nothing_is_read_while_too_much_is_incomplete(monkeypatch):
    monkeypatch.setattr("ccproxy.core.delivery.receipts.MOST_RUNS", 2)
    sink = store()
    ingress, link, _ = made(Target((sink,)))
    for _ in range(2):
        ingress.feed(pack([b"", b"a.b", b"x"]))
    done, stop, wait = ingress.feed(run([1]))
    assert (done, stop, wait) == (0, BLOCKED, (link.tracker,))


class Accepting:
    """A receiver that says later what became of each message."""

    name, exclusive = "h:accepting", False

    def __init__(self):
        self.seen = []

    def handle(self, message):
        self.seen.append(Accepted(message))
        return self.seen[-1]


class Silent:
    """Notices that nobody reads."""

    def failed(self, handler, type, error):
        """A message was refused."""


def accepting(target=None):
    """A link whose messages go to a handler that accepts them, by the real switch."""
    switch, link, handler = Switch(CODEC, Silent()), RememberedLink(SOURCE), Accepting()
    switch.table.flows[b"a"] = Flow(target or Target(handlers=(handler,)))
    link.begin(SOURCE, "peer", "listener")
    link.announced(MessageNumber(EPOCH, 1))
    source = MessageSource(PEER, "1.2.3.4:5", "ccserver")
    ingress = NumberedIngress(switch, PeerInput(source, BOUNDS), link)
    return ingress, link, switch, handler


A = pack([b"", b"a", b"{}"])


def fates(switch):
    assert switch.ledger.balance() == 0
    return +switch.ledger.fates


def test_an_accepted_message_is_acknowledged_when_its_outcome_is_said():
    ingress, link, switch, handler = accepting()
    assert ingress.feed(A * 3)[1] == MORE
    assert (link.tracker.acknowledged, fates(switch)) == (None, {"consumed": 3})
    one, two, three = handler.seen
    assert [accepted.message.delivery.number for accepted in handler.seen] == [1, 2, 3]
    switch.finish(two, None)
    assert link.tracker.acknowledged is None
    switch.finish(one, None)
    assert link.tracker.acknowledged == (EPOCH, 2)
    ingress.feed(A)
    switch.finish(three, None)
    assert link.tracker.acknowledged == (EPOCH, 3)
    switch.finish(handler.seen[3], None)
    assert link.tracker.acknowledged == (EPOCH, 4)
    assert (link.tracker.take_refusals(), fates(switch)) == ([], {"consumed": 4})


@pytest.mark.parametrize(("error", "fate"), [(Refuse("x"), "refused"), (ValueError(), "failed")])
def test_an_accepted_message_that_is_not_taken_is_refused_before_it_is_acknowledged(error, fate):
    ingress, link, switch, handler = accepting()
    ingress.feed(A * 2)
    switch.finish(handler.seen[1], error)
    assert link.tracker.take_refusals() == [Nack(EPOCH, 2, 1, fate)]
    assert link.tracker.acknowledged is None
    switch.finish(handler.seen[0], None)
    assert link.tracker.acknowledged == (EPOCH, 2)
    assert fates(switch) == {"consumed": 1, fate: 1}


def test_an_abandoned_message_is_never_acknowledged():
    ingress, link, switch, handler = accepting()
    ingress.feed(A * 2)
    switch.finish(handler.seen[1], None)
    switch.abandon(handler.seen[0])
    assert (link.tracker.acknowledged, link.tracker.take_refusals()) == (None, [])
    assert link.begin(SOURCE, "peer", "listener")[1:] == [Ack(EPOCH, 0)]


def test_a_store_and_a_handler_both_have_to_have_it():
    sink, handler = store(), Accepting()
    ingress, link, switch, _ = accepting(Target((sink,), (handler,)))
    ingress.feed(A * 2)
    for accepted in handler.seen:
        switch.finish(accepted, None)
    assert (link.tracker.acknowledged, fates(switch)) == (None, {"forwarded": 2})
    sink.fetch(1000)
    sink.release(MessageNumber(9, 2))
    assert link.tracker.acknowledged == (EPOCH, 2)


def test_a_source_that_connects_again_hears_the_outcome():
    ingress, link, switch, handler = accepting()
    ingress.feed(A * 2)
    link.begin(SOURCE, "peer", "listener")
    for accepted in handler.seen:
        switch.finish(accepted, None)
    assert link.tracker.acknowledged == (EPOCH, 2)


def test_messages_of_several_targets_are_all_acknowledged():
    """An empty run between messages for handlers stopped the acknowledgements for good."""
    ingress, link, switch, handler = accepting()
    sink = store()
    switch.table.flows[b"b"] = Flow(Target((sink,), (handler,)))
    ingress.feed(A + pack([b"", b"b", b"{}"]) * 2 + A)
    sink.fetch(1000)
    sink.release(MessageNumber(9, 2))
    for accepted in reversed(handler.seen):
        assert link.tracker.acknowledged is None
        switch.finish(accepted, None)
    assert link.tracker.acknowledged == (EPOCH, 4)
    assert link.tracker.incomplete == 0


def test_senders_wait_when_a_handler_has_accepted_too_much():
    ingress, link, switch, handler = accepting()
    handler.accepted = Box(9)
    handler.accepted.blocked, handler.accepted.may_block = True, True
    switch.table.flows[b"a"] = Flow(Target(handlers=(handler,)))
    done, stop, wait = ingress.feed(A * 3)
    assert (done, stop, list(wait)) == (0, BLOCKED, [handler.accepted])
    assert handler.seen == []

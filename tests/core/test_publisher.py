"""The sink of a publishing socket: who gets what, and the fate of each message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.publisher import Publisher
from ccproxy.core.runs import Run, distributes, singles
from ccproxy.core.subscriptions import BUDGET, Subscriber
from ccproxy.core.walk import skip
from ccproxy.wire.zmtp.frames import pack


def run(*topics):
    return Run(None, len(topics), payloads=b"".join(pack([one, b"body"]) for one in topics))


def add(publisher, *prefixes, limits=None):
    peer = Subscriber(Outbox("peer", limits or Limits()))
    for prefix in prefixes:
        publisher.subscriptions.subscribe(peer, prefix)
    return peer


def got(peer):
    return b"".join(peer.box.peek(1000))


def test_it_is_a_distributor():
    assert distributes(Publisher("h:out"))


@given(
    st.lists(st.sampled_from([b"a", b"ab", b"b", b"c", b""]), min_size=1, max_size=20),
    st.lists(st.lists(st.sampled_from([b"", b"a", b"ab", b"b"]), max_size=2), max_size=3),
)
def test_each_peer_gets_what_it_wants_in_order(topics, wishes):
    publisher = Publisher("h:out")
    peers = [add(publisher, *wish) for wish in wishes]
    fates = list(singles(publisher.take(run(*topics))))
    for peer, wish in zip(peers, wishes, strict=True):
        mine = [one for one in topics if any(one.startswith(prefix) for prefix in wish)]
        assert got(peer) == b"".join(pack([one, b"body"]) for one in mine)
    wanted = [any(one.startswith(p) for wish in wishes for p in wish) for one in topics]
    assert fates == ["forwarded" if one else "unsubscribed" for one in wanted]
    assert publisher.unsubscribed == wanted.count(False)


def test_messages_with_envelopes_leave_without():
    publisher = Publisher("h:out")
    peer = add(publisher, b"a")
    heard = []
    chunk = pack([b"me", b"", b"bus", b"a", b"1"]) + pack([b"me", b"", b"bus", b"b", b"1"])
    taken = publisher.offer(chunk, 2, lambda *outcome: heard.append(outcome))
    assert taken == 1 and heard == [(1, "taken")] and got(peer) == pack([b"a", b"1"])


@pytest.mark.parametrize("topics", [[b"a"] * 9, [b"a", b"b"] * 9])
def test_a_full_subscriber_loses_its_own_messages_only(topics):
    publisher = Publisher("h:out")
    size = len(pack([b"a", b"body"]))
    slow = add(publisher, b"a", limits=Limits(bytes=2 * size))
    quick = add(publisher, b"b")
    fates = list(singles(publisher.take(run(*topics))))
    assert slow.box.waiting == 2 and slow.box.dropped["full"] == topics.count(b"a") - 2
    assert quick.box.waiting == topics.count(b"b")
    assert fates.count("full") == topics.count(b"a") - 2
    assert fates.count("forwarded") == 2 + topics.count(b"b")


@pytest.mark.parametrize("room", range(8))
def test_a_span_that_an_outbox_takes_in_part_has_exact_fates(room):
    publisher = Publisher("h:out")
    topics = [b"a", b"a", b"b", b"a", b"a", b"c", b"a"]
    size = len(pack([b"a", b"body"]))
    slow = add(publisher, b"a", limits=Limits(bytes=room * size))
    add(publisher, b"b")
    fates = list(singles(publisher.take(run(*topics))))
    mine = [fate for fate, topic in zip(fates, topics, strict=True) if topic == b"a"]
    assert mine.count("forwarded") == slow.box.waiting == min(room, 5)
    assert mine == sorted(mine) and fates[2] == "forwarded" and fates[5] == "unsubscribed"
    assert len(fates) == 7 and publisher.unsubscribed == 1


def test_a_message_is_forwarded_if_one_of_its_peers_has_taken_it():
    publisher = Publisher("h:out")
    size = len(pack([b"a", b"body"]))
    add(publisher, b"a", limits=Limits(bytes=size))
    add(publisher, b"a", b"b", limits=Limits(bytes=3 * size))
    fates = list(singles(publisher.take(run(b"a", b"b", b"a", b"b", b"a"))))
    assert fates == ["forwarded"] * 3 + ["full"] * 2


def test_a_subscriber_that_must_get_everything_makes_senders_wait():
    publisher = Publisher("h:out", blocks=True)
    size = len(pack([b"a", b"body"]))
    peer = add(publisher, b"", limits=Limits(bytes=size, policy="block"))
    assert publisher.may_block and not publisher.blocked
    publisher.take(run(b"a", b"b"))
    assert publisher.blocked
    woken = []
    publisher.wait(lambda: woken.append(1))
    peer.box.advance(2 * size)
    assert woken == [1] and not publisher.blocked


def test_nobody_waits_for_a_peer_that_is_gone():
    publisher = Publisher("h:out", blocks=True)
    peer = add(publisher, b"", limits=Limits(bytes=1, policy="block"))
    publisher.take(run(b"a", b"b"))
    assert publisher.blocked
    publisher.subscriptions.leave(peer)
    publisher.forget(peer.box)
    assert not publisher.blocked
    assert list(singles(publisher.take(run(b"a")))) == ["unsubscribed"]
    woken = []
    publisher.wait(lambda: woken.append(1))
    assert woken == [1]


def test_it_takes_as_many_messages_at_a_time_as_can_be_looked_up():
    publisher = Publisher("h:out")
    chunk = run(*(b"%05d" % number for number in range(1000))).payloads
    assert publisher.reach(chunk, 0) >= 1000
    peers = [add(publisher, b"") for _ in range(1000)]
    assert publisher.reach(chunk, 0) >= 1000  # nobody looks at the topic
    publisher.subscriptions.subscribe(peers[0], b"topic")
    some = publisher.reach(chunk, 0)
    assert 1 <= some <= BUDGET // 1000
    done = 0
    while done < len(chunk):  # each is looked up once
        done, _ = skip(chunk, done, publisher.reach(chunk, done))
    assert publisher.reach(chunk, 0) == 1000  # all are for the same peers, and remembered


def test_many_short_series_are_taken_in_steps_also_if_all_are_remembered():
    publisher = Publisher("h:out")
    add(publisher, b"topic1")
    chunk = run(*(b"topic%d" % (number % 2) for number in range(5000))).payloads
    publisher.reach(chunk, 0)
    assert 100 <= publisher.reach(chunk, 0) <= 256


def test_what_reach_has_looked_up_is_for_that_chunk_only():
    publisher = Publisher("h:out")
    one, other = add(publisher, b"a"), add(publisher, b"b")
    first, second = run(b"a", b"b"), run(b"b", b"b")
    assert publisher.reach(first.payloads, 0) == 2
    publisher.take(second)
    assert (one.box.waiting, other.box.waiting) == (0, 2)
    assert publisher.reach(first.payloads, len(pack([b"a", b"body"]))) == 1
    publisher.take(first)
    assert (one.box.waiting, other.box.waiting) == (1, 3)

"""Who wants a topic: always what a slow and simple search says, after any changes."""

from weakref import ref

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core import subscriptions as module
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.subscriptions import Subscriber, Subscriptions

PREFIX = st.text("ab", max_size=3).map(str.encode)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "take", "leave", "ask"]), st.integers(0, 2), PREFIX),
    max_size=60,
)


def peer(name="x"):
    return Subscriber(Outbox(name, Limits()))


@given(CHANGES)
def test_the_audience_is_right_after_any_changes(changes):
    peers = [peer(str(number)) for number in range(3)]
    wants = {one: set() for one in peers}
    told = set()

    def changed(more, prefix):
        assert (prefix in told) != more
        told.symmetric_difference_update({prefix})

    subscriptions = Subscriptions(changed)
    for what, number, prefix in changes:
        one = peers[number]
        if what == "add" and not one.gone:
            assert subscriptions.subscribe(one, prefix) == (prefix not in wants[one])
            wants[one].add(prefix)
        elif what == "take" and not one.gone:
            assert subscriptions.cancel(one, prefix) == (prefix in wants[one])
            wants[one].discard(prefix)
        elif what == "leave":
            subscriptions.leave(one)
            while not subscriptions.forget(one, 1):
                pass
            wants[one] = set()
        key = prefix[: subscriptions.longest]
        found = [one for one in subscriptions.resolve(key).place.peers if not one.gone]
        assert set(found) == {
            one for one in peers if any(prefix.startswith(wanted) for wanted in wants[one])
        }
        assert set(subscriptions.prefixes) == told == set().union(*wants.values())
        assert subscriptions.count == sum(map(len, wants.values()))
        assert subscriptions.longest == max(map(len, told), default=0)


def test_a_change_costs_only_the_topics_that_it_concerns():
    subscriptions = Subscriptions()
    one, other = peer(), peer()
    subscriptions.subscribe(one, b"")
    subscriptions.subscribe(one, b"zz")
    before = [subscriptions.resolve(key).place for key in (b"a1", b"b1")]
    subscriptions.subscribe(other, b"a")
    assert subscriptions.resolve(b"b1").place is before[1]
    assert set(subscriptions.resolve(b"a1").place.peers) == {one, other}


def test_the_same_peers_are_one_audience():
    subscriptions = Subscriptions()
    one = peer()
    for prefix in (b"a", b"b"):
        subscriptions.subscribe(one, prefix)
    places = {subscriptions.resolve(key).place for key in (b"a", b"b")}
    assert len(places) == 1


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 10)
    monkeypatch.setattr(module, "KEY_BYTES", 100)
    subscriptions = Subscriptions()
    subscriptions.subscribe(peer(), b"x" * 40)
    for number in range(50):
        subscriptions.resolve(b"%d" % number)
        subscriptions.resolve(b"0")
    assert 5 <= kept(subscriptions) <= 10 and subscriptions.remembers(b"49")
    assert subscriptions.remembers(b"0") and not subscriptions.remembers(b"1")
    for number in range(50):
        subscriptions.resolve(b"%040d" % number)
    assert kept(subscriptions) == 2


def kept(subscriptions):
    return sum(map(subscriptions.remembers, [b"%d" % number for number in range(50)])) + sum(
        map(subscriptions.remembers, [b"%040d" % number for number in range(50)])
    )


def test_audiences_that_many_changes_have_made_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "PLACES", 1000)
    subscriptions = Subscriptions()
    peers = [peer() for _ in range(50)]
    for one in peers:
        subscriptions.subscribe(one, b"")
        subscriptions.subscribe(one, b"1234")
    seen = []
    for number in range(200):
        subscriptions.cancel(peers[number % 50], b"")
        seen.append(ref(subscriptions.resolve(b"%04d" % number).place))
        subscriptions.subscribe(peers[number % 50], b"")
    assert 1 <= sum(one() is not None for one in seen) <= 1000 // 50


def test_a_peer_that_has_left_goes_step_by_step():
    told = []
    subscriptions = Subscriptions(lambda *change: told.append(change))
    one = peer()
    for number in range(10):
        subscriptions.subscribe(one, b"%d" % number)
    subscriptions.leave(one)
    assert not subscriptions.forget(one, 6) and subscriptions.count == 4
    assert subscriptions.forget(one, 6) and not list(subscriptions.prefixes)
    assert [more for more, _ in told] == [True] * 10 + [False] * 10


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 2))))
def test_the_stems_of_long_prefixes_make_no_difference(changes):
    """Prefixes around the lengths of `STEMS`, of texts that differ early, late or not at all."""
    texts = [b"a" * 300, b"a" * 20 + b"b" * 280, b"a" * 250 + b"c" * 50]
    lengths = [1, 15, 16, 17, 64, 65, 257]
    subscriptions, one = Subscriptions(), peer()
    for add, length, text in changes:
        prefix = texts[text][: lengths[length]]
        (subscriptions.subscribe if add else subscriptions.cancel)(one, prefix)
    for text in texts:
        for size in (1, 16, 17, 64, 256, 300):
            key = text[:size]
            wants = any(key.startswith(prefix) for prefix in one.prefixes)
            assert bool(subscriptions.resolve(key).place.peers) == wants
    for prefix in list(one.prefixes):
        subscriptions.cancel(one, prefix)
    assert not subscriptions._stems

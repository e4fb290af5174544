"""What a listener asks publishers for: the union of its destinations, told as changes."""

from ccproxy.core.demand import Demand
from ccproxy.core.flows import Target
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.publisher import Publisher
from ccproxy.core.subscriptions import Subscriber


class Told:
    def __init__(self):
        self.now = set()
        self.sent = []
        self.demand = Demand(self.tell, self.send)

    def tell(self, prefixes):
        for prefix in prefixes:
            assert (prefix in self.now) != self.demand.wants(prefix)
        self.now.symmetric_difference_update(prefixes)

    def send(self, payload):
        self.sent.append(payload)
        return True


def peer():
    return Subscriber(Outbox("peer", Limits()))


def test_the_union_of_two_publishers_is_told_once():
    told, publishers, peers = Told(), [Publisher("a"), Publisher("b")], [peer(), peer()]
    publishers[0].subscriptions.subscribe(peers[0], b"early")
    told.demand.follow([Target(tuple(publishers))])
    assert told.now == {b"early"}
    for publisher, one in zip(publishers, peers, strict=True):
        publisher.subscriptions.subscribe(one, b"both")
    assert told.now == {b"early", b"both"} == set(told.demand.prefixes)
    publishers[0].subscriptions.cancel(peers[0], b"both")
    assert told.now == {b"early", b"both"}
    publishers[1].subscriptions.cancel(peers[1], b"both")
    assert told.now == {b"early"}


def test_any_other_destination_wants_everything():
    told, publisher = Told(), Publisher("a")
    publisher.subscriptions.subscribe(peer(), b"a")
    told.demand.follow([Target((publisher, Outbox("link", Limits())))])
    assert told.now == {b""}
    publisher.subscriptions.subscribe(peer(), b"b")
    assert told.now == {b""}
    told.demand.follow([Target((publisher,))])
    assert told.now == {b"a", b"b"}
    told.demand.follow([Target((Publisher("quiet", tells=False),))])
    assert told.now == {b""}
    told.demand.follow([])
    assert told.now == set()


def test_fixed_prefixes_replace_what_is_wanted():
    told, publisher = Told(), Publisher("a")
    told.demand.follow([Target((publisher,))], [b"x", b"y"])
    publisher.subscriptions.subscribe(peer(), b"a")
    assert told.now == {b"x", b"y"}


def test_messages_of_subscribers_go_to_the_publishers():
    told, publisher = Told(), Publisher("a")
    told.demand.follow([Target((publisher,))])
    assert [one.message(b"up") for one in publisher.upstream] == [True] and told.sent == [b"up"]
    told.demand.follow([])
    assert publisher.upstream == []

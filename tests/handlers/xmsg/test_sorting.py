"""Topics decide where messages of one publisher go."""

from types import SimpleNamespace

from ccproxy.core.flows import Flow, Target
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.publisher import Publisher
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.subscriptions import Subscriber
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Forward
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import frame, pack
from ccproxy_handlers.xmsg.sorting import Sorted, SortingIngress

CHUNK = pack([b"own", b"1"]) + pack([b"a:b", b"2"]) + pack([b"own:x", b"3"]) + pack([b"no", b"4"])


def run(topics):
    """What a subscriber of the flow of the sort gets, what the routes get, and the switch."""
    refused = []
    notices = SimpleNamespace(refused=lambda *given: refused.append(given[1]))
    switch = Switch(CODEC, notices)
    routed = Outbox("routed", Limits())
    to = SimpleNamespace(name="h:x", decide=lambda type: Forward(routed), exclusive=False)
    switch.configure(Routes([("bus", ("h:x",))]), {"h:x": to}, {})
    publisher, own = Publisher("h:own"), Outbox("own", Limits())
    publisher.subscriptions.subscribe(Subscriber(own), b"")
    flows = {
        b"own": Flow(Target((publisher,))),
        b"no": Flow(Target((), fate="refused", reason="r")),
    }
    given = Sorted(b"bus", sort=lambda topic, rights: flows.get(topic[:3]), topics=topics)
    source = MessageSource(b"1", "peer", "h:own")
    ingress = SortingIngress(switch, PeerInput(source, (99, 9)), given)
    assert ingress.feed(CHUNK * 2)[0] == 2 * len(CHUNK)
    assert refused == ["r", "r"] and switch.ledger.balance() == 0
    assert switch.ledger.fates == {"forwarded": 6, "refused": 2}
    return b"".join(own.peek(99)), b"".join(routed.peek(99))


def test_a_topic_has_a_flow_of_the_sort_or_that_of_the_routes():
    own, routed = run(topics=False)
    assert own == (pack([b"own", b"1"]) + pack([b"own:x", b"3"])) * 2
    assert routed.count(frame(b"bus", more=True) + pack([b"a:b", b"2"])) == 2


def test_with_topics_these_stand_behind_the_type():
    _, routed = run(topics=True)
    assert routed.count(frame(b"bus.a.b", more=True) + pack([b"a:b", b"2"])) == 2
